"""Lines of events with all that log and lake keep of them, as columns. Knows how they are cut; not where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Rows
from endcap.domain.events import Event, Events


class Coded(NamedTuple):
    """A column with few distinct values: `codes` int32 [n] are places in `values`."""

    codes: Rows
    values: Sequence[Any]

    @classmethod
    def of(cls, column: Sequence[Any]) -> Self:
        """Values numbered as they first come."""
        numbers: dict[Any, int] = {}
        codes = [numbers.setdefault(value, len(numbers)) for value in column]
        return cls(np.array(codes, np.int32), list(numbers))

    @classmethod
    def joined(cls, parts: Sequence["Coded"]) -> Self:
        """The entries of all `parts`, under the numbers of one list of values."""
        numbers: dict[Any, int] = {}
        codes = [
            np.array([numbers.setdefault(value, len(numbers)) for value in part.values], np.int32)[part.codes]
            for part in parts
        ]
        return cls(np.concatenate(codes), list(numbers))

    def take(self, index: Any) -> Self:
        """The entries that `index` selects."""
        return self._replace(codes=self.codes[index])


TEXTS: Final = ("region", "placement", "recommendation_id", "device", "referrer", "terms")
"""The texts of an event."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Columns [lines], in the order of the log: the lines of one event stand together.

    `offset` is that of the event's record, `number` int32 the place of the line in its event. `shopper` holds bytes,
    the other `Coded` columns text.
    """

    offset: Ints
    number: Rows
    columns: Events
    quantity: Ints
    price: Ints
    basket: Ints
    guest: Bools
    bot: Bools
    shopper: Coded
    region: Coded
    placement: Coded
    recommendation_id: Coded
    device: Coded
    referrer: Coded
    terms: Coded

    def __len__(self) -> int:
        return len(self.offset)

    @classmethod
    def of(cls, events: Sequence[Event], offsets: Sequence[int]) -> Self:
        """The lines of `events`, which stand at `offsets`."""
        counts = [len(event.lines) for event in events]
        owner = np.repeat(np.arange(len(events)), counts)
        starts = np.cumsum([0, *counts[:-1]]) if counts else np.empty(0, np.int64)
        each = [line for event in events for line in event.lines]

        def column(name: str, dtype: Any) -> NDArray[Any]:
            return np.array([getattr(event, name) for event in events], dtype)[owner]

        return cls(
            offset=np.array(offsets, np.int64)[owner],
            number=(np.arange(len(owner)) - starts[owner]).astype(np.int32),
            columns=Events(
                time=column("time", np.int64),
                row=np.array([line.row for line in each], np.int32),
                kind=column("kind", np.uint8),
                session=column("session", np.int64),
                dwell=column("dwell", np.uint16),
                scrolled=column("scrolled", np.uint8),
            ),
            quantity=np.array([line.quantity for line in each], np.int64),
            price=np.array([line.price for line in each], np.int64),
            basket=column("basket", np.int64),
            guest=column("guest", np.bool_),
            bot=column("bot", np.bool_),
            shopper=Coded.of([event.shopper for event in events]).take(owner),
            **{name: Coded.of([getattr(event, name) for event in events]).take(owner) for name in TEXTS},
        )

    def take(self, index: Any) -> Self:
        """The lines that `index` selects."""
        return replace(self, **{name: getattr(self, name).take(index) if name in _CUT else getattr(self, name)[index]
                                for name in self.__slots__})  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The lines of all `parts`, one after the other."""
        if len(parts) == 1:
            return parts[0]
        columns: dict[str, Any] = {}
        for name in cls.__slots__:
            each = [getattr(part, name) for part in parts]
            if isinstance(each[0], Coded):
                columns[name] = Coded.joined(each)
            elif isinstance(each[0], Events):
                columns[name] = Events.joined(each)
            else:
                columns[name] = np.concatenate(each)
        return cls(**columns)

    def after(self, offset: int) -> Self:
        """The lines of records above `offset`."""
        return self.take(slice(int(np.searchsorted(self.offset, offset, side="right")), None))


_CUT = {"columns", "shopper", *TEXTS}
