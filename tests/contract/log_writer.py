"""A process that appends batches, each sent twice, and prints what was acknowledged, until it is killed.

`python log_writer.py ADAPTER FILE ROUND`: ADAPTER is `module:class`; lines are `ROUND-BATCH`, one per acknowledgement.
"""

import pkgutil
import sys
from pathlib import Path

from endcap.backends.log import Entry

BATCH = 7


def entries(round_: str, batch: int) -> list[Entry]:
    """The entries of one batch; every key tells where it belongs."""
    return [Entry("event", f"{round_}-{batch}-{i}".encode(), b"shopper", batch, b"body" * 50) for i in range(BATCH)]


if __name__ == "__main__":
    adapter, file, round_ = sys.argv[1:]
    log = pkgutil.resolve_name(adapter)(Path(file))
    for batch in range(1_000_000):
        first = log.append("events", entries(round_, batch))
        again = log.append("events", entries(round_, batch))
        sys.stdout.write(f"{round_}-{batch} {again.offsets == first.offsets and not any(again.fresh)}\n")
        sys.stdout.flush()
