"""How near an item is to what the shopper touched last, in each space of item vectors."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Similarity:
    """Cosines in one space: `vectors` float16 [rows, d] of length 1, or 0 for rows of which nothing is known."""

    space: str
    vectors: Floats
    memory: Memory

    @property
    def names(self) -> tuple[str, ...]:
        """To the weighted centre of the trail, to its first row, and the largest to any of its rows."""
        return (f"{self.space}_near_trail", f"{self.space}_near_last", f"{self.space}_nearest")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """NaN where the item or the whole trail has no vector."""
        rows, weights = moment.trail.strengths(self.memory)
        touched, mine = self._known(rows), self._known(pool.rows)
        cosines = mine @ touched.T
        known = np.abs(touched).sum(axis=1) > 0
        columns = np.full((3, len(pool)), np.nan, np.float32)
        if known.any():
            centre = weights[known] @ touched[known]
            columns[0] = mine @ (centre / max(float(np.sqrt(centre @ centre)), 1e-9))
            columns[1] = cosines[:, int(np.argmax(known))]
            columns[2] = cosines[:, known].max(axis=1)
        columns[:, np.abs(mine).sum(axis=1) == 0] = np.nan
        return columns

    def _known(self, rows: Rows) -> Floats:
        inside = rows < len(self.vectors)
        vectors = self.vectors[np.where(inside, rows, 0)].astype(np.float32)
        vectors[~inside] = 0
        return vectors
