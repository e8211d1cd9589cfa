"""How single items of the trail speak for an item: the vote of the last one, the strongest, and how many speak."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Links:
    """Links of one neighbour table (`starts`, `rows`, `weights` as in `retrieval.tables.Table`) from trail to pool.

    Row 0 leads to 4, row 1 to 4 and 5, and the shopper looks at 0, then 1:

    >>> from endcap.state import NEWCOMER, Shelf, observe
    >>> shelf = Shelf()
    >>> shelf.reserve(9)
    >>> request = Request("product", at=0, seed=1, k=10, anchors=np.array([0, 1], np.int32))
    >>> moment = observe(request, NEWCOMER, shelf)
    >>> pool = Pool(np.array([4, 5, 6], np.int32), (), *np.empty((2, 0, 3), np.float32))
    >>> table = np.array([0, 1, 3]), np.array([4, 4, 5], np.int32), np.array([1, 3, 2], np.float32)
    >>> Links("pairs", *table, Memory(step_decay=0.5, half_life_days=3, most=8)).columns(request, moment, pool)
    array([[ 1., nan, nan],
           [ 3.,  2., nan],
           [ 3.,  2., nan],
           [ 2.,  1., nan]], dtype=float32)
    """

    source: str
    starts: Ints
    rows: Rows
    weights: Floats
    memory: Memory

    @property
    def names(self) -> tuple[str, ...]:
        """The link from the trail's first row, from its second, the strongest, and the number of rows with one."""
        return tuple(f"{kind}_{self.source}" for kind in ("from_last", "from_previous", "strongest", "linked"))

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """NaN where no row of the trail has a link."""
        return _links(self.starts, self.rows, self.weights, moment.trail.rows[: self.memory.most], pool.rows)


@compiled
def _links(starts: Ints, rows: Rows, weights: Floats, trail: Rows, pool: Rows) -> Floats:
    columns = np.full((4, len(pool)), np.nan, np.float32)
    capacity = 16
    while capacity < 2 * len(pool):
        capacity *= 2
    slots, members = np.full(capacity, np.int32(-1), np.int32), np.empty(capacity, np.int32)
    for place in range(len(pool)):
        slot = (np.int64(pool[place]) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
        while slots[slot] != -1:
            slot = (slot + 1) & (capacity - 1)
        slots[slot], members[slot] = pool[place], place
    for index in range(len(trail)):
        key = trail[index]
        if key >= len(starts) - 1:
            continue
        for entry in range(starts[key], starts[key + 1]):
            slot = (np.int64(rows[entry]) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != -1 and slots[slot] != rows[entry]:
                slot = (slot + 1) & (capacity - 1)
            if slots[slot] == -1:
                continue
            place, weight = members[slot], weights[entry]
            if index < 2:
                columns[index, place] = weight
            columns[2, place] = max(weight, columns[2, place]) if columns[3, place] > 0 else weight
            columns[3, place] = columns[3, place] + 1 if columns[3, place] > 0 else 1
    return columns
