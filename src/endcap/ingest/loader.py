"""Typed fields of events into the log: ids of people become keyed hashes, rows that name one event its lines.

All work is done on columns. A thread appends one block and folds it into everything that reads the log while the next
block is read. The log drops what it holds, so that a file imported again adds nothing.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from itertools import pairwise, repeat
from typing import Any, Final, NamedTuple, Self, TypeAlias

import numpy as np
import polars as pl
import pyarrow.compute as pc
from numpy.typing import NDArray

from endcap.backends.log import Entry, bodies
from endcap.domain.arrays import Ints, Rows
from endcap.domain.catalog import Assignment
from endcap.domain.events import KINDS, Events
from endcap.domain.ids import NOBODY, Person, keyed_hash, keyed_number
from endcap.domain.lines import TEXTS, Coded, Lines
from endcap.domain.occurrences import Occurrences
from endcap.domain.people import SIGNALS, Link
from endcap.ingest import Ports
from endcap.ingest.checkpoint import NOWHERE, Went
from endcap.ingest.fold import RANGE, Batch, checkpoint, take_in
from endcap.ingest.rows import assignment_entry
from endcap.privacy import Identities, open_identities
from endcap.privacy.identity import EVER

Digests: TypeAlias = NDArray[np.uint64]

NUMBER: Final = "\0number"
"""The column that numbers the lines of an event from 0; the lines of one event stand together."""

SIGNAL: Final = pl.col("name").is_in(SIGNALS)
"""Whether a row is no event, but says who has a device."""

_PEOPLE: Final[tuple[Person, ...]] = ("user", "visitor", "session", "basket")
_NOBODY: Final = bytes(16)
_KEEP: Final = 1_000_000
"""Lines after which the folded state is kept: what a killed import has at most to fold again."""


class _Block(NamedTuple):
    """Events ready for the log: their entries, after those of `before`, rows and links; `lines` have no offsets yet."""

    entries: list[Entry]
    lines: Lines
    before: list[Assignment | Link]
    appended: Callable[[], None]


class Loader(AbstractContextManager["Loader"]):
    """Takes block after block; all of them are in the log and folded when the context is left without an error.

    `fresh` and `known` count lines of events that the log lacked and held; `bots` those of the former left by a bot;
    `erased` lines from before their person's erasure, which are not taken in; `items` how many rows the directory had
    when all that was counted was loaded.
    """

    def __init__(self, shop: Ports, now: int) -> None:
        self._shop, self._now = shop, now
        self._directory = shop.directory()
        self._people = open_identities(shop.secret, shop.log)
        self.seen = Occurrences()
        self._appender, self._folder = ThreadPoolExecutor(1, "append"), ThreadPoolExecutor(1, "fold")
        self._appending: Future[None] = self._appender.submit(lambda: None)
        self._folding: Future[None] = self._folder.submit(lambda: None)
        self._unfolded: list[Batch] = []
        self._unkept = 0
        self.fresh = self.known = self.bots = self.new_items = self.erased = 0
        self.items = len(self._directory)
        self._went = NOWHERE
        self._whose: Identities | None = None

    @property
    def anyone_erased(self) -> bool:
        """Whether there is anybody of whom nothing may be taken in."""
        return self._people.anyone_erased

    def look_ahead(self, frames: Iterable[pl.DataFrame]) -> None:
        """Learn from all rows of the file (name, time, user_id, visitor_id) which devices were those of erased people.

        No link to them is stored, so that only the file that holds it can tell that anonymous rows are theirs.
        """
        self._whose = open_identities(self._shop.secret, self._shop.log)
        for frame in frames:
            _tell(frame.filter(pl.col("time").is_not_null()), self._whose, erased=True)

    def go_on(self, end: int, items: int) -> None:
        """An import broke off after it had noted that the log ends at `end` and `items` have rows.

        What came later of its next block, which is loaded next, is counted as it would have been then.
        """
        self._went = Went(end, self._shop.log.end("events"), items, self.items)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if failed is None:
                self._appending.result()
                self._fold()
                self._folding.result()
                if self._shop.projects:
                    checkpoint(self._shop.kv, self._shop.shelf)
        finally:
            self._appender.shutdown()
            self._folder.shutdown()

    def load(self, frame: pl.DataFrame, appended: Callable[[Digests], None]) -> None:
        """Append the events of `frame` (all that `_complete` gives, NUMBER, `minor`) soon; then call `appended`.

        Its logins and logouts are told to everyone who asks who is who, and stand in the log as links alone.
        It gets the beginnings of the digests that `seen` was asked about.
        """
        _tell(frame, self._people)
        frame = frame.filter(~SIGNAL)
        erased = 0
        who = shoppers(frame, self._people, self._shop.secret)
        if self._people.anyone_erased:
            kept = frame["time"].dt.epoch("ms").to_numpy() > self._erased_until(frame, who)
            erased = len(frame) - int(kept.sum())
            frame, who = frame.filter(kept), who._replace(codes=who.codes[kept])
        if not len(frame) and not self._people.unlogged():
            self._appending.result()
            self._went = NOWHERE
            self._counted(erased, self.items, partial(appended, np.empty(0, np.uint64)))
            return
        block = self._block(frame, who, appended)
        block = block._replace(appended=partial(self._counted, erased, len(self._directory), block.appended))
        self._appending.result()
        self._appending = self._appender.submit(self._append, block)

    def _erased_until(self, frame: pl.DataFrame, who: Coded) -> Ints:
        """[lines] Up to when the person of each line is erased, who is known by `who` or as the owner of a device."""
        owner = who if self._whose is None else shoppers(frame, self._whose, self._shop.secret, owners=True)
        known, had = ([*map(self._people.erased_until, each.values), EVER] for each in (who, owner))
        until: Ints = np.maximum(np.array(known)[who.codes], np.array(had)[owner.codes])
        return until

    def _counted(self, erased: int, items: int, appended: Callable[[], None]) -> None:
        self.erased, self.items = self.erased + erased, items
        appended()

    def _block(self, frame: pl.DataFrame, who: Coded, appended: Callable[[Digests], None]) -> _Block:
        item = coded(frame["item_id"])
        found, assignments = self._directory.ensure("item", item.values)
        rows = np.array(found, np.int32)
        ids = _Ids.of(frame, self._shop.secret)
        lines = _lines(frame, rows[item.codes], ids, who)
        keys, digests = _keys(frame, lines, ids, self._shop.secret, self.seen)
        linked = self._people.unlogged()
        self._people.logged(linked)
        links = [bodies.unpack("link", entry.version, entry.body) for entry in linked]
        given = [*(assignment_entry(assignment, self._now) for assignment in assignments), *linked]
        first = np.flatnonzero(lines.number == 0)
        columns = zip(
            repeat("event"),
            keys,
            map(lines.shopper.values.__getitem__, lines.shopper.codes[first].tolist()),
            lines.columns.time[first].tolist(),
            bodies.pack_events(lines, self._now),
            repeat(bodies.FORMAT),
            strict=False,
        )
        before: list[Assignment | Link] = [*assignments, *links]
        return _Block([*given, *map(Entry._make, columns)], lines, before, partial(appended, digests))

    def _append(self, block: _Block) -> None:
        lines, first = block.lines, len(block.before)
        told = self._shop.log.append("events", block.entries)
        offsets, fresh = np.array(told.offsets, np.int64), np.array(told.fresh, np.bool_)
        owner = first + np.cumsum(lines.number == 0) - 1
        new = replace(lines, offset=offsets[owner]).take(fresh[owner])
        ours = (fresh | self._went.appended(offsets))[owner]
        self.fresh += int(ours.sum())
        self.known += len(lines) - int(ours.sum())
        self.bots += int(lines.bot[ours].sum())
        self.new_items += sum(isinstance(each, Assignment) for each in block.before) + self._went.given(
            lines.columns.row
        )
        self._went = NOWHERE
        placed = zip(told.offsets, told.fresh, block.before, strict=False)
        others: list[tuple[int, bodies.Noun]] = [(offset, noun) for offset, isnew, noun in placed if isnew]
        if fresh.any():
            self._unfolded.append(Batch(int(offsets[fresh][-1]), others, new))
        block.appended()
        if sum(len(batch.lines) for batch in self._unfolded) >= RANGE:
            self._fold()

    def _fold(self) -> None:
        """Let what is appended be folded, once what was before it is."""
        self._folding.result()
        if self._unfolded:
            others = [each for batch in self._unfolded for each in batch.others]
            lines = Lines.joined([batch.lines for batch in self._unfolded])
            batch = Batch(self._unfolded[-1].last, others, lines)
            self._unkept, self._unfolded = self._unkept + len(lines), []
            keep = self._unkept >= _KEEP
            self._unkept = 0 if keep else self._unkept
            self._folding = self._folder.submit(take_in, self._shop, batch, keep=keep)


class _Ids(NamedTuple):
    """Ids of people as hashes [lines], V16 zeros and 0 where none is given."""

    user: NDArray[np.void]
    visitor: NDArray[np.void]
    session: Ints
    basket: Ints

    @classmethod
    def of(cls, frame: pl.DataFrame, secret: bytes) -> Self:
        def hashed(name: str, person: Person) -> NDArray[np.void]:
            column = coded(frame[name])
            hashes = [*(keyed_hash(secret, person, raw) for raw in column.values), _NOBODY]
            return np.array(hashes, "V16")[column.codes]

        def numbered(name: str, person: Person) -> Ints:
            column = coded(frame[name])
            return np.array([*(keyed_number(secret, person, raw) for raw in column.values), 0], np.int64)[column.codes]

        return cls(
            hashed("user_id", "user"),
            hashed("visitor_id", "visitor"),
            numbered("session_id", "session"),
            numbered("transaction_id", "basket"),
        )


def _tell(frame: pl.DataFrame, people: Identities, erased: bool = False) -> None:
    """Tell `people` of logouts and of rows that show a user and a visitor together; repetitions are passed over.

    Rows of erased people are passed over too, unless `erased`. In order of time, rows of one time in their own order.
    """
    left = pl.col("name") == "logout"
    met = ~left & pl.col("user_id").is_not_null()
    rows = frame.filter(pl.col("visitor_id").is_not_null() & (left | met))
    if not len(rows):
        return
    named, at = pl.when(met).then(pl.col("user_id")).alias("user_id"), pl.col("time").dt.epoch("ms")
    told = rows.select(named, "visitor_id", at).sort("visitor_id", "time", maintain_order=True)
    moved = [visitor for visitor in told["visitor_id"].unique().to_list() if people.moved(visitor)]
    before = pl.col("user_id").shift(1).over("visitor_id")
    other = (pl.col("user_id") != before).fill_null(True) | pl.col("visitor_id").is_in(moved)
    for user, visitor, at in told.filter(other).iter_rows():
        if user is None:
            people.leave(visitor, at)
        elif erased or not people.erased(people.shopper(user, ""), at):
            people.meet(user, visitor, at)


def shoppers(frame: pl.DataFrame, people: Identities, secret: bytes, owners: bool = False) -> Coded:
    """Who each line of `frame` is about, as keys: its user, else its visitor, else its session, else its order.

    A visitor alone is whoever had the device at the line's own time; for `owners` also who logged in only later.
    """
    named = _named(frame, secret)
    visitor, user = coded(frame["visitor_id"]), frame["user_id"].is_null().to_numpy()
    moved = np.array([*map(people.moved, visitor.values), False])[visitor.codes] & user
    if not moved.any():
        return named
    places = {key: place for place, key in enumerate(named.values)}
    codes = named.codes.copy()
    times = frame["time"].dt.epoch("ms").to_numpy()
    for line in np.flatnonzero(moved).tolist():
        device, at = visitor.values[visitor.codes[line]], int(times[line])
        key = (people.owner(device, at) if owners else NOBODY) or people.shopper("", device, at)
        codes[line] = places.setdefault(key, len(places))
    return Coded(codes, list(places))


def _named(frame: pl.DataFrame, secret: bytes) -> Coded:
    ids = {"user": "user_id", "visitor": "visitor_id", "session": "session_id"}
    known = [pl.concat_str(pl.lit(f"{person}:"), pl.col(field)) for person, field in ids.items()]
    who = pl.coalesce([*known, pl.concat_str(pl.lit("session:"), pl.col("transaction_id"))])
    column = coded(frame.select(who).to_series())
    return column._replace(values=[keyed_hash(secret, *_person(each)) for each in column.values])


def _person(who: str) -> tuple[Person, str]:
    kind, _, raw = who.partition(":")
    return next(person for person in _PEOPLE if person == kind), raw


def coded(texts: pl.Series) -> Coded:
    """Texts by number, -1 for NULL."""
    encoded = pc.dictionary_encode(texts.to_arrow())
    codes: Rows = pc.fill_null(encoded.indices.cast("int32"), -1).to_numpy(zero_copy_only=False)
    return Coded(codes, encoded.dictionary.to_pylist())


def _lines(frame: pl.DataFrame, rows: Rows, ids: _Ids, who: Coded) -> Lines:
    def word(name: str) -> Coded:
        return coded(frame[name].fill_null(""))

    return Lines(
        offset=np.zeros(len(frame), np.int64),
        number=frame[NUMBER].cast(pl.Int32).to_numpy(),
        columns=Events(
            time=frame["time"].dt.epoch("ms").to_numpy(),
            row=rows,
            kind=frame["name"].replace_strict(KINDS, return_dtype=pl.UInt8).to_numpy(),
            session=ids.session,
            dwell=frame["dwell"].to_numpy(),
            scrolled=frame["scrolled"].to_numpy(),
        ),
        quantity=frame["quantity"].to_numpy(),
        price=frame["minor"].to_numpy(),
        basket=ids.basket,
        guest=frame.select(pl.col("user_id").is_null() & pl.col("visitor_id").is_null()).to_series().to_numpy(),
        bot=frame["bot"].to_numpy(),
        shopper=who,
        **{name: word(name) for name in TEXTS},
    )


def event_key(secret: bytes, event_id: str) -> bytes:
    """The dedupe key of an event that names itself."""
    return blake2b(f"event:{event_id}".encode("utf-8", "surrogatepass"), digest_size=16, key=secret).digest()


def _keys(
    frame: pl.DataFrame, lines: Lines, ids: _Ids, secret: bytes, seen: Occurrences
) -> tuple[list[bytes], Digests]:
    """The key of each event: of its `event_id`, else of its content and how often that came before in the file.

    And the beginnings of the digests of the latter.
    """
    first = np.flatnonzero(lines.number == 0)
    named = frame["event_id"].gather(first).to_list()
    unnamed = np.array([event_id is None for event_id in named], np.bool_)
    if not unnamed.any():
        return [event_key(secret, event_id) for event_id in named], np.empty(0, np.uint64)
    digests = _digests(lines, ids, first)
    prefixes = np.frombuffer(b"".join(digests), "<u8")[::2]
    numbers = np.zeros(len(digests), np.int64)
    numbers[unnamed] = seen.number(prefixes[unnamed])
    keys = [
        event_key(secret, event_id) if event_id is not None else digest if number == 1 else _nth(digest, number)
        for event_id, digest, number in zip(named, digests, numbers.tolist(), strict=True)
    ]
    return keys, prefixes[unnamed]


def _nth(digest: bytes, number: int) -> bytes:
    return blake2b(digest + number.to_bytes(8, "big"), digest_size=16).digest()


def _digests(lines: Lines, ids: _Ids, first: NDArray[np.intp]) -> list[bytes]:
    """16 bytes for all that each event says, ids as hashes: who its shopper turns out to be does not count."""
    columns: dict[str, NDArray[Any]] = {
        "kind": lines.columns.kind,
        "time": lines.columns.time,
        "user": ids.user,
        "visitor": ids.visitor,
        "session": ids.session,
        "basket": ids.basket,
        **{name: _digested(getattr(lines, name)) for name in ("region", "placement", "recommendation_id")},
    }
    heads, width = _together({name: column[first] for name, column in columns.items()})
    tails, breadth = _together({"row": lines.columns.row, "quantity": lines.quantity, "price": lines.price})
    borders = (np.r_[first, len(lines)] * breadth).tolist()
    return [
        blake2b(heads[at : at + width] + tails[start:end], digest_size=16).digest()
        for at, (start, end) in zip(range(0, len(heads), width), pairwise(borders), strict=True)
    ]


def _digested(column: Coded) -> NDArray[np.void]:
    values = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in column.values]
    return np.array(values, "V8")[column.codes]


def _together(columns: dict[str, NDArray[Any]]) -> tuple[bytes, int]:
    """The columns entry by entry, and the bytes of an entry."""
    size = len(next(iter(columns.values())))
    entries = np.zeros(size, [(name, column.dtype.newbyteorder("<")) for name, column in columns.items()])
    for name, column in columns.items():
        entries[name] = column
    return entries.tobytes(), entries.itemsize
