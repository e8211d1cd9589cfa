"""How likely an item comes next, by a model of sequences of items."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features.ranks import places
from endcap.state import Moment

_LANES: Final = 8
"""So many products are summed side by side."""


@dataclass(frozen=True, slots=True)
class Sequel:
    """`inward` and `outward` float32 [rows, d], `bias` float32 [rows], `places` float32 [l], newest first.

    Score of row j after the items i: (sum of places[k] inward[i_k]) / |places| · outward[j] + bias[j], a log-odds up to
    a constant. Rows that were never learned are 0.
    """

    inward: Floats
    outward: Floats
    bias: Floats
    places: Floats

    def trail(self, rows: Rows) -> Floats:
        """float32 [d]: the vector of a trail `rows`, newest first."""
        rows = rows[: len(self.places)]
        known = rows < len(self.inward)
        weights = self.places[: len(rows)][known]
        length = np.sqrt(weights @ weights) + np.float32(1e-6)
        vector: Floats = (weights / length) @ self.inward[rows[known]]
        return vector


class NextItem(Protocol):
    """A model of sequences: the vector of a trail times an item's, and its bias, say how likely the item comes next."""

    @property
    def outward(self) -> Floats:
        """float32 [rows, d]."""

    @property
    def bias(self) -> Floats:
        """float32 [rows], 0 where a row was never learned."""

    def trail(self, rows: Rows) -> Floats:
        """float32 [d]: the vector of a trail `rows`, newest first; 0 where nothing of it was learned."""


@dataclass(frozen=True, slots=True)
class Following:
    """The model's score of every member, against the pool's best, and the place it gives.

    Row 0 leads to row 2:

    >>> from endcap.state import NEWCOMER, Shelf, observe
    >>> shelf = Shelf()
    >>> shelf.reserve(9)
    >>> request = Request("product", at=0, seed=1, k=10, anchors=np.array([0], np.int32))
    >>> moment = observe(request, NEWCOMER, shelf)
    >>> pool = Pool(np.array([1, 2], np.int32), (), *np.empty((2, 0, 2), np.float32))
    >>> inward, outward = np.array([[[1], [0], [0]], [[0], [0], [2]]], np.float32)
    >>> sequel = Sequel(inward, outward, np.array([-1, -1, -1], np.float32), places=np.ones(1, np.float32))
    >>> Following("sequel", sequel).columns(request, moment, pool).round(3)
    array([[-1.,  1.],
           [-2.,  0.],
           [ 1.,  0.]], dtype=float32)
    """

    name: str
    model: NextItem

    @property
    def names(self) -> tuple[str, ...]:
        """NaN where nothing of the trail was learned, or not the item."""
        return (self.name, f"{self.name}_behind", f"{self.name}_rank")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """float32 [3, n]."""
        columns = np.full((3, len(pool)), np.nan, np.float32)
        model = self.model
        trail = moment.once(model, "trail", lambda: model.trail(moment.trail.rows))
        if not trail.any():
            return columns
        known, scores = _scores(model.outward, model.bias, pool.rows, trail)
        if len(known):
            columns[0, known], columns[1, known], columns[2, known] = scores, scores - scores.max(), places(scores)
        return columns


@compiled
def _scores(outward: Floats, bias: Floats, rows: Rows, trail: Floats) -> tuple[Ints, Floats]:
    """The places in `rows` of what was learned, and its scores, summed in one order: equal items tie."""
    known, scores, size = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32), 0
    sums = np.empty(_LANES, np.float32)
    for place in range(len(rows)):
        row = rows[place]
        if row >= len(bias) or bias[row] == 0:
            continue
        vector, whole = outward[row], len(trail) // _LANES * _LANES
        sums[:] = 0
        for axis in range(0, whole, _LANES):
            for lane in range(_LANES):
                sums[lane] += vector[axis + lane] * trail[axis + lane]
        score = bias[row] + sums.sum()
        for axis in range(whole, len(trail)):
            score += vector[axis] * trail[axis]
        known[size], scores[size] = place, score
        size += 1
    return known[:size], scores[:size]
