"""Identity: merchant ids at the edge, permanent rows within, and keyed hashes of people."""

import hashlib
from typing import Literal, NamedTuple, TypeAlias

ItemKind: TypeAlias = Literal["item", "group"]
Person: TypeAlias = Literal["user", "visitor", "session", "basket"]

NOBODY = b""
"""The shopper key of a request or record that belongs to no person."""


class ItemKey(NamedTuple):
    """What a row stands for; an item and a group with equal ids are two keys and two rows."""

    kind: ItemKind
    id: str


def keyed_hash(secret: bytes, person: Person, raw_id: str) -> bytes:
    """16 bytes (keyed BLAKE2b, RFC 7693) that stand for `raw_id` in log, lake and state.

    The kind of id is part of the hash: user `7` and visitor `7` are two people.
    """
    return hashlib.blake2b(f"{person}:{raw_id}".encode("utf-8", "surrogatepass"), digest_size=16, key=secret).digest()


def keyed_number(secret: bytes, person: Person, raw_id: str) -> int:
    """The first 63 bits of `keyed_hash`, never 0: sessions and baskets as int64."""
    return (int.from_bytes(keyed_hash(secret, person, raw_id)[:8], "big") >> 1) or 1
