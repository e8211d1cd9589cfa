"""The desk: answers the calls of one server, between the HTTP routes and the pure recommender.

Owns the journal, the intake and the snapshot watch of an open floor. Computes lists on the event loop's thread, so
state and shelf never change under one.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from difflib import get_close_matches
from typing import Final, NamedTuple, TypeVar

import msgspec
import structlog

from endcap.backends.log import Entry, Record
from endcap.backends.log.bodies import pack
from endcap.domain.decisions import Decision
from endcap.domain.ids import NOBODY
from endcap.domain.requests import Request
from endcap.errors import BackendUnavailable
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.serving import journal
from endcap.serving.answers import explanation, recommendation
from endcap.serving.calls import (
    DecisionAnswer,
    EventCall,
    EventsAnswer,
    OfferCall,
    OffersAnswer,
    RecommendationAnswer,
    RecommendationCall,
    RowProblem,
)
from endcap.serving.edge import SIGNALS, Moment, Posted, WrongFields
from endcap.serving.floor import Floor, Options
from endcap.serving.intake import Intake
from endcap.serving.journal import Journal, Pace
from endcap.serving.ladder import Situation, walk
from endcap.serving.meters import Meters
from endcap.serving.problems import FieldProblem, Refusal, entry_problem, refusal, shortened
from endcap.serving.watch import Watch, warm
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shopper

T = TypeVar("T")

_EVENT: Final = msgspec.json.Decoder(EventCall)
_OFFER: Final = msgspec.json.Decoder(OfferCall)


class Clocks(NamedTuple):
    """What is read when a call comes: the time (ms UTC), seconds that never go back, and unguessable ids."""

    now: Callable[[], int]
    steady: Callable[[], float]
    token: Callable[[], str]


class Desk:
    """Answers calls from `floor` until it is closed."""

    def __init__(self, floor: Floor, options: Options, clocks: Clocks, meters: Meters) -> None:
        self.floor = floor
        self._options = options
        self._clocks = clocks
        self._meters = meters
        self._journal = Journal(
            floor.ground.log, floor.ground.recent, Pace(options.decision_flush_ms, options.decision_kept_s), meters
        )
        self._intake = Intake(floor.ground.log, self._fold)
        self.watch = Watch(floor.ground.current_snapshot, self._verified, meters)

    @asynccontextmanager
    async def open(self, failed: Callable[[BaseException], None]) -> AsyncIterator[None]:
        """Run what goes on beside the calls; at the end everything that waits is written, and the floor closed.

        `failed` is told if one of these tasks ends on an error: state may lag behind the log, so the server must end.
        """

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                failed(error)

        await self.watch.look()
        running = (
            self._intake.run(),
            self._journal.run(),
            self.watch.run(self._options.snapshot_poll_ms),
            self._checkpoints(),
        )
        tasks = [asyncio.create_task(each) for each in running]
        for task in tasks:
            task.add_done_callback(ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._journal.flush()
            self.floor.close()

    def recommend(self, call: RecommendationCall, waited_s: float) -> RecommendationAnswer:
        """The list for `call`, which has waited `waited_s` seconds. Raises: Refusal."""
        snapshot = self.watch.snapshot
        if snapshot is None:
            raise refusal(503, "no-snapshot", self.watch.because, retry_after_s=5)
        started = self._clocks.steady()
        chosen = Chosen(self._clocks.token(), self._clocks.now(), 1_000 * waited_s / self._options.deadline_ms)
        decision = decide(self.floor, snapshot, call, chosen)
        self._journal.record(chosen.recommendation_id, decision)
        self._meters.recommend_seconds.observe(self._clocks.steady() - started)
        self._count(decision)
        return recommendation(chosen.recommendation_id, decision, self.floor.showcase)

    def decision(self, recommendation_id: str) -> DecisionAnswer:
        """What was decided under `recommendation_id`. Raises: Refusal where nothing was."""
        decision = journal.find(self.floor.ground.log, self.floor.ground.recent, recommendation_id)
        if decision is None:
            raise refusal(
                404,
                "unknown-decision",
                f"no decision has the id {recommendation_id[:80]!r}; expected a recommendation_id",
            )
        return explanation(recommendation_id, decision, self.floor.showcase, self.watch.snapshot)

    async def take_events(self, raw: list[msgspec.Raw]) -> EventsAnswer:
        """Store what can be read of `raw`; the next list knows it. Raises: BackendUnavailable with none stored."""
        now, edge = self._clocks.now(), self.floor.edge
        calls, problems = _parsed(raw, _EVENT)
        posted: list[Posted] = []
        signals: list[bool] = []
        for index, call in calls:
            try:
                if call.name in SIGNALS:
                    signals.append(edge.signal(call, now))
                else:
                    posted.append(edge.event(call, now))
            except WrongFields as wrong:
                problems.append(RowProblem(index, wrong.errors))
        first = edge.unlogged(now)
        appended = await self._intake.append([*first, *edge.entries(posted)])
        edge.logged(first)
        fresh = [*appended.fresh[len(first) :], *signals]
        accepted = sum(fresh)
        self._meters.late_times.inc(sum(each.ahead for each in posted))
        for outcome, count in (
            ("accepted", accepted),
            ("duplicate", len(fresh) - accepted),
            ("refused", len(problems)),
        ):
            self._meters.events.labels(outcome).inc(count)
        return EventsAnswer(accepted, len(fresh) - accepted, sorted(problems, key=lambda problem: problem.index))

    async def take_offers(self, raw: list[msgspec.Raw]) -> OffersAnswer:
        """Store the offers that can be read of `raw`; the next list shows them. Raises: BackendUnavailable."""
        now = self._clocks.now()
        calls, problems = _parsed(raw, _OFFER)
        entries = []
        for index, call in calls:
            try:
                entries.append(Entry("change", b"", NOBODY, now, pack(self.floor.edge.change(call, now))))
            except WrongFields as wrong:
                problems.append(RowProblem(index, wrong.errors))
        if entries:
            first = self.floor.edge.unlogged(now)
            await self._intake.append([*first, *entries])
            self.floor.edge.logged(first)
        return OffersAnswer(len(entries), sorted(problems, key=lambda problem: problem.index))

    def _fold(self, records: Sequence[Record]) -> None:
        self.floor.fold(records)
        self._meters.shelf_offset.set(self.floor.shelf.offset)

    def _verified(self, version: str) -> Snapshot:
        snapshot = self.floor.snapshot(version)
        warm(snapshot, self.floor.ground.policy())
        return snapshot

    def _count(self, decision: Decision) -> None:
        self._meters.slates.labels(decision.rung).inc()
        self._meters.short.inc(bool(decision.short_because))
        for code in decision.degraded:
            self._meters.degraded.labels(code.partition(":")[0]).inc()

    async def _checkpoints(self) -> None:
        while True:
            await asyncio.sleep(self._options.checkpoint_s)
            self.floor.stage()
            try:
                await asyncio.to_thread(self.floor.save)
            except BackendUnavailable as error:
                structlog.get_logger().error("state_not_saved", reason=str(error))


class Chosen(NamedTuple):
    """What the edge chooses for a call: its id, its time (ms UTC); and the share of the deadline that is spent."""

    recommendation_id: str
    at: int
    waited: float = 0.0


def decide(floor: Floor, snapshot: Snapshot, call: RecommendationCall, chosen: Chosen) -> Decision:
    """The decision for `call`, from what is known now. Raises: Refusal."""
    policy = floor.ground.policy()
    if call.placement not in policy.placements:
        raise unknown_placement(call.placement, tuple(policy.placements))
    understood = floor.edge.request(call, Moment(chosen.at, seed_of(chosen.recommendation_id)))
    shopper = _shopper(floor, understood.request)
    decision = walk(understood.request, Situation(shopper, floor.shelf, snapshot, policy, chosen.waited))
    return replace(decision, degraded=decision.degraded + understood.degraded)


def _shopper(floor: Floor, request: Request) -> Shopper | None:
    """The stored state of the request's person; None where it cannot be read."""
    packed = floor.ground.kv.get_many([SHOPPER_PREFIX + request.shopper])[0] if request.shopper else None
    if packed is None:
        return NEWCOMER
    try:
        return Shopper.unpacked(packed)
    except ValueError as error:
        structlog.get_logger().error("shopper_state_unreadable", reason=str(error))
        return None


