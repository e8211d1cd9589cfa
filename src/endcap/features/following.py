"""How likely an item comes next, by a linear model of sequences of items."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features.ranks import places
from endcap.state import Moment


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
    >>> Following(sequel).columns(request, moment, pool).round(3)
    array([[-1.,  1.],
           [-2.,  0.],
           [ 1.,  0.]], dtype=float32)
    """

    sequel: Sequel

    @property
    def names(self) -> tuple[str, ...]:
        """NaN where nothing of the trail was learned, or not the item."""
        return ("sequel", "sequel_behind", "sequel_rank")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """float32 [3, n]."""
        columns = np.full((3, len(pool)), np.nan, np.float32)
        sequel = self.sequel
        known = np.flatnonzero(pool.rows < len(sequel.bias))
        known = known[sequel.bias[pool.rows[known]] != 0]
        trail = sequel.trail(moment.trail.rows)
        if not trail.any() or not len(known):
            return columns
        scores = _scores(sequel.outward, sequel.bias, pool.rows[known], trail)
        columns[0, known], columns[1, known] = scores, scores - scores.max()
        columns[2, known] = places(scores)
        return columns


@compiled
def _scores(outward: Floats, bias: Floats, rows: Rows, trail: Floats) -> Floats:
    """Summed in one order for every row: equal items tie wherever they stand."""
    scores = np.empty(len(rows), np.float32)
    for place in range(len(rows)):
        vector = outward[rows[place]]
        score = bias[rows[place]]
        for axis in range(len(trail)):
            score += vector[axis] * trail[axis]
        scores[place] = score
    return scores
