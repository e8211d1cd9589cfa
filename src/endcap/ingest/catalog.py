"""Items from a file into the log, as changes of rows: what is new against the catalog, or what a file's own times tell.

Knows Merchant names and what an absent value means. A feed without times is compared with the catalog as it stands, so
importing it again changes nothing; rows with times of their own are keyed by what they say. Nothing is written before
all of the file is read, has stayed the same meanwhile, and would not change more than is likely.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from endcap.domain.arrays import Bools, Rows
from endcap.domain.catalog import SINCE_EVER, Change
from endcap.errors import InvalidFeed
from endcap.expressions import columns_of
from endcap.formats import Table
from endcap.formats.files import open_any
from endcap.formats.plain import plain
from endcap.formats.prices import Prices
from endcap.formats.rates import NO_RATES, Rates
from endcap.formats.records import RecordFile
from endcap.formats.sources import Source
from endcap.ingest import Ports, Report, Summary
from endcap.ingest.binding import ROW, Check, Fields, Fitting, bind
from endcap.ingest.changes import PARTED, Known, News, Writer
from endcap.ingest.checks import (
    MAX_ID,
    check_currency,
    length_check,
    nothing_fits,
    nul_check,
    price_checks,
    scheme_check,
    time_check,
)
from endcap.ingest.collection import paused_collection
from endcap.ingest.derive import Deriver
from endcap.ingest.fold import checkpoint, project
from endcap.ingest.mapping import CatalogMapping
from endcap.ingest.quarantine import Quarantine
from endcap.ingest.spool import Repeated, Spool
from endcap.state import NEVER

FIELDS: Final = Fields({"time": "time", "sale_start": "time", "sale_end": "time", "stock": "number"})
MAX_TEXT, MAX_STOCK = 20_000, 10**9
SELLING: Final = ("in_stock", "limited_availability", "preorder", "backorder")
MONEY: Final = ("price", "sale_price", "cost")
MAX_GONE, MAX_MOVED = 0.3, 0.5
"""Shares of the listed items, and of the prices known, beyond which an import is held."""

_TEXTS: Final = ("title", "description", "link", "image_link")
_LINKS: Final = ("link", "image_link")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a file is taken: `full` says that it holds every item, so that what it lacks is sold no more.

    `force` lets more change than the hold would; `rates` convert prices in other currencies than the shop's.
    """

    mode: Literal["update", "full"] = "update"
    force: bool = False
    rates: Rates = NO_RATES


UPDATE: Final = Terms()


def import_catalog(  # noqa: PLR0913 (into what, whence, how, when, and who watches)
    shop: Ports,
    file: Path | Table,
    mapping: CatalogMapping,
    now: int,
    report: Report | None = None,
    terms: Terms = UPDATE,
) -> Summary:
    """Append what `file` tells about items to the log and fold it into everything that reads it; `now` in ms UTC.

    Without a time of its own, the items of a first import count since ever, later news from `now` on.

    Raises: InvalidFeed where a mapped column is missing, no row fits, the currency is not the shop's, the file changed
    while it was read, or it would change more than the hold allows; nothing is written then.
    """
    check_currency(shop, mapping.currency, mapping.path)
    if terms.mode == "full" and mapping.fields.time:
        raise InvalidFeed(
            f"{mapping.path}: rows with times are a history, which cannot tell what is gone; leave --mode full out"
        )
    table = open_any(Source(file), mapping.separator) if isinstance(file, Path) else file
    binding = bind(mapping, table, shop.timezone, FIELDS)
    digest = table.digest()
    project(shop)
    writer = Writer(shop, now)
    rows = left_out = 0
    with (
        paused_collection(),
        Quarantine(shop.quarantine, f"{table.path.name}-{digest}.jsonl") as quarantine,
        Spool(shop.quarantine) as spool,
    ):
        feed = _Feed(writer, mapping, terms, spool, table)
        loader = _Transactions(writer, mapping) if mapping.derived else feed
        for batch in binding.batches(_checks(mapping, shop.currency, now), quarantine):
            rows, left_out = rows + batch.rows, left_out + batch.left_out
            loader.load(batch)
            if report:
                report(rows, table.rows)
        if table.digest() != digest:
            raise InvalidFeed(
                f"{table.path} changed while it was read, and nothing was imported; import it when it is complete"
            )
        if not rows:
            raise InvalidFeed(f"{table.path} holds no row; expected a feed with at least one")
        if quarantine.count and quarantine.count == rows - left_out:
            raise nothing_fits(table.path, quarantine, quarantine.finish())
        summary = loader.finish(quarantine)
        kept = quarantine.finish()
        if shop.projects:
            checkpoint(shop.kv, shop.shelf)
    return summary._replace(rows=rows, left_out=left_out, quarantined=quarantine.count, quarantine=kept)


