"""The floors: what is popular, what a session or a person had most often, words that titles share.

Each makes a scorer from what may be learned from.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cases import Cases, Lines, Task
from measure import Floats, Scorer

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


@dataclass(frozen=True, slots=True)
class Popularity:
    """How often every item occurs in the last `days`, what nobody did left out."""

    days: float = np.inf

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        counted = (task.learned.age <= self.days) & ~task.learned.nobody
        counts = np.bincount(task.learned.item[counted], minlength=len(task.items)).astype(np.float32)
        return lambda cases: np.tile(counts, (len(cases), 1))


class InSession:
    """What occurs most often in the session, of equals the earlier; then what is popular."""

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        popular = Popularity().fit(task)

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

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        popular = Popularity(self.days).fit(task)

        def score(cases: Cases) -> Floats:
            known, scores = cases.known, popular(cases).astype(np.float64)
            scores *= _FILLING / (scores.max() + 1)
            weight = self.fade ** known.back() * 0.5 ** (known.age / self.half_life)
            counts = trails(known, len(cases), len(task.items), weight).toarray()
            return np.where(counts > 0, counts + scores, scores * _FILLING if self.fill_up else 0)

        return score


@dataclass(frozen=True, slots=True)
class Bm25:
    """How well an item's title answers the words of the case's `last` titles.

    Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009, eq. 3.15), k1 1.2, b .75.
    """

    last: int = 10

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        words: dict[str, int] = {}
        lines = [
            (row, words.setdefault(word, len(words)), times)
            for row, title in enumerate(task.titles)
            for word, times in Counter(title.lower().split()).items()
        ]
        row, word, times = np.array(lines, np.int64).T
        shape = (len(task.items), len(words))
        counts = sparse.coo_array((times.astype(np.float32), (row, word)), shape).tocsr()
        length, held = np.asarray(counts.sum(axis=1)), np.bincount(word)
        weight = np.log(1 + (shape[0] - held + 0.5) / (held + 0.5))
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / length.mean())
        values = weight[word] * times * (_SATURATION + 1) / (times + norm[row])
        index = sparse.coo_array((values.astype(np.float32), (word, row)), shape[::-1]).tocsr()

        def score(cases: Cases) -> Floats:
            recent = cases.known.only(cases.known.back() < self.last)
            query = trails(recent, len(cases), shape[0], np.ones(len(recent.item))) @ counts
            return np.asarray((query @ index).toarray())

        return score
