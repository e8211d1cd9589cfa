"""The intake: what is posted becomes durable, then known, before it is answered.

All calls that wait share the next append (one sync of the disk for all), made in a worker thread; what is new is then
folded on the event loop's thread in the order of the log, so no list ever sees half of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from endcap.backends.log import Appended, Entry, Log, Record
from endcap.errors import BackendUnavailable, EndcapError

LONGEST_BATCH: Final = 5_000


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
            for posted in batch:
                if not posted.done.cancelled():
                    posted.done.set_exception(BackendUnavailable(str(error)))
            return
        answers = zip(appended.offsets, appended.fresh, entries, strict=True)
        self._fold([Record(offset, entry) for offset, fresh, entry in answers if fresh])
        start = 0
        for posted in batch:
            end = start + len(posted.entries)
            if not posted.done.cancelled():
                posted.done.set_result(Appended(appended.offsets[start:end], appended.fresh[start:end]))
            start = end
