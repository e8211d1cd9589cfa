"""The shelf as bytes, so that a start need not read the whole log again. Knows its format (1), not where it is kept."""

from typing import Final

import msgspec
import numpy as np

from endcap.errors import BackendUnavailable
from endcap.state import Shelf

FORMAT: Final = 1


class _Stored(msgspec.Struct):
    format: int
    offset: int
    day: int
    size: int
    categories: list[tuple[str, ...]]
    brands: list[str]
    variants: dict[int, list[int]]
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
            list(shelf.categories),
            list(shelf.brands),
            dict(sorted(shelf.variants.items())),
            {name: getattr(shelf, name)[..., :size].tobytes() for name in shelf.names()},
        )
    )


def unpack_shelf(packed: bytes) -> Shelf:
    """The shelf of `packed`. Raises BackendUnavailable where it is damaged or of another format."""
    try:
        stored = msgspec.msgpack.decode(packed, type=_Stored)
        if stored.format != FORMAT:
            raise ValueError(f"format {stored.format}, expected {FORMAT}")
        return _restored(stored)
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
    shelf.categories = {category: code for code, category in enumerate(stored.categories)}
    shelf.brands = {brand: code for code, brand in enumerate(stored.brands)}
    shelf.variants = stored.variants
    return shelf
