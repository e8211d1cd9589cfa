"""Neighbour tables: per key a short list of rows with weights, and the weighted look-up that adds lists up."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Proposal

_EMPTY: Final = np.int32(-1)
_ONES: Final = np.uint32(0xFFFFFFFF)
_INFINITE: Final = np.uint32(0x7F800000)
"""The bits of infinity; those of numbers below 0, and of NaN, are more."""


@dataclass(frozen=True, slots=True)
class Table:
    """Compressed lists: that of key `k` is `rows[starts[k]:starts[k + 1]]` int32, `weights` float32 > 0, best first.

    A key at or beyond the table's length has an empty list.
    """

    starts: Ints
    rows: Rows
    weights: Floats

    def __len__(self) -> int:
        return len(self.starts) - 1

    def look_up(self, keys: Rows, strengths: Floats, limit: int) -> Proposal:
        """The `limit` rows with the largest sum over `keys` of strength times weight.

        >>> table = Table(np.array([0, 2, 3]), np.array([1, 2, 2], np.int32), np.array([0.5, 0.25, 1.0], np.float32))
        >>> table.look_up(np.array([0, 1], np.int32), np.array([1.0, 0.5], np.float32), 5)
        Proposal(rows=array([2, 1], dtype=int32), votes=array([0.75, 0.5 ], dtype=float32))
        """
        return best(*self.sums(keys, strengths), limit)

    def first(self, key: int, limit: int) -> Proposal:
        """The first `limit` rows in the list of `key`."""
        begin, end = self.starts[key : key + 2] if key < len(self) else (0, 0)
        kept = slice(begin, min(begin + limit, end))
        return Proposal(self.rows[kept], self.weights[kept])

    def sums(self, keys: Rows, strengths: Floats) -> tuple[Rows, Floats]:
        """Every row in the lists of `keys` and its sum of strength times weight, in order of first touch."""
        return _sums(self.starts, self.rows, self.weights, keys, strengths)


def best(rows: Rows, votes: Floats, limit: int) -> Proposal:
    """The `limit` largest of `votes` above 0, ties by the smaller row: sorts one integer key per row."""
    order = _keys(rows, votes.view(np.uint32))
    if len(order) > limit:
        order = np.partition(order, limit)[:limit]
    order.sort()
    kept, bits = _unlocked(order)
    return Proposal(kept, bits.view(np.float32))


@compiled
def _keys(rows: Rows, bits: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Keys uint64 that sort rows by their votes, largest first: of numbers above 0 the bits are in order as well."""
    keys, size = np.empty(len(rows), np.uint64), 0
    for place in range(len(rows)):
        if 0 < bits[place] <= _INFINITE:
            keys[size] = np.uint64(_ONES - bits[place]) << np.uint64(32) | np.uint64(rows[place])
            size += 1
    return keys[:size]


@compiled
def _unlocked(keys: NDArray[np.uint64]) -> tuple[Rows, NDArray[np.uint32]]:
    rows, bits = np.empty(len(keys), np.int32), np.empty(len(keys), np.uint32)
    for place in range(len(keys)):
        rows[place] = np.int32(keys[place] & np.uint64(_ONES))
        bits[place] = _ONES - np.uint32(keys[place] >> np.uint64(32))
    return rows, bits


@compiled
def _sums(starts: Ints, rows: Rows, weights: Floats, keys: Rows, strengths: Floats) -> tuple[Rows, Floats]:
    touched = 0
    for key in keys:
        if 0 <= key < len(starts) - 1:
            touched += starts[key + 1] - starts[key]
    capacity = 16
    while capacity < 2 * touched:
        capacity *= 2
    slots, sums = np.full(capacity, _EMPTY, np.int32), np.zeros(capacity, np.float32)
    found = np.empty(touched, np.int32)
    size = 0
    for index in range(len(keys)):
        key = keys[index]
        if key < 0 or key >= len(starts) - 1:
            continue
        for place in range(starts[key], starts[key + 1]):
            slot = (np.int64(rows[place]) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != _EMPTY and slots[slot] != rows[place]:
                slot = (slot + 1) & (capacity - 1)
            if slots[slot] == _EMPTY:
                slots[slot] = rows[place]
                found[size] = slot
                size += 1
            sums[slot] += strengths[index] * weights[place]
    found = found[:size]
    return slots[found], sums[found]


def table_of(keys: Ints, rows: Rows, weights: Floats, length: int, most: int) -> Table:
    """A table of `length` keys from triples: per key the `most` largest weights above 0, ties by the smaller row."""
    positive = weights > 0
    keys, rows, weights = keys[positive], rows[positive], weights[positive]
    order = np.lexsort((rows, -weights, keys))
    keys, rows, weights = keys[order], rows[order], weights[order]
    begin = np.searchsorted(keys, np.arange(length + 1))
    rank = np.arange(len(keys)) - begin[keys]
    kept = rank < most
    starts = np.r_[0, np.cumsum(np.bincount(keys[kept], minlength=length))].astype(np.int64)
    return Table(starts, rows[kept].astype(np.int32), weights[kept].astype(np.float32))
