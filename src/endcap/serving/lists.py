"""Lists: a call becomes a request, and the first rung of the ladder that can answers it with a decision.

Every rung is a pure function of request, state, snapshot and policy, so a decision of any rung replays. Rules bind on
every rung, for each goes through the same pipeline with fewer sources or another order. Knows one open floor; no clock,
no HTTP, no journal.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import structlog

from endcap.domain.arrays import Rows
from endcap.domain.decisions import Decision
from endcap.domain.requests import Request
from endcap.errors import BackendUnavailable
from endcap.features import FeatureSet
from endcap.features.votes import Votes
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.pipeline import Ranking, arrange, candidates, recommend, scored
from endcap.policy import Policy
from endcap.ranking.blend import Blend
from endcap.retrieval.pool import HEARD
from endcap.serving.calls import RecommendationCall
from endcap.serving.edge import Moment, Understood
from endcap.serving.floor import Floor
from endcap.serving.problems import FieldProblem, refusal, shortened
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, KeptState, Shelf, Shopper, State

T = TypeVar("T")

POPULAR: Final = "popularity"
"""The source that rung R4 has."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a request finds: all that was known (None where stored state cannot be read), and how long it waited.

    `waited` is a share of the deadline: 1 is all of it.
    """

    state: State | None
    shelf: Shelf
    snapshot: Snapshot
    policy: Policy
    waited: float


class Rung(NamedTuple):
    """A level of the ladder: the code of what keeps it from answering (empty: nothing does), and its answer."""

    name: str
    hindrance: Callable[[Situation], str]
    answer: Callable[[Request, State, Snapshot, Policy], Decision]


def _hurried(situation: Situation) -> str:
    return "deadline_half_spent" if situation.waited >= 0.5 else ""


def _late(situation: Situation) -> str:
    return "deadline_spent" if situation.waited >= 1 else ""


def _unread(situation: Situation) -> str:
    return "shopper_state_unreadable" if situation.state is None else ""


def _nothing(_: Situation) -> str:
    return ""


def _without_ranker(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Decision:
    return recommend(request, state, snapshot.without_ranker(), policy)


def _without_state(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Decision:
    return recommend(request, State(NEWCOMER, state.shelf), snapshot, policy)


def _popularity(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Decision:
    return recommend(request, State(NEWCOMER, state.shelf), only_popular(snapshot), policy)


def only_popular(snapshot: Snapshot) -> Snapshot:
    """`snapshot` with its list of popular items alone, in that list's order."""
    sources = tuple(source for source in snapshot.sources if source.name == POPULAR)
    votes = Votes(tuple(source.name for source in sources))
    weights = np.array([float(name.startswith("share_")) for name in votes.names], np.float32)
    return replace(snapshot, sources=sources, features=FeatureSet((votes,)), ranker=Blend(votes.names, weights))


RUNGS: Final = (
    Rung("R0", lambda situation: _unread(situation) or _hurried(situation), recommend),
    Rung("R2", lambda situation: _unread(situation) or _late(situation), _without_ranker),
    Rung("R3", _late, _without_state),
    Rung("R4", _nothing, _popularity),
)
"""R1 (no language model) comes with one; R6, no list at all, is the HTTP edge's 503."""


def walk(request: Request, situation: Situation) -> Decision:
    """The answer of the first rung that can give one, with the codes of what kept the others from it."""
    codes: list[str] = []
    for rung in RUNGS:
        code = rung.hindrance(situation)
        if not code:
            state = situation.state or State(NEWCOMER, situation.shelf)
            decision = answer(rung.name, request, state, (situation.snapshot, situation.policy))
            return replace(decision, degraded=tuple(codes))
        if code not in codes:
            codes.append(code)
    raise AssertionError("the last rung always answers")


def answer(rung: str, request: Request, state: State, versions: tuple[Snapshot, Policy]) -> Decision:
    """The decision of one rung; replay calls it with what a recorded decision names.

    Raises: BackendUnavailable where `rung` is of another release.
    """
    answers = {each.name: each.answer for each in RUNGS}
    if rung not in answers:
        raise BackendUnavailable(f"rung {rung!r} is unknown; expected one of {', '.join(answers)}")
    return replace(answers[rung](request, state, *versions), rung=rung)


class Chosen(NamedTuple):
    """What the edge chooses for a call: its id, its time (ms UTC); and the share of the deadline that is spent."""

    recommendation_id: str
    at: int
    waited: float = 0.0


def decide(floor: Floor, snapshot: Snapshot, call: RecommendationCall, chosen: Chosen) -> Decision:
    """The decision for `call`, from what is known now. Raises: Refusal."""
    return decided(Known(floor), snapshot, understand(floor, call, chosen), chosen)


