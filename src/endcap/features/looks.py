"""How closely pages were looked at: long and far down, by this shopper and by everybody."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Moment

_FARTHEST: Final = 3.0


@dataclass(frozen=True, slots=True)
class Closeness:
    """What is usual: mean and spread of the logarithm of seconds on a page, and of the per cent seen of it."""

    dwell: tuple[float, float]
    scrolled: tuple[float, float]

    def of(self, dwell: NDArray[np.uint16], scrolled: NDArray[np.uint8]) -> Floats:
        """float32 [n] in standard deviations from the usual, the mean of what is told of both."""
        with np.errstate(divide="ignore"):
            long = np.where(dwell > 0, (np.log(dwell.astype(np.float64)) - self.dwell[0]) / self.dwell[1], np.nan)
        far = np.where(scrolled > 0, (scrolled - self.scrolled[0]) / self.scrolled[1], np.nan)
        both = np.where(np.isnan(long), far, np.where(np.isnan(far), long, (long + far) / 2))
        return np.clip(both, -_FARTHEST, _FARTHEST).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Looks:
    """Closeness of looks: `usual` float32 [rows] everybody's at an item, drawn towards 0, NaN where nobody looked.

    `vectors` float32 [rows, d] of length 1 say how alike items are.
    """

    closeness: Closeness
    usual: Floats
    vectors: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody's, the shopper's own last one, and those at items of its category, of its brand and like it."""
        return ("look_usual", "look_own", "look_category", "look_brand", "look_alike")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """NaN where there was no such look."""
        columns = np.full((len(self.names), len(pool)), np.nan, np.float32)
        known = pool.rows < len(self.usual)
        columns[0, known] = self.usual[pool.rows[known]]
        looks, shelf = moment.looks, moment.shelf
        if len(looks):
            rows, close = moment.once(self, "close", lambda: self._close(looks))
            columns[1] = last(rows, close, pool.rows)
            columns[2] = drawn(shelf.category, rows, close, pool.rows)
            columns[3] = drawn(shelf.brand, rows, close, pool.rows)
            columns[4] = towards(self.vectors, rows, close, pool.rows)
        return columns

    def _close(self, looks: NDArray[np.void]) -> tuple[Rows, Floats]:
        """The rows of `looks`, and how much more closely they were looked at than everybody does, or than is usual."""
        rows = np.ascontiguousarray(looks["row"])
        known = rows < len(self.usual)
        expected = np.where(known, np.nan_to_num(self.usual[np.where(known, rows, 0)]), np.float32(0))
        return rows, self.closeness.of(looks["dwell"], looks["scrolled"]) - expected


@compiled
def last(rows: Rows, values: Floats, pool: Rows) -> Floats:
    """The last of `values` told of each row of the pool, NaN where none is."""
    found = np.full(len(pool), np.nan, np.float32)
    for index in range(len(rows)):
        for place in range(len(pool)):
            if pool[place] == rows[index]:
                found[place] = values[index]
    return found


@compiled
def drawn(codes: Rows, rows: Rows, values: Floats, pool: Rows) -> Floats:
    """The mean of `values` told of rows with the same code, drawn towards 0 by two more; NaN where there is none."""
    found = np.full(len(pool), np.nan, np.float32)
    for place in range(len(pool)):
        code, total, count = codes[pool[place]], np.float32(0), 0
        for index in range(len(rows)):
            if codes[rows[index]] == code:
                total += values[index]
                count += 1
        if code > 0 and count > 0:
            found[place] = total / np.float32(count + 2)
    return found


@compiled
def towards(vectors: Floats, rows: Rows, values: Floats, pool: Rows) -> Floats:
    """How far each row of the pool lies in the direction of the `rows`, each times its value; NaN without vectors."""
    found = np.full(len(pool), np.nan, np.float32)
    direction, count = np.zeros(vectors.shape[1], np.float32), 0
    for index in range(len(rows)):
        if rows[index] < len(vectors):
            direction += vectors[rows[index]] * values[index]
            count += 1
    for place in range(len(pool)):
        if count > 0 and pool[place] < len(vectors):
            vector, product = vectors[pool[place]], np.float32(0)
            for axis in range(len(direction)):
                product += vector[axis] * direction[axis]
            found[place] = product / np.float32(count + 2)
    return found
