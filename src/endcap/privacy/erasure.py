"""Erasure: what belongs to one person, the tombstone that says so, and the removal of everything it names.

The tombstone comes first and is durable; all that follows can be done again, and is finished at the next start. It
holds digests of keys alone, so what must be removed is found through the log, which is therefore emptied last.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from endcap.backends.kv import KV
from endcap.backends.log import Entry, Log, Stream
from endcap.backends.log.bodies import FORMAT, pack, unpack
from endcap.domain.ids import NOBODY, keyed_hash
from endcap.domain.people import Erasure, Turn, forgotten
from endcap.privacy.identity import Identities

ERASURES: Final = "erasures"
"""The consumer that says which tombstones are done."""

_STREAMS: Final[tuple[Stream, ...]] = ("events", "decisions")

Forget = Callable[[Collection[bytes], int], int]
"""Removes the lake's lines about people, of log records up to an offset; how many there were."""


class Person(NamedTuple):
    """One person: every key of theirs, and their generations of devices, each with its number."""

    shoppers: tuple[bytes, ...]
    stays: tuple[tuple[bytes, int], ...]


class Erased(NamedTuple):
    """What went: records of the log and lines of the lake."""

    records: int = 0
    lines: int = 0

    def and_(self, other: "Erased") -> "Erased":
        """Both together."""
        return Erased(self.records + other.records, self.lines + other.lines)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where something of a person may stand; `folded` are the prefixes of what is folded from the log into `kv`."""

    log: Log
    kv: KV
    forget_lines: Forget
    folded: tuple[bytes, ...]


def find_person(people: Identities, secret: bytes, log: Log, ids: tuple[str, str]) -> Person:
    """Whoever the ids (user, visitor; one of them empty) stand for.

    A user is also every visitor linked to it. A visitor is every generation of the device that nobody logged in at, and
    the user who has it now; generations of other users are theirs.
    """
    user_id, visitor_id = ids
    if user_id:
        return _user(log, keyed_hash(secret, "user", user_id))
    device, keys = people.keys(visitor_id)
    known = {stay.generation: stay for stay in people.stays(device)}
    free = [(number, key) for number, key in enumerate(keys) if number not in known or not known[number].user]
    current = known[max(known)].user
    user = _user(log, current) if current else Person((), ())
    shoppers = (*user.shoppers, *(key for _, key in free))
    return Person(shoppers, (*user.stays, *((device, number) for number, _ in free)))


def _user(log: Log, user: bytes) -> Person:
    records = [entry for _, entry in log.person("events", user) if entry.kind == "link"]
    links = [unpack("link", entry.version, entry.body) for entry in records]
    return Person((user, *(link.shopper for link in links)), tuple((link.device, link.generation) for link in links))


def tombstone(people: Identities, person: Person, at: int) -> Erasure:
    """What stays of `person` after an erasure at `at` (ms UTC): enough to refuse all that is older."""
    turns = []
    for device, generation in sorted(set(person.stays)):
        stays = people.stays(device)
        turns += [Turn(device, generation, stay.begin) for stay in stays if stay.generation == generation]
        if generation == stays[-1].generation:
            turns.append(Turn(device, generation + 1, at + 1))
    return Erasure(tuple(sorted({forgotten(key) for key in person.shoppers})), tuple(turns), at)


def tombstone_entry(erasure: Erasure) -> Entry:
    """What is appended for `erasure`, in the name of nobody."""
    body = pack(erasure)
    key = hashlib.blake2b(b"erasure:" + body, digest_size=16).digest()
    return Entry("erasure", key, NOBODY, erasure.at, body, FORMAT)


def unfinished(log: Log) -> Iterator[tuple[int, Erasure]]:
    """The tombstones whose removal was not finished, with their offsets."""
    done = log.committed(ERASURES)
    for offset, entry in log.of_kind("events", "erasure"):
        if offset > done:
            yield offset, unpack("erasure", entry.version, entry.body)


def remove(stores: Stores, person: Collection[bytes], offset: int) -> Erased:
    """Remove for good what is held about the keys of `person` up to the tombstone at `offset`.

    Their folded state must be deleted already; here it leaves the file. Erasures before it that failed are finished
    first, for what is marked as done is an offset.
    """
    erased = Erased()
    for older, erasure in [each for each in unfinished(stores.log) if each[0] < offset]:
        erased = erased.and_(_remains(stores, erasure, _keys_of(stores.log, erasure), older))
    return erased.and_(_remove(stores, person, offset))


def _remove(stores: Stores, person: Collection[bytes], offset: int) -> Erased:
    stores.kv.scrub(sorted(person))
    lines = stores.forget_lines(person, offset)
    records = stores.log.forget(person, _until(stores.log, offset))
    stores.log.commit(ERASURES, offset)
    return Erased(records, lines)


def _remains(stores: Stores, erasure: Erasure, keys: Collection[bytes], offset: int) -> Erased:
    """Remove what an attempt left; where the log has lost some of the keys, it is rewritten without looking for them.

    Such a key may stand in unused parts of pages still, even if others of this person have come back since.
    """
    if keys and len(keys) < len(erasure.people):
        stores.log.forget((), _until(stores.log, offset))
    return _remove(stores, keys, offset)


def _until(log: Log, offset: int) -> dict[Stream, int]:
    return {"events": offset, "decisions": log.end("decisions")}


def _keys_of(log: Log, erasure: Erasure) -> set[bytes]:
    """The keys of the erased that the log still holds."""
    gone = set(erasure.people)
    return {key for stream in _STREAMS for key in log.shoppers(stream) if forgotten(key) in gone}


def finish(stores: Stores) -> Erased:
    """Remove what is left of people whose erasure is not finished, before anything of theirs is read.

    All folded state goes, for the shelf has counted these people too; it is folded again from the log.
    """
    erased = Erased()
    for offset, erasure in list(unfinished(stores.log)):
        keys = _keys_of(stores.log, erasure)
        if keys:
            for prefix in stores.folded:
                stores.kv.delete_prefix(prefix)
        erased = erased.and_(_remains(stores, erasure, keys, offset))
    return erased
