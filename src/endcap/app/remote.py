"""A shop that a server has open: commands on the same machine work through it and write none of its files.

The server gives rows, stores, and folds before it answers; the log and the catalog are read from their files beside it.
Knows how the server is reached, not what is sent.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import accumulate
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from endcap import ingest
from endcap.app.keys import Running, running
from endcap.app.shop import Shop
from endcap.backends.db import Catalog, Recorded
from endcap.backends.log import Appended, Entry, Log, Record, RecordKind, Stream
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKey
from endcap.errors import BackendUnavailable, InvalidRequest
from endcap.ingest.rows import Directory
from endcap.serving.calls import MAX_RECORDS, MAX_RECORDS_BYTES, MESSAGE_PACK, RECORDS, RecordsAnswer, RecordsCall

IMPORT_LOCK: Final = "run/import.lock"
CALL_S: Final = 0.03
"""What a call should take: lists wait for it to be folded."""

_LEAST_RECORDS: Final = 200
_MOST_BYTES: Final = MAX_RECORDS_BYTES // 8
"""Of bodies in one call; a single one may be larger, and is far below what the server takes."""
_IDLE_S: Final = 2.0
"""After this a connection is not trusted: the server closes one that has been idle for five seconds."""
_ONE_IMPORT: Final = "{holder} is importing through the server already; wait for it or stop it"
_ANSWER_S: Final = 60.0
_WAIT_S: Final = 300.0
_PAGE: Final = 50_000


class Connection:
    """To a running server. Calls wait for their answers, one after the other, and let it rest as long as each took.

    So an import, whose threads share it, never has more than one chunk under way and leaves at least half of the server
    to shoppers.
    """

    def __init__(self, server: Running) -> None:
        self.address = server.address
        self._server = server
        parts = urlsplit(server.address)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_ANSWER_S)
        self._answered = time.monotonic()
        self._turn = threading.Lock()

    def call(self, method: str, path: str, body: bytes = b"", media_type: str = MESSAGE_PACK) -> bytes:
        """The body of the answer; asked again while the server says that it is too busy.

        Raises: BackendUnavailable where it went away, InvalidRequest where it refused.
        """
        with self._turn:
            return self._asked(method, path, body, media_type)

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _asked(self, method: str, path: str, body: bytes, media_type: str) -> bytes:
        deadline = time.monotonic() + _WAIT_S
        while True:
            started = time.monotonic()
            status, answer, retry_after_s = self._answer(method, path, body, media_type)
            if status < 300:
                time.sleep(min(time.monotonic() - started, 1.0))
                return answer
            detail = _detail(answer)
            if status not in (429, 503) or time.monotonic() > deadline:
                wrong = InvalidRequest if status < 500 else BackendUnavailable
                raise wrong(f"the server at {self.address} answered {status}: {detail}")
            time.sleep(min(retry_after_s, 5.0))

    def _answer(self, method: str, path: str, body: bytes, media_type: str) -> tuple[int, bytes, float]:
        if time.monotonic() - self._answered > _IDLE_S:
            self._http.close()
        headers = {"Authorization": f"Bearer {self._server.token}", "Content-Type": media_type}
        try:
            self._http.request(method, path, body, headers)
            response = self._http.getresponse()
            told = response.read()
            self._answered = time.monotonic()
            return response.status, told, float(response.headers.get("retry-after") or 1)
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise BackendUnavailable(
                f"the server at {self.address} went away ({type(error).__name__}); what it acknowledged is "
                "kept: give the command again, nothing is stored twice"
            ) from None


def _detail(answer: bytes) -> str:
    try:
        return str(msgspec.json.decode(answer)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace")


def connected(shop: Shop) -> Connection | None:
    """A connection to the server that has `shop` open; None where none runs, or what said so is of one that died."""
    found = running(shop)
    if found is None or not _alive(found.pid):
        return None
    connection = Connection(found)
    try:
        connection.call("POST", RECORDS, msgspec.msgpack.encode(RecordsCall()))
    except (BackendUnavailable, InvalidRequest):
        connection.close()
        return None
    return connection


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def serving_ports(shop: Shop, connection: Connection) -> Iterator[ingest.Ports]:
    """What an import works on beside the server: one import at a time. Raises: BackendUnavailable.

    What the server last saved is folded on here, in memory alone, so that the shelf is as it stands now.
    """
    from endcap.backends.log.lock import WriterLock
    from endcap.ingest.fold import CATALOG, fold_events, open_shelf
    from endcap.serving.floor import batches

    with ExitStack() as stack:
        lock = WriterLock(shop.folder / IMPORT_LOCK, _ONE_IMPORT)
        stack.callback(lock.release)
        log = stack.enter_context(closing(ServedLog(shop.log(readonly=True), connection)))
        kv, terms = shop.kv(), shop.settings.shop
        shelf = open_shelf(kv)
        for records in batches(log, shelf.offset):
            fold_events(kv, shelf, records)
        yield ingest.Ports(
            log=log,
            kv=kv,
            catalog=stack.enter_context(closing(CatalogWithTail(shop.catalog(), log, CATALOG))),
            tables=shop.tables(),
            shelf=shelf,
            secret=shop.secret(),
            quarantine=shop.folder / "quarantine",
            currency=terms.currency,
            timezone=terms.timezone,
            projects=False,
            rows=partial(ServedRows, assign=log.assign),
            through=connection.address,
        )


class ServedLog(Log):
    """The log of a server: reads go to its file through `reader`, appends over `connection`, in chunks."""

    def __init__(self, reader: Log, connection: Connection) -> None:
        self._reader, self._connection = reader, connection
        self._chunk = _LEAST_RECORDS

    def append(self, stream: Stream, entries: Sequence[Entry]) -> Appended:
        """Chunk after chunk, each of them whole, durable and folded; rows stand already and are passed over."""
        if stream != "events":
            raise BackendUnavailable(f"the server at {self._connection.address} writes {stream} itself")
        sent = [entry for entry in entries if entry.kind != "row"]
        told: list[RecordsAnswer] = []
        start = 0
        while start < len(sent):
            began = time.monotonic()
            size = light(sent[start : start + self._chunk])
            told.append(self._asked(RecordsCall(entries=sent[start : start + size])))
            took = (time.monotonic() - began) / 2
            self._chunk = max(_LEAST_RECORDS, size // 2) if took > CALL_S else min(MAX_RECORDS, size + _LEAST_RECORDS)
            start += size
        offsets = iter([offset for answer in told for offset in answer.offsets])
        fresh = iter([new for answer in told for new in answer.fresh])
        return Appended(
            [0 if entry.kind == "row" else next(offsets) for entry in entries],
            [entry.kind != "row" and next(fresh) for entry in entries],
        )

    def assign(self, keys: Sequence[ItemKey]) -> list[Assignment]:
        """Rows for `keys`, durable; a key that got one meanwhile keeps it."""
        given: list[Assignment] = []
        for start in range(0, len(keys), MAX_RECORDS):
            some = keys[start : start + MAX_RECORDS]
            rows = self._asked(RecordsCall(rows=list(some))).rows
            given += [Assignment(row, key) for row, key in zip(rows, some, strict=True)]
        return given

    def _asked(self, call: RecordsCall) -> RecordsAnswer:
        return _ANSWER.decode(self._connection.call("POST", RECORDS, msgspec.msgpack.encode(call)))

    def read(self, stream: Stream, after: int, limit: int) -> list[Record]:
        return self._reader.read(stream, after, limit)

    def person(self, stream: Stream, shopper: bytes) -> list[Record]:
        return self._reader.person(stream, shopper)

    def of_kind(self, stream: Stream, kind: RecordKind) -> list[Record]:
        return self._reader.of_kind(stream, kind)

    def shoppers(self, stream: Stream) -> list[bytes]:
        return self._reader.shoppers(stream)

    def find(self, stream: Stream, key: bytes) -> Record | None:
        return self._reader.find(stream, key)

    def end(self, stream: Stream) -> int:
        return self._reader.end(stream)

    def committed(self, consumer: str) -> int:
        return self._reader.committed(consumer)

    def commit(self, consumer: str, offset: int) -> None:
        """Refused: consumers of this log are the server's."""
        raise self._refused("commits")

    def forget(self, people: Collection[bytes], until: Mapping[Stream, int]) -> int:
        """Refused: people are erased by the server."""
        raise self._refused("forgets")

    def close(self) -> None:
        """Release the file and the connection."""
        self._reader.close()
        self._connection.close()

    def _refused(self, does: str) -> BackendUnavailable:
        return BackendUnavailable(f"the server at {self._connection.address} {does} for itself; stop it first")


