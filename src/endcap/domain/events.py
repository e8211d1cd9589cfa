"""What shoppers do: GA4 names, one event as it stands in the log, and events as columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Ints, Millis, Rows

UNKNOWN_PRICE: Final = -1
MOST_DWELL: Final = 3600
"""Seconds on a page that count; whoever is longer away has left it open."""
_NO_DWELL: Final = np.empty(0, np.uint16)
_NO_SCROLL: Final = np.empty(0, np.uint8)


class Kind(IntEnum):
    """The event names that Endcap reads, as small integers (stored; never renumber)."""

    VIEW = 1
    CLICK = 2
    WISH = 3
    CART = 4
    UNCART = 5
    CHECKOUT = 6
    PURCHASE = 7
    REFUND = 8
    IMPRESSION = 9
    LEAVE = 10


KINDS: Final = {
    "view_item": Kind.VIEW,
    "select_item": Kind.CLICK,
    "add_to_wishlist": Kind.WISH,
    "add_to_cart": Kind.CART,
    "remove_from_cart": Kind.UNCART,
    "begin_checkout": Kind.CHECKOUT,
    "purchase": Kind.PURCHASE,
    "refund": Kind.REFUND,
    "view_item_list": Kind.IMPRESSION,
    "leave_item": Kind.LEAVE,
}
"""GA4 event name to kind; `leave_item` is our own: an item's page was left, and how it was looked at is known."""

SILENT: Final = (Kind.IMPRESSION, Kind.LEAVE)
"""What is no touch of an item."""


@dataclass(frozen=True, slots=True)
class Line:
    """One item of an event; `price` is the unit price in minor units of the shop's base currency, -1 unknown."""

    row: int
    quantity: int = 1
    price: int = UNKNOWN_PRICE


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the log keeps it (format 2): no raw id of a person, no free text.

    `time` and `received` are ms UTC. `session` and `basket` are keyed numbers, 0 where none was given.
    A `guest` has no visitor or user id: its `shopper` stands for one session only. What a `bot` did is kept and never
    learned from. `device` and `referrer` are of `circumstances`; `terms` are the words of a search that titles hold
    too, with blanks between. `dwell` seconds and `scrolled` per cent of the item's page, 0 untold; a view that tells
    them was looked at so long from its time on.
    """

    kind: Kind
    time: int
    received: int
    shopper: bytes
    lines: tuple[Line, ...]
    session: int = 0
    basket: int = 0
    guest: bool = False
    region: str = ""
    placement: str = ""
    recommendation_id: str = ""
    bot: bool = False
    device: str = ""
    referrer: str = ""
    terms: str = ""
    dwell: int = 0
    scrolled: int = 0


@dataclass(frozen=True, slots=True)
class Events:
    """Lines of events as equal-long columns, one entry a line. Order is the caller's; `fold` sorts.

    `dwell` and `scrolled` are as in `Event`; where they are not given, they are untold.
    """

    time: Millis
    row: Rows
    kind: NDArray[np.uint8]
    session: Ints
    dwell: NDArray[np.uint16] = field(default_factory=lambda: _NO_DWELL)
    scrolled: NDArray[np.uint8] = field(default_factory=lambda: _NO_SCROLL)

    def __post_init__(self) -> None:
        for name, none in (("dwell", _NO_DWELL), ("scrolled", _NO_SCROLL)):
            if getattr(self, name) is none and len(self.time):
                object.__setattr__(self, name, np.zeros(len(self.time), none.dtype))

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def of(cls, events: Sequence[Event]) -> Self:
        """One entry per line of `events`, in order."""
        lines = [(event, line) for event in events for line in event.lines]
        return cls(
            time=np.array([event.time for event, _ in lines], np.int64),
            row=np.array([line.row for _, line in lines], np.int32),
            kind=np.array([event.kind for event, _ in lines], np.uint8),
            session=np.array([event.session for event, _ in lines], np.int64),
            dwell=np.array([event.dwell for event, _ in lines], np.uint16),
            scrolled=np.array([event.scrolled for event, _ in lines], np.uint8),
        )

    @classmethod
    def joined(cls, parts: Sequence["Events"]) -> Self:
        """The entries of all `parts`, one after the other; there is at least one part."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """The entries that `index` selects, in its order."""
        return type(self)(*(getattr(self, name)[index] for name in self.__slots__))


NO_EVENTS: Final = Events(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int64))
