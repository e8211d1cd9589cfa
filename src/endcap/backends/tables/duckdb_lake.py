"""The embedded lake: Parquet files by day and range of offsets, read through DuckDB.

`lake/interactions/day=2011-10-01/1-20000.parquet` holds the lines of that UTC day among the log records 1 to 20,000.
Knows the schema and its format; does not know what a line means. One process writes; others may read meanwhile.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from endcap.backends.durable import UNFINISHED, make_folder, sync
from endcap.backends.tables import INTERACTIONS, Tables, Window
from endcap.backends.tables.lake_files import FILES, forget, write_file
from endcap.domain.instants import DAY, day_of, parse_day
from endcap.errors import BackendUnavailable

_FORMAT_KEY: Final = b"endcap.format"
_FORMAT: Final = INTERACTIONS.metadata[_FORMAT_KEY]
_FORMATS: Final = (b"1", b"2", _FORMAT)
"""Those that are read."""
_LATER: Final = {
    "bot": "false", "device": "''", "referrer": "''", "terms": "''", "dwell": "0::USMALLINT", "scrolled": "0::UTINYINT",
}  # fmt: skip
"""What older files do not know, bots format 1 alone, and what is read instead."""
_FILE: Final = re.compile(r"day=(\d{4}-\d\d-\d\d)/(\d+)-(\d+)\.parquet")
_COLUMNS: Final = ", ".join(
    f"coalesce({name}, {_LATER[name]}) AS {name}" if name in _LATER else f'"{name}"' for name in INTERACTIONS.names
)
_SYNCS_AT_ONCE: Final = 8
_QUERY: Final = f"""
SELECT {_COLUMNS}
FROM (
    SELECT {", ".join(f"{none} AS {name}" for name, none in _LATER.items())} WHERE false
    UNION ALL BY NAME SELECT * FROM read_parquet(?, union_by_name = true)
)
WHERE "time" >= ? AND "time" < ? ORDER BY "offset", line
"""


class _Stored(NamedTuple):
    path: Path
    day: int
    first: int
    last: int


class DuckLake(Tables):
    """The lake under the folder `root`, made at the first write; DuckDB reads with `threads` threads.

    Raises: BackendUnavailable, here and in every method, where a file cannot be read or written or has another format.
    """

    def __init__(self, root: Path, threads: int = 2) -> None:
        self._lake = root
        self._root = root / FILES
        self._threads = threads
        self._ranges: dict[tuple[int, int], set[Path]] | None = None
        self._checked: set[Path] = set()

    def write(self, interactions: pa.Table, first: int, last: int) -> None:
        """Add the lines of the log records `first`..`last`, durable on return; the same range again changes nothing.

        A stored range that begins inside `first`..`last` is replaced: a consumer left it that stopped before it could
        commit, and now reads on in other steps.

        Raises: ValueError where the schema is not INTERACTIONS or an offset lies outside the range.
        """
        _check_lines(interactions, first, last)
        with self._explained("written"):
            if self._ranges is None:
                self._ranges = self._left_behind()
            days = {self._path(day, first, last): lines for day, lines in _by_day(interactions)}
            self._supersede(self._ranges, first, last, set(days))
            self._ranges[first, last] = set(days)
            _write_files(days)

    def forget(self, people: Collection[bytes], until: int) -> int:
        """Remove for good the lines about `people` of log records up to `until`; how many there were."""
        return forget(self._lake, people, until)

    def interactions(self, window: Window) -> pa.Table:
        """All lines in `window` (schema INTERACTIONS), by offset and line; only the window's days are opened.

        DuckDB opens a file more than once; where one was rewritten meanwhile, all is read again.
        """
        with self._explained("read"):
            while True:
                paths = [stored.path for stored in self._stored() if _meets(stored.day, window)]
                before = _stamps(paths)
                try:
                    found = self._scanned(paths, window)
                except (OSError, duckdb.Error, pa.ArrowInvalid):
                    if before == _stamps(paths):
                        raise
                else:
                    if before == _stamps(paths):
                        return found

    def _scanned(self, paths: list[Path], window: Window) -> pa.Table:
        for path in paths:
            self._check_format(path)
        if not paths:
            return INTERACTIONS.empty_table()
        with duckdb.connect(config={"threads": self._threads}) as connection:
            scan = connection.sql(_QUERY, params=[[str(path) for path in paths], *_bounds(window)])
            return _shaped(scan.to_arrow_table())

    def _path(self, day: int, first: int, last: int) -> Path:
        return self._root / f"day={day_of(day * DAY)}" / f"{first}-{last}.parquet"

    def _stored(self) -> Iterator[_Stored]:
        for path in sorted(self._root.glob("day=*/*.parquet")):
            match = _FILE.fullmatch(f"{path.parent.name}/{path.name}")
            if match:
                yield _Stored(path, parse_day(match[1]), int(match[2]), int(match[3]))

    def _left_behind(self) -> dict[tuple[int, int], set[Path]]:
        """The files of every range, after what a crash left unfinished is removed."""
        for path in self._root.glob(f"day=*/*{UNFINISHED}"):
            path.unlink()
        ranges: dict[tuple[int, int], set[Path]] = {}
        for path, _, first, last in self._stored():
            ranges.setdefault((first, last), set()).add(path)
        return ranges

    def _supersede(self, ranges: dict[tuple[int, int], set[Path]], first: int, last: int, kept: set[Path]) -> None:
        """Remove the files of the ranges that `first`..`last` replaces, before it is written: the log still has all."""
        overlapping = [stored for stored in ranges if stored[0] <= last and stored[1] >= first]
        for start, end in overlapping:
            if start < first:
                raise BackendUnavailable(
                    f"the lake {self._root} holds records {start} to {end}, so {first} to {last} cannot be added; "
                    "it is of another log: remove the folder and it is rebuilt from the log"
                )
        for stored in overlapping:
            for path in ranges.pop(stored) - kept:
                path.unlink(missing_ok=True)
                sync(path.parent)

    def _check_format(self, path: Path) -> None:
        if path in self._checked:
            return
        found = (pq.read_metadata(path).metadata or {}).get(_FORMAT_KEY)
        if found not in _FORMATS:
            read = " and ".join(each.decode() for each in _FORMATS)
            raise BackendUnavailable(
                f"{path} has format {found.decode() if found else 'unknown'}, "
                f"this release reads formats {read}; upgrade endcap to the release that wrote it, "
                "or remove the lake and it is rebuilt from the log"
            )
        self._checked.add(path)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (OSError, duckdb.Error, pa.ArrowInvalid) as error:
            raise BackendUnavailable(
                f"the lake {self._root} cannot be {doing}: {error}; check disk and rights, or remove the folder "
                "and it is rebuilt from the log"
            ) from error


def _stamps(paths: list[Path]) -> list[tuple[int, int, int]]:
    """What tells one file from another that took its name."""
    return [(found.st_ino, found.st_mtime_ns, found.st_size) for found in map(Path.stat, paths)]


def _check_lines(interactions: pa.Table, first: int, last: int) -> None:
    if not interactions.schema.equals(INTERACTIONS):
        raise ValueError(f"lines have the schema\n{interactions.schema}\nexpected INTERACTIONS:\n{INTERACTIONS}")
    offsets = pc.min_max(interactions["offset"]).as_py()
    if interactions.num_rows and not first <= offsets["min"] <= offsets["max"] <= last:
        raise ValueError(f"lines of the records {offsets['min']} to {offsets['max']} were given as {first} to {last}")


def _by_day(interactions: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Each day since 1970 (UTC) with its lines, in their order."""
    days = interactions["time"].to_numpy() // DAY
    order = np.argsort(days, kind="stable")
    lines = interactions.take(pa.array(order)).combine_chunks()
    days = days[order]
    borders = [0, *(np.flatnonzero(np.diff(days)) + 1), len(days)] if len(days) else []
    for start, end in pairwise(borders):
        yield int(days[start]), lines.slice(start, end - start)


def _write_files(files: dict[Path, pa.Table]) -> None:
    """Write `files` and sync them and their folders, several at once, for syncs that wait together share their cost."""
    folders = {path.parent for path in files}
    for folder in folders:
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        described = [lines.replace_schema_metadata(INTERACTIONS.metadata) for lines in files.values()]
        deque(pool.map(write_file, files.keys(), described), maxlen=0)
        deque(pool.map(sync, folders | {folder.parent for folder in folders}), maxlen=0)


def _bounds(window: Window) -> tuple[int, int]:
    start = -(2**63) if window.start is None else window.start
    end = 2**63 - 1 if window.end is None else window.end
    return start, end


def _meets(day: int, window: Window) -> bool:
    start, end = _bounds(window)
    return start < day + DAY and day < end


def _shaped(found: pa.Table) -> pa.Table:
    """`found` with the types of INTERACTIONS, which DuckDB widens to plain strings and binaries."""
    columns = []
    for field in INTERACTIONS:
        column = found[field.name].combine_chunks()
        if pa.types.is_dictionary(field.type):
            column = column.cast(field.type.value_type).dictionary_encode()
        columns.append(column.cast(field.type))
    return pa.table(columns, schema=INTERACTIONS)
