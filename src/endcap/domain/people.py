"""Who is who, in keyed hashes: devices that change hands, logins, and people who asked to be forgotten.

A visitor id names a device (a browser's cookie). The person at it changes with a logout, another login or an erasure:
each person in turn is one *generation* of the device, with a key of its own that no other generation shares.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from endcap.domain.ids import NOBODY

SIGNALS: Final = ("login", "logout")
"""GA4 names of what is no event of the log and needs no items: it says who has a device."""


@dataclass(frozen=True, slots=True)
class Link:
    """What is known of one generation of a device from `at` on (ms UTC), stored as format 1.

    `shopper` is the generation's key, `user` that of the login it belongs to (NOBODY: nobody has logged in). The first
    record of a generation after 0 is its beginning; one about a free generation names its user.
    """

    device: bytes
    generation: int
    shopper: bytes
    user: bytes
    at: int

    @property
    def person(self) -> bytes:
        """Whose record this is: the user's, else the generation's."""
        return self.user or self.shopper


class Turn(NamedTuple):
    """Generation `generation` of `device` begins at `at` (ms UTC); nothing is said about who it is."""

    device: bytes
    generation: int
    at: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """A tombstone (format 1): all up to `at` (ms UTC) about `people`, who are known by `forgotten` digests alone.

    `turns` are the beginnings of the erased generations and of those that follow them, so that an old row of a device
    still finds the person who had it then, and is refused.
    """

    people: tuple[bytes, ...]
    turns: tuple[Turn, ...]
    at: int


def forgotten(shopper: bytes) -> bytes:
    """16 bytes by which an erased shopper key is known again, without being kept itself.

    >>> forgotten(b"one") == forgotten(b"one") != forgotten(b"other")
    True
    """
    return hashlib.blake2b(shopper, digest_size=16, person=b"endcap.erased").digest()


def device_key(secret: bytes, visitor_id: str) -> bytes:
    """16 bytes for the device that `visitor_id` names; equal to the key of no person."""
    return hashlib.blake2b(_text("device", visitor_id), digest_size=16, key=secret).digest()


def visitor_key(secret: bytes, visitor_id: str, generation: int = 0) -> bytes:
    """The key of one generation of a device; generation 0 has the plain key of the visitor id."""
    if not visitor_id:
        return NOBODY
    person = f"visitor#{generation}" if generation else "visitor"
    return hashlib.blake2b(_text(person, visitor_id), digest_size=16, key=secret).digest()


def _text(person: str, raw_id: str) -> bytes:
    return f"{person}:{raw_id}".encode("utf-8", "surrogatepass")
