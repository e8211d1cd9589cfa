"""What a server writes: the intake of what is posted, and the journal of what was decided.

What is posted becomes durable, then known, before it is answered. All calls that wait share the next append (one sync
of the disk for all), made in a worker thread; what is new is then folded on the event loop's thread in the order of
the log. A decision is at once in kv and within a second in the log; a crash loses that second.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from endcap.backends.kv import KV
from endcap.backends.log import Appended, Entry, Log, Record
from endcap.backends.log.bodies import Noun, pack, unpack
from endcap.domain.catalog import Change
from endcap.domain.decisions import Decision
from endcap.domain.events import MOST_DWELL, Event
from endcap.domain.ids import NOBODY, ItemKey
from endcap.domain.lines import TEXTS
from endcap.domain.money import MAX_MINOR
from endcap.domain.people import Link
from endcap.errors import BackendUnavailable, EndcapError, InvalidRequest
from endcap.ingest.texts import MAX_TERMS
from endcap.privacy import Identities
from endcap.serving.edge import AHEAD
from endcap.serving.meters import Meters

LONGEST_BATCH: Final = 5_000
LONGEST_QUEUE: Final = 20_000
MAX_ID: Final = 256
MAX_WORD: Final = 64
MAX_QUANTITY: Final = 1_000_000
MAX_STOCK: Final = 2_000_000_000
MOST_LINES: Final = 1_000_000
MOST_GENERATIONS: Final = 1_000_000
"""People who have had one device in turn."""
LONGEST_KEY: Final = 64
_INT64: Final = (-(2**63), 2**63 - 1)
_MONEY: Final = (-1, MAX_MINOR)
_KEY: Final = (16,)
_PREFIX: Final = b"decision:"


@dataclass(frozen=True, slots=True)
class _Posted:
    entries: Sequence[Entry]
    done: "asyncio.Future[Appended]"


class Intake:
    """Owned by the server: `run` until cancelled. `fold` takes in fresh records, in order."""

    def __init__(self, log: Log, fold: Callable[[Sequence[Record]], None]) -> None:
        self._log = log
        self._fold = fold
        self._posted: list[_Posted] = []
        self._wake = asyncio.Event()

    async def append(self, entries: Sequence[Entry]) -> Appended:
        """Durable and folded on return. Raises: BackendUnavailable with nothing of `entries` stored."""
        posted = _Posted(entries, asyncio.get_running_loop().create_future())
        self._posted.append(posted)
        self._wake.set()
        return await posted.done

    async def run(self) -> None:
        """Append and fold what is posted, for ever."""
        while True:
            await self._wake.wait()
            await self._append_batch(self._next_batch())

    def _next_batch(self) -> list[_Posted]:
        size, taken = 0, 0
        for posted in self._posted:
            size += len(posted.entries)
            if taken and size > LONGEST_BATCH:
                break
            taken += 1
        batch, self._posted = self._posted[:taken], self._posted[taken:]
        if not self._posted:
            self._wake.clear()
        return batch

    async def _append_batch(self, batch: Sequence[_Posted]) -> None:
        entries = [entry for posted in batch for entry in posted.entries]
        try:
            appended = await asyncio.to_thread(self._log.append, "events", entries)
        except EndcapError as error:
            self._refuse(batch, str(error))
            return
        except Exception as error:  # noqa: BLE001 (whoever waits must be answered, and the calls after this one too)
            structlog.get_logger().error("append_failed", kind=type(error).__name__, exc_info=error)
            self._refuse(batch, f"the append failed with {type(error).__name__}")
            return
        answers = zip(appended.offsets, appended.fresh, entries, strict=True)
        self._fold([Record(offset, entry) for offset, fresh, entry in answers if fresh])
        start = 0
        for posted in batch:
            end = start + len(posted.entries)
            if not posted.done.cancelled():
                posted.done.set_result(Appended(appended.offsets[start:end], appended.fresh[start:end]))
            start = end

    @staticmethod
    def _refuse(batch: Sequence[_Posted], reason: str) -> None:
        for posted in batch:
            if not posted.done.cancelled():
                posted.done.set_exception(BackendUnavailable(reason))


def check_entries(entries: Sequence[Entry], rows: int, now: int) -> None:
    """Raises: InvalidRequest where a record cannot be read, is of a kind that comes by another way, or does not fit.

    What stands in the log is folded at every start, so nothing may enter it that cannot be: no row that is unknown, no
    number that its column cannot hold, no key of another length.
    """
    for entry in entries:
        if entry.kind not in ("event", "change", "link"):
            raise InvalidRequest(f"a record of kind {entry.kind!r} was sent; expected event, change or link")
        try:
            noun = unpack(entry.kind, entry.version, entry.body)
        except BackendUnavailable as error:
            raise InvalidRequest(str(error)) from None
        named = _rows(noun)
        if named and not 0 <= min(named) <= max(named) < rows:
            raise InvalidRequest(f"a record names row {max(named)}, but there are {rows} rows; ask for the row first")
        for field, value, (least, most) in _numbers(noun, now + AHEAD):
            if value is not None and not least <= value <= most:
                raise InvalidRequest(f"a record of kind {entry.kind!r} has {field} {value}, not from {least} to {most}")
        for field, size, fitting in (*_sizes(noun), ("key", len(entry.key), range(LONGEST_KEY + 1))):
            if size not in fitting:
                raise InvalidRequest(
                    f"a record of kind {entry.kind!r} has {field} of length {size}, not {fitting[0]} to {fitting[-1]}"
                )
        if (entry.shopper, entry.at) != _about(noun):
            raise InvalidRequest(f"a record of kind {entry.kind!r} is of another person or time than its body says")


def check_keys(keys: Sequence[ItemKey]) -> None:
    """Raises: InvalidRequest where an id is empty or longer than an item's may be."""
    for key in keys:
        if not 1 <= len(key.id) <= MAX_ID:
            raise InvalidRequest(f"the id of an {key.kind} has {len(key.id)} characters, not 1 to {MAX_ID}")


