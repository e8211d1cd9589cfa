"""Where the wanted items stand in a ranking of all items, ties pessimistic, and the figures of that.

Knows cases and scores, no method. Full ranking: a score for every item, no sampled negatives.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cases import UNRANKABLE, Cases, Ints, Pairs
from endcap.metrics import Interval, bootstrap

Floats: TypeAlias = NDArray[np.floating[Any]]
Figures: TypeAlias = Mapping[str, NDArray[np.float64]]
Scorer: TypeAlias = Callable[[Cases], Floats]
"""Scores [cases, items]; what a method does not propose has the lowest score of the row."""

CUTOFFS: Final = (1, 5, 10, 20)
NOWHERE: Final = 0
"""The place of a wanted item that is not ranked."""
_CHUNK: Final = 500


def places(score: Scorer, cases: Cases) -> Ints:
    """The place of every wanted item, from 1: int64 [wanted]."""
    return np.concatenate([_places(score, cases.part(low, low + _CHUNK)) for low in range(0, len(cases), _CHUNK)])


def _places(score: Scorer, cases: Cases) -> Ints:
    scores = score(cases)
    if cases.among is not None:
        listed = np.full_like(scores, -np.inf)
        listed[cases.among.case, cases.among.item] = scores[cases.among.case, cases.among.item]
        scores = listed
    scores[cases.barred.case, cases.barred.item] = -np.inf
    wanted = cases.wanted
    own = np.where(wanted.item == UNRANKABLE, -np.inf, scores[wanted.case, wanted.item])
    ahead = np.array([np.count_nonzero(scores[case] >= least) for case, least in zip(wanted.case, own, strict=True)])
    return pessimistic(wanted.case, own, ahead)


def pessimistic(case: Ints, score: Floats, ahead: Ints) -> Ints:
    """The places of wanted items of `case` by how many items of their list score as much or more: int64 [wanted].

    Of equal scores the others come first, so k wanted ones of one score take the last k places of it. A score of -inf
    is that of an item that is not ranked.
    """
    order = np.lexsort((score, case))
    case, own = case[order], score[order]
    tied = np.r_[False, (case[1:] == case[:-1]) & (own[1:] == own[:-1])]
    since = np.arange(len(order)) - np.maximum.accumulate(np.where(tied, 0, np.arange(len(order))))
    found = np.empty(len(order), np.int64)
    found[order] = ahead[order] - since
    return np.where(score == -np.inf, NOWHERE, found)


def figures(wanted: Pairs, place: Ints, count: int) -> Figures:
    """Of each of `count` cases, by name: recall, NDCG (ideal over min(wanted, k)), precision, reciprocal rank at k."""
    sizes = np.bincount(wanted.case, minlength=count)
    discounts = np.r_[0.0, np.cumsum(1 / np.log2(np.arange(max(CUTOFFS)) + 2))]
    found: dict[str, NDArray[np.float64]] = {}
    for k in CUTOFFS:
        hit = (place != NOWHERE) & (place <= k)
        hits = np.bincount(wanted.case, hit, count)
        gained = np.bincount(wanted.case[hit], 1 / np.log2(place[hit] + 1), count)
        first = np.full(count, np.inf)
        np.minimum.at(first, wanted.case[hit], place[hit])
        found |= {f"recall@{k}": hits / sizes, f"ndcg@{k}": gained / discounts[np.minimum(sizes, k)]}
        found |= {f"precision@{k}": hits / k, f"mrr@{k}": 1 / first}
    return found


def summed_up(found: Figures, unit: Ints) -> dict[str, Interval]:
    """The mean of each figure with its 95 % interval, resampled by `unit`."""
    values = np.column_stack(list(found.values()))
    return dict(zip(found, bootstrap(values, unit), strict=True))


def measured(score: Scorer, cases: Cases) -> dict[str, Interval]:
    """The figures of one method."""
    return summed_up(figures(cases.wanted, places(score, cases), len(cases)), cases.unit)
