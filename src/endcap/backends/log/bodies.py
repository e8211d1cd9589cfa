"""MessagePack of the domain nouns: what stands in the body of a log record and of a stored catalog change.

Knows formats 1 and 2 of each noun: fields are written by name, and 2 adds some to events. Does not know the log.
"""

from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias, get_origin, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from endcap.backends.log import RecordKind
from endcap.domain.arrays import Ints
from endcap.domain.catalog import Assignment, Change
from endcap.domain.decisions import Decision
from endcap.domain.events import UNKNOWN_PRICE, Event
from endcap.domain.lines import TEXTS, Lines
from endcap.domain.people import Erasure, Link
from endcap.errors import BackendUnavailable

Noun: TypeAlias = Assignment | Change | Event | Link | Erasure | Decision

FORMAT: Final = 2
"""The body format that `pack` writes: the `version` of an entry. `unpack` reads the one before, too."""
_FORMATS: Final = (1, FORMAT)

_ARRAY_KINDS: Final = "biuf"


def _encoded(value: object) -> tuple[str, tuple[int, ...], bytes]:
    if isinstance(value, np.ndarray) and value.dtype.kind in _ARRAY_KINDS:
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(
        f"{type(value).__name__} {value!r} cannot stand in a record; expected a plain value or numeric array"
    )


def _decoded(expected: type, parts: Any) -> NDArray[Any]:
    if get_origin(expected) is not np.ndarray:
        raise TypeError(f"{expected!r} is no field of a record")
    dtype, shape, payload = parts
    array = np.dtype(dtype)
    if array.kind not in _ARRAY_KINDS:
        raise ValueError(f"an array of {dtype!r} is no field of a record")
    return np.frombuffer(payload, array).reshape(shape)


_TRUTHS: Final = np.array([0xC2, 0xC3], np.uint8)
_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encoded)
_NO_COST: Final = _ENCODER.encode("cost") + _ENCODER.encode(None)
_WITHOUT_COST: Final = bytes([0x80 | (len(Change.__struct_fields__) - 1)])
"""The head of a map with one pair less. A change without a cost, its last field, is written as before there were any,
so that it has the dedupe key it always had."""

_DECODERS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    "row": msgspec.msgpack.Decoder(Assignment),
    "change": msgspec.msgpack.Decoder(Change),
    "event": msgspec.msgpack.Decoder(Event),
    "link": msgspec.msgpack.Decoder(Link),
    "erasure": msgspec.msgpack.Decoder(Erasure),
    "decision": msgspec.msgpack.Decoder(Decision, dec_hook=_decoded),
}


def pack(noun: Noun) -> bytes:
    """The body of `noun` in format `FORMAT`; arrays keep dtype, shape and every bit.

    Raises: TypeError where a field holds a NumPy scalar or anything else that is no plain value.
    """
    body = _ENCODER.encode(noun)
    if isinstance(noun, Change) and noun.cost is None:
        return _WITHOUT_COST + body[1 : -len(_NO_COST)]
    return body


def pack_events(lines: Lines, received: int) -> list[bytes]:
    """The bodies of the events of `lines`, in order, each as `unpack` reads it; their offsets do not matter.

    Integers stand in full width, so that all bodies are cut from a few arrays; what is at its default in all events is
    left out.
    """
    first = np.flatnonzero(lines.number == 0)
    counts = np.diff(np.r_[first, len(lines)])
    known = np.array([bytes(shopper) for shopper in lines.shopper.values], "V16")
    fields: list[tuple[str, bytes, Any]] = [
        ("kind", b"", lines.columns.kind[first]),
        ("time", b"\xd3", lines.columns.time[first].astype(">i8")),
        ("received", b"\xd3", np.full(len(first), received, ">i8")),
        ("shopper", b"\xc4\x10", known[lines.shopper.codes[first]]),
        ("session", b"\xd3", lines.columns.session[first].astype(">i8")),
        *((("basket", b"\xd3", lines.basket[first].astype(">i8")),) if lines.basket.any() else ()),
        *((("guest", b"", _TRUTHS[lines.guest[first].astype(np.int8)]),) if lines.guest.any() else ()),
        *((("bot", b"", _TRUTHS[lines.bot[first].astype(np.int8)]),) if lines.bot.any() else ()),
        *((("dwell", b"\xcd", lines.columns.dwell[first].astype(">u2")),) if lines.columns.dwell.any() else ()),
        *((("scrolled", b"", lines.columns.scrolled[first]),) if lines.columns.scrolled.any() else ()),
        ("lines", b"\xdd", counts.astype(">u4")),
    ]
    parts: list[tuple[str, bytes, Any]] = [
        ("row", b"\xd2", lines.columns.row.astype(">i4")),
        *((("quantity", b"\xd2", lines.quantity.astype(">i4")),) if (lines.quantity != 1).any() else ()),
        *((("price", b"\xd3", lines.price.astype(">i8")),) if (lines.price != UNKNOWN_PRICE).any() else ()),
    ]
    words, places = _words(lines.take(first), len(fields))
    heads, width = _in_full(fields)
    tails, breadth = _in_full([("", bytes([0x80 | len(parts)]), None), *parts])
    borders = (np.r_[first, len(lines)] * breadth).tolist()
    return [
        words[place] + heads[at : at + width] + tails[start:end]
        for place, at, (start, end) in zip(places.tolist(), range(0, len(heads), width), pairwise(borders), strict=True)
    ]


