"""How near an item is to what the shopper touched last, in each space of item vectors."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Similarity:
    """Cosines in one space: `vectors` float32 [rows, d] of length 1, or 0 for rows of which nothing is known."""

    space: str
    vectors: Floats
    memory: Memory

    @property
    def names(self) -> tuple[str, ...]:
        """To the weighted centre of the trail, to its first row with a vector, and the largest to any of its rows."""
        return (f"{self.space}_near_trail", f"{self.space}_near_last", f"{self.space}_nearest")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """NaN where the item or the whole trail has no vector."""
        rows, weights = moment.trail.strengths(self.memory)
        touched, mine = self._vectors(rows), self._vectors(pool.rows)
        known = touched.any(axis=1)
        columns = np.full((3, len(pool)), np.nan, np.float32)
        if known.any():
            weights, touched = weights[known] / weights[known].max(), touched[known]
            centre = weights @ touched
            cosines = touched @ mine.T
            columns[0] = centre @ mine.T / max(float(np.sqrt(centre @ centre)), 1e-9)
            columns[1] = cosines[0]
            columns[2] = cosines.max(axis=0)
            columns[:, np.einsum("ij,ij->i", mine, mine) == 0] = np.nan
        return columns

    def _vectors(self, rows: Rows) -> Floats:
        inside = rows < len(self.vectors)
        if inside.all():
            return np.take(self.vectors, rows, axis=0)
        found = np.zeros((len(rows), self.vectors.shape[1]), np.float32)
        found[inside] = self.vectors[rows[inside]]
        return found
