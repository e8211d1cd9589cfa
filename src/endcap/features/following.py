"""How likely an item comes next, by a linear model of sequences of items."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
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
        weights = np.where(known, self.places[: len(rows)], np.float32(0))
        length = np.sqrt(weights @ weights) + np.float32(1e-6)
        vector: Floats = (weights / length) @ self.inward[np.where(known, rows, 0)]
        return vector


@dataclass(frozen=True, slots=True)
class Following:
    """The model's score of every member, against the pool's best, and the place it gives."""

    sequel: Sequel

    @property
    def names(self) -> tuple[str, ...]:
        """NaN where the trail is empty or the item was never learned."""
        return ("sequel", "sequel_behind", "sequel_rank")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """float32 [3, n]."""
        columns = np.full((3, len(pool)), np.nan, np.float32)
        sequel, rows = self.sequel, pool.rows
        if not len(moment.trail) or not len(pool):
            return columns
        inside = rows < len(sequel.bias)
        rows = np.where(inside, rows, 0)
        scores = np.take(sequel.outward, rows, axis=0) @ sequel.trail(moment.trail.rows) + sequel.bias[rows]
        known = inside & (sequel.bias[rows] != 0)
        if known.any():
            columns[0] = np.where(known, scores, np.nan)
            columns[1] = columns[0] - scores[known].max()
            columns[2, np.lexsort((rows, -np.where(known, scores, -np.inf)))] = np.arange(len(rows))
            columns[2, ~known] = np.nan
        return columns
