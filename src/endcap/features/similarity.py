"""How near an item is to what the shopper touched last, in each space of item vectors."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows, compiled
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
        rows, strengths = moment.trail.strengths(self.memory)
        return _cosines(self.vectors, rows, strengths, pool.rows)


@compiled
def _cosines(vectors: Floats, trail: Rows, strengths: Floats, pool: Rows) -> Floats:
    """Every row's products are summed in one order, so equal items tie; those with all of the trail go side by side."""
    columns = np.full((3, len(pool)), np.nan, np.float32)
    dimension = vectors.shape[1]
    known = np.array([row < len(vectors) and vectors[row].any() for row in trail])
    if not known.any():
        return columns
    trail, strengths = trail[known], strengths[known] / strengths[known].max()
    beside = np.zeros((dimension, len(trail) + 1), np.float32)
    for index in range(len(trail)):
        beside[:, index + 1] = vectors[trail[index]]
        beside[:, 0] += vectors[trail[index]] * strengths[index]
    beside[:, 0] /= max(np.sqrt((beside[:, 0] ** 2).sum()), np.float32(1e-9))
    products = np.empty(len(trail) + 1, np.float32)
    for place in range(len(pool)):
        if pool[place] >= len(vectors):
            continue
        vector, length = vectors[pool[place]], np.float32(0)
        products[:] = 0
        for axis in range(dimension):
            value = vector[axis]
            length += value * value
            for index in range(len(products)):
                products[index] += value * beside[axis, index]
        if length > 0:
            columns[0, place], columns[1, place], columns[2, place] = products[0], products[1], products[1:].max()
    return columns
