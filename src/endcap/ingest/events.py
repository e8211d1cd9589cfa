"""Events from a file into the log: typed fields become `Event` records, people become keyed hashes.

Knows GA4 names, identity and the dedupe key of a row. The log drops what it holds, so importing a file again, or going
on after a crash, adds only what is missing. All per-row work is columns, but for one loop that builds the records.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from endcap.backends.log import Entry, bodies
from endcap.domain.events import KINDS, Event, Kind, Line
from endcap.domain.ids import ItemKey, Person, keyed_hash, keyed_number
from endcap.expressions import Type
from endcap.formats.files import open_table
from endcap.ingest import Ports, Report, Summary
from endcap.ingest.binding import Check, Fields, bind
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
from endcap.ingest.fold import RANGE, project
from endcap.ingest.mapping import EventFields, EventsMapping
from endcap.ingest.occurrences import Occurrences
from endcap.ingest.quarantine import Quarantine
from endcap.ingest.rows import Directory, assignment_entry

FIELDS: Final = Fields(
    {"time": "time", "quantity": "number", "price": "number"},
    frozenset({"user_id", "visitor_id", "session_id", "transaction_id", "event_id"}),
)
MAX_WORD, MAX_QUANTITY = 64, 10**6
_STORED: Final[dict[Type, pl.DataType]] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "time": pl.Datetime("ms", "UTC"),
}
_PEOPLE: Final[tuple[Person, ...]] = ("user", "visitor", "session", "basket")


def import_events(shop: Ports, file: Path, mapping: EventsMapping, now: int, report: Report | None = None) -> Summary:
    """Append the events in `file` to the log and fold them into everything that reads it; `now` is when (ms UTC).

    Raises: InvalidFeed where a mapped column is missing, no row fits, or the currency is not the shop's.
    """
    check_currency(shop, mapping.currency, mapping.path)
    table = open_table(file, mapping.separator)
    binding = bind(mapping, table, shop.timezone, FIELDS)
    name = f"{file.name}-{table.digest()}.jsonl"
    project(shop)
    loader = _Loader(shop, now)
    rows = left_out = 0
    with paused_collection(), Quarantine(shop.quarantine, name) as quarantine:
        for batch in binding.batches(_checks(mapping, shop.currency, now), quarantine):
            rows, left_out = rows + batch.rows, left_out + batch.left_out
            if len(batch.fields):
                loader.load(batch.fields)
            if report:
                report(rows, table.rows)
        kept = quarantine.finish()
        project(shop)
    if quarantine.count and not loader.fresh + loader.known:
        raise nothing_fits(file, quarantine, kept)
    return Summary(rows, left_out, quarantine.count, loader.fresh, loader.known, loader.new_items, kept)


def _checks(mapping: EventsMapping, currency: str, now: int) -> list[Check]:
    given = mapping.formulas().keys()
    quantity = pl.col("quantity")
    people = [pl.col(name) for name in ("user_id", "visitor_id", "session_id", "transaction_id") if name in given]
    nobody = pl.all_horizontal(person.is_null() for person in people) if people else pl.lit(True)
    checks = [
        *(Check(name, pl.col(name).is_null(), "is missing") for name in ("name", "time", "item_id")),
        Check("name", ~pl.col("name").is_in(list(KINDS)), f"is not one of {', '.join(KINDS)}"),
        time_check("time", now),
        length_check("item_id", MAX_ID),
        Check("user_id", nobody, "is missing, and so are visitor_id, session_id and transaction_id"),
        Check(
            "quantity",
            (quantity < 1) | (quantity > MAX_QUANTITY) | (quantity != quantity.floor()),
            f"is not a whole number between 1 and {MAX_QUANTITY:,}; a refund has a positive quantity too",
        ),
        price_check("price", currency),
        *(length_check(name, MAX_WORD) for name in ("region", "placement", "recommendation_id")),
    ]
    return [check for check in checks if check.field in given or check.field == "user_id"]


class _Loader:
    """Appends batch after batch, and folds whenever a range of the lake is full."""

    def __init__(self, shop: Ports, now: int) -> None:
        self._shop, self._now = shop, now
        self._directory = Directory(shop.catalog.keys())
        self._seen = Occurrences()
        self._unfolded = 0
        self.fresh = self.known = self.new_items = 0

    def load(self, fields: pl.DataFrame) -> None:
        frame = _complete(fields)
        frame = frame.with_columns(minor_column(frame["price"], self._shop.currency).alias("minor"))
        items = frame["item_id"].unique(maintain_order=True).to_list()
        assignments = self._directory.plan(ItemKey("item", item) for item in items)
        rows = [assignment_entry(assignment, self._now) for assignment in assignments]
        self._directory.adopt(assignments)
        appended = self._shop.log.append("events", [*rows, *self._entries(frame)])
        fresh = sum(appended.fresh)
        self.new_items += len(rows)
        self.fresh += fresh - len(rows)
        self.known += len(frame) - fresh + len(rows)
        self._unfolded += fresh
        if self._unfolded >= RANGE:
            project(self._shop)
            self._unfolded = 0

    def _entries(self, frame: pl.DataFrame) -> Iterable[Entry]:
        secret, now = self._shop.secret, self._now
        shopper = _mapped(frame["who"], lambda who: keyed_hash(secret, *_person(who)))
        columns = zip(
            _row_keys(frame, secret, self._seen),
            frame["name"].replace_strict(KINDS, return_dtype=pl.Int64).to_list(),
            frame["time"].dt.epoch("ms").to_list(),
            shopper,
            _mapped(frame["item_id"], lambda item: self._directory.row(ItemKey("item", item))),
            frame["quantity"].to_list(),
            frame["minor"].to_list(),
            _mapped(frame["session_id"], lambda raw: keyed_number(secret, "session", raw) if raw else 0),
            _mapped(frame["transaction_id"], lambda raw: keyed_number(secret, "basket", raw) if raw else 0),
            frame["guest"].to_list(),
            frame["region"].to_list(),
            frame["placement"].to_list(),
            frame["recommendation_id"].to_list(),
            strict=True,
        )
        kinds = {int(kind): kind for kind in Kind}
        for key, kind, time, who, row, quantity, price, session, basket, guest, *words in columns:
            lines = (Line(row, quantity, price),)
            event = Event(kinds[kind], time, now, who, lines, session, basket, guest, *words)
            yield Entry("event", key, who, time, bodies.pack(event), bodies.FORMAT)


def _complete(fields: pl.DataFrame) -> pl.DataFrame:
    """All fields, those not mapped as NULL or their default, and `who` with its kind of id in front."""
    absent = {
        name: pl.lit(None, _STORED[FIELDS.types.get(name, "text")])
        for name in EventFields.model_fields
        if name not in fields.columns
    }
    frame = fields.with_columns(**absent)
    ids = {"user": "user_id", "visitor": "visitor_id", "session": "session_id"}
    known = [pl.concat_str(pl.lit(f"{person}:"), pl.col(field)) for person, field in ids.items()]
    return frame.with_columns(
        pl.col("quantity").fill_null(1).cast(pl.Int64),
        pl.col("region", "placement", "recommendation_id").fill_null(""),
        who=pl.coalesce([*known, pl.concat_str(pl.lit("session:"), pl.col("transaction_id"))]),
        guest=pl.col("user_id").is_null() & pl.col("visitor_id").is_null(),
    )


def _person(who: str) -> tuple[Person, str]:
    kind, _, raw = who.partition(":")
    return next(person for person in _PEOPLE if person == kind), raw


def _mapped(values: pl.Series, function: Callable[[str], object]) -> list[object]:
    """`function` of each value, called once for each distinct one."""
    known = {value: function(value) for value in values.unique().to_list()}
    return [known[value] for value in values.to_list()]


def event_key(secret: bytes, event_id: str) -> bytes:
    """The dedupe key of an event that names itself."""
    return blake2b(f"event:{event_id}".encode("utf-8", "surrogatepass"), digest_size=16, key=secret).digest()


def _row_keys(frame: pl.DataFrame, secret: bytes, seen: Occurrences) -> list[bytes]:
    """The key of each row: of its `event_id`, else of its content and how often that came before in the file."""
    start = blake2b(digest_size=16, key=secret)
    contents = frame.select(_content()).to_series().to_list()
    digests = []
    for content in contents:
        digest = start.copy()
        digest.update(content.encode("utf-8", "surrogatepass"))
        digests.append(digest.digest())
    named = frame["event_id"].to_list()
    unnamed = np.array([event_id is None for event_id in named], np.bool_)
    prefixes = np.frombuffer(b"".join(digests), "<u8")[::2]
    numbers = np.zeros(len(digests), np.int64)
    numbers[unnamed] = seen.number(prefixes[unnamed])
    return [
        event_key(secret, event_id) if event_id is not None else digest if number == 1 else _nth(secret, digest, number)
        for event_id, digest, number in zip(named, digests, numbers.tolist(), strict=True)
    ]


def _nth(secret: bytes, digest: bytes, number: int) -> bytes:
    return blake2b(digest + number.to_bytes(8, "big"), digest_size=16, key=secret).digest()


def _content() -> pl.Expr:
    """All that a row says, as one text: each value with its length before it, so that no two rows read alike."""
    texts = (
        "name",
        "item_id",
        "user_id",
        "visitor_id",
        "session_id",
        "transaction_id",
        "region",
        "placement",
        "recommendation_id",
    )
    numbers = (pl.col("time").dt.epoch("ms"), pl.col("quantity"), pl.col("minor"))
    return pl.concat_str(
        [
            pl.lit("row"),
            *(pl.concat_str(pl.col(text).str.len_chars(), pl.lit(":"), pl.col(text)).fill_null("-") for text in texts),
            *(pl.concat_str(pl.lit(","), number.cast(pl.String)).fill_null(",-") for number in numbers),
        ]
    )
