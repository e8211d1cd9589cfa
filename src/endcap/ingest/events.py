"""Events from a file into the log: what the rows of a table mean, which of them fit, and which form one event.

Knows GA4 names, limits, currencies and bots. Logins and logouts are no events, but say whose the others are. The log
drops what it holds, so importing a file again, or going on after a crash, adds only what is missing.
"""

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from endcap.domain.bots import AGENTS
from endcap.domain.events import KINDS
from endcap.domain.instants import iso
from endcap.expressions import Type
from endcap.formats import Table
from endcap.formats.event_rows import EventFile
from endcap.ingest import Ports, Report, Summary
from endcap.ingest.binding import ROW, Among, Check, Fields, Fitting, bind
from endcap.ingest.checkpoint import MARKS, Journal, Mark
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
from endcap.ingest.loader import SIGNAL, Digests, Loader, grouped
from endcap.ingest.mapping import EventFields, EventsMapping
from endcap.ingest.quarantine import Quarantine

FIELDS: Final = Fields(
    {"time": "time", "quantity": "number", "price": "number"},
    frozenset({"user_id", "visitor_id", "session_id", "transaction_id", "event_id", "user_agent"}),
)
MAX_WORD, MAX_QUANTITY = 64, 10**6
OLDEST: Final = 788_918_400_000
"""1995-01-01: before it nothing was sold over the web, and seconds or minutes read as milliseconds lie there."""

_LOADED: Final = ("fresh", "known", "new_items", "bots", "quarantined")
_IDS: Final = ("user_id", "visitor_id", "session_id", "transaction_id")
_STORED: Final[dict[Type, pl.DataType]] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "time": pl.Datetime("ms", "UTC"),
}


def import_events(shop: Ports, table: Table, mapping: EventsMapping, now: int, report: Report | None = None) -> Summary:
    """Append the events of `table` to the log and fold them into everything that reads it; `now` is when (ms UTC).

    One that was broken off goes on behind the last row that is durable.

    Raises: InvalidFeed where a mapped column is missing, no row fits, or the currency is not the shop's.
    """
    check_currency(shop, mapping.currency, mapping.path)
    binding = bind(mapping, table, shop.timezone, FIELDS)
    name = f"{table.path.name}-{table.digest()}.jsonl"
    project(shop)
    checks, among = _checks(mapping, shop.currency, now), Among("name", _ours(mapping))
    whole = _Whole(mapping, isinstance(table, EventFile))
    with Quarantine(shop.quarantine, name) as quarantine, Loader(shop, now) as loader:
        course = _Course(shop, table, Journal(shop.quarantine, f"{name}-{_digest(mapping)}"), (quarantine, loader))
        for batch in binding.batches(checks, quarantine, among, course.after):
            course.take(batch)
            frame = whole.events(_complete(batch.fields))
            if len(frame):
                course.counts["rows"].update(signals=_signals(frame))
                row = whole.durable(frame, batch.last)
                loader.load(
                    _priced(frame, shop.currency, course.counts["currencies"]), course.noted(row, whole.waiting, report)
                )
        rest = whole.rest()
        if rest is not None:
            course.counts["rows"].update(signals=_signals(rest))
            loader.load(_priced(rest, shop.currency, course.counts["currencies"]), course.noted(None, 0, report))
    kept = quarantine.finish()
    course.journal.forget()
    if quarantine.count and not loader.fresh + loader.known + loader.erased + course.counts["rows"]["signals"]:
        raise nothing_fits(table.path, quarantine, kept)
    return course.summary(kept, whole.repeated)


def _ours(mapping: EventsMapping) -> pl.Expr:
    """Whether a row is an event, or a login or logout with the ids that say who has which device."""
    given, name = mapping.formulas().keys(), pl.col("name")
    user, visitor = (pl.col(each).is_not_null() if each in given else pl.lit(False) for each in _IDS[:2])
    return name.is_in(list(KINDS)) | ((name == "login") & user & visitor) | ((name == "logout") & visitor)


def _signals(frame: pl.DataFrame) -> int:
    return int(frame.select(SIGNAL.sum()).item())


def _digest(mapping: EventsMapping) -> str:
    return blake2b(repr(mapping).encode(), digest_size=4).hexdigest()