def _checks(mapping: CatalogMapping, currency: str, now: int) -> list[Check]:
    given = mapping.formulas().keys()
    stock, word = pl.col("stock"), _availability()
    texts = (*_TEXTS, "category", *mapping.text)
    checks = [
        *(Check(name, pl.col(name).is_null(), "is missing") for name in ("id", "time")),
        *(nul_check(name) for name in ("id", "item_group_id", "brand", *texts)),
        time_check("time", now),
        *(length_check(name, MAX_ID) for name in ("id", "item_group_id", "brand")),
        *(length_check(name, MAX_TEXT) for name in texts),
        *(scheme_check(name) for name in _LINKS),
        *(check for name in MONEY for check in price_checks(name, currency)),
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


class _Transactions:
    """Changes derived from all rows, written at the end."""

    def __init__(self, writer: Writer, mapping: CatalogMapping) -> None:
        self._writer, self._mapping = writer, mapping
        self._fields = [name for name in mapping.formulas() if name not in {"id", "time"}]
        self._deriver = Deriver(self._fields)
        self._prices = Prices(writer.shop.currency, NO_RATES, _day(writer.now))

    def load(self, batch: Fitting) -> None:
        if batch.fields.is_empty():
            return
        fields = _plain(batch.fields)
        if "price" in fields.columns:
            fields = fields.with_columns(price=self._prices.minor(fields["price"])).with_columns(
                price=pl.when(pl.col("price") > 0).then(pl.col("price")).cast(pl.String)
            )
        self._deriver.add(fields)

    def finish(self, quarantine: Quarantine) -> Summary:
        for item, at, told in self._deriver.changes():
            (row,) = self._writer.rows("item", [item]).tolist()
            self._writer.write(self._change(row, at, told))
        self._writer.finish()
        return _counted(self._writer, unconverted=self._prices.unconverted)

    def _change(self, row: int, at: int, told: dict[str, str]) -> Change:
        known: dict[str, Any] = {}
        if "listed" in told:
            known["listed"] = True
        if "price" in told:
            known["price"] = int(told["price"])
        if "brand" in told:
            known["brand"] = told["brand"]
        if "category" in told:
            known["category"] = tuple(_path(told["category"], self._mapping.category_separator).split(PARTED))
        texts = {name: told[name] for name in (*_TEXTS, *self._mapping.text) if name in told}
        return Change(row, at, **known, text=texts)


class _Feed:
    """One row an item: what differs from the catalog, or, where rows have times, all that they say then."""

    def __init__(self, writer: Writer, mapping: CatalogMapping, terms: Terms, spool: Spool, table: Table) -> None:
        self._writer, self._mapping, self._terms, self._spool, self._table = writer, mapping, terms, spool, table
        self._prices = Prices(writer.shop.currency, terms.rates, _day(writer.now))
        self._misfits: list[pl.Series] = []
        self._born = SINCE_EVER
        """When items count from that the catalog lacks: a first import, or most of one, is no arrival of news."""

    def load(self, batch: Fitting) -> None:
        self._misfits.append(batch.misfits["id"])
        if len(batch.fields):
            self._spool.add(_filled(_plain(batch.fields), self._mapping, self._prices))

    def finish(self, quarantine: Quarantine) -> Summary:
        if self._mapping.fields.time:
            for frame in self._frames([]):
                self._write(frame, None)
            self._writer.finish()
            return _counted(self._writer, unconverted=self._prices.unconverted)
        repeated = self._spool.repeated()
        gone = self._gone(quarantine) if self._terms.mode == "full" else np.zeros(0, np.int32)
        self._hold(gone, repeated)
        for number, item, last in repeated:
            quarantine.tell(number, "id", item, f"stands again in row {last}, which counts")
        known = Known(self._writer.shop.catalog.changes())
        begun = self._writer.shop.quarantine / f"{self._table.path.name}-{self._table.digest()}.begun"
        if begun.exists():  # and killed: what it lacked is as new as what it wrote
            self._born = int(begun.read_text())
        elif 2 * int(self._listed().sum()) >= len(self._spool.ids()):
            self._born = self._writer.now
        begun.write_text(str(self._born))
        for frame in self._frames(repeated):
            self._write(frame, known)
        delisted = self._writer.delist(gone.tolist())
        self._writer.finish()
        begun.unlink()
        return _counted(self._writer, len(repeated), delisted, self._prices.unconverted)

    def _frames(self, without: list[Repeated]) -> Iterator[pl.DataFrame]:
        """All rows, with the attributes that the file tells."""
        untold = _unmet(self._mapping, self._table)
        for frame in self._spool.frames(without):
            yield frame.drop(untold, strict=False)

    def _write(self, frame: pl.DataFrame, known: Known | None) -> None:
        rows = self._writer.rows("item", frame["id"].to_list())
        if "item_group_id" in frame.columns:
            groups = rows.copy()
            grouped = (frame["item_group_id"] != "").to_numpy()
            groups[grouped] = self._writer.rows("group", frame["item_group_id"].filter(grouped).to_list())
            frame = frame.with_columns(group=pl.Series(groups))
        if known is not None:
            frame = frame.with_columns(pl.lit("").alias(name) for name in self._untold(frame, known))
        told = frame.drop("id", "item_group_id", "time", ROW, strict=False)
        if known is None:
            self._writer.write_columns(News(rows, frame["time"].to_numpy(), told), keyed=True)
            return
        news, newborn = known.news(rows, told)
        any_ = news.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        self._writer.known += int((~any_).sum())
        at = np.where(newborn, self._born, self._writer.now)[any_]
        self._writer.write_columns(News(rows[any_], at, news.filter(any_)), keyed=False)

    @staticmethod
    def _untold(frame: pl.DataFrame, known: Known) -> list[str]:
        """The texts of prices in other currencies that stand in the catalog and not in `frame`."""
        told = [f"text.{name}" for name in MONEY if name in frame.columns]
        return [name for name in told if name not in frame.columns and known.tells(name)]

    def _gone(self, quarantine: Quarantine) -> Rows:
        """The rows of the listed items that the file lacks; one whose row does not fit is not lacking.

        None where rows have no id that can be read, for they may be those of any item.
        """
        present = np.zeros(len(self._writer.shop.shelf), np.bool_)
        ids = pl.concat([self._spool.ids()["id"], *self._misfits])
        nameless = len(self._table.torn) + ids.null_count()
        if nameless and not self._terms.force:
            quarantine.tell(0, "id", None, f"of {nameless:,} rows cannot be read, so that no item was taken off sale")
            return np.zeros(0, np.int32)
        ids = ids.drop_nulls()
        rows = self._rows(ids)
        present[rows[rows >= 0]] = True
        return np.flatnonzero(self._listed() & ~present).astype(np.int32)

    def _rows(self, ids: pl.Series) -> Rows:
        """The row of each item, -1 where it has none yet."""
        found = self._writer.directory.rows("item", ids.to_list())
        return np.array([-1 if row is None else row for row in found], np.int32)

    def _listed(self) -> Bools:
        shelf = self._writer.shop.shelf
        return shelf.listed[: len(shelf)]

    def _hold(self, gone: Rows, repeated: list[Repeated]) -> None:
        """Raises InvalidFeed where too much would change at once; never on a first import."""
        listed, shelf = self._listed(), self._writer.shop.shelf
        if self._terms.force or not listed.any():
            return
        priced = listed & (shelf.price[: len(shelf)] >= 0)
        moved = 0
        for frame in self._frames(repeated):
            if "price" in frame.columns:
                rows = self._rows(frame["id"])
                known = rows >= 0
                known[known] = priced[rows[known]]
                moved += int((frame["price"].to_numpy()[known] != shelf.price[rows[known]]).sum())
        for count, whole, most, what in (
            (len(gone), int(listed.sum()), MAX_GONE, "listed items would go"),
            (moved, int(priced.sum()), MAX_MOVED, "prices known would change"),
        ):
            if count > most * whole:
                raise InvalidFeed(
                    f"the import is held, and nothing was written: {count:,} of {whole:,} {what} "
                    f"({count / whole:.0%}; more than {most:.0%} is most likely a broken file); "
                    "look at the file, and import it with --force if it is right"
                )


def _counted(writer: Writer, repeated: int = 0, delisted: int = 0, unconverted: int = 0) -> Summary:
    return Summary(
        fresh=writer.fresh,
        known=writer.known,
        new_items=writer.new_items,
        repeated=repeated,
        delisted=delisted,
        unconverted=unconverted,
    )


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()


def _plain(fields: pl.DataFrame) -> pl.DataFrame:
    """Texts without markup; ids and links stay as they are."""
    kept = {"id", "item_group_id", "availability", *MONEY, *_LINKS, "additional_image_link"}
    names = [name for name, dtype in fields.schema.items() if dtype == pl.String and name not in kept]
    return fields.with_columns(plain(fields[name]).alias(name) for name in names)


def _path(category: str, separator: str) -> str:
    return PARTED.join(part for part in map(str.strip, category.split(separator)) if part)


def _filled(fields: pl.DataFrame, mapping: CatalogMapping, prices: Prices) -> pl.DataFrame:
    """Attributes as a change spells them, absent ones as what says nothing: -1, empty, a window without bounds.

    Texts are named `text.title`, a category's path is one text. A price in another currency is a text as well. Where
    neither stock nor availability is given, the stock is NULL: not told, so that what was out of stock stays so.
    """
    given = set(fields.columns)
    frame = fields
    for name in MONEY:
        if name in given:
            frame = frame.with_columns(prices.minor(fields[name]).alias(name))
            foreign = prices.foreign(fields[name])
            if foreign is not None:
                frame = frame.with_columns(foreign.alias(f"text.{name}"))
    epochs = [pl.col(name).dt.epoch("ms") for name in ("time", "sale_start", "sale_end") if name in given]
    frame = frame.with_columns(*epochs, pl.col(pl.String).exclude("id", "availability").fill_null(""))
    if "sale_price" in given:
        frame = frame.with_columns(
            _window(name, open_, given) for name, open_ in (("sale_start", 0), ("sale_end", NEVER))
        )
    if given & {"stock", "availability"}:
        stock = pl.col("stock").floor().cast(pl.Int64) if "stock" in given else pl.lit(None, pl.Int64)
        word = _availability() if "availability" in given else pl.lit(None, pl.String)
        frame = frame.with_columns(
            stock=pl.when(word == "out_of_stock")
            .then(0)
            .when(word.is_not_null())
            .then(stock.fill_null(-1))
            .otherwise(stock)
        ).drop("availability", strict=False)
    if "category" in given:
        paths = {path: _path(path, mapping.category_separator) for path in frame["category"].unique().to_list()}
        frame = frame.with_columns(category=frame["category"].replace_strict(paths, return_dtype=pl.String))
    texts = {name: f"text.{name}" for name in (*_TEXTS, *mapping.text) if name in given}
    return frame.rename(texts).with_columns(listed=pl.lit(True))


def _unmet(mapping: CatalogMapping, table: Table) -> list[str]:
    """The columns of `_filled` of which no record says anything, read to the end: they are not told, not empty."""
    if not isinstance(table, RecordFile):
        return []
    needed = {name: columns_of(formula.tree) for name, formula in mapping.formulas().items()}
    told = {name for name, columns in needed.items() if not columns or columns & table.met}
    if "price" in told:
        told |= {"sale_price", "sale_start", "sale_end"}
    if "availability" in told:
        told.add("stock")
    return [column for name in needed.keys() - told for column in (name, f"text.{name}")]


def _window(name: str, unbounded: int, given: set[str]) -> pl.Expr:
    """A bound of the sale's window: open where the row names none, 0 where there is no sale."""
    bound = pl.col(name).fill_null(unbounded) if name in given else pl.lit(unbounded, pl.Int64)
    return pl.when(pl.col("sale_price") >= 0).then(bound).otherwise(0).alias(name)
