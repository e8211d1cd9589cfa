"""The shopper: what one person did and bought, folded from events in whatever order they arrive."""

import struct
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Rows, compiled
from endcap.domain.events import NO_EVENTS, Events, Kind
from endcap.domain.instants import DAY, SECOND

RECENT: Final = 48
PURCHASED: Final = 512
PURCHASE_DAYS: Final = 32
MOST_COUNTED: Final = 32_000
NEVER: Final = np.iinfo(np.int64).max

PURCHASE: Final = np.dtype([("row", "<i4"), ("last", "<u2"), ("previous", "<u2"), ("first", "<u2"), ("count", "<i2")])
"""One distinct purchased row, 12 bytes: the last two and the first day (since 1970, 0 none), purchases less refunds."""

LOOKS: Final = 16
LOOK: Final = np.dtype([("at", "<u4"), ("row", "<i4"), ("dwell", "<u2"), ("scrolled", "u1")])
"""How an item's page was looked at, 11 bytes: the second (since 1970) from which that is known, seconds, per cent."""

_HEADERS: Final = {1: struct.Struct("<BqqqqHHHH"), 2: struct.Struct("<BqqqqHHHHH")}
_FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Shopper:
    """One person's folded events (format 2): at most 1 KB of recent lines and 12 bytes per purchased row.

    `recent` holds the latest lines by time, then content; `purchases` (dtype PURCHASE) is sorted by row; `days` are
    the latest distinct purchase days, newest first. `looks` (LOOK), in order, are the latest distinct ones, at most 176
    bytes. `lines` and `first` count touches alone. `offset` is the log offset folded last.
    """

    recent: Events = field(default_factory=lambda: NO_EVENTS)
    purchases: NDArray[np.void] = field(default_factory=lambda: np.empty(0, PURCHASE))
    days: NDArray[np.uint16] = field(default_factory=lambda: np.empty(0, np.uint16))
    lines: int = 0
    first: int = NEVER
    region: str = ""
    region_at: int = 0
    offset: int = 0
    looks: NDArray[np.void] = field(default_factory=lambda: np.empty(0, LOOK))

    def packed(self) -> bytes:
        """The bytes that `unpacked` reads back."""
        region = self.region.encode()
        header = _HEADERS[_FORMAT].pack(
            _FORMAT, self.lines, self.first, self.region_at, self.offset,
            len(self.recent), len(self.purchases), len(self.days), len(region), len(self.looks),
        )  # fmt: skip
        recent = self.recent
        columns: list[NDArray[Any]] = [recent.time, recent.session, recent.row, recent.kind]
        columns += [self.purchases, self.days, self.looks]
        return b"".join([header, *(column.tobytes() for column in columns), region])

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """The shopper of `packed`, format 1 too. Raises ValueError on another."""
        header = _HEADERS.get(packed[0] if packed else _FORMAT)
        if header is None:
            raise ValueError(
                f"shopper state has format {packed[0]}, this release reads 1 and {_FORMAT}; rebuild the state"
            )
        if len(packed) < header.size:
            raise ValueError(f"shopper state of {len(packed)} bytes is cut short; rebuild the state")
        _, lines, first, region_at, offset, recent, purchases, days, _, *looks = header.unpack_from(packed)
        position = header.size
        columns = []
        for dtype, count in (
            ("<i8", recent),
            ("<i8", recent),
            ("<i4", recent),
            ("u1", recent),
            (PURCHASE, purchases),
            ("<u2", days),
            (LOOK, looks[0] if looks else 0),
        ):
            columns.append(np.frombuffer(packed, dtype, count, position))
            position += columns[-1].nbytes
        time, session, row, kind, bought, bought_on, looked = columns
        region, known = packed[position:].decode(), Events(time, row, kind, session)
        return cls(known, bought, bought_on, lines, first, region, region_at, offset, looked)


NEWCOMER: Final = Shopper()


def fold(shopper: Shopper, events: Events, offset: int = 0, region: str = "") -> Shopper:
    """`shopper` after `events`; impressions leave no trace.

    `region` is that of the events' latest line. Batches never matter, and order only for a person with more than 512
    purchased rows: the one bought longest ago gives way, and starts anew if it comes back.
    """
    events = events.take(events.kind != Kind.IMPRESSION)
    if not len(events):
        return shopper
    done, latest = events.take(events.kind != Kind.LEAVE), int(events.time.max())
    moved = region and (latest, region) > (shopper.region_at, shopper.region)
    return Shopper(
        recent=_latest(shopper.recent, done),
        purchases=_purchases(shopper.purchases, done),
        days=_days(shopper.days, done),
        lines=shopper.lines + len(done),
        first=min(shopper.first, int(done.time.min(initial=NEVER))),
        region=region if moved else shopper.region,
        region_at=latest if moved else shopper.region_at,
        offset=max(shopper.offset, offset),
        looks=_newest(shopper.looks, looks_of(events)[1]),
    )