def kept_entries(entries: Sequence[Entry], people: Identities) -> list[bool]:
    """Which of `entries` may be stored: those about nobody who was erased after them, perhaps since they were read."""
    if not people.anyone_erased:
        return [True] * len(entries)
    return [not any(people.erased(shopper, entry.at) for shopper in _concerned(entry)) for entry in entries]


def _concerned(entry: Entry) -> Sequence[bytes]:
    noun = unpack(entry.kind, entry.version, entry.body) if entry.kind == "link" else None
    return (entry.shopper, noun.shopper) if isinstance(noun, Link) else (entry.shopper,)


def _rows(noun: Noun) -> list[int]:
    if isinstance(noun, Event):
        return [line.row for line in noun.lines]
    if isinstance(noun, Change):
        return [noun.row] if noun.group is None else [noun.row, noun.group]
    return []


def _numbers(noun: Noun, latest: int) -> Iterator[tuple[str, int | None, tuple[int, int]]]:
    """The numbers of `noun` that its rows' checks leave, each with the least and the most that is stored."""
    if isinstance(noun, Event):
        yield from (("time", noun.time, (0, latest)), ("received", noun.received, (0, latest)))
        yield from (("session", noun.session, _INT64), ("basket", noun.basket, _INT64))
        yield from (("dwell", noun.dwell, (0, MOST_DWELL)), ("scrolled", noun.scrolled, (0, 100)))
        for line in noun.lines:
            yield from (("quantity", line.quantity, (1, MAX_QUANTITY)), ("price", line.price, _MONEY))
    elif isinstance(noun, Change):
        yield from (("at", noun.at, (0, latest)), ("stock", noun.stock, (-1, MAX_STOCK)))
        yield from (("sale_start", noun.sale_start, _INT64), ("sale_end", noun.sale_end, _INT64))
        yield from ((name, getattr(noun, name), _MONEY) for name in ("price", "sale_price", "cost"))
    elif isinstance(noun, Link):
        yield from (("at", noun.at, (0, latest)), ("generation", noun.generation, (0, MOST_GENERATIONS)))


