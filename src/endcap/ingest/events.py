"""Events from a file into the log: what the rows of a table mean, which of them fit, and which form one event.

Knows GA4 names, limits, currencies and bots. The log drops what it holds, so importing a file again, or going on after
a crash, adds only what is missing.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

import polars as pl

from endcap.domain.events import KINDS
from endcap.domain.instants import iso
from endcap.expressions import Type
from endcap.formats import Table
from endcap.formats.event_rows import EventFile
from endcap.ingest import Ports, Report, Summary
from endcap.ingest.binding import ROW, Among, Check, Fields, bind
from endcap.ingest.checks import (
    CLOCK_SKEW,
    MAX_ID,
    check_currency,
    length_check,
    minor_column,
    nothing_fits,
    price_check,
)
from endcap.ingest.fold import project
from endcap.ingest.loader import Loader, grouped
from endcap.ingest.mapping import EventFields, EventsMapping
from endcap.ingest.quarantine import Quarantine

FIELDS: Final = Fields(
    {"time": "time", "quantity": "number", "price": "number"},
    frozenset({"user_id", "visitor_id", "session_id", "transaction_id", "event_id", "user_agent"}),
)
MAX_WORD, MAX_QUANTITY = 64, 10**6
OLDEST: Final = 788_918_400_000
"""1995-01-01: before it nothing was sold over the web, and seconds or minutes read as milliseconds lie there."""

BOTS: Final = r"(?i)bot\b|crawl|spider|slurp|headless|phantomjs|lighthouse|pingdom|uptime|python-requests|curl/|wget/"
"""What the user agents of machines say."""

_IDS: Final = ("user_id", "visitor_id", "session_id", "transaction_id")
_STORED: Final[dict[Type, pl.DataType]] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "time": pl.Datetime("ms", "UTC"),
}


class _Noted(NamedTuple):
    """What a person wants to know of the rows read beside their number."""

    names: Counter[str]
    currencies: Counter[str]


def import_events(shop: Ports, table: Table, mapping: EventsMapping, now: int, report: Report | None = None) -> Summary:
    """Append the events of `table` to the log and fold them into everything that reads it; `now` is when (ms UTC).

    Raises: InvalidFeed where a mapped column is missing, no row fits, or the currency is not the shop's.
    """
    check_currency(shop, mapping.currency, mapping.path)
    file = table.path
    binding = bind(mapping, table, shop.timezone, FIELDS)
    project(shop)
    rows = left_out = 0
    noted = _Noted(Counter(), Counter())
    checks, among = _checks(mapping, shop.currency, now), Among("name", list(KINDS))
    whole, told = _Whole(mapping), report or (lambda *_: None)
    with (
        Quarantine(shop.quarantine, f"{file.name}-{table.digest()}.jsonl") as quarantine,
        Loader(shop, now) as loader,
    ):
        for batch in binding.batches(checks, quarantine, among):
            rows, left_out = rows + batch.rows, left_out + batch.left_out
            noted.names.update(batch.beside)
            for frame in whole.events(_complete(batch.fields)):
                loader.load(_priced(frame, shop.currency, noted.currencies), partial(told, rows, table.rows))
        for frame in whole.rest():
            loader.load(_priced(frame, shop.currency, noted.currencies), partial(told, rows, table.rows))
    kept = quarantine.finish()
    if quarantine.count and not loader.fresh + loader.known:
        raise nothing_fits(file, quarantine, kept)
    known = loader.known + whole.repeated
    return Summary(
        rows, left_out, quarantine.count, loader.fresh, known, loader.new_items, kept, beside=dict(noted.names),
        currencies=dict(noted.currencies), clocks=dict(table.clocks) if isinstance(table, EventFile) else {},
        bots=loader.bots,
    )  # fmt: skip


def _checks(mapping: EventsMapping, currency: str, now: int) -> list[Check]:
    given = mapping.formulas().keys()
    quantity, at = pl.col("quantity"), pl.col("time").dt.epoch("ms")
    people = [pl.col(name) for name in _IDS if name in given]
    nobody = pl.all_horizontal(person.is_null() for person in people) if people else pl.lit(True)
    checks = [
        *(Check(name, pl.col(name).is_null(), "is missing") for name in ("name", "time", "item_id")),
        Check("time", at > now + CLOCK_SKEW, f"lies in the future of {iso(now)}"),
        Check(
            "time", at < OLDEST, "lies before 1995; a number counts milliseconds since 1970: multiply seconds by 1000"
        ),
        *(length_check(name, MAX_ID) for name in ("item_id", *_IDS, "event_id")),
        Check(
            "quantity",
            (quantity < 1) | (quantity > MAX_QUANTITY) | (quantity != quantity.floor()),
            f"is not a whole number between 1 and {MAX_QUANTITY:,}; a refund has a positive quantity too",
        ),
        price_check("price", currency),
        *(length_check(name, MAX_WORD) for name in ("region", "placement", "recommendation_id")),
    ]
    nobodys = Check("user_id", nobody, "is missing, and so are visitor_id, session_id and transaction_id")
    return [*(check for check in checks if check.field in given), nobodys]


def _complete(fields: pl.DataFrame) -> pl.DataFrame:
    """All fields, those not mapped as NULL or their default."""
    absent = {
        name: pl.lit(None, _STORED[FIELDS.types.get(name, "text")])
        for name in EventFields.model_fields
        if name not in fields.columns
    }
    return fields.with_columns(**absent).with_columns(
        pl.col("quantity").fill_null(1).cast(pl.Int64),
        bot=pl.col("user_agent").str.contains(BOTS).fill_null(False),
    )


def _priced(frame: pl.DataFrame, currency: str, others: Counter[str]) -> pl.DataFrame:
    """With `minor`: the price in minor units of the shop's currency, unknown where it is in another, which counts."""
    given = pl.col("currency").str.to_uppercase()
    foreign = (given != currency).fill_null(False) & pl.col("price").is_not_null()
    others.update(dict(frame.filter(foreign).select(given).to_series().value_counts().iter_rows()))
    frame = frame.with_columns(price=pl.when(~foreign).then(pl.col("price")))
    return frame.with_columns(minor_column(frame["price"], currency).alias("minor"))