def light(entries: Sequence[Entry]) -> int:
    """How many of `entries`, the first at least, one call may bring by their bytes.

    >>> light([Entry("change", b"", b"", 0, b"x" * 3_000_000)] * 3)
    1
    """
    bodies = accumulate(len(entry.body) for entry in entries)
    return max(1, sum(size <= _MOST_BYTES for size in bodies))


_ANSWER: Final = msgspec.msgpack.Decoder(RecordsAnswer)


class ServedRows(Directory):
    """Rows that the server gives: what is planned stands in the log already."""

    def __init__(self, keys: Iterable[ItemKey], assign: Callable[[Sequence[ItemKey]], list[Assignment]]) -> None:
        super().__init__(keys)
        self._assign = assign

    def plan(self, keys: Iterable[ItemKey]) -> list[Assignment]:
        """The assignments of those of `keys` that are unknown here, in their order."""
        return self._assign([key for key in dict.fromkeys(keys) if self.row(key) is None])


class CatalogWithTail(Catalog):
    """`catalog` with what the log has beyond it, to be read only: the server brings it up at its checkpoints."""

    def __init__(self, catalog: Catalog, log: Log, projected: str) -> None:
        self._catalog, self._log, self._projected = catalog, log, projected

    def keys(self) -> list[ItemKey]:
        """The key of every row, at the index of its row."""
        projected = self._log.committed(self._projected)
        keys = self._catalog.keys()
        tail = (noun for _, noun in self._tail(projected) if isinstance(noun, Assignment))
        return keys + [noun.key for noun in tail if noun.row >= len(keys)]

    def changes(self, before: int | None = None) -> Iterator[Recorded]:
        """All changes with `at` below `before`, in log order."""
        projected = self._log.committed(self._projected)
        for recorded in self._catalog.changes(before):
            if recorded.offset <= projected:
                yield recorded
        for offset, noun in self._tail(projected):
            if isinstance(noun, Change) and (before is None or noun.at < before):
                yield Recorded(offset, noun)

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Refused."""
        raise BackendUnavailable("the catalog of a running server is written by the server alone")

    def record(self, changes: Sequence[Recorded]) -> None:
        """Refused."""
        raise BackendUnavailable("the catalog of a running server is written by the server alone")

    def close(self) -> None:
        """Release the catalog."""
        self._catalog.close()

    def _tail(self, after: int) -> Iterator[tuple[int, Any]]:
        while records := self._log.read("events", after, _PAGE):
            for offset, entry in records:
                if entry.kind in ("row", "change"):
                    yield offset, unpack(entry.kind, entry.version, entry.body)
            after = records[-1].offset
