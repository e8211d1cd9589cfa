"""Changes on their way into the log: which rows they need, what is new against the catalog, and their records.

Works on columns: an attribute of a batch is one array, and only the records themselves are made one by one. Knows what
an absent value means; does not know files.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice, repeat
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from endcap.backends.db import Recorded
from endcap.backends.log import Entry, bodies
from endcap.domain.arrays import Bools, Ints, Rows
from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKind
from endcap.domain.lines import Lines
from endcap.ingest import Ports
from endcap.ingest.fold import Batch, take_in
from endcap.ingest.rows import assignment_entry

PARTED: Final = "\x1f"
"""Stands between the parts of a category's path, in the columns here."""

NOTHING: Final = {"price": -1, "sale_price": -1, "cost": -1, "stock": -1, "sale_start": 0, "sale_end": 0, "listed": 0}
"""What a number says that says nothing; a text that says nothing is empty, and a group one's own row."""

_FIELDS: Final = "group listed price sale_price sale_start sale_end stock brand category cost".split()
_APPEND: Final = 25_000
_PAGE: Final = 20_000


class Writer:
    """Appends changes with the rows they need, folds them, and counts; `directory` knows all rows, planned ones too."""

    def __init__(self, shop: Ports, now: int) -> None:
        self.shop, self.now = shop, now
        self.directory = shop.directory()
        self.fresh = self.known = self.new_items = 0
        self._waiting: list[tuple[Entry, Assignment | Change]] = []
        self._appender, self._folder = ThreadPoolExecutor(1, "append"), ThreadPoolExecutor(1, "fold")
        self._appending: Future[tuple[int, int]] = self._appender.submit(lambda: (0, 0))
        self._folding: Future[None] = self._folder.submit(lambda: None)

    def rows(self, kind: ItemKind, ids: Sequence[str]) -> Rows:
        """int32 [n]: the row of each, a new one where it has none."""
        rows, assignments = self.directory.ensure(kind, ids)
        self._waiting += [(assignment_entry(assignment, self.now), assignment) for assignment in assignments]
        self.new_items += len(assignments) if kind == "item" else 0
        return np.array(rows, np.int32)

    def write(self, change: Change, keyed: bool = True) -> None:
        """Append `change` soon; if `keyed`, only where the log holds no equal one."""
        body = bodies.pack(change)
        key = blake2b(body, digest_size=16, person=b"change").digest() if keyed else b""
        self._waiting.append((Entry("change", key, b"", change.at, body, bodies.FORMAT), change))
        if len(self._waiting) >= _APPEND:
            self.flush()

    def delist(self, rows: Sequence[int]) -> int:
        """Append that `rows` are sold no more, now; how many there were."""
        for row in rows:
            self.write(Change(row, self.now, listed=False), keyed=False)
        self.flush()
        self.fresh -= len(rows)
        return len(rows)

    def write_columns(self, news: "News", keyed: bool) -> None:
        """Append what is new about each row; if `keyed`, only what the log does not hold."""
        columns = [news.column(name) for name in _FIELDS]
        texts = {name: news.column(f"text.{name}") for name in news.texts}
        each_texts = zip(*texts.values(), strict=True) if texts else repeat((), len(news.rows))
        told = zip(news.rows.tolist(), news.at.tolist(), *columns, each_texts, strict=True)
        for row, at, group, listed, price, sale, start, end, stock, brand, category, cost, said in told:
            text = {name: each for name, each in zip(texts, said, strict=True) if each is not None}
            change = Change(row, at, group, listed, price, sale, start, end, stock, brand, category, text, cost)
            self.write(change, keyed)

    def finish(self) -> None:
        """Append what waits; when this returns, all is folded."""
        self.flush()
        self.flush()  # which waits for the first and counts what it appended
        self._folding.result()
        self._appender.shutdown()
        self._folder.shutdown()

    def flush(self) -> None:
        """Append what waits once what was before it is; one thread appends, one folds, while changes are made here."""
        fresh, known = self._appending.result()
        self.fresh, self.known = self.fresh + fresh, self.known + known
        self._appending = self._appender.submit(self._append, self._waiting)
        self._waiting = []

    def _append(self, waiting: Sequence[tuple[Entry, Assignment | Change]]) -> tuple[int, int]:
        """How many changes of `waiting` the log lacked and held."""
        told = self.shop.log.append("events", [entry for entry, _ in waiting])
        placed = zip(told.offsets, told.fresh, waiting, strict=True)
        others: list[tuple[int, bodies.Noun]] = [(offset, noun) for offset, fresh, (_, noun) in placed if fresh]
        self._folding.result()
        if others:
            batch = Batch(others[-1][0], others, Lines.of([], []))
            self._folding = self._folder.submit(take_in, self.shop, batch, keep=False)
        changes = sum(isinstance(noun, Change) for _, noun in waiting)
        fresh = sum(isinstance(noun, Change) for _, noun in others)
        return fresh, changes - fresh


