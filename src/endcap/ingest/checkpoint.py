"""What an interruption must not lose: the shelf as bytes, and how far the import of a file has come.

Knows both formats and, of a file, where its journal lies; not what is imported.
"""

import os
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Rows
from endcap.errors import BackendUnavailable
from endcap.state import Names, Shelf
from endcap.state.shelf import Attribute

FORMAT: Final = 4


class _Format(msgspec.Struct):
    format: int


class _Attribute(msgspec.Struct):
    values: list[str]
    codes: bytes
    told: bytes


class _Stored(msgspec.Struct):
    format: int
    offset: int
    day: int
    size: int
    categories: list[tuple[str, ...]]
    brands: list[str]
    attributes: dict[str, _Attribute]
    columns: dict[str, bytes]


def pack_shelf(shelf: Shelf) -> bytes:
    """The bytes that `unpack_shelf` reads back; equal shelves give equal bytes, whatever room they have reserved."""
    size = len(shelf)
    return msgspec.msgpack.encode(
        _Stored(
            FORMAT,
            shelf.offset,
            shelf.day,
            size,
            shelf.categories.values,
            shelf.brands.values,
            {
                name: _Attribute(each.names.values, _packed(each.codes[:size]), _packed(each.told[:size]))
                for name, each in sorted(shelf.attributes.items())
            },
            {name: _packed(getattr(shelf, name)[..., :size]) for name in shelf.names()},
        )
    )


def _packed(column: NDArray[Any]) -> bytes:
    """Deflated: days without sales and times alike make up most of a shelf."""
    return zlib.compress(np.ascontiguousarray(column).data, 1)


def unpack_shelf(packed: bytes) -> Shelf:
    """The shelf of `packed`; one of an older format is empty at offset 0, so that the log is folded into it again.

    Raises: BackendUnavailable where it is damaged or of a later format.
    """
    try:
        found = msgspec.msgpack.decode(packed, type=_Format).format
        if found < FORMAT:
            return Shelf()
        if found > FORMAT:
            raise ValueError(f"format {found}, this release reads {FORMAT}")
        return _restored(msgspec.msgpack.decode(packed, type=_Stored))
    except (msgspec.DecodeError, zlib.error, ValueError, KeyError) as error:
        raise BackendUnavailable(
            f"the shelf's checkpoint cannot be read: {error}; rebuild the state from the log"
        ) from error


def _restored(stored: _Stored) -> Shelf:
    shelf = Shelf()
    shelf.reserve(stored.size)
    for name in shelf.names():
        column = getattr(shelf, name)[..., : stored.size]
        column[...] = np.frombuffer(zlib.decompress(stored.columns[name]), column.dtype).reshape(column.shape)
    shelf.offset, shelf.day = stored.offset, stored.day
    shelf.categories, shelf.brands = Names((), stored.categories), Names("", stored.brands)
    for name, kept in stored.attributes.items():
        attribute = shelf.attributes[name] = Attribute(len(shelf.group))
        attribute.names = Names("", kept.values)
        attribute.codes[: stored.size] = np.frombuffer(zlib.decompress(kept.codes), np.int32)
        attribute.told[: stored.size] = np.frombuffer(zlib.decompress(kept.told), np.int64)
    return shelf


MARKS: Final = 2
"""The format of a journal."""


class Mark(msgspec.Struct):
    """An import up to `row` of its file, but for the rows `waiting`; all of it is in the log, which ended at `end`.

    `torn` of the rows that cannot be read were told, `seen` digests of rows and `misfits` bytes of the quarantine
    written, and `items` rows of the directory given by then; `counts` are sums by name.
    """

    format: int
    end: int
    row: int
    torn: int
    waiting: list[int]
    seen: int
    misfits: int
    items: int
    counts: dict[str, dict[str, int]]


class Journal:
    """The mark of one file's import and the digests of its rows, in `folder` until the import is finished."""

    def __init__(self, folder: Path, name: str) -> None:
        self._mark = folder / f"{name}.progress"
        self._seen = folder / f"{name}.seen"

    def read(self, end: int) -> tuple[Mark, NDArray[np.uint64]] | None:
        """Where to go on, None at the beginning; `end` is the log's, and a mark beyond it is of another log."""
        try:
            mark = msgspec.json.decode(self._mark.read_bytes(), type=Mark)
            seen = np.fromfile(self._seen, "<u8", mark.seen)
        except (OSError, msgspec.DecodeError):
            mark, seen = None, np.empty(0, np.uint64)
        if mark is None or mark.format != MARKS or mark.end > end or len(seen) < mark.seen:
            self.forget()
            return None
        os.truncate(self._seen, 8 * mark.seen)
        return mark, seen

    def note(self, mark: Mark, digests: NDArray[np.uint64]) -> None:
        """Keep `mark` and, before it, the digests of the rows since the last one; durable on return."""
        self._mark.parent.mkdir(parents=True, exist_ok=True)
        with self._seen.open("ab") as file:
            file.write(digests.astype("<u8").tobytes())
            file.flush()
            os.fsync(file.fileno())
        unfinished = self._mark.with_name(self._mark.name + ".unfinished")
        with unfinished.open("wb") as file:
            file.write(msgspec.json.encode(mark))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._mark)

    def forget(self) -> None:
        """The import is finished, or begins anew."""
        for path in (self._mark, self._seen):
            path.unlink(missing_ok=True)


class Went(NamedTuple):
    """How far an import that broke off had come beyond its mark: the offsets in the log and the items' rows, from, to.

    An import that is done in one go counts nothing by it.
    """

    end: int = 0
    until: int = 0
    first: int = 0
    last: int = 0

    def appended(self, offsets: Ints) -> Bools:
        """Which of the entries at `offsets` it had appended, each counted once."""
        once = np.zeros(len(offsets), np.bool_)
        if self.end < self.until:
            once[np.unique(offsets, return_index=True)[1]] = True
        return once & (offsets > self.end) & (offsets <= self.until)

    def given(self, rows: Rows) -> int:
        """How many of the items at `rows` it had given their row."""
        return len(np.unique(rows[(rows >= self.first) & (rows < self.last)]))


NOWHERE: Final = Went()
