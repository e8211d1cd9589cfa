"""The embedded log: one SQLite file, one writer, an append durable when it returns.

WAL with synchronous=FULL: a commit syncs the WAL before it returns, so an acknowledged entry survives a power cut.
Knows offsets, dedupe keys and consumers; does not know what the bodies mean.
"""

import threading
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from endcap.backends.durable import holds, sync
from endcap.backends.log import Appended, Entry, Log, Record, RecordKind, Stream
from endcap.backends.log.group_commit import GroupCommit
from endcap.backends.log.lock import WriterLock
from endcap.errors import BackendUnavailable

T = TypeVar("T")

FORMAT: Final = 2
_READABLE: Final = (1, FORMAT)
_APPLICATION: Final = 0x45434C47
_STREAMS: Final[tuple[Stream, ...]] = ("events", "decisions")
_STREAM_TABLE: Final = """
CREATE TABLE {stream} (
    offset INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key BLOB NOT NULL,
    shopper BLOB NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE TABLE {stream}_keys (key BLOB PRIMARY KEY, offset INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE {stream}_people (shopper BLOB, offset INTEGER, PRIMARY KEY (shopper, offset)) STRICT, WITHOUT ROWID;
"""
"""Keys and people are tables rather than indexes, so that a batch enters them sorted: twice as fast at a million."""
_COLUMNS: Final = "offset, kind, key, shopper, at, body, version"
_CONSUMERS_TABLE: Final = """
CREATE TABLE consumers (name TEXT PRIMARY KEY, offset INTEGER NOT NULL) STRICT, WITHOUT ROWID
"""
_PEOPLE_INDEX: Final = """
CREATE INDEX events_identities ON events (kind, offset) WHERE kind = 'link' OR kind = 'erasure'
"""
"""New in format 2; without it, in a file of format 1 that is only read, the same query reads every record."""
_OF_KIND: Final = {"link": "kind = 'link'", "erasure": "kind = 'erasure'"}
_END: Final = """
SELECT max(
    coalesce((SELECT max(offset) FROM {stream}), 0),
    coalesce((SELECT offset FROM consumers WHERE name = 'end of {stream}'), 0)
)
"""
"""The last offset ever given: the consumer of that name remembers it when the last records are forgotten."""
_NAME: Final = """
INSERT INTO {stream}_{table} SELECT {column}, offset FROM {stream} WHERE offset > ? AND {column} <> x'' ORDER BY 1, 2
"""
"""Sorted by SQLite itself, in one statement: an import's other thread runs meanwhile."""
_PACKED: Final = b"%020d%010d%010d%b%b%b"
_INSERT: Final = """
INSERT INTO {stream}
SELECT ?1 + rowid, ?2, substr(value, 41, key), substr(value, 41 + key, shopper),
    CAST(CAST(substr(value, 1, 20) AS TEXT) AS INTEGER), substr(value, 41 + key + shopper), ?3
FROM (
    SELECT rowid, value, CAST(CAST(substr(value, 21, 10) AS TEXT) AS INTEGER) AS key,
        CAST(CAST(substr(value, 31, 10) AS TEXT) AS INTEGER) AS shopper
    FROM carray(?4)
)
"""
"""Entries as one array, cut up by SQLite itself: half of the time of one by one, and other threads run meanwhile."""
_KNOWN: Final = "SELECT key, offset FROM carray(?) AS sought CROSS JOIN {stream}_keys ON key = sought.value"
_ADVANCE: Final = """
INSERT INTO consumers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET offset = max(offset, excluded.offset)
"""
_WRITER: Final = """
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 8000;
PRAGMA journal_size_limit = 67108864;
"""
_REMEDIES: Final[tuple[tuple[type[apsw.Error], str], ...]] = (
    (apsw.FullError, "free disk space and send the call again; nothing of it was stored"),
    (apsw.BusyError, "another process holds the file; try again when it has finished"),
    (apsw.NotADBError, "this is no log of Endcap; move it away or restore it from a backup"),
    (apsw.CorruptError, "the file is damaged; restore it from a backup"),
    (apsw.CantOpenError, "check that the folder exists and may be written; `endcap init` makes a shop"),
    (apsw.ReadOnlyError, "check the rights of the file and its folder"),
)