class _Course:
    """One import on its way: what was counted, and the journal from which a later one goes on behind `after`."""

    def __init__(self, shop: Ports, table: Table, journal: Journal, parts: tuple[Quarantine, Loader]) -> None:
        self._shop, self._table, self.journal = shop, table, journal
        self._quarantine, self._loader = parts
        names = ("rows", "beside", "currencies", "clocks")
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        self.after = self._seen = 0
        self._digests: Digests = np.empty(0, np.uint64)
        found = journal.read(shop.log.end("events"))
        if found is not None:
            mark, seen = found
            self.after, self._seen = mark.row, mark.seen
            self.counts = {name: Counter(mark.counts[name]) for name in names}
            self._loader.seen.number(seen)
            self._loader.fresh, self._loader.known, self._loader.new_items, self._loader.bots, misfits = (
                self.counts["rows"].pop(name, 0) for name in _LOADED
            )
            self._quarantine.go_on(mark.misfits, misfits)

    def take(self, batch: Fitting) -> None:
        """Count what was read."""
        self.counts["rows"].update(rows=batch.rows, left_out=batch.left_out)
        self.counts["beside"].update(batch.beside)

    def noted(self, row: int | None, waiting: int, report: Report | None) -> Callable[[Digests], None]:
        """What is to be done when all up to `row` is durable, but for `waiting` rows; None: none could go on there."""
        misfits, rows = self._quarantine.written(), self.counts["rows"]["rows"]
        counts = {name: dict(counter) for name, counter in self.counts.items()}
        counts["rows"]["rows"] -= waiting
        told = self._quarantine.count

        def note(digests: Digests) -> None:
            self._digests = np.concatenate([self._digests, digests])
            if row is not None:
                loader, end = self._loader, self._shop.log.end("events")
                loaded = zip(_LOADED, (loader.fresh, loader.known, loader.new_items, loader.bots, told), strict=True)
                counts["rows"] |= dict(loaded)
                self._seen += len(self._digests)
                self.journal.note(Mark(MARKS, end, row, self._seen, misfits, counts), self._digests)
                self._digests = digests[:0]
            if report:
                report(rows, self._table.rows)

        return note

    def summary(self, kept: Path | None, repeated: int) -> Summary:
        """What became of all rows, those of an import that was broken off too."""
        counts, loader = self.counts, self._loader
        clocks = self._table.clocks if isinstance(self._table, EventFile) else {}
        return Summary(
            counts["rows"]["rows"], counts["rows"]["left_out"], self._quarantine.count, loader.fresh,
            loader.known + loader.erased + repeated, loader.new_items, kept, beside=dict(counts["beside"]),
            currencies=dict(counts["currencies"]), clocks=dict(clocks), bots=loader.bots,
            signals=counts["rows"]["signals"],
        )  # fmt: skip


def _checks(mapping: EventsMapping, currency: str, now: int) -> list[Check]:
    given = mapping.formulas().keys()
    quantity, price, at = pl.col("quantity"), price_check("price", currency), pl.col("time").dt.epoch("ms")
    people = [pl.col(name) for name in _IDS if name in given]
    nobody = pl.all_horizontal(person.is_null() for person in people) if people else pl.lit(True)
    checks = [
        *(Check(name, pl.col(name).is_null(), "is missing") for name in ("name", "time")),
        Check("item_id", pl.col("item_id").is_null() & ~SIGNAL, "is missing"),
        Check("time", at > now + CLOCK_SKEW, f"lies in the future of {iso(now)}"),
        Check(
            "time", at < OLDEST, "lies before 1995; a number counts milliseconds since 1970: multiply seconds by 1000"
        ),
        *(length_check(name, MAX_ID) for name in ("item_id", *_IDS, "event_id")),
        Check(
            "quantity",
            ((quantity < 1) | (quantity > MAX_QUANTITY) | (quantity != quantity.floor())) & ~SIGNAL,
            f"is not a whole number between 1 and {MAX_QUANTITY:,}; a refund has a positive quantity too",
        ),
        price._replace(bad=price.bad & ~SIGNAL),
        *(length_check(name, MAX_WORD) for name in ("region", "placement", "recommendation_id")),
    ]
    nobodys = Check("user_id", nobody, "is missing, and so are visitor_id, session_id and transaction_id")
    return [*(check for check in checks if check.field in given), nobodys]


def _complete(fields: pl.DataFrame) -> pl.DataFrame:
    """All fields, those not mapped as NULL or their default; logins and logouts have neither quantity nor price."""
    absent = {
        name: pl.lit(None, _STORED[FIELDS.types.get(name, "text")])
        for name in EventFields.model_fields
        if name not in fields.columns
    }
    return fields.with_columns(**absent).with_columns(
        pl.when(~SIGNAL).then(pl.col("quantity")).fill_null(1).cast(pl.Int64),
        pl.when(~SIGNAL).then(pl.col("price")),
        bot=pl.col("user_agent").str.contains(AGENTS).fill_null(False),
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

    def __init__(self, mapping: EventsMapping, entire: bool) -> None:
        """`entire`: no event goes on in the next batch."""
        self._entire = entire
        given = mapping.formulas().keys()
        self._by: list[str] = [str(name) for name in ("event", "event_id") if name in given][:1]
        if self._by == ["event_id"]:
            self._by += ["name", "time", *(name for name in _IDS if name in given)]
        self.repeated = 0
        self._waiting: pl.DataFrame | None = None

    def events(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of whole events, with their lines numbered."""
        if self._waiting is not None:
            frame = pl.concat([self._waiting, frame])
            self._waiting = None
        if self._by and len(frame) and not self._entire:
            last = frame[self._by[0]][-1]
            going_on = (pl.col(self._by[0]) == last).fill_null(False)
            self._waiting, frame = frame.filter(going_on), frame.filter(~going_on)
        return self._numbered(frame)

    def durable(self, frame: pl.DataFrame, last: int) -> int | None:
        """The row up to which nothing waits once `frame` is loaded; None where rows before its last one wait."""
        if self._waiting is None or not len(self._waiting):
            return last
        first = int(self._waiting[ROW].to_numpy().min())
        return first - 1 if first > int(frame[ROW].to_numpy().max()) else None

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return 0 if self._waiting is None else len(self._waiting)

    def rest(self) -> pl.DataFrame | None:
        """What waits, at the end of the file."""
        return self._numbered(self._waiting) if self._waiting is not None and len(self._waiting) else None

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self._by[:1] == ["event_id"]:
            same = [name for name in frame.columns if name != ROW]
            named = pl.col("event_id").is_not_null()
            told = len(frame)
            frame = frame.filter(~named | pl.struct(same).is_first_distinct())
            self.repeated += told - len(frame)
        own = [pl.when(~SIGNAL).then(pl.col(name)) for name in self._by[:1]]
        return grouped(frame.with_columns(own), self._by)
