"""The embedded kv: a dict in this process, snapshotted to one SQLite file.

Knows times to live and what changed since the last save. Does not know the values; what is lost between two saves is
rebuilt from the log.
"""

import heapq
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from endcap.backends.durable import holds
from endcap.backends.kv import KV
from endcap.errors import BackendUnavailable

FORMAT: Final = 1
_APPLICATION: Final = 0x45434B56
_BUSY_S: Final = 5.0
_TABLE: Final = """
CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID
"""
_NEVER: Final = 2**63 - 1


class MemoryKV(KV):
    """Values in memory; `path` is the file of the last `save` (None: never saved), read at the start.

    `now` gives ms UTC and decides what has expired. Safe to use from many threads.

    Raises: BackendUnavailable where the file is damaged, of another format or cannot be written.
    """

    def __init__(self, path: Path | None, now: Callable[[], int]) -> None:
        self._path = path
        self._now = now
        self._values: dict[bytes, tuple[bytes, int]] = {}
        self._expiring: list[tuple[int, bytes]] = []
        self._unsaved: set[bytes] = set()
        self._using = threading.Lock()
        self._saving = threading.Lock()
        if path is not None and path.exists():
            self._load(path)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values in the order of `keys`, None where a key is absent or has expired."""
        now = self._now()
        with self._using:
            found = [self._values.get(key) for key in keys]
        return [entry[0] if entry is not None and now < entry[1] else None for entry in found]

    def set_many(self, values: Mapping[bytes, bytes], ttl_ms: int | None = None) -> None:
        """Set all of `values`; they expire `ttl_ms` after now, or never."""
        now = self._now()
        expires = _NEVER if ttl_ms is None else now + ttl_ms
        with self._using:
            self._expire(now)
            for key, value in values.items():
                self._values[key] = (bytes(value), expires)
                if ttl_ms is not None:
                    heapq.heappush(self._expiring, (expires, key))
            self._changed(values)

    def delete_many(self, keys: Sequence[bytes]) -> None:
        """Delete `keys`; one that is absent is no error."""
        with self._using:
            for key in keys:
                self._values.pop(key, None)
            self._changed(keys)

    def scrub(self, keys: Sequence[bytes]) -> None:
        """Save; the file is rewritten if a page still holds one of `keys`, in its unused part maybe."""
        self.save()
        if self._path is not None and self._path.exists() and any(holds(self._path, key) for key in keys):
            with self._saving, _explained(self._path), closing(_connected(self._path)) as connection:
                connection.execute("VACUUM")

    def delete_prefix(self, prefix: bytes) -> int:
        """Delete every key that starts with `prefix`; the number deleted, expired ones not counted."""
        with self._using:
            self._expire(self._now())
            keys = [key for key in self._values if key.startswith(prefix)]
            for key in keys:
                del self._values[key]
            self._changed(keys)
        return len(keys)

    def save(self) -> None:
        """Write what changed since the last save, in one transaction; a crash leaves the last save or this one."""
        if self._path is None:
            return
        with self._saving:
            with self._using:
                self._expire(self._now())
                changed, self._unsaved = self._unsaved, set()
                # In order of keys, so that pages of the file are filled one after the other.
                present = [(key, *self._values[key]) for key in sorted(changed) if key in self._values]
                absent = [(key,) for key in changed if key not in self._values]
            try:
                if changed:
                    self._write(self._path, present, absent)
            except BaseException:
                with self._using:
                    self._unsaved |= changed
                raise

    def close(self) -> None:
        """Save; nothing else is held."""
        self.save()

    def _changed(self, keys: Iterable[bytes]) -> None:
        if self._path is not None:
            self._unsaved.update(keys)

    def _expire(self, now: int) -> None:
        while self._expiring and self._expiring[0][0] <= now:
            _, key = heapq.heappop(self._expiring)
            entry = self._values.get(key)
            if entry is not None and entry[1] <= now:
                del self._values[key]
                self._changed((key,))

    def _load(self, path: Path) -> None:
        now = self._now()
        with _opened(path) as connection:
            for key, value, expires in connection.execute("SELECT key, value, expires FROM entries"):
                self._values[key] = (value, expires)
        self._expiring = [(expires, key) for key, (_, expires) in self._values.items() if expires != _NEVER]
        heapq.heapify(self._expiring)
        self._expire(now)

    @staticmethod
    def _write(path: Path, present: Sequence[tuple[bytes, bytes, int]], absent: Sequence[tuple[bytes]]) -> None:
        with _opened(path) as connection:
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", present)
            connection.executemany("DELETE FROM entries WHERE key = ?", absent)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file in one transaction, made where it is absent; rollback journal, synced at commit."""
    with _explained(path), closing(_connected(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _prepare(connection, path)
        yield connection
        connection.execute("COMMIT")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackendUnavailable(
            f"the state file {path} cannot be used: {error}; free the disk or mend its rights, "
            "or delete the file and it is rebuilt from the log"
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    elif (application, version) != (_APPLICATION, FORMAT):
        raise BackendUnavailable(
            f"{path} is no state file of format {FORMAT} (application {application:#x}, format {version}); "
            "upgrade endcap, or delete the file and it is rebuilt from the log"
        )
