"""Items from a file into the log, as changes of rows: what is new against the catalog, or what a file's own times tell.

Knows Merchant names and what an absent value means. A feed without times is compared with the catalog as it stands, so
importing it again changes nothing; rows with times of their own are keyed by what they say.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from endcap.backends.db import Recorded
from endcap.backends.log import Entry, bodies
from endcap.domain.arrays import Ints
from endcap.domain.catalog import SINCE_EVER, Change
from endcap.domain.ids import ItemKey
from endcap.formats.files import open_table
from endcap.ingest import Ports, Report, Summary
from endcap.ingest.binding import ROW, Check, Fields, bind
from endcap.ingest.checks import (
    MAX_ID,
    check_currency,
    length_check,
    minor_column,
    nothing_fits,
    price_check,
    time_check,
)
from endcap.ingest.collection import paused_collection
from endcap.ingest.derive import Deriver
from endcap.ingest.fold import project
from endcap.ingest.mapping import CatalogMapping
from endcap.ingest.quarantine import Quarantine
from endcap.ingest.rows import Directory, assignment_entry
from endcap.state import NEVER

FIELDS: Final = Fields(
    {
        "time": "time",
        "sale_start": "time",
        "sale_end": "time",
        "price": "number",
        "sale_price": "number",
        "stock": "number",
    }
)
MAX_TEXT, MAX_STOCK = 20_000, 10**9
SELLING: Final = ("in_stock", "limited_availability", "preorder", "backorder")
_TEXTS: Final = ("title", "description", "link", "image_link")
_NOTHING: Final = {
    "price": -1,
    "sale_price": -1,
    "stock": -1,
    "sale_start": 0,
    "sale_end": 0,
    "listed": False,
    "category": (),
}
_APPEND: Final = 50_000


def import_catalog(shop: Ports, file: Path, mapping: CatalogMapping, now: int, report: Report | None = None) -> Summary:
    """Append what `file` tells about items to the log and fold it into everything that reads it; `now` in ms UTC.

    Without a time of its own, a row that had no change before counts since ever, a later change from `now` on.

    Raises: InvalidFeed where a mapped column is missing, no row fits, or the currency is not the shop's.
    """
    check_currency(shop, mapping.currency, mapping.path)
    table = open_table(file, mapping.separator)
    binding = bind(mapping, table, shop.timezone, FIELDS)
    name = f"{file.name}-{table.digest()}.jsonl"
    project(shop)
    writer = _Writer(shop, now)
    loader = _Transactions(writer, mapping) if mapping.derived else _Feed(writer, mapping)
    rows = left_out = 0
    with paused_collection(), Quarantine(shop.quarantine, name) as quarantine:
        for batch in binding.batches(_checks(mapping, shop.currency, now), quarantine):
            rows, left_out = rows + batch.rows, left_out + batch.left_out
            if len(batch.fields):
                loader.load(batch.fields, quarantine)
            if report:
                report(rows, table.rows)
        loader.finish()
        kept = quarantine.finish()
        project(shop)
    if quarantine.count and quarantine.count == rows - left_out:
        raise nothing_fits(file, quarantine, kept)
    return Summary(rows, left_out, quarantine.count, writer.fresh, writer.known, writer.new_items, kept)


def _checks(mapping: CatalogMapping, currency: str, now: int) -> list[Check]:
    given = mapping.formulas().keys()
    stock, word = pl.col("stock"), _availability()
    checks = [
        *(Check(name, pl.col(name).is_null(), "is missing") for name in ("id", "time")),
        time_check("time", now),
        *(length_check(name, MAX_ID) for name in ("id", "item_group_id", "brand")),
        *(length_check(name, MAX_TEXT) for name in (*_TEXTS, "category", *mapping.text)),
        *(price_check(name, currency) for name in ("price", "sale_price")),
        Check("stock", (stock < 0) | (stock > MAX_STOCK), f"is not between 0 and {MAX_STOCK:,}"),
        Check(
            "availability", ~word.is_in([*SELLING, "out_of_stock"]), f"is not one of {', '.join(SELLING)}, out_of_stock"
        ),
    ]
    if {"sale_start", "sale_end"} <= given:
        checks.append(Check("sale_start", pl.col("sale_start") >= pl.col("sale_end"), "is not before sale_end"))
    return [check for check in checks if check.field in given]


def _availability() -> pl.Expr:
    return pl.col("availability").str.to_lowercase().str.replace_all("[ -]", "_")


class _Writer:
    """Appends changes with the rows they need, and counts; `directory` knows all rows, planned ones too."""

    def __init__(self, shop: Ports, now: int) -> None:
        self.shop, self.now = shop, now
        self.directory = Directory(shop.catalog.keys())
        self.fresh = self.known = self.new_items = 0
        self._waiting: list[Entry] = []

    def rows(self, keys: Iterable[ItemKey]) -> None:
        """Give each of `keys` a row."""
        assignments = self.directory.plan(keys)
        self.directory.adopt(assignments)
        self._waiting += [assignment_entry(assignment, self.now) for assignment in assignments]
        self.new_items += sum(assignment.key.kind == "item" for assignment in assignments)

    def row(self, key: ItemKey) -> int:
        """The row that `rows` gave."""
        row = self.directory.row(key)
        if row is None:
            raise KeyError(key)
        return row

    def write(self, change: Change) -> None:
        """Append `change` soon, unless the log holds an equal one."""
        body = bodies.pack(change)
        key = blake2b(body, digest_size=16, person=b"change").digest()
        self._waiting.append(Entry("change", key, b"", change.at, body, bodies.FORMAT))
        if len(self._waiting) >= _APPEND:
            self.flush()

    def flush(self) -> None:
        """Append what waits."""
        appended = self.shop.log.append("events", self._waiting)
        fresh = [new for entry, new in zip(self._waiting, appended.fresh, strict=True) if entry.kind == "change"]
        self.fresh += sum(fresh)
        self.known += len(fresh) - sum(fresh)
        self._waiting = []


class _Transactions:
    """Changes derived from all rows, written at the end."""

    def __init__(self, writer: _Writer, mapping: CatalogMapping) -> None:
        self._writer, self._mapping = writer, mapping
        self._fields = [name for name in mapping.formulas() if name not in {"id", "time"}]
        self._deriver = Deriver(self._fields)

    def load(self, fields: pl.DataFrame, quarantine: Quarantine) -> None:
        if "price" in fields.columns:
            minor = minor_column(fields["price"], self._writer.shop.currency)
            fields = fields.with_columns(price=minor).with_columns(
                price=pl.when(pl.col("price") > 0).then(pl.col("price")).cast(pl.String)
            )
        self._deriver.add(fields)

    def finish(self) -> None:
        for item, at, told in self._deriver.changes():
            key = ItemKey("item", item)
            self._writer.rows([key])
            values: dict[str, Any] = {name: told[name] for name in self._fields if name in told}
            values |= {"listed": True} if "listed" in told else {}
            self._writer.write(_change(self._writer.row(key), at, _attributes(values, self._mapping)))
        self._writer.flush()


class _Feed:
    """One row an item: what differs from the catalog, or, where rows have times, all that they say then."""

    def __init__(self, writer: _Writer, mapping: CatalogMapping) -> None:
        self._writer, self._mapping = writer, mapping
        self._known = None if mapping.fields.time else _Known(writer.shop.catalog.changes())
        self._met: dict[int, int] = {}

    def load(self, fields: pl.DataFrame, quarantine: Quarantine) -> None:
        frame = _filled(fields, self._writer.shop.currency)
        self._writer.rows(ItemKey("item", item) for item in frame["id"])
        if "item_group_id" in frame.columns:
            self._writer.rows(ItemKey("group", group) for group in frame["item_group_id"].drop_nulls())
        for values in frame.iter_rows(named=True):
            self._take(values, quarantine)
        self._writer.flush()

    def finish(self) -> None:
        self._writer.flush()

    def _take(self, values: dict[str, Any], quarantine: Quarantine) -> None:
        number, item, at = values.pop(ROW), values.pop("id"), values.pop("time", None)
        row = self._writer.row(ItemKey("item", item))
        if "item_group_id" in values:
            group = values.pop("item_group_id")
            values["group"] = self._writer.row(ItemKey("group", group)) if group else row
        attributes = _attributes(values, self._mapping)
        if self._known is None:
            self._writer.write(_change(row, at, attributes))
            return
        first = self._met.setdefault(row, number)
        if first != number:
            quarantine.add(number, "id", item, f"stands in row {first} already")
            return
        news, born = self._known.news(row, attributes)
        if news:
            self._writer.write(_change(row, SINCE_EVER if born else self._writer.now, news))
        else:
            self._writer.known += 1


def _filled(fields: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Absent values as a change spells them: -1 unknown, empty text; the sale's window open where it has no bound."""
    given = set(fields.columns)
    frame = fields.with_columns(
        minor_column(fields[name], currency).alias(name) for name in ("price", "sale_price") if name in given
    )
    epochs = [pl.col(name).dt.epoch("ms") for name in ("time", "sale_start", "sale_end") if name in given]
    frame = frame.with_columns(*epochs, pl.col(pl.String).exclude("id", "item_group_id", "availability").fill_null(""))
    if "sale_price" in given:
        sale = pl.col("sale_price") >= 0
        bounds = {"sale_start": 0, "sale_end": NEVER}
        frame = frame.with_columns(
            pl.when(sale)
            .then(pl.col(name).fill_null(open_) if name in given else pl.lit(open_, pl.Int64))
            .otherwise(0)
            .alias(name)
            for name, open_ in bounds.items()
        )
    if given & {"stock", "availability"}:
        stock = pl.col("stock").floor().cast(pl.Int64).fill_null(-1) if "stock" in given else pl.lit(-1, pl.Int64)
        gone = _availability() == "out_of_stock" if "availability" in given else pl.lit(False)
        frame = frame.with_columns(stock=pl.when(gone).then(0).otherwise(stock)).drop("availability", strict=False)
    return frame.with_columns(listed=pl.lit(True))


