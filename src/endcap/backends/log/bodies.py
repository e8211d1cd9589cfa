"""MessagePack of the domain nouns: what stands in the body of a log record and of a stored catalog change.

Knows format 1 of each noun. Fields are written by name, so that a later format may add some. Does not know the log.
"""

from dataclasses import fields as fields_of
from typing import Any, Final, Literal, TypeAlias, get_origin, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from endcap.backends.log import RecordKind
from endcap.domain.catalog import Assignment, Change
from endcap.domain.decisions import Decision
from endcap.domain.events import Event
from endcap.domain.people import Erasure, Link
from endcap.errors import BackendUnavailable

Noun: TypeAlias = Assignment | Change | Event | Link | Erasure | Decision

FORMAT: Final = 1
"""The body format that `pack` writes and `unpack` reads: the `version` of an entry."""

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


_CHANGE: Final = tuple(field.name for field in fields_of(Change))
_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encoded)
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
    return pack_change(_fields(noun)) if isinstance(noun, Change) else _ENCODER.encode(noun)


def pack_change(fields: dict[str, Any]) -> bytes:
    """The body of the change with all of `fields`, in their order: the bytes of `pack(Change(**fields))`.

    A cost that is None is left out, so that a change without one has the bytes, and so the key, that it always had.
    """
    if fields["cost"] is None:
        fields = {name: value for name, value in fields.items() if name != "cost"}
    return _ENCODER.encode(fields)


def _fields(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in _CHANGE}


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
    if decoder is None or version != FORMAT:
        raise BackendUnavailable(
            f"a record of kind {kind!r} in format {version} cannot be read: this release reads format {FORMAT} "
            f"of {', '.join(_DECODERS)}; upgrade endcap to the release that wrote it"
        )
    try:
        return decoder.decode(body)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise BackendUnavailable(
            f"the body of a record of kind {kind!r} ({len(body)} bytes) is damaged: {error}; "
            "restore the log from a backup"
        ) from error