class _Whole:
    """Cuts batches of rows between events, where rows may name one; what may go on in the next batch waits for it.

    Rows that repeat one of their event word for word are dropped and counted as `repeated`: delivered twice.
    """

    def __init__(self, mapping: EventsMapping) -> None:
        given = mapping.formulas().keys()
        self._by: list[str] = [str(name) for name in ("event", "event_id") if name in given][:1]
        if self._by == ["event_id"]:
            self._by += ["name", "time", *(name for name in _IDS if name in given)]
        self.repeated = 0
        self._waiting: pl.DataFrame | None = None

    def events(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """The rows of whole events, with their lines numbered."""
        if self._waiting is not None:
            frame = pl.concat([self._waiting, frame])
            self._waiting = None
        if self._by and len(frame):
            last = frame[self._by[0]][-1]
            going_on = (pl.col(self._by[0]) == last).fill_null(False)
            self._waiting, frame = frame.filter(going_on), frame.filter(~going_on)
        if len(frame):
            yield self._numbered(frame)

    def rest(self) -> Iterator[pl.DataFrame]:
        """What waits, at the end of the file."""
        if self._waiting is not None and len(self._waiting):
            yield self._numbered(self._waiting)

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self._by[:1] == ["event_id"]:
            same = [name for name in frame.columns if name != ROW]
            named = pl.col("event_id").is_not_null()
            told = len(frame)
            frame = frame.filter(~named | pl.struct(same).is_first_distinct())
            self.repeated += told - len(frame)
        return grouped(frame, self._by)