def _sizes(noun: Noun) -> Iterator[tuple[str, int, Sequence[int]]]:
    """The lengths of `noun`'s keys, words and lists, each with those that fit."""
    if isinstance(noun, Event):
        yield from (("shopper", len(noun.shopper), _KEY), ("lines", len(noun.lines), range(1, MOST_LINES + 1)))
        most = {name: MAX_TERMS if name == "terms" else MAX_WORD for name in TEXTS}
        yield from ((name, len(getattr(noun, name)), range(most[name] + 1)) for name in TEXTS)
    elif isinstance(noun, Link):
        yield from (("device", len(noun.device), _KEY), ("shopper", len(noun.shopper), _KEY))
        yield "user", len(noun.user), (0, *_KEY)


def _about(noun: Noun) -> tuple[bytes, int]:
    """Whom the entry of `noun` is about, and when."""
    if isinstance(noun, Event):
        return noun.shopper, noun.time
    if isinstance(noun, Link):
        return noun.person, noun.at
    return NOBODY, noun.at if isinstance(noun, Change) else 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a decision may wait for the log, and how long kv keeps it."""

    flush_ms: int
    kept_s: int


def entry(recommendation_id: str, decision: Decision) -> Entry:
    """The log entry of `decision`; its dedupe key is the recommendation id."""
    shopper = decision.request.shopper if decision.request.consent else NOBODY
    return Entry("decision", recommendation_id.encode(), shopper, decision.request.at, pack(decision))


def find(log: Log, kv: KV, recommendation_id: str) -> Decision | None:
    """The decision of `recommendation_id`, from kv or else the log."""
    key = recommendation_id.encode()
    kept = kv.get_many([_PREFIX + key])[0]
    if kept is not None:
        return unpack("decision", 1, kept)
    record = log.find("decisions", key)
    return unpack("decision", record.entry.version, record.entry.body) if record else None


class Journal:
    """Owned by the server: `run` until cancelled, then `flush`."""

    def __init__(self, log: Log, kv: KV, pace: Pace, meters: Meters) -> None:
        self._log = log
        self._kv = kv
        self._pace = pace
        self._meters = meters
        self._waiting: list[Entry] = []
        self._flushing = asyncio.Lock()

    def record(self, recommendation_id: str, decision: Decision) -> None:
        """Take in one decision; the oldest waiting ones give way when the log has been failing for long."""
        written = entry(recommendation_id, decision)
        if self._pace.kept_s:
            self._kv.set_many({_PREFIX + written.key: written.body}, 1_000 * self._pace.kept_s)
        self._waiting.append(written)
        if len(self._waiting) > LONGEST_QUEUE:
            self._meters.decisions_lost.inc(len(self._waiting) - LONGEST_QUEUE)
            del self._waiting[:-LONGEST_QUEUE]

    async def forget(self, people: Collection[bytes]) -> None:
        """Write what waits, and keep nothing about `people` in memory: the log has it, for whoever removes it there.

        What the log refuses of theirs is never written.
        """
        await self.flush()
        dropped = [entry for entry in self._waiting if entry.shopper in people]
        self._waiting = [entry for entry in self._waiting if entry.shopper not in people]
        logged = [entry for key in people for _, entry in self._log.person("decisions", key)]
        self._kv.delete_many([_PREFIX + entry.key for entry in (*dropped, *logged)])

    async def run(self) -> None:
        """Flush in steady time, for ever."""
        while True:
            await asyncio.sleep(self._pace.flush_ms / 1_000)
            await self.flush()

    async def flush(self) -> None:
        """Everything that waits goes to the log; what the log refuses goes on waiting."""
        async with self._flushing:
            entries, self._waiting = self._waiting, []
            try:
                if entries:
                    await asyncio.to_thread(self._log.append, "decisions", entries)
            except BackendUnavailable as error:
                self._waiting = entries + self._waiting
                structlog.get_logger().error("decisions_not_logged", waiting=len(self._waiting), reason=str(error))
            self._meters.decisions_waiting.set(len(self._waiting))
