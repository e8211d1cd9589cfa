"""What shoppers do: GA4 names, one event as it stands in the log, and events as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Ints, Millis, Rows

UNKNOWN_PRICE: Final = -1


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
}
"""GA4 event name to kind."""


@dataclass(frozen=True, slots=True)
class Line:
    """One item of an event; `price` is the unit price in minor units of the shop's base currency, -1 unknown."""

    row: int
    quantity: int = 1
    price: int = UNKNOWN_PRICE


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the log keeps it (format 1): no raw id of a person, no free text.

    `time` and `received` are ms UTC. `session` and `basket` are keyed numbers, 0 where none was given.
    A `guest` has no visitor or user id: its `shopper` stands for one session only. What a `bot` did is kept and never
    learned from.
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


@dataclass(frozen=True, slots=True)
class Events:
    """Lines of events as equal-long columns, one entry a line. Order is the caller's; `fold` sorts."""

    time: Millis
    row: Rows
    kind: NDArray[np.uint8]
    session: Ints

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
        )

    @classmethod
    def joined(cls, parts: Sequence["Events"]) -> Self:
        """The entries of all `parts`, one after the other; there is at least one part."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """The entries that `index` selects, in its order."""
        return type(self)(self.time[index], self.row[index], self.kind[index], self.session[index])


NO_EVENTS: Final = Events(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int64))
