"""The lake's files as such: written whole or not at all, and rewritten without the people who are to be forgotten.

Needs no query engine, so that a server can forget. Knows folders and columns; does not know what a line means.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from endcap.backends.durable import UNFINISHED, sync
from endcap.backends.tables import INTERACTIONS
from endcap.errors import BackendUnavailable

FILES: Final = "interactions"
"""The folder within the lake; below it one folder a day."""

_DICTIONARIES: Final = [field.name for field in INTERACTIONS if pa.types.is_dictionary(field.type)]


def write_file(path: Path, lines: pa.Table) -> None:
    """All of the file or none: written and synced under another name, then renamed; its folder is synced later."""
    unfinished = path.with_name(path.name + UNFINISHED)
    with unfinished.open("wb") as file:
        pq.write_table(lines, file, compression="zstd", use_dictionary=_DICTIONARIES)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def forget(lake: Path, people: Collection[bytes], until: int) -> int:
    """Rewrite every file of `lake` that has lines about `people` of records up to `until`; how many lines went.

    A file that loses all its lines stays, empty, for readers that have listed it. Raises: BackendUnavailable.
    """
    removed = 0
    sought = pa.array(sorted(people), pa.binary(16))
    try:
        for left in (lake / FILES).glob(f"day=*/*{UNFINISHED}"):
            left.unlink()
        for path in sorted((lake / FILES).glob("day=*/*.parquet")):
            found = _about(pq.read_table(path, columns=["shopper", "offset"], partitioning=None), sought, until)
            if pc.any(found).as_py():
                lines = pq.read_table(path, partitioning=None)
                kept = lines.filter(pc.invert(_about(lines, sought, until)))
                write_file(path, kept)
                sync(path.parent)
                removed += len(lines) - len(kept)
    except (OSError, pa.ArrowInvalid) as error:
        raise BackendUnavailable(f"the lake {lake} cannot be rewritten: {error}; check disk and rights") from error
    return removed


def _about(lines: pa.Table, people: pa.Array, until: int) -> pa.ChunkedArray:
    return pc.and_(
        pc.is_in(lines["shopper"].cast(pa.binary(16)), value_set=people), pc.less_equal(lines["offset"], until)
    )
