"""Figures of merit of one ranked list, and how sure a mean of them is.

Knows ranks, hits, ties and resampling. Does not know cases, layers or where lists come from. A list is `rows` int32 [n]
with `scores` float32 [n], best first; `targets` int32 [t] are distinct rows. Every figure is a fraction in [0, 1].
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, Ints, Rows

Figures: TypeAlias = NDArray[np.float64]

CUTOFFS: Final = (10, 20)
RESAMPLES: Final = 2_000
SEED: Final = 1_979
CONFIDENCE: Final = 0.95


class Interval(NamedTuple):
    """A mean and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether the interval includes 0, so that the mean says nothing.

        >>> Interval(0.02, -0.01, 0.05).holds_zero, Interval(0.02, 0.01, 0.03).holds_zero
        (True, False)
        """
        return self.low <= 0 <= self.high


def pessimistic_hits(rows: Rows, scores: Floats, targets: Rows) -> Bools:
    """Which places of the list hold a target, in the worst of all orders that the scores allow: bool [n].

    Within a run of equal scores the other items come first, whatever the given order, so that a ranker which cannot
    tell items apart earns nothing by luck. (McSherry & Najork, ECIR 2008, average over these orders; here the minimum
    is taken.)

    >>> rows, scores = np.array([7, 8, 9], np.int32), np.array([2, 1, 1], np.float32)
    >>> pessimistic_hits(rows, scores, np.array([7, 8], np.int32)).tolist()
    [True, False, True]

    Raises: ValueError where scores are NaN or rise, or a row stands in the list twice.
    """
    if np.isnan(scores).any() or (scores[:-1] < scores[1:]).any():
        raise ValueError("the list's scores are NaN or rise; expected numbers, best first; sort the list by its scores")
    ordered = np.sort(rows)
    if (ordered[:-1] == ordered[1:]).any():
        raise ValueError("the list holds a row twice; expected each row once; propose an item through one row only")
    hits = np.isin(rows, targets, kind="sort")  # compares few targets one by one; a table of the rows costs more
    worst = np.lexsort((hits, -scores))
    return hits[worst]


def recall(hits: Bools, wanted: int, k: int) -> float:
    """|top k ∩ targets| / |targets|: hits by the size of the whole basket (Manning et al. 2008, eq. 8.2).

    >>> recall(np.array([True, False, True]), wanted=4, k=2)
    0.25
    """
    return int(hits[:k].sum()) / wanted


def precision(hits: Bools, k: int) -> float:
    """|top k ∩ targets| / k, also where the list is shorter than k (Manning et al. 2008, eq. 8.1).

    >>> precision(np.array([True, False, True]), k=10)
    0.2
    """
    return int(hits[:k].sum()) / k


def ndcg(hits: Bools, wanted: int, k: int) -> float:
    """DCG@k / IDCG@k with DCG@k = Σ_{i ≤ k} hit_i / log2(i + 1) and an ideal list of min(wanted, k) hits.

    Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (TOIS 2002, §2), binary gains, with the
    discount log(1 + i) of Burges et al. (ICML 2005, §7).

    >>> round(ndcg(np.array([False, True]), wanted=1, k=10), 4)
    0.6309
    """
    top = hits[:k]
    gained = (1 / np.log2(np.flatnonzero(top) + 2)).sum()
    ideal = (1 / np.log2(np.arange(min(wanted, k)) + 2)).sum()
    return float(gained / ideal)


def reciprocal_rank(hits: Bools, k: int) -> float:
    """1 / rank of the first hit, 0 where the top k holds none (Voorhees, TREC-8 question answering track, 1999).

    >>> reciprocal_rank(np.array([False, True, True]), k=10), reciprocal_rank(np.array([False, True]), k=1)
    (0.5, 0.0)
    """
    places = np.flatnonzero(hits[:k])
    return 1 / (int(places[0]) + 1) if len(places) else 0.0


METRICS: Final = tuple(f"{name}@{k}" for name in ("recall", "ndcg", "precision", "mrr") for k in CUTOFFS)
"""The names of `figures`, in its order."""


def figures(rows: Rows, scores: Floats, targets: Rows) -> Figures:
    """All of METRICS for one list, ties pessimistic: float64 [8].

    >>> rows, scores = np.arange(3, dtype=np.int32), np.array([3, 2, 1], np.float32)
    >>> dict(zip(METRICS, figures(rows, scores, np.array([0, 9], np.int32)).tolist()))["recall@10"]
    0.5

    Raises: ValueError where `targets` is empty, or as `pessimistic_hits`.
    """
    if not len(targets):
        raise ValueError("a list cannot be measured against no target; expected at least one; leave the case out")
    hits, wanted = pessimistic_hits(rows, scores, targets), len(targets)
    return np.array(
        [recall(hits, wanted, k) for k in CUTOFFS]
        + [ndcg(hits, wanted, k) for k in CUTOFFS]
        + [precision(hits, k) for k in CUTOFFS]
        + [reciprocal_rank(hits, k) for k in CUTOFFS]
    )


def bootstrap(values: Figures, units: Ints, resamples: int = RESAMPLES) -> list[Interval]:
    """The mean of each column of `values` [n, m] with its 95 % interval: percentile bootstrap over units.

    `units` int64 [n] numbers who each case belongs to: the cases of one shopper are drawn together, since they are not
    independent. The mean of a resample is the sum over drawn units by the number of their cases. Draws come from
    Philox with a fixed seed and depend on the order of `values` only by the unit numbers. Efron & Tibshirani,
    "An Introduction to the Bootstrap" (1993), §13.3 (percentile interval) and §8 (the unit that is drawn).

    >>> bootstrap(np.full((3, 1), 0.5), np.arange(3))
    [Interval(mean=0.5, low=0.5, high=0.5)]

    Raises: ValueError where there is no case.
    """
    if not len(values):
        raise ValueError("no case to take a mean of; expected at least one")
    _, unit = np.unique(units, return_inverse=True)
    sizes = np.bincount(unit)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, unit, values)
    draw = np.random.Generator(np.random.Philox(SEED))
    means = np.empty((resamples, values.shape[1]))
    for resample in means:
        times = np.bincount(draw.integers(0, len(sizes), len(sizes)), minlength=len(sizes))
        resample[:] = times @ sums / (times @ sizes)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return [Interval(*column) for column in zip(values.mean(0).tolist(), low.tolist(), high.tolist(), strict=True)]


def paired_gain(values: Figures, above: Figures, units: Ints, resamples: int = RESAMPLES) -> list[Interval]:
    """How much `values` [n, m] gain over `above` [n, m], case by case: mean of each difference with its interval.

    Paired: what makes a case easy or hard for both cancels, so small gains that hold everywhere are seen.

    >>> paired_gain(np.array([[0.2], [0.8]]), np.array([[0.1], [0.7]]), np.arange(2))[0].holds_zero
    False
    """
    return bootstrap(values - above, units, resamples)