def _attributes(values: Mapping[str, Any], mapping: CatalogMapping) -> dict[str, Any]:
    """Values by attribute of a change; attributes of its `text` as `text.title`."""
    attributes: dict[str, Any] = {}
    for name, value in values.items():
        if name == "category":
            attributes[name] = tuple(part for part in map(str.strip, value.split(mapping.category_separator)) if part)
        elif name in _TEXTS or name in mapping.text:
            attributes[f"text.{name}"] = value
        else:
            attributes[name] = int(value) if name == "price" else value
    return attributes


def _change(row: int, at: int, attributes: Mapping[str, Any]) -> Change:
    texts = {name.removeprefix("text."): value for name, value in attributes.items() if name.startswith("text.")}
    rest = {name: value for name, value in attributes.items() if not name.startswith("text.")}
    return Change(row, at, **rest, text=texts)


class _Known:
    """What the catalog says, as one hash per row and attribute, 0 where it says nothing or the same as nothing."""

    def __init__(self, changes: Iterable[Recorded]) -> None:
        self._hashes: dict[str, Ints] = {}
        self._changed: Ints = np.full(1024, -1, np.int64)
        for _, change in changes:
            self._reserve(change.row)
            if change.at >= self._changed[change.row]:
                self._changed[change.row] = change.at
                for name, value in _spelt(change):
                    self._column(name)[change.row] = _hash(name, change.row, value)

    def news(self, row: int, attributes: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Those of `attributes` that differ from what is known, and whether nothing was; remembers them."""
        self._reserve(row)
        news = {}
        for name, value in attributes.items():
            column, hashed = self._column(name), _hash(name, row, value)
            if column[row] != hashed:
                column[row] = hashed
                news[name] = value
        return news, bool(self._changed[row] < 0)

    def _column(self, name: str) -> Ints:
        if name not in self._hashes:
            self._hashes[name] = np.zeros(len(self._changed), np.int64)
        return self._hashes[name]

    def _reserve(self, row: int) -> None:
        if row >= len(self._changed):
            grown = max(row + 1, 2 * len(self._changed)) - len(self._changed)
            self._changed = np.pad(self._changed, (0, grown), constant_values=-1)
            self._hashes = {name: np.pad(column, (0, grown)) for name, column in self._hashes.items()}


def _spelt(change: Change) -> Iterable[tuple[str, Any]]:
    for name in ("group", "listed", "price", "sale_price", "sale_start", "sale_end", "stock", "brand", "category"):
        value = getattr(change, name)
        if value is not None:
            yield name, value
    for name, text in change.text.items():
        yield f"text.{name}", text


def _hash(name: str, row: int, value: object) -> int:
    """Python's own hash, which lives as long as this process; 0 for what a row says that says nothing."""
    nothing = row if name == "group" else _NOTHING.get(name, "")
    return 0 if value == nothing else hash((value,))
