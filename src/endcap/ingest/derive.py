"""A catalog derived from transactions: each row tells its item's title and price then; what counts is when one differs.

Kept per item and field: the first value, and the last of each day (UTC). Memory grows with items and days, not rows.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import polars as pl

from endcap.domain.instants import DAY
from endcap.ingest.binding import ROW

_COMPACT: Final = 2_000_000
_ORDER: Final = ("id", "field", "at", ROW)


class Derived(NamedTuple):
    """What is new about one item at `at`, as text by field; `listed` is "true" the first time it is seen."""

    id: str
    at: int
    values: dict[str, str]


class Deriver:
    """Takes rows in any order, gives changes by time."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._entries: list[pl.DataFrame] = []
        self._compact = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take in columns `id`, `time`, ROW and the fields, as text, NULL where a row does not tell one."""
        at = pl.col("time").dt.epoch("ms").alias("at")
        entries = rows.with_columns(listed=pl.lit("true")).select("id", at, ROW, "listed", *self._fields)
        long = entries.unpivot(["listed", *self._fields], index=["id", "at", ROW], variable_name="field")
        self._entries.append(_outlines(long.drop_nulls("value")))
        size = sum(map(len, self._entries))
        if size > max(_COMPACT, 2 * self._compact):
            self._entries = [_outlines(pl.concat(self._entries))]
            self._compact = len(self._entries[0])

    def changes(self) -> Iterator[Derived]:
        """All changes by time, then by row."""
        if not self._entries:
            return
        entries = _outlines(pl.concat(self._entries))
        same = (pl.struct("id", "field", "value") == pl.struct("id", "field", "value").shift()).fill_null(False)
        news = entries.filter(~same).sort("at", ROW, "field").select("id", "at", "field", "value")
        for (at, item), run in groupby(_by_item(news), key=lambda entry: (entry[1], entry[0])):
            yield Derived(item, at, {field: value for _, _, field, value in run})


def _outlines(entries: pl.DataFrame) -> pl.DataFrame:
    """Of each item and field the first entry and the last of every day, sorted."""
    ordered = entries.sort(_ORDER)
    field, day = pl.struct("id", "field"), pl.struct("id", "field", pl.col("at") // DAY)
    first = (field != field.shift()).fill_null(True)
    last = (day != day.shift(-1)).fill_null(True)
    return ordered.filter(first | last)


def _by_item(news: pl.DataFrame) -> Iterator[tuple[str, int, str, str]]:
    """Entries of one item and time together, items of one time by their first row."""
    rank = pl.int_range(pl.len()).min().over("at", "id")
    yield from news.with_columns(rank=rank).sort("rank", maintain_order=True).drop("rank").iter_rows()