def understand(floor: Floor, call: RecommendationCall, chosen: Chosen) -> Understood:
    """`call` as a request, and what of it could not be used. Raises: Refusal."""
    _check_placement(floor, call.placement)
    return floor.edge.request(call, Moment(chosen.at, seed_of(chosen.recommendation_id)))


class Known:
    """Whom the calls of one page are of: everybody is looked up once, and lists that see the same share it."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._states: dict[bytes, State | None] = {}

    def state(self, request: Request) -> State | None:
        """All that is known for `request`; None where the stored state of its person cannot be read."""
        if request.shopper not in self._states:
            shopper = shopper_of(self.floor, request)
            self._states[request.shopper] = None if shopper is None else KeptState(shopper, self.floor.shelf)
        return self._states[request.shopper]


def decided(known: Known, snapshot: Snapshot, understood: Understood, chosen: Chosen) -> Decision:
    """What is decided for a request, from what is known now."""
    floor = known.floor
    request = worded(floor, understood, snapshot)
    situation = Situation(known.state(request), floor.shelf, snapshot, floor.ground.policy(), chosen.waited)
    decision = walk(request, situation)
    return replace(decision, degraded=decision.degraded + understood.degraded)


def worded(floor: Floor, understood: Understood, snapshot: Snapshot) -> Request:
    """The request, with its query as `snapshot` reads it."""
    return replace(understood.request, query=floor.query(understood.sought, understood.request.query, snapshot))


class Explored(NamedTuple):
    """A decision with all that led to it; `took` gives each stage and its seconds, in the order of the stages."""

    decision: Decision
    ranking: Ranking
    took: tuple[tuple[str, float], ...]


def explored(
    floor: Floor, snapshot: Snapshot, call: RecommendationCall, chosen: Chosen, steady: Callable[[], float]
) -> Explored:
    """What `decide` decides on rung R0, stage by stage, for whoever wants to look into it; nothing of it is recorded.

    `steady` gives seconds that never go back. Raises: Refusal.
    """
    policy, took = floor.ground.policy(), list[tuple[str, float]]()

    def timed(stage: str, work: Callable[..., T], *given: Any) -> T:
        began = steady()
        value = work(*given)
        took.append((stage, steady() - began))
        return value

    understood = timed("the call read", understand, floor, call, chosen)
    request = timed("the query read", worded, floor, understood, snapshot)
    shopper = timed("the shopper looked up", shopper_of, floor, request)
    state = State(shopper or NEWCOMER, floor.shelf)
    found = timed("pool: sources, rules, features", candidates, request, state, snapshot, policy)
    ranking = timed("scores", scored, found, snapshot, policy)
    decision = timed("slate", arrange, ranking, snapshot, policy)
    for source in snapshot.sources:  # each at a moment of which nothing is worked out yet
        timed(f"source {source.name}, asked once more", source.propose, request, state.moment(request), HEARD)
    matrix = snapshot.features.matrix
    timed("features, computed once more", matrix, request, state.moment(request), found.pool)
    return Explored(replace(decision, degraded=understood.degraded), ranking, tuple(took))


def follow(floor: Floor, earlier: Decision, k: int | None, chosen: Chosen) -> Understood:
    """The request of `earlier` once more, at another time and without what it and those before it showed.

    `k` None asks for as many places as before. Raises: Refusal where the policy lacks the placement by now.
    """
    request = earlier.request
    _check_placement(floor, request.placement)
    again = replace(
        request,
        at=chosen.at,
        seed=seed_of(chosen.recommendation_id),
        k=request.k if k is None else k,
        shown=all_shown(earlier),
    )
    return Understood(again, tuple(code for code in earlier.degraded if code.startswith("unknown_")))


def without(understood: Understood, shown: Rows) -> Understood:
    """The same, for a page that shows `shown` already."""
    return understood._replace(request=replace(understood.request, shown=shown))


def all_shown(decision: Decision) -> Rows:
    """What the page shows with this list and those before it."""
    rows = np.array([shown.row for shown in decision.slate], np.int32)
    return np.union1d(decision.request.shown, rows).astype(np.int32)


def shopper_of(floor: Floor, request: Request) -> Shopper | None:
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


def _check_placement(floor: Floor, name: str) -> None:
    """Raises: Refusal that names the nearest placement."""
    known = tuple(floor.ground.policy().placements)
    if name in known:
        return
    near = get_close_matches(name, known, 1)
    remedy = f"did you mean {near[0]}?" if near else "add it to policy.toml"
    detail = f"there is no placement {shortened(name)!r}; {remedy} Known are {', '.join(known)}."
    problem = FieldProblem("placement", shortened(name), f"one of {', '.join(known)}", remedy)
    raise refusal(404, "unknown-placement", detail, [problem])
