"""CSV and Parquet files as batches of columns, in bounded memory. Knows rows and stored types; no mapping.

A CSV's columns are all text; what they mean is for the mapping to say. Rows count from 1, a CSV's header not counted.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from endcap.domain.arrays import Ints
from endcap.errors import InvalidFeed
from endcap.formats import Batch, Table
from endcap.formats.json_table import json_table
from endcap.formats.sources import Recoded, Source

BATCH: Final = 1 << 16
"""Rows of a batch of Parquet; a batch of CSV is a block of bytes."""

_OPEN: Final = "a quotation mark is not closed, and the row runs on"
_READ: Final = 1 << 18
_BLOCK: Final = 1 << 23
"""Bytes of a block of CSV, and of the largest row."""


class _Quotes(io.RawIOBase):
    """A table's text on its way to the reader, which takes all up to the next quotation mark for one value.

    Where that mark does not end a value either, some row's was left open, and the rows between would be lost in it.
    Raises InvalidFeed there. What stays open to the end of the file is for the reader's caller.
    """

    def __init__(self, text: Recoded, path: Path, separator: str) -> None:
        part = re.escape(separator.encode())
        end, more = rb"(?:" + part + rb"|\r\n?|\n)", rb"[^\r\n" + part + rb"]*+"
        quoted, one_line = rb'"(?:[^"]++|"")*+"', rb'"(?:[^"\r\n]++|"")*+"'
        plain = rb'(?:[^"\r\n' + part + rb"]" + more + rb")?+"
        value = rb"(?:" + quoted + rb"(?=" + end + rb")|" + one_line + more + rb"|" + plain + rb")"
        self._whole = re.compile(rb"(?:" + value + end + rb")*+")
        self._torn = re.compile(quoted + rb'(?=[^"])')
        self._text, self._path = text, path
        self._line, self._rest = 1, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = self._text.readinto(buffer)
        self._see(self._rest + bytes(buffer[:size]))
        return size

    def close(self) -> None:
        self._text.close()
        super().close()

    def _see(self, piece: bytes) -> None:
        whole = self._whole.match(piece) if b'"' in piece else None
        done = whole.end() if whole else piece.rfind(b"\n") + 1
        torn = self._torn.match(piece, done)
        self._line += piece.count(b"\n", 0, done)
        self._rest = piece[done:]
        lines = torn.group().count(b"\n") if torn else 0
        if lines:
            raise InvalidFeed(
                f"{self._path}: a quotation mark in line {self._line:,} is closed by another value's in line "
                f"{self._line + lines:,}, and what stands between would be lost; close it, or double it where it "
                "stands for itself"
            )


@dataclass(frozen=True, slots=True)
class TableFile:
    """One open file: its columns in order, and its number of rows where the format tells it.

    `torn` collects, while `batches` reads, the numbers of CSV rows with too few or too many values, and the reason.
    """

    source: Source
    schema: dict[str, pl.DataType]
    rows: int | None
    separator: str = ","
    torn: list[tuple[int, str]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.source.path

    def digest(self) -> str:
        """16 hexadecimal digits that name the content."""
        return self.source.digest()

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """`columns` of all rows, in order. Raises InvalidFeed where the file is damaged or no text."""
        read = self._csv(columns) if self.rows is None else self._parquet(columns)
        done = 0
        try:
            for table in read:
                valid = np.arange(done, done + table.num_rows, dtype=np.int64)
                done += table.num_rows
                frame = pl.from_arrow(table)
                if isinstance(frame, pl.DataFrame) and (len(frame) or self.torn):
                    yield Batch(self._numbered(valid), frame)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.path, done + len(self.torn), error) from error

    def _numbered(self, valid: Ints) -> Ints:
        """Row numbers from counts of the rows that are not torn."""
        torn = np.array([number for number, _ in self.torn], np.int64)
        before = torn - np.arange(1, len(torn) + 1)
        return valid + 1 + np.searchsorted(before, valid, side="right")

    def _parquet(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH, columns=list(columns)):
                yield pa.Table.from_batches([batch])

    def _csv(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        def tear(row: Any) -> str:
            reason = f"{row.actual_columns} values where the header has {row.expected_columns}"
            lines = (row.text or "").count("\n")
            if lines:
                reason += f"; {_OPEN} over {lines} more lines"
            self.torn.append((row.number - 1, reason))
            return "skip"

        names, done = list(self.schema), 0
        wanted = [*columns, *(name for name in names[-1:] if name not in columns)]
        held: pa.RecordBatch | None = None
        text = self.source.text()
        watched = _Quotes(text, self.path, self.separator)
        with (
            io.BufferedReader(watched, _READ) as file,
            _csv_reader(file, self.separator, names, wanted, tear) as reader,
        ):
            for batch in reader:
                if batch.num_rows:
                    if held is not None:
                        yield pa.Table.from_batches([held]).select(list(columns))
                    held, done = batch, done + batch.num_rows
        if held is not None:
            end = held if text.last == b'"' else self._closed(held, done, names[-1])
            yield pa.Table.from_batches([end]).select(list(columns))

    def _closed(self, end: pa.RecordBatch, rows: int, last: str) -> pa.RecordBatch:
        """`end`, the last batch, without its last row where that is a quotation left open until the file ends."""
        lines = (end.column(last)[-1].as_py() or "").count("\n")
        if not lines:
            return end
        number = self._numbered(np.array([rows - 1], np.int64))
        self.torn.append((int(number[0]), f"{_OPEN} over {lines} more lines"))
        return end.slice(0, end.num_rows - 1)


def open_any(source: Source, separator: str = ",") -> Table:
    """The rows of `source` for a mapping: Parquet or JSON by its first bytes, else CSV with a header.

    Raises: InvalidFeed where it cannot be read, is empty, or names a column twice.
    """
    if not source.is_parquet() and source.head().lstrip()[:1] in {"{", "["}:
        return json_table(source)
    return open_table(source, separator)


def open_table(file: Path | Source, separator: str = ",") -> TableFile:
    """The rows of `file`, Parquet by its first bytes, else CSV with a header.

    Raises: InvalidFeed where it cannot be read, is empty, or names a column twice.
    """
    source = file if isinstance(file, Source) else Source(file)
    path = source.path
    parquet = source.is_parquet()
    if not parquet:
        source.head()
    try:
        if parquet:
            with pq.ParquetFile(path) as opened:
                arrow, rows = opened.schema_arrow, opened.metadata.num_rows
            schema = dict(pl.DataFrame(arrow.empty_table()).schema)
            names = arrow.names
        else:
            with source.open() as text, _csv_reader(text, separator, [], [], lambda _: "skip") as reader:
                names, rows = reader.schema.names, None
            schema = dict.fromkeys(names, pl.String())
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, 0, error) from error
    if twice := [name for name in schema if names.count(name) > 1]:
        raise InvalidFeed(f"{path} has the column {twice[0]!r} twice; rename one")
    return TableFile(source, schema, rows, separator)


def _damaged(path: Path, row: int, error: Exception) -> InvalidFeed:
    if "straddling" in str(error) or "out of sync" in str(error):
        return InvalidFeed(
            f"{path}: a row after row {row} is longer than {_BLOCK >> 20} MiB; "
            "most likely a quotation mark is not closed: close it, or double it where it stands for itself"
        )
    return InvalidFeed(f"{path} is damaged after row {row}: {error}; export it again")


def _csv_reader(text: BinaryIO, separator: str, names: list[str], columns: Sequence[str], tear: Any) -> Any:
    return pyarrow.csv.open_csv(
        pa.PythonFile(text, "r"),
        pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
        pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=tear),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=list(columns),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
