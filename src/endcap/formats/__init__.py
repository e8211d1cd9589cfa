"""What shops' files look like: each format is read as rows under the names of Merchant feeds and GA4.

Knows bytes, encodings and field names of the formats. Does not know the log, mappings or what a row becomes.
`recognise.opened` finds the format of a file; every format gives a `Table`, which ingest reads like any other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import polars as pl

from endcap.domain.arrays import Ints
from endcap.formats.sources import Source

Kind: TypeAlias = Literal["catalog", "events"]
Container: TypeAlias = Literal["parquet", "xml", "json", "table"]


class Batch(NamedTuple):
    """Some columns of consecutive rows, with the rows' numbers int64."""

    numbers: Ints
    frame: pl.DataFrame


class Table(Protocol):
    """An open file as rows: its columns in order, and its number of rows where the format tells it.

    `torn` collects, while `batches` reads, the numbers of rows that cannot be read, and the reason.
    """

    @property
    def path(self) -> Path: ...
    @property
    def schema(self) -> dict[str, pl.DataType]: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def torn(self) -> list[tuple[int, str]]: ...
    def digest(self) -> str:
        """16 hexadecimal digits that name the content of the file as it lies there now."""

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """`columns` of all rows, in order. Raises InvalidFeed where the file is damaged."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a file, by which its format is recognised.

    `columns` are those of Parquet or of a table's header, else empty; `objects` the first JSON objects, else empty;
    `text` the first characters, empty for Parquet; `separator` that of a table.
    """

    source: Source
    container: Container
    columns: tuple[str, ...] = ()
    objects: tuple[dict[str, Any], ...] = ()
    text: str = ""
    separator: str = ""


class Format(NamedTuple):
    """One format: its name as a person says it, whether a sample looks like it, and how its rows are read."""

    name: str
    fits: Callable[[Sample], bool]
    open: Callable[[Sample], Table]
