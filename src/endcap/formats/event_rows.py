"""Exports of events that nest items in events, as rows: one an item, numbered by its event. Knows columns and clocks.

Each format says what one value of its file holds. Does not know which names of events matter.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from endcap.errors import InvalidFeed
from endcap.formats import Batch
from endcap.formats.json_values import values
from endcap.formats.records import Torn
from endcap.formats.sources import Source

BATCH: Final = 1 << 16
_READ: Final = 1 << 12
_PLACEMENT: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NUMBER: Final = re.compile(r"-?\d{1,25}(\.\d{1,25})?([eE]\+?\d{1,2})?")
MAX_ITEMS: Final = 1_000
"""Items of one event."""
_UNITS: Final = (("seconds", 10**8, 1000, 1), ("milliseconds", 10**11, 1, 1), ("microseconds", 10**14, 1, 1000),
                 ("nanoseconds", 10**17, 1, 10**6))  # fmt: skip
"""Unit, the least number (in 1973) that is one of it, and the factor and divisor to milliseconds."""


class Row(NamedTuple):
    """One item of an event, under the names of events' fields.

    `event` is the number of the value in its file, with a point and the event's place where a value holds several. The
    time is a number of ms UTC in `clock`, or text in `time`.
    """

    event: str
    name: str | None = None
    clock: int | None = None
    time: str | None = None
    user_id: str | None = None
    visitor_id: str | None = None
    session_id: str | None = None
    transaction_id: str | None = None
    event_id: str | None = None
    currency: str | None = None
    region: str | None = None
    placement: str | None = None
    recommendation_id: str | None = None
    user_agent: str | None = None
    item_id: str | None = None
    quantity: str | None = None
    price: str | None = None
    device: str | None = None
    referrer: str | None = None
    search_term: str | None = None
    engagement_time_msec: str | None = None
    percent_scrolled: str | None = None


SCHEMA: Final[dict[str, pl.DataType]] = {name: pl.Int64() if name == "clock" else pl.String() for name in Row._fields}
Read: TypeAlias = Callable[[str, Mapping[str, Any], Counter[str]], Iterable[Row]]
"""The rows of one value: its number in the file, the value, and where times in an unlikely unit are counted.

Raises ValueError with what is wrong where the value is none of the format.
"""


@dataclass(frozen=True, slots=True)
class EventFile:
    """One open export; `columns` are those to read of Parquet. `clocks` counts times that are not in the usual unit."""

    source: Source
    read: Read
    columns: tuple[str, ...] = ()
    schema: dict[str, pl.DataType] = field(default_factory=lambda: dict(SCHEMA))
    rows: int | None = None
    torn: list[tuple[int, str]] = field(default_factory=list)
    clocks: Counter[str] = field(default_factory=Counter)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.source.path

    def digest(self) -> str:
        """16 hexadecimal digits that name the content."""
        return self.source.digest()

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """`columns` of all rows, in order, numbered by event. Raises InvalidFeed where the file is damaged."""
        given = self._parquet() if self.columns else values(self.source)
        rows: list[Row] = []
        for number, value in enumerate(given, 1):
            try:
                if isinstance(value, Torn):
                    self.torn.append((number, value.reason))
                else:
                    rows += self.read(str(number), value, self.clocks)
            except ValueError as error:
                self.torn.append((number, str(error)))
            except (AttributeError, KeyError, TypeError):
                self.torn.append((number, "is not nested as this format has it"))
            if len(rows) >= BATCH:
                yield self._batch(rows, columns)
                rows = []
        if rows or self.torn:
            yield self._batch(rows, columns)

    def _batch(self, rows: list[Row], columns: Sequence[str]) -> Batch:
        try:
            "".join(text for row in rows for text in row if isinstance(text, str)).encode()
        except UnicodeEncodeError:
            rows = [row for row in rows if self._is_text(row)]
        across = (
            dict(zip(Row._fields, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(Row._fields, ())
        )
        frame = pl.DataFrame([pl.Series(name, across[name], SCHEMA[name]) for name in columns])
        return Batch(np.array([_number(row) for row in rows], np.int64), frame)

    def _is_text(self, row: Row) -> bool:
        try:
            "".join(text for text in row if isinstance(text, str)).encode()
        except UnicodeEncodeError:
            self.torn.append((_number(row), "holds half a surrogate pair, which is no character"))
            return False
        return True

    def _parquet(self) -> Iterator[dict[str, Any]]:
        done = 0
        try:
            with pq.ParquetFile(self.source.path) as file:
                names = [name for name in file.schema_arrow.names if name in self.columns]
                for batch in file.iter_batches(_READ, columns=names):
                    yield from batch.to_pylist()
                    done += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise InvalidFeed(f"{self.path} is damaged after row {done}: {error}; export it again") from error


def _number(row: Row) -> int:
    return int(row.event.partition(".")[0])


def text(value: Any) -> str | None:
    """`value` as text; None where it says nothing, as GA4's "(not set)"."""
    if value is None or value in {"", "(not set)"}:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def placement(value: Any) -> str | None:
    """`value` where it could be the name of a placement."""
    name = text(value)
    return name if name is not None and _PLACEMENT.fullmatch(name) else None


def instant(value: Any, usual: str, clocks: Counter[str]) -> int | None:
    """Milliseconds UTC of a number in the unit that its size tells, between 1973 and 5138; any but `usual` counts.

    >>> instant("1700000000000000", "microseconds", clocks := Counter()), instant(1700000000, "microseconds", clocks)
    (1700000000000, 1700000000000)
    >>> clocks
    Counter({'seconds': 1})

    Raises: ValueError.
    """
    given = text(value)
    if given is None:
        return None
    number = int(float(given)) if _NUMBER.fullmatch(given) else -1
    found = next(
        ((name, factor, divisor) for name, least, factor, divisor in _UNITS if least <= number < least * 1000), None
    )
    if found is None:
        raise ValueError(f"has the time {given[:40]}, which is no number of {usual} since 1970")
    name, factor, divisor = found
    if name != usual:
        clocks[name] += 1
    exact = int(given) if given.isdigit() else number
    return exact * factor // divisor


def with_items(event: Row, items: Any, read: Callable[[Row, Mapping[str, Any]], Row]) -> Iterable[Row]:
    """`event` once for each of its items, once without any where it has none. Raises: ValueError of too many."""
    if isinstance(items, Mapping):
        items = [items]
    if items and len(items) > MAX_ITEMS:
        raise ValueError(f"has {len(items):,} items; expected at most {MAX_ITEMS:,} in one event")
    return [read(event, item) for item in items] if items else [event]
