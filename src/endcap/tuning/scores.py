"""How good sources alone, and whole hybrids, are on the cases of a task.

Knows lists and figures. Does not know what is searched.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from endcap import pipeline
from endcap.domain.arrays import Floats, Rows
from endcap.domain.requests import Request
from endcap.metrics import ndcg, pessimistic_hits, recall
from endcap.retrieval import Source
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.sessions import SessionNeighbours
from endcap.snapshot import Snapshot
from endcap.state import Moment, observe
from endcap.training import Case
from endcap.training.profile import Profile
from endcap.training.sources import fit_source
from endcap.tuning.spaces import NEAR
from endcap.tuning.task import Task

CASES: Final = 2_000
"""How many cases sources are asked."""
WHOLE_CASES: Final = 1_000
"""How many a hybrid is asked: it answers a hundred times slower."""
DEPTH: Final = 100
RECALL: Final = 0.1
"""How much recall@100 counts beside NDCG@20: what a source brings low in its list, a ranker can lift."""
REMEMBERING: Final = ("cooccurrence", "transitions")
"""The sources by which a memory is judged."""


def merit(rows: Rows, votes: Floats, targets: Rows) -> float:
    """NDCG@20 and a tenth of recall@100 of one list, ties pessimistic."""
    if not len(rows):
        return 0.0
    hits = pessimistic_hits(rows, votes, targets)
    return ndcg(hits, len(targets), 20) + RECALL * recall(hits, len(targets), DEPTH)


class _Met(NamedTuple):
    request: Request
    moment: Moment
    targets: Rows


class Alone:
    """The sources of a task one by one, fitted again only where what was fitted differs."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._fitted: dict[str, tuple[Any, Source]] = {}
        self._cases = [_Met(case.request, self.moment(case), case.targets) for case in task.asked(CASES)]

    def __len__(self) -> int:
        return len(self._cases)

    @staticmethod
    def moment(case: Case) -> Moment:
        """What is known of a case's shopper; its shelf moves on, and is not looked at."""
        return observe(case.request, case.state.shopper, case.state.shelf)

    def score(self, study: str, profile: Profile) -> float:
        """The mean merit of the source `study`; of a memory, the mean of those that it is judged by."""
        names = [name for name in REMEMBERING if name not in profile.left_out] if study == NEAR else [study]
        return float(np.mean([self._score(self._source(name, profile)) for name in names])) if names else 0.0

    def _score(self, source: Source) -> float:
        total = 0.0
        for request, moment, targets in self._cases:
            found = source.propose(request, moment, DEPTH + len(request.exclude) + len(moment.touched))
            kept = self._task.sellable[found.rows] & ~np.isin(found.rows, request.exclude)
            total += merit(found.rows[kept][:DEPTH], found.votes[kept][:DEPTH], targets)
        return total / max(len(self._cases), 1)

    def _source(self, name: str, profile: Profile) -> Source:
        depends: Any = {
            "personal": (profile.personal_basket_decay, profile.personal_half_life),
            "cooccurrence": profile.cooccurrence,
            "transitions": profile.transitions,
            "sequel": (profile.sequel, profile.sequel_most),
            "sessions": profile.longest_session,
        }[name]
        kept = self._fitted.get(name)
        if kept is None or kept[0] != depends:
            source = fit_source(name, self._task.known, self._task.content, self._task.at, profile)
            kept = self._fitted[name] = depends, source
        match kept[1]:
            case Neighbours() as neighbours:
                return replace(neighbours, memory=profile.near)
            case SessionNeighbours() as sessions:
                return replace(sessions, memory=profile.session_memory, config=profile.sessions)
            case source:
                return source


def whole_score(task: Task, snapshot: Snapshot, profile: Profile) -> float:
    """The mean merit of a hybrid's lists."""
    policy, merits = task.policy(profile), list[float]()
    for case in task.asked(WHOLE_CASES):
        found = pipeline.rank(case.request, case.state, snapshot, policy)
        merits.append(merit(found.rows[:DEPTH], found.scores[:DEPTH], case.targets))
    return mean(merits)


def mean(values: Iterable[float]) -> float:
    """The mean, 0 of none."""
    found = list(values)
    return sum(found) / len(found) if found else 0.0