class News(NamedTuple):
    """Attributes of `rows` at `at`: [n] columns by name, NULL where a row says nothing new; `texts` as `text.title`."""

    rows: Rows
    at: Ints
    frame: pl.DataFrame

    @property
    def texts(self) -> list[str]:
        """The attributes of `text`."""
        return [name.removeprefix("text.") for name in self.frame.columns if name.startswith("text.")]

    def column(self, name: str) -> list[Any]:
        """The values of an attribute as a change spells them, None where there are none."""
        if name not in self.frame.columns:
            return [None] * len(self.rows)
        column = self.frame[name]
        if name != "category":
            return column.to_list()
        paths = {path: tuple(path.split(PARTED)) if path else () for path in column.drop_nulls().unique().to_list()}
        return [None if path is None else paths[path] for path in column.to_list()]


class Known:
    """What the catalog says, as one number a row and attribute: 0 where it says nothing or the same as nothing."""

    def __init__(self, changes: Iterable[Recorded]) -> None:
        self._born: Bools = np.zeros(1024, np.bool_)
        self._codes: dict[str, Ints] = {}
        self._told: dict[str, Ints] = {}
        every = iter(changes)
        while page := list(islice(every, _PAGE)):
            self._take(page)

    def news(self, rows: Rows, frame: pl.DataFrame) -> tuple[pl.DataFrame, Bools]:
        """The attributes in `frame` that differ from what is known, others NULL, and which rows nothing was known of.

        What is NULL in `frame` is not told.

        An attribute that no row has takes no memory, so a first import is compared with nothing.
        """
        self._reserve(int(rows.max(initial=-1)))
        masked = []
        for column in frame:
            codes = _coded(column.fill_null(NOTHING["stock"]) if column.name == "stock" else column, rows)
            known = self._codes[column.name][rows] if column.name in self._codes else np.zeros_like(codes)
            masked.append(column.zip_with(pl.Series(known != codes), _null(column)))
        return pl.DataFrame(masked), ~self._born[rows]

    def tells(self, name: str) -> bool:
        """Whether any row has the attribute `name`."""
        return name in self._codes

    def _take(self, page: Sequence[Recorded]) -> None:
        self._reserve(max(change.row for _, change in page))
        cells: dict[str, tuple[list[int], list[int], list[Any]]] = {}
        for _, change in page:
            for name, value in _spelt(change):
                rows, times, values = cells.setdefault(name, ([], [], []))
                rows.append(change.row)
                times.append(change.at)
                values.append(value)
        for name, (rows, times, values) in cells.items():
            self._tell(np.array(rows, np.int32), np.array(times, np.int64), pl.Series(name, values))
        self._born[[change.row for _, change in page]] = True

    def _tell(self, rows: Rows, times: Ints, values: pl.Series) -> None:
        """Each value unless its row was told a later one; of two of one instant the one that came later counts."""
        codes, told = self._column(values.name), self._told[values.name]
        order = np.argsort(times, kind="stable")
        order = order[times[order] >= told[rows[order]]]
        codes[rows[order]] = _coded(values, rows)[order]
        told[rows[order]] = times[order]

    def _column(self, name: str) -> Ints:
        if name not in self._codes:
            self._codes[name] = np.zeros(len(self._born), np.int64)
            self._told[name] = np.full(len(self._born), -1, np.int64)
        return self._codes[name]

    def _reserve(self, row: int) -> None:
        size = len(self._born)
        if row >= size:
            grown = max(row + 1, 2 * size) - size
            self._born = np.pad(self._born, (0, grown))
            self._codes = {name: np.pad(column, (0, grown)) for name, column in self._codes.items()}
            self._told = {name: np.pad(column, (0, grown), constant_values=-1) for name, column in self._told.items()}


def _null(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [None], column.dtype)


def _coded(column: pl.Series, rows: Rows) -> Ints:
    """int64 [n]: equal values have equal numbers, and what says nothing has 0. Holds within one run of Python only."""
    if column.name == "group":
        group = column.to_numpy().astype(np.int64)
        return np.where(group == rows, 0, group + 1)
    if column.dtype == pl.String:
        hashed = column.hash(seed=1).to_numpy().astype(np.int64)
        return np.where((column == "").to_numpy(), 0, hashed | 1)
    return column.to_numpy().astype(np.int64) - NOTHING[column.name]


def _spelt(change: Change) -> Iterator[tuple[str, Any]]:
    for name in _FIELDS:
        value = getattr(change, name)
        if value is not None:
            yield name, PARTED.join(value) if name == "category" else value
    for name, text in change.text.items():
        yield f"text.{name}", text