def looks_of(events: Events) -> tuple[Bools, NDArray[np.void]]:
    """Which lines tell how a page was looked at, and what (LOOK); of a view that is known when it is over."""
    told = (events.dwell > 0) | (events.scrolled > 0)
    looks = np.empty(int(told.sum()), LOOK)
    looks["row"], looks["dwell"], looks["scrolled"] = events.row[told], events.dwell[told], events.scrolled[told]
    looks["at"] = -(-events.time[told] // SECOND) + np.where(events.kind[told] == Kind.LEAVE, 0, looks["dwell"])
    return told, looks


def _newest(known: NDArray[np.void], told: NDArray[np.void]) -> NDArray[np.void]:
    """The last distinct looks of both, in order."""
    return np.unique(np.concatenate([known, told]))[-LOOKS:] if len(told) else known


def joined(one: Shopper, other: Shopper, offset: int = 0) -> Shopper:
    """What `fold` makes of the events of both, who turned out to be one person.

    Exact while both together bought at most 512 distinct rows; beyond, those bought longest ago give way.
    """
    latest = max(one, other, key=lambda shopper: (shopper.region_at, shopper.region))
    return Shopper(
        recent=_latest(one.recent, other.recent),
        purchases=_both_bought(one.purchases, other.purchases),
        days=np.unique(np.concatenate([one.days, other.days]))[::-1][:PURCHASE_DAYS].copy(),
        lines=one.lines + other.lines,
        first=min(one.first, other.first),
        region=latest.region,
        region_at=latest.region_at,
        offset=max(one.offset, other.offset, offset),
        looks=_newest(one.looks, other.looks),
    )


def _both_bought(one: NDArray[np.void], other: NDArray[np.void]) -> NDArray[np.void]:
    both = np.concatenate([one, other])
    if not len(one) or not len(other):
        return both
    days = np.concatenate([both["last"], both["previous"], both["first"]]).astype(np.int64)
    counts = np.concatenate([both["count"].astype(np.int64), np.zeros(2 * len(both), np.int64)])
    bought = settled(np.tile(both["row"], 3), days, counts)
    if len(bought) > PURCHASED:
        kept = np.lexsort((bought["row"], bought["previous"], bought["last"]))[-PURCHASED:]
        bought = bought[np.sort(kept)]
    return bought


def _latest(recent: Events, events: Events) -> Events:
    both = touches(Events.joined([recent, events]))
    return both.take(np.lexsort((both.session, both.row, both.kind, both.time))[-RECENT:])


def touches(events: Events) -> Events:
    """`events` without how long they were looked at, which a shopper keeps apart."""
    return Events(events.time, events.row, events.kind, events.session)


def _days(days: NDArray[np.uint16], events: Events) -> NDArray[np.uint16]:
    bought = events.time[events.kind == Kind.PURCHASE] // DAY
    if not len(bought):
        return days
    return np.unique(np.concatenate([days, bought.astype(np.uint16)]))[::-1][:PURCHASE_DAYS].copy()


def _purchases(purchases: NDArray[np.void], events: Events) -> NDArray[np.void]:
    lines = events.take((events.kind == Kind.PURCHASE) | (events.kind == Kind.REFUND))
    if not len(lines):
        return purchases
    known = np.zeros(min(len(purchases) + len(lines), PURCHASED) + 1, PURCHASE)
    known[: len(purchases)] = purchases
    day = np.where(lines.kind == Kind.PURCHASE, lines.time // DAY, 0)
    return known[: settle(known, len(purchases), lines.row, day)].copy()


@compiled
def settle(  # noqa: C901 - a kernel, in one loop
    known: NDArray[np.void], size: int, rows: Rows, days: Ints
) -> int:
    """Takes in one line after the other, refunds as day 0; over the bound the row bought longest ago gives way."""
    for line in range(len(rows)):
        row, day, sign = rows[line], days[line], 1 if days[line] > 0 else -1
        place = np.searchsorted(known["row"][:size], row)
        if place == size or known[place]["row"] != row:
            for index in range(size, place, -1):
                known[index] = known[index - 1]
            size += 1
            known[place]["row"], known[place]["count"] = row, 0
            known[place]["last"], known[place]["previous"], known[place]["first"] = 0, 0, 0
        entry = known[place]
        entry["count"] = min(max(entry["count"] + sign, -MOST_COUNTED), MOST_COUNTED)
        if day > entry["last"]:
            entry["previous"], entry["last"] = entry["last"], day
        elif entry["previous"] < day < entry["last"]:
            entry["previous"] = day
        if day > 0 and (entry["first"] == 0 or day < entry["first"]):
            entry["first"] = day
        if size > PURCHASED:
            oldest = 0
            for index in range(1, size):
                if _before(known[index], known[oldest]):
                    oldest = index
            for index in range(oldest, size - 1):
                known[index] = known[index + 1]
            size -= 1
    return size


@compiled
def _before(one: np.void, other: np.void) -> bool:
    if one["last"] != other["last"]:
        return bool(one["last"] < other["last"])
    if one["previous"] != other["previous"]:
        return bool(one["previous"] < other["previous"])
    return bool(one["row"] < other["row"])


def settled(row: Rows, day: Ints, count: Ints) -> NDArray[np.void]:
    """One entry (dtype PURCHASE) per distinct row, sorted, from days bought on (0: none) and counts to add up."""
    order = np.lexsort((-day, row))
    row, day, count = row[order], day[order], count[order]
    starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    last = np.repeat(day[starts], np.diff(np.r_[starts, len(row)]))
    first = np.minimum.reduceat(np.where(day > 0, day, NEVER), starts)
    merged = np.empty(len(starts), PURCHASE)
    merged["row"] = row[starts]
    merged["last"] = day[starts]
    merged["previous"] = np.maximum.reduceat(np.where(day < last, day, 0), starts)
    merged["first"] = np.where(first == NEVER, 0, first)
    merged["count"] = np.clip(np.add.reduceat(count, starts), -MOST_COUNTED, MOST_COUNTED)
    return merged