class SqliteLog(Log):
    """A log in the file `path`, made where it is absent; safe to use from many threads.

    One process writes, which a lock file beside the log enforces; others may open it with `readonly`, also meanwhile.
    `busy_ms` is how long a call waits for a file lock of another process.

    Raises: BackendUnavailable, here and in every method, where another process writes, the file is no log or one of
    a newer release, or the disk fails or is full. After a failed sync every append is refused until the log is
    opened anew, for the kernel may have dropped what was not written.
    """

    def __init__(self, path: Path, *, readonly: bool = False, busy_ms: int = 5_000) -> None:
        self.path = path
        self._lock = None if readonly else self._locked()
        self._commits: GroupCommit | None = None
        try:
            with self._explained("opened"):
                if not readonly:
                    self._commits = GroupCommit(self._writer(busy_ms), lambda error: self._explain("written", error))
                self._reader = self._connect(apsw.SQLITE_OPEN_READONLY, busy_ms)
                _check_format(self._reader, path)
        except BaseException:
            self._release()
            raise
        self._reading = threading.Lock()

    def append(self, stream: Stream, entries: Sequence[Entry]) -> Appended:
        """All of `entries` or none, durable on return; calls of several threads share a sync."""
        if not entries:
            return Appended([], [])
        return self._write(lambda connection: _append(connection, stream, entries))

    def read(self, stream: Stream, after: int, limit: int) -> list[Record]:
        """At most `limit` records with an offset above `after`, in order."""
        return self._records(
            f"SELECT {_COLUMNS} FROM {_table(stream)} WHERE offset > ? ORDER BY offset LIMIT ?",
            (after, limit),
        )

    def person(self, stream: Stream, shopper: bytes) -> list[Record]:
        """All records about one person, in order; none for the empty shopper key."""
        return self._records(
            f"SELECT {_COLUMNS} FROM {_table(stream)} "
            f"WHERE offset IN (SELECT offset FROM {stream}_people WHERE shopper = ?) ORDER BY offset",
            (shopper,),
        )

    def of_kind(self, stream: Stream, kind: RecordKind) -> list[Record]:
        """All records of one kind, in order; links and erasures are found without reading the others."""
        condition = _OF_KIND.get(kind)
        return self._records(
            f"SELECT {_COLUMNS} FROM {_table(stream)} WHERE {condition or 'kind = ?'} ORDER BY offset",
            () if condition else (kind,),
        )

    def shoppers(self, stream: Stream) -> list[bytes]:
        """The distinct people whom records are about."""
        with self._reading, self._explained("read"):
            found = self._reader.execute(f"SELECT DISTINCT shopper FROM {_table(stream)}_people")
            return [row[0] for row in found]

    def forget(self, people: Collection[bytes], until: Mapping[Stream, int]) -> int:
        """Remove for good all records about `people` up to an offset of each stream; how many there were.

        The file is rewritten where pages hold copies of what moved.
        """
        keys = sorted(set(people) - {b""})
        removed = self._write(lambda connection: sum(_forget(connection, each, keys, until[each]) for each in until))
        if self._commits is not None:
            self._commits.alone(lambda connection: self._scrub(connection, keys))
        return removed

    def find(self, stream: Stream, key: bytes) -> Record | None:
        """The record with the dedupe key `key`, None where there is none."""
        records = self._records(
            f"SELECT {_COLUMNS} FROM {_table(stream)} WHERE offset = (SELECT offset FROM {stream}_keys WHERE key = ?)",
            (key,),
        )
        return records[0] if records else None

    def end(self, stream: Stream) -> int:
        """The last offset, 0 where the stream is empty."""
        return self._number(_END.format(stream=_table(stream)), ())

    def commit(self, consumer: str, offset: int) -> None:
        """Remember that `consumer` has taken in everything up to `offset`; a lower one than before is ignored."""
        self._write(lambda connection: connection.execute(_ADVANCE, (consumer, offset)))

    def committed(self, consumer: str) -> int:
        """What `consumer` committed last, 0 at first."""
        return self._number("SELECT offset FROM consumers WHERE name = ?", (consumer,))

    def close(self) -> None:
        """Release the file; a write under way is finished first. A second call does nothing."""
        with self._reading, self._explained("closed"):
            self._reader.close()
            self._release()

    def _scrub(self, connection: apsw.Connection, keys: Sequence[bytes]) -> None:
        """Bring the WAL into the file and cut it; rewrite the file if a page still holds a key in its unused part.

        Deleted cells are zeroed, but a page that was split earlier may keep copies of cells that moved. Without
        `keys` a crash came before this, and nobody knows any more what to look for: the file is rewritten.
        """
        _cut_wal(connection)
        if not keys or any(holds(self.path, key) for key in keys):
            connection.execute("VACUUM")
            _cut_wal(connection)

    def _release(self) -> None:
        if self._commits is not None:
            self._commits.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        if self._commits is None:
            raise BackendUnavailable(f"the log {self.path} was opened for reading; open it without readonly to append")
        return self._commits.run(work)

    def _records(self, query: str, values: tuple[Any, ...]) -> list[Record]:
        with self._reading, self._explained("read"):
            return [Record(row[0], Entry(*row[1:])) for row in self._reader.execute(query, values)]

    def _number(self, query: str, values: tuple[Any, ...]) -> int:
        with self._reading, self._explained("read"):
            return self._reader.execute(query, values).get or 0

    def _locked(self) -> WriterLock:
        try:
            return WriterLock(self.path.with_name(self.path.name + ".lock"))
        except OSError as error:
            raise BackendUnavailable(
                f"the log {self.path} cannot be locked for writing: {error}; "
                "check that the folder exists and may be written; `endcap init` makes a shop"
            ) from error

    def _connect(self, flags: int, busy_ms: int) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), flags)
        connection.set_busy_timeout(busy_ms)
        return connection

    def _writer(self, busy_ms: int) -> apsw.Connection:
        connection = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, busy_ms)
        if not connection.execute("SELECT count(*) FROM sqlite_schema").get:
            _configure(connection)
            with connection:
                for stream in _STREAMS:
                    connection.execute(_STREAM_TABLE.format(stream=stream))
                connection.execute(_CONSUMERS_TABLE)
                connection.execute(_PEOPLE_INDEX)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {FORMAT}")
            sync(self.path.parent)
        found = _check_format(connection, self.path)
        _configure(connection)
        if found < FORMAT:
            with connection:
                connection.execute(_PEOPLE_INDEX)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        return connection

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise self._explain(doing, error) from error

    def _explain(self, doing: str, error: apsw.Error) -> BackendUnavailable:
        remedies = (remedy for kind, remedy in _REMEDIES if isinstance(error, kind))
        remedy = next(remedies, "check the disk, then restart; what was acknowledged is kept")
        return BackendUnavailable(f"the log {self.path} cannot be {doing}: {error}; {remedy}")


