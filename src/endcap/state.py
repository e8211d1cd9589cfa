"""The shopper and the shelf: pure folds of what happened, whatever the order in which it arrived.

Knows what was done, bought, priced and stocked. Does not know features or sources, so that any snapshot serves any
state. A `Shopper` is a value; the `Shelf` is a set of arrays that one owner updates in place and the core only reads.
"""

import struct
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Millis, Rows
from endcap.domain.catalog import Change
from endcap.domain.events import NO_EVENTS, Events, Kind
from endcap.domain.instants import DAY

RECENT: Final = 48
PURCHASED: Final = 512
PURCHASE_DAYS: Final = 32
TREND_DAYS: Final = 32
NEVER: Final = np.iinfo(np.int64).max

PURCHASE: Final = np.dtype([("row", "<i4"), ("last", "<u2"), ("previous", "<u2"), ("first", "<u2"), ("count", "<i2")])
"""One distinct purchased row, 12 bytes: the last two and the first day (since 1970, 0 none), purchases less refunds."""

_HEADER: Final = struct.Struct("<BqqqqHHHH")
_FORMAT: Final = 1
_TREND_WEIGHTS: Final = np.zeros(16, np.int32)
_TREND_WEIGHTS[[Kind.VIEW, Kind.CLICK, Kind.WISH, Kind.CART, Kind.CHECKOUT, Kind.PURCHASE]] = 1, 1, 2, 3, 3, 5


@dataclass(frozen=True, slots=True)
class Shopper:
    """One person's folded events (format 1): at most 1 KB of recent lines and 12 bytes per purchased row.

    `recent` holds the latest lines by time, then content; `purchases` (dtype PURCHASE) is sorted by row; `days` are
    the latest distinct purchase days, newest first. `offset` is the log offset folded last.
    """

    recent: Events = field(default_factory=lambda: NO_EVENTS)
    purchases: NDArray[np.void] = field(default_factory=lambda: np.empty(0, PURCHASE))
    days: NDArray[np.uint16] = field(default_factory=lambda: np.empty(0, np.uint16))
    lines: int = 0
    first: int = NEVER
    region: str = ""
    region_at: int = 0
    offset: int = 0

    def packed(self) -> bytes:
        """The bytes that `unpacked` reads back."""
        region = self.region.encode()
        header = _HEADER.pack(
            _FORMAT, self.lines, self.first, self.region_at, self.offset,
            len(self.recent), len(self.purchases), len(self.days), len(region),
        )  # fmt: skip
        recent = self.recent
        columns = (recent.time, recent.session, recent.row, recent.kind, self.purchases, self.days)
        return b"".join([header, *(column.tobytes() for column in columns), region])

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """The shopper of `packed`. Raises ValueError on another format."""
        version, lines, first, region_at, offset, recent, purchases, days, _ = _HEADER.unpack_from(packed)
        if version != _FORMAT:
            raise ValueError(f"shopper state has format {version}, this release reads {_FORMAT}; rebuild the state")
        position = _HEADER.size
        columns = []
        for dtype, count in (("<i8", recent), ("<i8", recent), ("<i4", recent), ("u1", recent), (PURCHASE, purchases), ("<u2", days)):
            columns.append(np.frombuffer(packed, dtype, count, position))
            position += columns[-1].nbytes
        time, session, row, kind, bought, bought_on = columns
        region = packed[position:].decode()
        return cls(Events(time, row, kind, session), bought, bought_on, lines, first, region, region_at, offset)


NEWCOMER: Final = Shopper()


def fold(shopper: Shopper, events: Events, offset: int = 0, region: str = "") -> Shopper:
    """`shopper` after `events`, in any order and any batches; impressions leave no trace.

    `region` is that of the events' latest line. Exact and commutative while a person has at most 512 purchased rows.
    """
    done = events.take(events.kind != Kind.IMPRESSION)
    if not len(done):
        return shopper
    latest = int(done.time.max())
    moved = region and (latest, region) > (shopper.region_at, shopper.region)
    return Shopper(
        recent=_latest(shopper.recent, done),
        purchases=_purchases(shopper.purchases, done),
        days=_days(shopper.days, done),
        lines=shopper.lines + len(done),
        first=min(shopper.first, int(done.time.min())),
        region=region if moved else shopper.region,
        region_at=latest if moved else shopper.region_at,
        offset=max(shopper.offset, offset),
    )


