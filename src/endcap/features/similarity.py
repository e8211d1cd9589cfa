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
    columns = np.full((3, len(pool)), np.nan, np.float32)
    beside, mine = _beside(vectors, trail, strengths), np.zeros((len(pool), vectors.shape[1]), np.float32)
    if beside.shape[1] == 1:
        return columns
    for place in range(len(pool)):
        if pool[place] < len(vectors):
            mine[place] = vectors[pool[place]]
    products = np.dot(mine, beside)
    for place in range(len(pool)):
        if mine[place].any():
            nearest = products[place, 1]
            for index in range(2, beside.shape[1]):
                nearest = max(nearest, products[place, index])
            columns[0, place], columns[1, place], columns[2, place] = products[place, 0], products[place, 1], nearest
    return columns


@compiled
def _beside(vectors: Floats, trail: Rows, strengths: Floats) -> Floats:
    """float32 [d, 1 + m]: the direction of the weighted centre of the m rows of the trail with a vector, then these."""
    dimension, length, strongest = vectors.shape[1], np.float32(0), np.float32(0)
    known = np.empty(len(trail), np.bool_)
    for index in range(len(trail)):
        known[index] = trail[index] < len(vectors) and vectors[trail[index]].any()
        if known[index]:
            strongest = max(strongest, strengths[index])
    beside, size = np.zeros((dimension, known.sum() + 1), np.float32), 1
    for index in range(len(trail)):
        if known[index]:
            for axis in range(dimension):
                beside[axis, size] = vectors[trail[index], axis]
                beside[axis, 0] += vectors[trail[index], axis] * (strengths[index] / strongest)
            size += 1
    for axis in range(dimension):
        length += beside[axis, 0] * beside[axis, 0]
    for axis in range(dimension):
        beside[axis, 0] /= max(np.sqrt(length), np.float32(1e-9))
    return beside