def _table(stream: Stream) -> Stream:
    if stream not in _STREAMS:
        raise ValueError(f"{stream!r} is no stream; expected one of {', '.join(_STREAMS)}")
    return stream


def _append(connection: apsw.Connection, stream: Stream, entries: Sequence[Entry]) -> Appended:
    keys = [entry.key for entry in entries if entry.key]
    offset_of = _known(connection, stream, keys)
    before = connection.execute(_END.format(stream=_table(stream))).get
    if offset_of or len(set(keys)) < len(keys):
        told, new = _numbered(entries, offset_of, before)
    else:
        told, new = Appended(list(range(before + 1, before + 1 + len(entries))), [True] * len(entries)), entries
    _insert(connection, stream, before, new)
    for table, column in (("keys", "key"), ("people", "shopper")):
        connection.execute(_NAME.format(stream=stream, table=table, column=column), (before,))
    return told


def _numbered(entries: Sequence[Entry], offset_of: dict[bytes, int], before: int) -> tuple[Appended, Sequence[Entry]]:
    """The offsets of `entries`, those of `offset_of` or an earlier one of the same key, and which entries are new."""
    end, offsets, fresh, new = before, [], [], []
    for entry in entries:
        offset = offset_of.get(entry.key) if entry.key else None
        fresh.append(offset is None)
        if offset is None:
            end += 1
            offset = end
            new.append(entry)
            if entry.key:
                offset_of[entry.key] = offset
        offsets.append(offset)
    return Appended(offsets, fresh), new


def _insert(connection: apsw.Connection, stream: Stream, before: int, entries: Sequence[Entry]) -> None:
    """Store `entries` at the offsets after `before`; those of one kind that follow each other in one statement."""
    times = iter(array("q", [entry.at for entry in entries]))
    for (kind, version), some in groupby(entries, attrgetter("kind", "version")):
        packed = tuple(
            _PACKED % (next(times), len(key), len(shopper), key, shopper, body) for _, key, shopper, _, body, _ in some
        )
        connection.execute(_INSERT.format(stream=stream), (before, kind, version, apsw.carray(packed)))
        before += len(packed)


def _known(connection: apsw.Connection, stream: Stream, keys: Sequence[bytes]) -> dict[bytes, int]:
    """The offsets of those of `keys` that stand in the log."""
    sought = apsw.carray(tuple(sorted(keys))) if keys else None
    return dict(connection.execute(_KNOWN.format(stream=_table(stream)), (sought,))) if keys else {}


def _forget(connection: apsw.Connection, stream: Stream, keys: Sequence[bytes], until: int) -> int:
    connection.execute(_ADVANCE, (f"end of {stream}", connection.execute(_END.format(stream=stream)).get))
    before = connection.total_changes()
    for key in keys:
        connection.execute(
            f"DELETE FROM {_table(stream)} WHERE offset IN "
            f"(SELECT offset FROM {stream}_people WHERE shopper = ? AND offset <= ?)",
            (key, until),
        )
    removed = connection.total_changes() - before
    people = f"DELETE FROM {stream}_people WHERE shopper = ? AND offset <= ?"
    connection.executemany(people, [(key, until) for key in keys])
    return removed


def _cut_wal(connection: apsw.Connection) -> None:
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
    if busy:
        raise apsw.BusyError("another process reads the log, so its WAL cannot be cut")


def _configure(connection: apsw.Connection) -> None:
    """Run every statement of _WRITER; apsw stops at the first that gives a row until the row is fetched."""
    connection.execute(_WRITER).fetchall()


def _check_format(connection: apsw.Connection, path: Path) -> int:
    """The format of the file."""
    application = connection.execute("PRAGMA application_id").get
    version = connection.execute("PRAGMA user_version").get
    if application != _APPLICATION:
        raise BackendUnavailable(f"{path} is a SQLite file but no log of Endcap; move it away or use another folder")
    if version not in _READABLE:
        raise BackendUnavailable(
            f"the log {path} has format {version}, this release reads formats {' and '.join(map(str, _READABLE))}; "
            "upgrade endcap to the release that wrote it"
        )
    return int(version)
