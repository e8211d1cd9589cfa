"""Events from a file into the log: what the rows of a table mean, which of them fit, and which form one event.

Knows GA4 names, limits, currencies and bots. Logins and logouts are no events, but say whose the others are. The log
drops what it holds, so importing a file again, or going on after a crash, adds only what is missing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from endcap.domain.bots import AGENTS
from endcap.domain.circumstances import device_of, referrer_of
from endcap.domain.events import KINDS, MOST_DWELL
from endcap.domain.instants import iso
from endcap.domain.occurrences import Occurrences
from endcap.expressions import Type
from endcap.formats import Table
from endcap.formats.event_rows import EventFile
from endcap.ingest import Ports, Report, Summary
from endcap.ingest.binding import NOTHING_READ, ROW, Among, Check, Fields, Fitting, Past, bind
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
from endcap.ingest.collection import paused_collection
from endcap.ingest.fold import project
from endcap.ingest.loader import NUMBER, SIGNAL, Digests, Loader
from endcap.ingest.mapping import EventFields, EventsMapping
from endcap.ingest.quarantine import WITHHELD, Quarantine
from endcap.ingest.texts import known_terms, title_words

FIELDS: Final = Fields(
    {
        "time": "time",
        "quantity": "number",
        "price": "number",
        "engagement_time_msec": "number",
        "percent_scrolled": "number",
    },
    frozenset(
        {
            "user_id",
            "visitor_id",
            "session_id",
            "transaction_id",
            "event_id",
            "user_agent",
            "referrer",
            "search_term",
        }
    ),
)
MAX_WORD, MAX_QUANTITY = 64, 10**6
OLDEST: Final = 788_918_400_000
"""1995-01-01: before it nothing was sold over the web, and seconds or minutes read as milliseconds lie there."""

FAR: Final = (
    "is that of rows further up, which were taken in as one event without this row: put the rows of an event next to "
    "each other"
)
STRANGE: Final = "is that of a row further up, which has another name, time or person: one event has one of each"

_LOADED: Final = ("fresh", "known", "new_items", "bots", "erased")
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
    words = cache(partial(title_words, shop))
    checks, among = _checks(mapping, shop.currency, now), Among("name", _ours(mapping))
    with paused_collection(), Quarantine(shop.quarantine, name) as quarantine, Loader(shop, now) as loader:
        whole = _Whole(mapping, isinstance(table, EventFile), shop.secret, (quarantine, loader.seen))
        journal = Journal(shop.quarantine, f"{name}-{_digest(mapping)}")
        course = _Course(shop, table, journal, (whole, quarantine, loader))
        if loader.anyone_erased and {"user_id", "visitor_id"} <= mapping.formulas().keys():
            loader.look_ahead(binding.told(("name", "time", "user_id", "visitor_id")))
            if isinstance(table, EventFile):
                table.clocks.clear()
        for batch in binding.batches(checks, quarantine, among, course.past):
            course.take(batch)
            frame = whole.events(_complete(batch.fields, words))
            if len(frame):
                course.load(frame, batch, report)
        rest = whole.rest()
        if rest is not None:
            course.load(rest, None, report)
    kept = quarantine.finish()
    journal.forget()
    if quarantine.count and not loader.fresh + loader.known + loader.erased + course.counts["rows"]["signals"]:
        raise nothing_fits(table.path, quarantine, kept)
    return course.summary(kept)


def _ours(mapping: EventsMapping) -> pl.Expr:
    """Whether a row is an event, or a login or logout with the ids that say who has which device."""
    given, name = mapping.formulas().keys(), pl.col("name")
    user, visitor = (pl.col(each).is_not_null() if each in given else pl.lit(False) for each in _IDS[:2])
    return name.is_in(list(KINDS)) | ((name == "login") & user & visitor) | ((name == "logout") & visitor)


def _digest(mapping: EventsMapping) -> str:
    return blake2b(repr(mapping).encode(), digest_size=4).hexdigest()


class _Course:
    """One import on its way: what was counted, and the journal from which a later one goes on behind what is `past`."""

    def __init__(self, shop: Ports, table: Table, journal: Journal, parts: "tuple[_Whole, Quarantine, Loader]") -> None:
        self._shop, self._table, self._journal = shop, table, journal
        self._whole, self._quarantine, self._loader = parts
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in ("rows", "beside", "currencies")}
        self.past = NOTHING_READ
        self._seen = 0
        self._digests: Digests = np.empty(0, np.uint64)
        found = journal.read(shop.log.end("events"))
        if found is None:
            self._note(NOTHING_READ, 0, {})
        else:
            self._go_on(*found)

    def take(self, batch: Fitting) -> None:
        """Count what was read."""
        self.counts["rows"].update(rows=batch.rows, left_out=batch.left_out)
        self.counts["beside"].update(batch.beside)

    def load(self, frame: pl.DataFrame, batch: Fitting | None, report: Report | None) -> None:
        """Append whole events, and note how far that is: all of `batch` but for what waits; None: the end."""
        self.counts["rows"].update(signals=int(frame.select(SIGNAL.sum()).item()))
        priced = _priced(frame, self._shop.currency, self.counts["currencies"])
        waiting = self._whole.waiting()
        past = Past(batch.last, batch.torn, waiting) if batch else None
        misfits, read = self._quarantine.written(), self.counts["rows"]["rows"]
        counts = {name: dict(counter) for name, counter in self.counts.items()}
        sums = {"rows": read - len(waiting), "repeated": self._whole.repeated, "quarantined": self._quarantine.count}
        counts["rows"] |= sums
        told = self._whole.told()

        def note(digests: Digests) -> None:
            self._digests = np.concatenate([self._digests, *told, digests])
            if past is not None:
                counts["rows"] |= {name: getattr(self._loader, name) for name in _LOADED}
                self._note(past, misfits, counts)
            if report:
                report(read, self._table.rows)

        self._loader.load(priced, note)

    def summary(self, kept: Path | None) -> Summary:
        """What became of all rows, those of an import that was broken off too."""
        counts, loader = self.counts, self._loader
        clocks = self._table.clocks if isinstance(self._table, EventFile) else {}
        return Summary(
            counts["rows"]["rows"], counts["rows"]["left_out"], self._quarantine.count, loader.fresh,
            loader.known + loader.erased + self._whole.repeated, loader.new_items, kept,
            beside=dict(counts["beside"]), currencies=dict(counts["currencies"]), clocks=dict(clocks), bots=loader.bots,
            signals=counts["rows"]["signals"],
        )  # fmt: skip

    def _note(self, past: Past, misfits: int, counts: dict[str, dict[str, int]]) -> None:
        end, self._seen = self._shop.log.end("events"), self._seen + len(self._digests)
        mark = Mark(
            MARKS, end, past.row, past.torn, list(past.waiting), self._seen, misfits, self._loader.items, counts
        )
        self._journal.note(mark, self._digests)
        self._digests = np.empty(0, np.uint64)

    def _go_on(self, mark: Mark, seen: Digests) -> None:
        self.past, self._seen = Past(mark.row, mark.torn, mark.waiting), mark.seen
        self.counts = {name: Counter(mark.counts.get(name, {})) for name in self.counts}
        rows = self.counts["rows"]
        for name in _LOADED:
            setattr(self._loader, name, rows.pop(name, 0))
        self._whole.repeated = rows.pop("repeated", 0)
        self._loader.seen.number(seen)
        self._loader.go_on(mark.end, mark.items)
        self._quarantine.go_on(mark.misfits, rows.pop("quarantined", 0))


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
        Check("engagement_time_msec", pl.col("engagement_time_msec") < 0, "is negative; expected milliseconds from 0"),
        Check("percent_scrolled", ~pl.col("percent_scrolled").is_between(0, 100), "is not between 0 and 100"),
    ]
    nobodys = Check("user_id", nobody, "is missing, and so are visitor_id, session_id and transaction_id")
    return [*(check for check in checks if check.field in given), nobodys]


def _complete(fields: pl.DataFrame, words: Callable[[], Collection[str]]) -> pl.DataFrame:
    """All fields, those not mapped as NULL or their default; logins and logouts have neither quantity nor price.

    Of searches only `words`, those of titles, are kept.
    """
    absent = {
        name: pl.lit(None, _STORED[FIELDS.types.get(name, "text")])
        for name in EventFields.model_fields
        if name not in fields.columns
    }
    return fields.with_columns(**absent).with_columns(
        pl.when(~SIGNAL).then(pl.col("quantity")).fill_null(1).cast(pl.Int64),
        pl.when(~SIGNAL).then(pl.col("price")),
        bot=pl.col("user_agent").str.contains(AGENTS).fill_null(False),
        dwell=(pl.col("engagement_time_msec") / 1000).clip(0, MOST_DWELL).fill_null(0).cast(pl.UInt16),
        scrolled=pl.col("percent_scrolled").fill_null(0).cast(pl.UInt8),
        device=_each("device", device_of),
        referrer=_each("referrer", referrer_of),
        terms=_each("search_term", lambda search: known_terms(search, words())),
    )


def _each(name: str, read: Callable[[str], str]) -> pl.Expr:
    """Every distinct text of the column `name` as `read` has it."""
    return pl.col(name).map_batches(
        lambda texts: texts.replace_strict(given := texts.unique().drop_nulls(), [read(each) for each in given]),
        return_dtype=pl.String(),
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

    Rows that repeat one of their event word for word are dropped and counted as `repeated`: delivered twice. Others of
    an event that was taken in without them go to the quarantine, where a row of the file is no whole event.
    """

    def __init__(
        self, mapping: EventsMapping, entire: bool, secret: bytes, parts: tuple[Quarantine, Occurrences]
    ) -> None:
        """`entire`: no event goes on in the next batch."""
        self._entire, self._secret = entire, secret
        self._quarantine, self._seen = parts
        given = mapping.formulas().keys()
        self._by: list[str] = [str(name) for name in ("event", "event_id") if name in given][:1]
        if self._by == ["event_id"]:
            self._by += ["name", "time", *(name for name in _IDS if name in given)]
        self.repeated = 0
        self._waiting: pl.DataFrame | None = None
        self._told: list[Digests] = []

    def events(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of whole events, with their lines numbered."""
        if self._waiting is not None:
            frame = pl.concat([self._waiting, frame])
            self._waiting = None
        named = frame[self._by[0]].drop_nulls().to_list() if self._by and not self._entire else []
        if named:
            going_on = (pl.col(self._by[0]) == named[-1]).fill_null(False)
            self._waiting, frame = frame.filter(going_on), frame.filter(~going_on)
        return self._numbered(frame)

    def waiting(self) -> list[int]:
        """The numbers of the rows that wait."""
        return [] if self._waiting is None else self._waiting[ROW].to_list()

    def told(self) -> list[Digests]:
        """What an import that goes on must know of the rows since this was asked last."""
        told, self._told = self._told, []
        return told

    def rest(self) -> pl.DataFrame | None:
        """What waits, at the end of the file."""
        rest, self._waiting = self._waiting, None
        return self._numbered(rest) if rest is not None and len(rest) else None

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        named = self._by[:1] == ["event_id"]
        if named:
            told = len(frame)
            frame = frame.filter(pl.col("event_id").is_null() | pl.struct(pl.exclude(ROW)).is_first_distinct())
            self.repeated += told - len(frame)
        own = [pl.when(~SIGNAL).then(pl.col(name)) for name in self._by[:1]]
        frame = frame.with_columns(own)
        return grouped(self._together(frame) if named and not self._entire else frame, self._by)

    def _together(self, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` without the rows of an event that was taken in already, from rows above or as another event."""
        named = frame.filter(pl.col("event_id").is_not_null())
        if not len(named):
            return frame
        ids, first = named["event_id"].unique(maintain_order=True), pl.col(_EVENT).min()
        strange = first.over(self._by) != first.over("event_id")
        taken = ids.filter(self._came_before(ids, b"id"))
        texts = named.select(pl.concat_str(pl.exclude(ROW).cast(pl.String).fill_null("\0"), separator="\x1f"))
        again = self._came_before(texts.to_series(), b"row")
        named = named.with_row_index(_EVENT).select(ROW, "event_id", strange=strange, again=again)
        late = named.filter(pl.col("strange") | pl.col("event_id").is_in(taken.implode()))
        self.repeated += int(late["again"].sum())
        for row, _, is_strange, again in late.iter_rows():
            if not again:
                self._quarantine.add(row, "event_id", WITHHELD, STRANGE if is_strange else FAR)
        return frame.filter(~pl.col(ROW).is_in(late[ROW].implode()))

    def _came_before(self, texts: pl.Series, what: bytes) -> pl.Series:
        """Which of `texts`, all of them different, came in an earlier batch."""
        digests = [
            blake2b(text.encode(), digest_size=8, key=self._secret, person=what).digest() for text in texts.to_list()
        ]
        told = np.frombuffer(b"".join(digests), "<u8")
        self._told.append(told)
        return pl.Series(self._seen.number(told) > 1)


def grouped(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """`frame` with NUMBER: rows with equal values in `by`, the first of them not NULL, become lines of one event.

    They stand where the first of them stood.
    """
    if not by:
        return frame.with_columns(pl.lit(0, pl.Int32).alias(NUMBER))
    place = pl.col(_EVENT)
    event = pl.when(pl.col(by[0]).is_null()).then(place).otherwise(place.min().over(by))
    ordered = frame.with_row_index(_EVENT).with_columns(event).sort(_EVENT, maintain_order=True)
    return ordered.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).over(_EVENT).alias(NUMBER)).drop(_EVENT)


_EVENT: Final = "\0event"
