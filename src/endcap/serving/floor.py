"""One shop open for business: its ports and what is known now, and the options of the server that answers from it.

Opened on a ground that the composition root lays, which alone knows adapters and settings. While a server runs, its
event loop's thread alone touches shelf, shoppers and texts; `save` and `snapshot` may run in a worker thread.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from endcap.backends.db import Catalog, Recorded
from endcap.backends.encoder import Encoder
from endcap.backends.kv import KV
from endcap.backends.log import Entry, Log, Record
from endcap.backends.log.bodies import unpack
from endcap.domain.arrays import NO_ROWS, Rows
from endcap.domain.catalog import Assignment, Change, concerns_lists
from endcap.domain.events import Event, Events
from endcap.domain.ids import ItemKey
from endcap.domain.people import Erasure
from endcap.domain.requests import Query, folded
from endcap.errors import GateRefused
from endcap.ingest.checkpoint import pack_shelf
from endcap.ingest.fold import (
    CATALOG,
    FOLDED,
    LINKED_PREFIX,
    SHELF_KEY,
    SHOPPER_PREFIX,
    fold_events,
    open_shelf,
)
from endcap.ingest.rows import RowBook
from endcap.ingest.texts import open_texts
from endcap.policy import Policy
from endcap.privacy import Person, Stores, finish, open_identities, tombstone, tombstone_entry
from endcap.releases import Gone
from endcap.retrieval.search import LONGEST, heard
from endcap.serving.answers import Showcase
from endcap.serving.edge import Edge
from endcap.snapshot import Snapshot

_BATCH: Final = 50_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a server behaves; every field is a setting of `[serving]` by the same name."""

    deadline_ms: int
    max_in_flight_requests: int
    max_body_bytes: int
    body_timeout_s: int
    publishable_requests_per_s: int
    publishable_events_per_s: int
    secret_requests_per_s: int
    secret_events_per_s: int
    admin_requests_per_s: int
    admin_events_per_s: int
    cors_origins: list[str]
    access_log: Literal["failures", "all", "none"]
    snapshot_poll_ms: int
    decision_flush_ms: int
    decision_kept_s: int
    checkpoint_s: int
    refresh_after_s: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What a floor stands on. `recent` keeps the latest decisions and has no file.

    `policy` gives the policy that holds now; `current_snapshot` the version that the label points to, `read_snapshot`
    verifies and reads it, given the keys of all rows, `read_encoder` its text encoder, if it has one; `hidden_sessions`
    finds the sessions of erased people in it (None: nobody can tell whose they are); `forget_lines` takes people out of
    the lake. `readonly` leaves all files as they are. `refresh` is the command that brings new items into the lists,
    empty where there is none.
    """

    log: Log
    kv: KV
    recent: KV
    catalog: Catalog
    policy: Callable[[], Policy]
    current_snapshot: Callable[[], str | None]
    read_snapshot: Callable[[str, Sequence[ItemKey]], Snapshot]
    read_encoder: Callable[[str], Encoder | None]
    hidden_sessions: Callable[[str, Sequence[Gone]], Rows | None]
    forget_lines: Callable[[Collection[bytes], int], int]
    secret: bytes
    currency: str
    timezone: str
    readonly: bool = False
    refresh: tuple[str, ...] = ()


class Floor:
    """The shop of `ground`, with everything that the log holds folded in."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        if not ground.readonly:
            finish(self.stores())
        self.erasures = [
            Gone(offset, unpack("erasure", entry.version, entry.body).people)
            for offset, entry in ground.log.of_kind("events", "erasure")
        ]
        self._leaving: tuple[bytes, ...] = ()
        self._encoders: dict[str, Encoder | None] = {}
        self.shelf, self.texts = open_shelf(ground.kv), open_texts(ground.kv)
        self.rows = RowBook(self._keys())
        for records in batches(ground.log, self.shelf.offset):
            fold_events(ground.kv, self.shelf, records)
        self.texts.catch_up(ground.log)
        self.people = open_identities(ground.secret, ground.log)
        self.edge = Edge(
            ground.secret, ground.currency, ground.timezone, self.rows, self.shelf, self.people, self.texts
        )  # fmt: skip
        self.showcase = Showcase(self.shelf, self.rows, self.texts, ground.currency)

    def _keys(self) -> list[ItemKey]:
        """One key a row; those that the catalog lacks are in the log."""
        log = self.ground.log
        if not self.ground.readonly:
            self._project()
        keys = self.ground.catalog.keys()
        for records in batches(log, log.committed(CATALOG)):
            nouns = [unpack("row", entry.version, entry.body) for _, entry in records if entry.kind == "row"]
            keys += [noun.key for noun in nouns if noun.row >= len(keys)]
        return keys

    def stores(self) -> Stores:
        """Where something of a person may stand."""
        return Stores(self.ground.log, self.ground.kv, self.ground.forget_lines, FOLDED)

    def leave(self, person: Person, at: int) -> Entry:
        """The tombstone of `person`, who is gone when it is folded; nothing of theirs may be taken in between."""
        self._leaving = person.shoppers
        return tombstone_entry(tombstone(self.people, person, at))

    def fold(self, records: Sequence[Record]) -> int:
        """Take in fresh records, in order; the offset of the last change that concerns the lists, 0 if none does."""
        start = news = 0
        for place, (offset, entry) in enumerate(records):
            if entry.kind == "erasure":
                news = max(news, self._fold(records[start:place]))
                self._forget(offset, unpack("erasure", entry.version, entry.body))
                start = place
        return max(news, self._fold(records[start:]))

    def _forget(self, offset: int, erasure: Erasure) -> None:
        """State and trends without the people of `erasure`, as a rebuild from the log without them will give."""
        self.people.adopt(erasure)
        self.erasures.append(Gone(offset, erasure.people))
        for key in self._leaving:
            records = [record for record in self.ground.log.person("events", key) if record.offset < offset]
            nouns = [unpack(entry.kind, entry.version, entry.body) for _, entry in records]
            self.shelf.forget(Events.of([noun for noun in nouns if isinstance(noun, Event) and not noun.bot]))
        self.ground.kv.delete_many(
            [prefix + key for key in self._leaving for prefix in (SHOPPER_PREFIX, LINKED_PREFIX)]
        )
        self._leaving = ()

    def _fold(self, records: Sequence[Record]) -> int:
        news = 0
        fold_events(self.ground.kv, self.shelf, records)
        for offset, entry in records:
            if entry.kind == "change":
                change = unpack("change", entry.version, entry.body)
                self.texts.apply(offset, change)
                news = offset if concerns_lists(change) else news
            elif entry.kind == "link":
                self.people.adopt(unpack("link", entry.version, entry.body))
        return news

    def news_for(self, snapshot: Snapshot) -> int:
        """The offset of the last change that concerns the lists and that `snapshot` lacks, 0 if it lacks none."""
        news = 0
        for records in batches(self.ground.log, snapshot.offset):
            changes = [
                (at, unpack("change", entry.version, entry.body)) for at, entry in records if entry.kind == "change"
            ]
            news = max([news, *(at for at, change in changes if concerns_lists(change))])
        return news

    def snapshot(self, version: str) -> Snapshot:
        """The verified snapshot `version`, without the sessions of erased people. Raises: SnapshotRejected."""
        snapshot = self.ground.read_snapshot(version, self.rows.keys())
        latest = dict(list(self._encoders.items())[-1:])
        self._encoders = latest | {version: self.ground.read_encoder(version)}
        return self.masked(snapshot)

    def query(self, typed: str, known: Query, snapshot: Snapshot) -> Query:
        """What `typed` asks of `snapshot`, or where nothing was typed, what the earlier query `known` asks of it."""
        if snapshot.search is None:
            return Query(missed=1) if typed.strip() or known else known
        query = heard(typed, snapshot.search.index.vocabulary) if typed.strip() else known
        said = query.said() or " ".join(word for word in folded(typed) if len(word) <= LONGEST)
        encoder = self._encoders.get(snapshot.version)
        return replace(query, vector=encoder.encode([said])[0]) if said and encoder is not None else query

    def masked(self, snapshot: Snapshot) -> Snapshot:
        """`snapshot` without the sessions of everyone erased so far; from any thread.

        Without a seal nobody can tell whose they are, nor, after refreshes, when they were read: all are left out.
        """
        erasures = list(self.erasures)
        hidden = self.ground.hidden_sessions(snapshot.version, erasures) if erasures else NO_ROWS
        return snapshot if hidden is not None and not len(hidden) else snapshot.without_sessions(hidden)

    def current(self) -> Snapshot:
        """The snapshot that the label points to. Raises: GateRefused where none is, SnapshotRejected."""
        version = self.ground.current_snapshot()
        if version is None:
            raise GateRefused("no snapshot is published yet; run `endcap train`")
        return self.snapshot(version)

    def stage(self) -> None:
        """Put the shelf beside the shoppers, as they are now."""
        self.ground.kv.set_many({SHELF_KEY: pack_shelf(self.shelf)})
        self.texts.save(self.ground.kv)

    def save(self) -> None:
        """Make durable what was staged, and project the log's tail into the catalog; from any thread."""
        self.ground.kv.save()
        self._project()

    def close(self) -> None:
        """Stage and save a last time, unless only reading; release everything."""
        if not self.ground.readonly:
            self.stage()
            self.save()
        self.ground.catalog.close()
        self.ground.log.close()

    def _project(self) -> None:
        """Rows and changes that the catalog lacks; the lake is brought up by imports and training."""
        log, catalog = self.ground.log, self.ground.catalog
        for records in batches(log, log.committed(CATALOG)):
            nouns = [(at, unpack(entry.kind, entry.version, entry.body)) for at, entry in records]
            catalog.assign([noun for _, noun in nouns if isinstance(noun, Assignment)])
            catalog.record([Recorded(at, noun) for at, noun in nouns if isinstance(noun, Change)])
            log.commit(CATALOG, records[-1].offset)


def batches(log: Log, after: int) -> Iterator[list[Record]]:
    """The log's events after an offset, in order."""
    while records := log.read("events", after, _BATCH):
        yield records
        after = records[-1].offset
