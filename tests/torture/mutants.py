"""Servers with one fault planted, to see that the checks go red: `python mutants.py FAULT serve ...`.

The fault is put into the running program from here; nothing of it is in the product.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from endcap import cli
from endcap.backends.kv.memory import MemoryKV
from endcap.backends.log import Appended, Entry, Stream
from endcap.backends.log.sqlite import SqliteLog
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.serving.writing import Intake


def acknowledge_before_commit() -> None:
    """Calls are answered at once and written a twentieth of a second later, as a write-behind buffer would."""
    durable, waiting = Intake.append, set()

    async def append(self: Intake, entries: Sequence[Entry]) -> Appended:
        async def later() -> None:
            await asyncio.sleep(0.05)
            await durable(self, entries)

        task = asyncio.create_task(later())
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        return Appended([0] * len(entries), [True] * len(entries))

    Intake.append = append  # type: ignore[method-assign]


def no_dedupe() -> None:
    """Every event gets a dedupe key that no other has."""
    real = SqliteLog.append

    def append(self: SqliteLog, stream: Stream, entries: Sequence[Entry]) -> Appended:
        unlike = [each._replace(key=os.urandom(16)) if each.kind == "event" else each for each in entries]
        return real(self, stream, unlike)

    SqliteLog.append = append  # type: ignore[method-assign]


def calls_in_halves() -> None:
    """A call's entries go to the disk in two transactions, a moment apart."""
    real = SqliteLog.append

    def append(self: SqliteLog, stream: Stream, entries: Sequence[Entry]) -> Appended:
        middle = len(entries) // 2
        first = real(self, stream, entries[:middle])
        time.sleep(0.02)
        second = real(self, stream, entries[middle:])
        return Appended(first.offsets + second.offsets, first.fresh + second.fresh)

    SqliteLog.append = append  # type: ignore[method-assign]


def checkpoint_without_shoppers() -> None:
    """The shelf is saved with its offset, the shoppers of the same moment are not."""
    real = MemoryKV._write

    def write(path: Any, present: Sequence[tuple[bytes, bytes, int]], absent: Any) -> None:
        real(path, [entry for entry in present if not entry[0].startswith(SHOPPER_PREFIX)], absent)

    MemoryKV._write = staticmethod(write)  # type: ignore[method-assign]


FAULTS: Final[dict[str, Callable[[], None]]] = {
    fault.__name__: fault
    for fault in (acknowledge_before_commit, no_dedupe, calls_in_halves, checkpoint_without_shoppers)
}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    cli.main()