def _latest(recent: Events, events: Events) -> Events:
    both = Events(
        np.concatenate([recent.time, events.time]), np.concatenate([recent.row, events.row]),
        np.concatenate([recent.kind, events.kind]), np.concatenate([recent.session, events.session]),
    )  # fmt: skip
    return both.take(np.lexsort((both.session, both.row, both.kind, both.time))[-RECENT:])


def _days(days: NDArray[np.uint16], events: Events) -> NDArray[np.uint16]:
    bought = events.time[events.kind == Kind.PURCHASE] // DAY
    if not len(bought):
        return days
    return np.unique(np.concatenate([days, bought.astype(np.uint16)]))[::-1][:PURCHASE_DAYS].copy()


def _purchases(purchases: NDArray[np.void], events: Events) -> NDArray[np.void]:
    settled = events.take((events.kind == Kind.PURCHASE) | (events.kind == Kind.REFUND))
    if not len(settled):
        return purchases
    day = np.where(settled.kind == Kind.PURCHASE, settled.time // DAY, 0)
    sign = np.where(settled.kind == Kind.PURCHASE, 1, -1)
    row = np.concatenate([purchases["row"], purchases["row"], purchases["row"], settled.row])
    days = np.concatenate([purchases["last"], purchases["previous"], purchases["first"], day]).astype(np.int64)
    counts = np.concatenate([purchases["count"], np.zeros(2 * len(purchases), np.int64), sign])
    order = np.lexsort((-days, row))
    row, days, counts = row[order], days[order], counts[order]
    starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    merged = np.zeros(len(starts), PURCHASE)
    merged["row"] = row[starts]
    merged["last"] = days[starts]
    merged["count"] = np.clip(np.add.reduceat(counts, starts), -32_000, 32_000)
    some = np.where(days > 0, days, NEVER)
    first = np.minimum.reduceat(some, starts)
    merged["first"] = np.where(first == NEVER, 0, first)
    below_last = np.where(days < np.repeat(days[starts], np.diff(np.r_[starts, len(row)])), days, 0)
    merged["previous"] = np.maximum.reduceat(below_last, starts)
    if len(merged) <= PURCHASED:
        return merged
    kept = np.lexsort((merged["row"], merged["count"], merged["previous"], merged["last"]))[-PURCHASED:]
    return merged[np.sort(kept)]


class Shelf:
    """Live columns per row: price, stock, listing, group, category, brand, age, and interactions by day.

    `price`, `sale_price` int64 minor units, -1 unknown; `stock` int32, -1 unknown; `group` int32 (a row without a group
    is its own); `category` and `brand` int32 codes into `categories` and `brands`, 0 is none; `born` int64 ms, NEVER
    unknown; `daily` int32 [32, rows], ring of weighted interactions of the days up to `day`. `offset` is the log
    offset folded last. Rows beyond `len` do not exist yet.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.day = 0
        self.categories: dict[tuple[str, ...], int] = {(): 0}
        self.brands: dict[str, int] = {"": 0}
        self._size = 0
        self._columns(0)

    def __len__(self) -> int:
        return self._size

    def _columns(self, capacity: int) -> None:
        self.group: Rows = np.arange(capacity, dtype=np.int32)
        self.listed: Bools = np.zeros(capacity, np.bool_)
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
            old = {name: getattr(self, name) for name in self._names()}
            self._columns(max(size, 2 * len(self.group), 1024))
            for name, column in old.items():
                getattr(self, name)[..., : self._size] = column[..., : self._size]
        self._size = max(self._size, size)

    @staticmethod
    def _names() -> tuple[str, ...]:
        return (
            "group", "listed", "price", "sale_price", "sale_start", "sale_end",
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
        for name in ("group", "listed", "price", "sale_price", "sale_start", "sale_end", "stock"):
            value = getattr(change, name)
            if value is not None:
                getattr(self, name)[row] = value
        if change.category is not None:
            self.category[row] = self.categories.setdefault(change.category, len(self.categories))
        if change.brand is not None:
            self.brand[row] = self.brands.setdefault(change.brand, len(self.brands))

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

    def sellable(self, rows: Rows) -> Bools:
        """Which of `rows` are listed and not known to be out of stock."""
        return self.listed[rows] & (self.stock[rows] != 0)


@dataclass(frozen=True, slots=True)
class State:
    """All that was known when a request came: one person's events, and the shelf."""

    shopper: Shopper
    shelf: Shelf
