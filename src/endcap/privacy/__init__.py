"""People: who is who behind visitor ids and logins, what is kept about one of them, and how it is forgotten.

Works on keyed hashes and on the log; reads no files of its own and no clock.
"""

from endcap.privacy.erasure import (
    Erased,
    Person,
    Stores,
    find_person,
    finish,
    remove,
    tombstone,
    tombstone_entry,
    unfinished,
)
from endcap.privacy.export import Asked, export
from endcap.privacy.identity import Identities, open_identities

__all__ = [
    "Asked",
    "Erased",
    "Identities",
    "Person",
    "Stores",
    "export",
    "find_person",
    "finish",
    "open_identities",
    "remove",
    "tombstone",
    "tombstone_entry",
    "unfinished",
]
