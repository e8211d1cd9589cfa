"""The shelf as bytes, so that a start need not read the whole log again. Knows its format (2), not where it is kept."""

from typing import Final

import msgspec
import numpy as np

from endcap.errors import BackendUnavailable
from endcap.state import Names, Shelf
from endcap.state.shelf import Attribute

FORMAT: Final = 2


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
                name: _Attribute(each.names.values, each.codes[:size].tobytes(), each.told[:size].tobytes())
                for name, each in sorted(shelf.attributes.items())
            },
            {name: getattr(shelf, name)[..., :size].tobytes() for name in shelf.names()},
        )
    )


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
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        raise BackendUnavailable(
            f"the shelf's checkpoint cannot be read: {error}; rebuild the state from the log"
        ) from error


def _restored(stored: _Stored) -> Shelf:
    shelf = Shelf()
    shelf.reserve(stored.size)
    for name in shelf.names():
        column = getattr(shelf, name)[..., : stored.size]
        column[...] = np.frombuffer(stored.columns[name], column.dtype).reshape(column.shape)
    shelf.offset, shelf.day = stored.offset, stored.day
    shelf.categories, shelf.brands = Names((), stored.categories), Names("", stored.brands)
    for name, kept in stored.attributes.items():
        attribute = shelf.attributes[name] = Attribute(len(shelf.group))
        attribute.names = Names("", kept.values)
        attribute.codes[: stored.size] = np.frombuffer(kept.codes, np.int32)
        attribute.told[: stored.size] = np.frombuffer(kept.told, np.int64)
    return shelf
