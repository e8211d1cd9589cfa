"""The decision journal: every decision at once in kv, within a second in the log; a crash loses that second."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from endcap.backends.kv import KV
from endcap.backends.log import Entry, Log
from endcap.backends.log.bodies import pack, unpack
from endcap.domain.decisions import Decision
from endcap.domain.ids import NOBODY
from endcap.errors import BackendUnavailable
from endcap.serving.meters import Meters

LONGEST_QUEUE: Final = 20_000
_PREFIX: Final = b"decision:"


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
