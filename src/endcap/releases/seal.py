"""Whose sessions a snapshot's index holds, sealed: for an erasure to mask them, and for nothing else.

The file stands beside the arrays, is listed in the manifest and is no part of what was learned. It holds digests of
shopper keys, encrypted by AES-SIV (RFC 5297; equal content, equal bytes) under a key derived from the shop's own.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from endcap.domain.arrays import Rows
from endcap.domain.people import forgotten
from endcap.errors import SnapshotRejected
from endcap.retrieval.sessions import SessionPeople

SEALED: Final = "sessions.sealed"
_FORMAT: Final = 1
_DIGEST: Final = 16


class Gone(NamedTuple):
    """One erasure: its log offset, and the digests of the people it is about."""

    offset: int
    people: Collection[bytes]


class _Content(msgspec.Struct):
    """`people`: sorted digests; `starts` int64 and `sessions` int32: the session numbers of each, in that order."""

    format: int
    offset: int
    people: bytes
    starts: bytes
    sessions: bytes


def sealed(sessions: SessionPeople, secret: bytes) -> bytes:
    """The bytes that `hidden_sessions` reads; the shop's shopper key opens them."""
    digests = [forgotten(key) for key in sessions.keys]
    rank = sorted(range(len(digests)), key=digests.__getitem__)
    place = np.empty(len(digests), np.int64)
    place[rank] = np.arange(len(digests))
    of = place[sessions.shopper] if digests else np.empty(0, np.int64)
    content = _Content(
        _FORMAT,
        sessions.offset,
        b"".join(digests[number] for number in rank),
        np.r_[0, np.cumsum(np.bincount(of, minlength=len(digests)))].astype("<i8").tobytes(),
        np.argsort(of, kind="stable").astype("<i4").tobytes(),
    )
    return AESSIV(_key(secret)).encrypt(msgspec.msgpack.encode(content), [SEALED.encode()])


def hidden_sessions(content: bytes, secret: bytes, erasures: Iterable[Gone]) -> Rows:
    """The session numbers int32 of everyone erased after the sessions were read.

    Raises: SnapshotRejected where another key sealed the file, or it is damaged.
    """
    try:
        opened = msgspec.msgpack.decode(AESSIV(_key(secret)).decrypt(content, [SEALED.encode()]), type=_Content)
        if opened.format != _FORMAT:
            raise ValueError(f"format {opened.format}, expected {_FORMAT}")
    except (InvalidTag, msgspec.DecodeError, ValueError) as error:
        raise SnapshotRejected(
            f"{SEALED} cannot be opened with this shop's keys/shopper.key ({error}), so erased people "
            "cannot be left out; train again"
        ) from None
    starts, sessions = np.frombuffer(opened.starts, "<i8"), np.frombuffer(opened.sessions, "<i4")
    gone = {person for erasure in erasures if erasure.offset > opened.offset for person in erasure.people}
    known = range(len(opened.people) // _DIGEST)
    found = []
    for person in sorted(gone):
        place = bisect_left(known, person, key=lambda at: opened.people[at * _DIGEST : (at + 1) * _DIGEST])
        if opened.people[place * _DIGEST : (place + 1) * _DIGEST] == person:
            found.append(sessions[starts[place] : starts[place + 1]])
    return np.concatenate([*found, np.empty(0, np.int32)]).astype(np.int32)


def hidden_in(directory: Path, secret: bytes, erasures: Iterable[Gone]) -> Rows | None:
    """`hidden_sessions` of a verified snapshot's directory; None where it was trained before sessions were sealed."""
    try:
        content = (directory / SEALED).read_bytes()
    except FileNotFoundError:
        return None
    return hidden_sessions(content, secret, erasures)


def _key(secret: bytes) -> bytes:
    return hashlib.blake2b(b"endcap.sessions", digest_size=64, key=secret).digest()