def _in_full(fields: list[tuple[str, bytes, Any]]) -> tuple[bytes, int]:
    """Name, type mark and value of each field, entry after entry, and the bytes of an entry."""
    names = [(_ENCODER.encode(name) if name else b"") + mark for name, mark, _ in fields]
    layout = []
    for place, ((_, _, values), name) in enumerate(zip(fields, names, strict=True)):
        layout.append((f"name {place}", f"V{len(name)}"))
        if values is not None:
            layout.append((f"value {place}", values.dtype))
    entries = np.zeros(len(fields[-1][2]), layout)
    for place, ((_, _, values), name) in enumerate(zip(fields, names, strict=True)):
        entries[f"name {place}"] = np.void(name)
        if values is not None:
            entries[f"value {place}"] = values
    return entries.tobytes(), entries.itemsize


def _words(events: Lines, others: int) -> tuple[list[bytes], Ints]:
    """How the body of an event begins, by its texts: the number of its fields and the texts; and which has which."""
    texts = {name: getattr(events, name) for name in TEXTS}
    told = {name: column for name, column in texts.items() if any(column.values)}
    begin = bytes([0x80 | (others + len(told))])
    place = np.zeros(len(events), np.int64)
    for column in told.values():
        place = place * len(column.values) + column.codes
    distinct, sample, places = np.unique(place, return_index=True, return_inverse=True)
    words = []
    for one in sample.tolist()[: len(distinct)]:
        each = [
            _ENCODER.encode(name) + _ENCODER.encode(column.values[column.codes[one]]) for name, column in told.items()
        ]
        words.append(begin + b"".join(each))
    return words, places.astype(np.int64)


@overload
def unpack(kind: Literal["row"], version: int, body: bytes) -> Assignment: ...
@overload
def unpack(kind: Literal["change"], version: int, body: bytes) -> Change: ...
@overload
def unpack(kind: Literal["event"], version: int, body: bytes) -> Event: ...
@overload
def unpack(kind: Literal["link"], version: int, body: bytes) -> Link: ...
@overload
def unpack(kind: Literal["erasure"], version: int, body: bytes) -> Erasure: ...
@overload
def unpack(kind: Literal["decision"], version: int, body: bytes) -> Decision: ...
@overload
def unpack(kind: RecordKind, version: int, body: bytes) -> Noun: ...
def unpack(kind: RecordKind, version: int, body: bytes) -> Noun:
    """The noun of `body`; its arrays are read-only.

    Raises: BackendUnavailable where kind or version are of another release, or the body is damaged.

    >>> from endcap.domain.ids import ItemKey
    >>> unpack("row", 1, pack(Assignment(7, ItemKey("item", "85123A"))))
    Assignment(row=7, key=ItemKey(kind='item', id='85123A'))
    """
    decoder = _DECODERS.get(kind)
    if decoder is None or version not in _FORMATS:
        raise BackendUnavailable(
            f"a record of kind {kind!r} in format {version} cannot be read: this release reads formats "
            f"{_FORMATS[0]} and {FORMAT} of {', '.join(_DECODERS)}; upgrade endcap to the release that wrote it"
        )
    try:
        return decoder.decode(body)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise BackendUnavailable(
            f"the body of a record of kind {kind!r} ({len(body)} bytes) is damaged: {error}; "
            "restore the log from a backup"
        ) from error
