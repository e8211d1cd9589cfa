"""The floors: what is popular, what a session or a person had most often, words that titles share.

Each makes a scorer from what may be learned from.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from cases import Cases, Lines
from measure import Floats, Scorer
from numpy.typing import NDArray
from scipy import sparse

Matrix: TypeAlias = sparse.csr_array[Any, tuple[int, int]]

_FILLING: Final = 1e-6
"""Puts what a floor fills up with after all that it proposes."""
_SATURATION: Final = 1.2
_LENGTH: Final = 0.75


def trails(known: Lines, cases: int, items: int, weight: NDArray[np.float64]) -> Matrix:
    """The sum of `weight` [lines] of every case's known lines by item: float32 [cases, items]."""
    shape = (cases, items)
    found: Matrix = sparse.coo_array((weight.astype(np.float32), (known.sequence, known.item)), shape).tocsr()
    return found


def popularity(learned: Lines, items: int, days: float = np.inf) -> Scorer:
    """How often every item occurs in the last `days`, what nobody did left out."""
    counted = (learned.age <= days) & ~learned.nobody
    counts = np.bincount(learned.item[counted], minlength=items)
    return lambda cases: np.tile(counts.astype(np.float32), (len(cases), 1))


def in_session(learned: Lines, items: int) -> Scorer:
    """What occurs most often in the session, of equals the earlier; then what is popular."""
    popular = popularity(learned, items)

    def score(cases: Cases) -> Floats:
        known, scores = cases.known, popular(cases)
        scores *= _FILLING / (scores.max() + 1)
        np.maximum.at(scores, (known.sequence, known.item), (1 / (2 + known.step)).astype(np.float32))
        np.add.at(scores, (known.sequence, known.item), np.float32(1))
        return scores

    return score


@dataclass(frozen=True, slots=True)
class Personal:
    """How often a shopper bought an item: a purchase counts `fade` a later basket, half after `half_life` days.

    Equals stand by the popularity of `days`. With `fill_up` everything else follows by it.
    """

    fade: float = 1.0
    half_life: float = np.inf
    days: float = 90
    fill_up: bool = False

    def fit(self, learned: Lines, items: int) -> Scorer:
        """The scorer."""
        popular = popularity(learned, items, self.days)

        def score(cases: Cases) -> Floats:
            known, scores = cases.known, popular(cases).astype(np.float64)
            scores *= _FILLING / (scores.max() + 1)
            weight = self.fade ** known.back() * 0.5 ** (known.age / self.half_life)
            counts = trails(known, len(cases), items, weight).toarray()
            return np.where(counts > 0, counts + scores, scores * _FILLING if self.fill_up else 0)

        return score


def bm25(titles: Sequence[str], last: int) -> Scorer:
    """How well an item's title answers the words of the case's `last` titles; `titles` are by item.

    Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009, eq. 3.15), k1 1.2, b .75.
    """
    words: dict[str, int] = {}
    lines = [
        (row, words.setdefault(word, len(words)), times)
        for row, title in enumerate(titles)
        for word, times in Counter(title.lower().split()).items()
    ]
    row, word, times = np.array(lines, np.int64).T
    counts = sparse.coo_array((times.astype(np.float32), (row, word)), (len(titles), len(words))).tocsr()
    length = np.asarray(counts.sum(axis=1))
    held = np.bincount(word, minlength=len(words))
    weight = np.log(1 + (len(titles) - held + 0.5) / (held + 0.5))
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / length.mean())
    values = weight[word] * times * (_SATURATION + 1) / (times + norm[row])
    index = sparse.coo_array((values.astype(np.float32), (word, row)), counts.shape[::-1]).tocsr()

    def score(cases: Cases) -> Floats:
        recent = cases.known.only(cases.known.back() < last)
        query = trails(recent, len(cases), len(titles), np.ones(len(recent.item))) @ counts
        return np.asarray((query @ index).toarray())

    return score