def seed_of(recommendation_id: str) -> int:
    """The only randomness of a request: 63 bits of its id's digest.

    >>> seed_of("rec") == seed_of("rec") != seed_of("other")
    True
    """
    return int.from_bytes(hashlib.blake2b(recommendation_id.encode(), digest_size=8).digest(), "big") >> 1


def unknown_placement(name: str, known: tuple[str, ...]) -> Refusal:
    """A refusal that names the nearest placement."""
    near = get_close_matches(name, known, 1)
    remedy = f"did you mean {near[0]}?" if near else "add it to policy.toml"
    detail = f"there is no placement {shortened(name)!r}; {remedy} Known are {', '.join(known)}."
    return refusal(
        404,
        "unknown-placement",
        detail,
        [FieldProblem("placement", shortened(name), f"one of {', '.join(known)}", remedy)],
    )


def _parsed(raw: list[msgspec.Raw], decoder: msgspec.json.Decoder[T]) -> tuple[list[tuple[int, T]], list[RowProblem]]:
    """What can be read, with its index, and what is wrong with the rest."""
    calls: list[tuple[int, T]] = []
    problems: list[RowProblem] = []
    for index, entry in enumerate(raw):
        try:
            calls.append((index, decoder.decode(entry)))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(RowProblem(index, [entry_problem(error, bytes(entry), decoder.type)]))
    return calls, problems
