"""The shelf: live price, stock, listing, age and daily interactions per row, updated in place by one owner."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Millis, Rows
from endcap.domain.catalog import Change
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY

TREND_DAYS: Final = 32
NEVER: Final = np.iinfo(np.int64).max

_TREND_WEIGHTS: Final = np.zeros(16, np.int32)
_TREND_WEIGHTS[[Kind.VIEW, Kind.CLICK, Kind.WISH, Kind.CART, Kind.CHECKOUT, Kind.PURCHASE]] = 1, 1, 2, 3, 3, 5


class Shelf:
    """Live columns per row: price, stock, listing, group, category, brand, age, and interactions by day.

    `price`, `sale_price` int64 minor units, -1 unknown; `stock` int32, -1 unknown; `group` int32 (a row without a group
    is its own); `available` is what may be sold: a listed row not known to be out of stock, a group with such a
    variant; `category` and `brand` int32 codes into `categories` and `brands`, 0 is none; `born` int64 ms, NEVER
    unknown; `daily` int32 [32, rows], ring of weighted interactions of the days up to `day`. A group's row shows its
    variant changed last. `offset` is the log offset folded last. Rows beyond `len` do not exist yet.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.day = 0
        self.categories: dict[tuple[str, ...], int] = {(): 0}
        self.brands: dict[str, int] = {"": 0}
        self.variants: dict[int, list[int]] = {}
        self._size = 0
        self._columns(0)

    def __len__(self) -> int:
        return self._size

    def _columns(self, capacity: int) -> None:
        self.group: Rows = np.arange(capacity, dtype=np.int32)
        self.listed: Bools = np.zeros(capacity, np.bool_)
        self.available: Bools = np.zeros(capacity, np.bool_)
        self.price: Ints = np.full(capacity, -1, np.int64)
        self.sale_price: Ints = np.full(capacity, -1, np.int64)
        self.sale_start: Millis = np.zeros(capacity, np.int64)
        self.sale_end: Millis = np.zeros(capacity, np.int64)
        self.stock: Rows = np.full(capacity, -1, np.int32)
        self.category: Rows = np.zeros(capacity, np.int32)
        self.brand: Rows = np.zeros(capacity, np.int32)
        self.born: Millis = np.full(capacity, NEVER, np.int64)
        self.changed: Millis = np.full(capacity, -1, np.int64)
        self.daily: NDArray[np.int32] = np.zeros((TREND_DAYS, capacity), np.int32)

    def reserve(self, size: int) -> None:
        """Let rows 0..size-1 exist, unlisted until a change lists them."""
        if size > len(self.group):
            old = {name: getattr(self, name) for name in self.names()}
            self._columns(max(size, 2 * len(self.group), 1024))
            for name, column in old.items():
                getattr(self, name)[..., : self._size] = column[..., : self._size]
        self._size = max(self._size, size)

    @staticmethod
    def names() -> tuple[str, ...]:
        """The columns, in the order in which a checkpoint stores them."""
        return (
            "group", "listed", "available", "price", "sale_price", "sale_start", "sale_end",
            "stock", "category", "brand", "born", "changed", "daily",
        )  # fmt: skip

    def apply(self, change: Change) -> None:
        """Take in one catalog change; one older than what the row already knows changes nothing but its age."""
        row = change.row
        self.reserve(row + 1)
        if change.at > 0:
            self.born[row] = min(self.born[row], change.at)
        if change.at < self.changed[row]:
            return
        self.changed[row] = change.at
        former = int(self.group[row])
        for name in ("group", "listed", "price", "sale_price", "sale_start", "sale_end", "stock"):
            value = getattr(change, name)
            if value is not None:
                getattr(self, name)[row] = value
        if change.category is not None:
            self.category[row] = self.categories.setdefault(change.category, len(self.categories))
        if change.brand is not None:
            self.brand[row] = self.brands.setdefault(change.brand, len(self.brands))
        self.available[row] = self.listed[row] and self.stock[row] != 0
        if former not in (row, self.group[row]):
            self.variants[former].remove(row)
            self.available[former] = self.available[self.variants[former]].any()
        if self.group[row] != row:
            self._show_in_group(row, int(self.group[row]))

    def _show_in_group(self, row: int, group: int) -> None:
        self.reserve(group + 1)
        variants = self.variants.setdefault(group, [])
        if row not in variants:
            variants.append(row)
            variants.sort()
        for name in ("price", "sale_price", "sale_start", "sale_end", "category", "brand"):
            column = getattr(self, name)
            column[group] = column[row]
        self.born[group] = min(self.born[group], self.born[row])
        self.available[group] = self.available[variants].any()

    def observe(self, events: Events) -> None:
        """Count `events`, each on its group, into the ring of days; those older than the ring are left out."""
        if not len(events):
            return
        self.reserve(int(events.row.max()) + 1)
        row = self.group[events.row]
        np.minimum.at(self.born, row, events.time)
        days = events.time // DAY
        self._advance(int(days.max()))
        kept = days > self.day - TREND_DAYS
        np.add.at(self.daily, (days[kept] % TREND_DAYS, row[kept]), _TREND_WEIGHTS[events.kind[kept]])

    def _advance(self, day: int) -> None:
        for passed in range(max(self.day + 1, day - TREND_DAYS + 1), day + 1):
            self.daily[passed % TREND_DAYS] = 0
        self.day = max(self.day, day)

    def prices(self, rows: Rows, at: int) -> Ints:
        """int64 [n] minor units that a shopper pays for `rows` at `at`; -1 unknown. A sale holds inside its window."""
        on_sale = (self.sale_price[rows] >= 0) & (self.sale_start[rows] <= at) & (at < self.sale_end[rows])
        return np.where(on_sale, self.sale_price[rows], self.price[rows])
