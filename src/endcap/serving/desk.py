"""The desk: answers the calls of one server, between the HTTP routes and the pure recommender.

Owns the journal, the intake and the snapshot watch of an open floor. Computes lists on the event loop's thread, so
state and shelf never change under one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import compress
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec
import structlog

from endcap.backends.log import Entry, Record
from endcap.backends.log.bodies import pack
from endcap.domain.arrays import NO_ROWS
from endcap.domain.catalog import Change
from endcap.domain.decisions import Decision
from endcap.domain.ids import NOBODY
from endcap.domain.instants import iso
from endcap.domain.people import SIGNALS
from endcap.domain.requests import Query, Request
from endcap.errors import BackendUnavailable
from endcap.pipeline import matching
from endcap.privacy import Asked, export, find_person, remove
from endcap.retrieval.suggestions import suggest
from endcap.serving import goods, writing
from endcap.serving.answers import DecisionAnswer, explanation, recommendation, searched
from endcap.serving.calls import (
    MAX_NEW_ITEMS,
    BatchAnswer,
    BatchCall,
    ErasureAnswer,
    EventCall,
    EventsAnswer,
    ExportAnswer,
    ItemsAnswer,
    OfferCall,
    RecommendationAnswer,
    RecommendationCall,
    RecordsAnswer,
    RecordsCall,
    RowProblem,
    SearchAnswer,
    SearchCall,
    SuggestionAnswer,
    SuggestionsAnswer,
    SuggestionsCall,
)
from endcap.serving.edge import Posted, Understood, WrongFields
from endcap.serving.floor import Floor, Options
from endcap.serving.lists import Chosen, Explored, Known, all_shown, decided, explored, follow, understand, without
from endcap.serving.meters import Meters
from endcap.serving.problems import Refusal, entry_problem, refusal, shortened, within
from endcap.serving.watch import Refresher, Watch, warm
from endcap.serving.writing import Intake, Journal, Pace, check_entries, check_keys, kept_entries
from endcap.slate import Facet, facets
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, State

T = TypeVar("T")

_EVENT: Final = msgspec.json.Decoder(EventCall)
_OFFER: Final = msgspec.json.Decoder(OfferCall)
_ITEM: Final = msgspec.json.Decoder(goods.CatalogItemCall)


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
        self._erasing, self._paging = asyncio.Lock(), asyncio.Lock()
        self._taking = asyncio.Event()
        self._taking.set()
        self._intake = Intake(floor.ground.log, self._fold)
        self.watch = Watch(floor.ground.current_snapshot, self._verified, floor.masked, meters)
        self.refresher = Refresher(floor.ground.refresh, options.refresh_after_s, meters)

    @asynccontextmanager
    async def open(self, failed: Callable[[BaseException], None]) -> AsyncIterator[None]:
        """Run what goes on beside the calls; at the end everything that waits is written, and the floor closed.

        `failed` is told if one of these tasks ends on an error: state may lag behind the log, so the server must end.
        """

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                failed(error)

        await self.watch.look()
        await asyncio.to_thread(self.floor.texts.gather_words)
        running = (
            self._intake.run(),
            self._journal.run(),
            self.watch.run(self._options.snapshot_poll_ms),
            self._checkpoints(),
            self.refresher.run(lambda: self.watch.snapshot),
            self._look_back(),
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
        chosen = self._chosen(waited_s)
        return self._answered(chosen, understand(self.floor, call, chosen))

    def search(self, call: SearchCall, waited_s: float) -> SearchAnswer:
        """The list for what was typed, how much is found in all and, if asked for, its facets. Raises: Refusal."""
        wanted = RecommendationCall(
            placement=call.placement, visitor_id=call.visitor_id, user_id=call.user_id, filter=call.filter, k=call.k,
            query=call.q, consent=call.consent,
        )  # fmt: skip
        chosen = self._chosen(waited_s)
        decision = self._decided(chosen, understand(self.floor, wanted, chosen))
        answer = recommendation(chosen.recommendation_id, decision, self.floor.showcase)
        return searched(answer, *self._divided(decision, call.facets))

    def suggest(self, call: SuggestionsCall) -> SuggestionsAnswer:
        """What goes on from what is typed. Raises: Refusal."""
        snapshot = self._snapshot()
        if snapshot.search is None or snapshot.suggestions is None:
            return SuggestionsAnswer([])
        found, corrected = suggest(snapshot.suggestions, snapshot.search, self.floor.shelf, call.q, call.k)
        return SuggestionsAnswer([SuggestionAnswer(*each) for each in found], corrected)

    def _divided(self, decision: Decision, wanted: bool) -> tuple[int, list[Facet]]:
        """How many items a search found in all, and their facets if `wanted`."""
        if decision.recovered == "popular":
            return 0, []
        snapshot, policy, request = self._snapshot(), self.floor.ground.policy(), decision.request
        shelf = self.floor.shelf
        rows = matching(request, State(NEWCOMER, shelf), snapshot, policy)
        return len(rows), facets(policy.placement(request.placement), request, shelf, rows) if wanted else []

    async def recommend_page(self, call: BatchCall, waited_s: float) -> BatchAnswer:
        """A list for each request of a page, as `decide_page` decides it. Raises: Refusal with nothing recorded."""
        answers = []
        for recommendation_id, decision in await self.decide_page(call, waited_s):
            answers.append(recommendation(recommendation_id, decision, self.floor.showcase))
            await asyncio.sleep(0)
        return BatchAnswer(answers)

    async def decide_page(self, call: BatchCall, waited_s: float) -> list[tuple[str, Decision]]:
        """What is decided for each request of a page, none with what stands above it, all of one instant; with its id.

        Raises: Refusal with nothing recorded.
        """
        began = self._clocks.steady()
        async with self._paging:  # single lists come between those of a page, other pages after it
            page, known, at = [], Known(self.floor), self._clocks.now()
            waited_s += self._clocks.steady() - began
            for index, request in enumerate(call.requests):
                chosen = self._chosen(waited_s)._replace(at=at)
                try:
                    page.append((chosen, understand(self.floor, request, chosen)))
                except Refusal as refused:
                    raise within(f"requests[{index}]", refused) from None
            shown, decisions = NO_ROWS, []
            for chosen, understood in page:
                gone = self._gone(understood.request)  # while the lists above were made
                whose = understood.of_nobody() if gone else understood
                decision = self._decided(chosen, without(whose, shown), known)
                shown = all_shown(decision)
                decisions.append((chosen.recommendation_id, decision))
                await asyncio.sleep(0)
        return decisions

    def recommend_next(self, recommendation_id: str, k: int | None, waited_s: float) -> RecommendationAnswer:
        """What follows a list: its request again, as things are now, without what was shown. Raises: Refusal."""
        chosen = self._chosen(waited_s)
        return self._answered(chosen, follow(self.floor, self._found(recommendation_id), k, chosen))

    def decision(self, recommendation_id: str) -> DecisionAnswer:
        """What was decided under `recommendation_id`. Raises: Refusal where nothing was."""
        decision = self._found(recommendation_id)
        return explanation(recommendation_id, decision, self.floor.showcase, self.watch.snapshot)

    def explore(self, calls: Sequence[RecommendationCall]) -> list[Explored]:
        """What each of `calls` would get, all at one instant and with one seed; nothing of it is recorded.

        Raises: Refusal.
        """
        chosen = Chosen("explored", self._clocks.now())
        return [explored(self.floor, self._snapshot(), call, chosen, self._clocks.steady) for call in calls]

    def _chosen(self, waited_s: float) -> Chosen:
        share = 1_000 * waited_s / self._options.deadline_ms
        return Chosen(self._clocks.token(), self._clocks.now(), share)

    def _gone(self, request: Request) -> bool:
        """Whether the request is that of a person who was erased since."""
        return self.floor.people.erased(request.shopper, request.at)

    def _answered(self, chosen: Chosen, understood: Understood) -> RecommendationAnswer:
        decision = self._decided(chosen, understood)
        return recommendation(chosen.recommendation_id, decision, self.floor.showcase)

    def _decided(self, chosen: Chosen, understood: Understood, known: Known | None = None) -> Decision:
        snapshot = self._snapshot()
        started = self._clocks.steady()
        decision = decided(known or Known(self.floor), snapshot, understood, chosen)
        self._journal.record(chosen.recommendation_id, decision)
        self._meters.recommend_seconds.observe(self._clocks.steady() - started)
        self._count(decision)
        return decision

    def _snapshot(self) -> Snapshot:
        if self.watch.snapshot is None:
            raise refusal(503, "no-snapshot", self.watch.because, retry_after_s=5)
        return self.watch.snapshot

    def _found(self, recommendation_id: str) -> Decision:
        decision = writing.find(self.floor.ground.log, self.floor.ground.recent, recommendation_id)
        if decision is None or self._gone(decision.request):
            detail = f"no decision has the id {shortened(recommendation_id)!r}; expected a recommendation_id"
            raise refusal(404, "unknown-decision", detail)
        return decision

    async def take_events(self, raw: list[msgspec.Raw], spend: Callable[[int], None]) -> EventsAnswer:
        """Store what can be read of `raw`; the next list knows it. Raises: BackendUnavailable with none stored.

        `spend` is told what the events cost, one a line, before anything is done.
        """
        await self._admitted()
        now, edge = self._clocks.now(), self.floor.edge
        calls, problems = _parsed(raw, _EVENT)
        spend(len(problems) + sum(max(1, len(call.items)) for _, call in calls))
        most = len(edge.rows.keys()) + MAX_NEW_ITEMS
        results: list[Literal["accepted", "duplicate", "refused"]] = ["refused"] * len(raw)
        posted: list[Posted] = []
        places: list[int] = []
        for index, call in calls:
            try:
                if call.name in SIGNALS:
                    results[index] = "accepted" if edge.signal(call, now) else "duplicate"
                else:
                    edge.check_new(call, most)
                    posted.append(edge.event(call, now))
                    places.append(index)
            except WrongFields as wrong:
                problems.append(RowProblem(index, wrong.errors))
        first = edge.unlogged(now)
        appended = await self._intake.append([*first, *edge.entries(posted)])
        edge.logged(first)
        for place, fresh in zip(places, appended.fresh[len(first) :], strict=True):
            results[place] = "accepted" if fresh else "duplicate"
        accepted, duplicates = results.count("accepted"), results.count("duplicate")
        self._meters.late_times.inc(sum(each.ahead for each in posted))
        for outcome, count in (("accepted", accepted), ("duplicate", duplicates), ("refused", len(problems))):
            self._meters.events.labels(outcome).inc(count)
        problems.sort(key=lambda problem: problem.index)
        return EventsAnswer(accepted, duplicates, problems, results)

    async def take_offers(self, raw: list[msgspec.Raw]) -> ItemsAnswer:
        """Store the offers that can be read of `raw`; the next list shows them. Raises: BackendUnavailable."""
        return await self._take_changes(raw, _OFFER, self.floor.edge.change)

    async def take_items(self, raw: list[msgspec.Raw]) -> ItemsAnswer:
        """Store the items that can be read of `raw`; the next list shows them. Raises: BackendUnavailable."""
        return await self._take_changes(raw, _ITEM, lambda call, now: goods.change(call, self.floor.edge, now))

    async def _take_changes(
        self, raw: list[msgspec.Raw], decoder: msgspec.json.Decoder[T], change: Callable[[T, int], Change]
    ) -> ItemsAnswer:
        now = self._clocks.now()
        calls, problems = _parsed(raw, decoder)
        entries = []
        for index, call in calls:
            try:
                entries.append(Entry("change", b"", NOBODY, now, pack(change(call, now))))
            except WrongFields as wrong:
                problems.append(RowProblem(index, wrong.errors))
        if entries:
            first = self.floor.edge.unlogged(now)
            await self._intake.append([*first, *entries])
            self.floor.edge.logged(first)
        return ItemsAnswer(len(entries), sorted(problems, key=lambda problem: problem.index))

    async def take_records(self, call: RecordsCall) -> RecordsAnswer:
        """Give rows and store records, all in one; those of people who were erased after them are answered as known.

        Raises: InvalidRequest, BackendUnavailable with nothing stored.
        """
        await self._admitted()
        now, edge = self._clocks.now(), self.floor.edge
        check_keys(call.rows)
        given = [self.floor.rows.ensure(key) for key in call.rows]
        check_entries(call.entries, len(self.floor.rows.keys()), now)
        kept = kept_entries(call.entries, self.floor.people)
        first = edge.unlogged(now)
        appended = await self._intake.append([*first, *compress(call.entries, kept)])
        edge.logged(first)
        stored = zip(appended.offsets[len(first) :], appended.fresh[len(first) :], strict=True)
        told = [next(stored) if keep else (0, False) for keep in kept]
        return RecordsAnswer(given, [offset for offset, _ in told], [fresh for _, fresh in told])

    async def erase(self, user_id: str, visitor_id: str) -> ErasureAnswer:
        """Forget one person: in lists and figures at once, in every file on return. Raises: BackendUnavailable."""
        floor, log = self.floor, self.floor.ground.log
        async with self._erasing:
            self._taking.clear()
            try:  # nobody logs in, and nothing is taken in, between the finding of a person and the tombstone
                first = floor.edge.unlogged(self._clocks.now())
                await self._intake.append(first)
                floor.edge.logged(first)
                person = find_person(floor.people, floor.ground.secret, log, (user_id, visitor_id))
                at = self._clocks.now()
                appended = await self._intake.append([floor.leave(person, at)])
            finally:
                self._taking.set()
            await self.watch.hide()
            await self._journal.forget(person.shoppers)
            removed = await asyncio.to_thread(remove, floor.stores(), person.shoppers, appended.offsets[0])
        return ErasureAnswer(iso(at), removed.records, removed.lines, len(person.stays))

    async def _admitted(self) -> None:
        """Wait while a person is being found for an erasure."""
        while not self._taking.is_set():
            await self._taking.wait()

    async def export(self, user_id: str, visitor_id: str) -> ExportAnswer:
        """Everything that is held about one person. Raises: BackendUnavailable."""
        floor = self.floor
        await self._journal.flush()
        person = find_person(floor.people, floor.ground.secret, floor.ground.log, (user_id, visitor_id))
        asked = Asked(self._clocks.now(), floor.ground.currency, floor.rows.keys())
        return ExportAnswer(**await asyncio.to_thread(export, floor.ground.log, person, asked))

    def _fold(self, records: Sequence[Record]) -> None:
        self.refresher.news = self.floor.fold(records) or self.refresher.news
        self._meters.shelf_offset.set(self.floor.shelf.offset)

    def _verified(self, version: str) -> Snapshot:
        snapshot = self.floor.snapshot(version)
        warm(snapshot, self.floor.ground.policy(), self.floor.query("warnimg", Query(), snapshot))
        return snapshot

    def _count(self, decision: Decision) -> None:
        self._meters.slates.labels(decision.rung).inc()
        self._meters.short.inc(bool(decision.short_because))
        for code in decision.degraded:
            self._meters.degraded.labels(code.partition(":")[0]).inc()

    async def _look_back(self) -> None:
        """News that came while no server ran are news too."""
        if self.watch.snapshot and self.floor.ground.refresh:
            news = await asyncio.to_thread(self.floor.news_for, self.watch.snapshot)
            self.refresher.news = max(self.refresher.news, news)

    async def _checkpoints(self) -> None:
        while True:
            await asyncio.sleep(self._options.checkpoint_s)
            self.floor.stage()
            try:
                await asyncio.to_thread(self.floor.save)
            except BackendUnavailable as error:
                structlog.get_logger().error("state_not_saved", reason=str(error))


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
