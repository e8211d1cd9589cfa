"""The degradation ladder: one list of rungs, walked in order until one can answer.

Every rung is a pure function of request, state, snapshot and policy, so a decision of any rung replays. Rules bind on
every rung, for each goes through the same pipeline with fewer sources or another order. Knows no clock and no HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from endcap.domain.decisions import Decision
from endcap.domain.requests import Request
from endcap.errors import BackendUnavailable
from endcap.features import FeatureSet
from endcap.features.votes import Votes
from endcap.pipeline import recommend
from endcap.policy import Policy
from endcap.ranking.blend import Blend
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shelf, Shopper, State

POPULAR: Final = "popularity"
"""The source that rung R4 has."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a request finds: the shopper (None where stored state cannot be read), and how long it waited.

    `waited` is a share of the deadline: 1 is all of it.
    """

    shopper: Shopper | None
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
    return "shopper_state_unreadable" if situation.shopper is None else ""


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
            state = State(situation.shopper or NEWCOMER, situation.shelf)
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
