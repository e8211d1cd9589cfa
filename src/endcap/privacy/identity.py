"""Identities: which person a row or a request is about, folded from the links and erasures in the log.

A device's time is cut into generations by logouts, other logins and erasures; which one a row belongs to depends on the
row's own time, so that late rows and files imported again find the person who was there. Knows the shop's key; the
records that it plans are appended by the caller, together with the rows that told them.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from endcap.backends.log import Entry, Log
from endcap.backends.log.bodies import pack, unpack
from endcap.domain.ids import NOBODY, keyed_hash
from endcap.domain.people import Erasure, Link, device_key, forgotten, visitor_key

EVER: Final = -(2**63)
"""When generation 0 of every device begins."""


class Stay(NamedTuple):
    """One generation of a device: from `begin` on, known to be `user`'s from `since` on (NOBODY: nobody's yet)."""

    generation: int
    begin: int
    since: int
    user: bytes


Stays: TypeAlias = tuple[Stay, ...]
_FIRST: Final = Stay(0, EVER, EVER, NOBODY)
_ALONE: Final[Stays] = (_FIRST,)


class Identities:
    """Who is who. What was planned here stays `unlogged` until its log entry is durable.

    >>> people = Identities(b"secret")
    >>> before = people.shopper("", "cookie")
    >>> people.meet("ann", "cookie", at=100), people.meet("ann", "cookie", at=101)
    (True, False)
    >>> people.shopper("", "cookie") == people.shopper("ann", "")
    True
    >>> people.leave("cookie", at=200)
    True
    >>> people.shopper("", "cookie") in (before, people.shopper("ann", ""))
    False
    >>> people.shopper("", "cookie", at=150) == people.shopper("ann", "")
    True
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._devices: dict[bytes, Stays] = {}
        self._erased: dict[bytes, int] = {}
        self._unlogged: list[Link] = []

    def shopper(self, user_id: str, visitor_id: str, at: int | None = None) -> bytes:
        """The key of the person: the login's if there is one, else of whoever has the device at `at` (None: has now).

        NOBODY without either id. A row from before a login keeps the key of its generation, which the login's link
        makes the user's: so nothing that is learned up to some time depends on a later login.
        """
        if user_id:
            return keyed_hash(self._secret, "user", user_id)
        if not visitor_id:
            return NOBODY
        stays = self._stays(visitor_id)
        stay = stays[-1] if at is None else _at(stays, at)
        if stay.user and (at is None or at >= stay.since):
            return stay.user
        return visitor_key(self._secret, visitor_id, stay.generation)

    def owner(self, visitor_id: str, at: int) -> bytes:
        """The key of the login that had the device at `at`, known from then on or only later; NOBODY where none is."""
        return _at(self._stays(visitor_id), at).user

    def meet(self, user_id: str, visitor_id: str, at: int) -> bool:
        """A row of `at` shows both ids: a free generation becomes the user's, a strange user begins the next one.

        Whether that is news. A device's past is not cut anew: there a strange user changes nothing.
        """
        user, stays = keyed_hash(self._secret, "user", user_id), self._stays(visitor_id)
        stay = _at(stays, at)
        if stay.user:
            generation, fits = stay.generation + 1, stay == stays[-1] and at > max(stay.begin, stay.since)
        else:
            generation = stay.generation
            fits = not self.erased(visitor_key(self._secret, visitor_id, generation), at)
        if fits and stay.user != user:
            self._plan(visitor_id, generation, user, at)
            return True
        return False

    def leave(self, visitor_id: str, at: int) -> bool:
        """A logout at `at`: whoever comes after is a new person.

        Whether that is news; one older than a login or logout that is known is none.
        """
        stay = self._stays(visitor_id)[-1]
        if at + 1 <= max(stay.begin, stay.since):
            return False
        self._plan(visitor_id, stay.generation + 1, NOBODY, at + 1)
        return True

    def adopt(self, noun: Link | Erasure) -> None:
        """Take in a record of the log, in log order; one that is known changes nothing."""
        if isinstance(noun, Link):
            begin = noun.at if noun.generation else EVER
            self._place(noun.device, Stay(noun.generation, begin, noun.at if noun.user else begin, noun.user))
            return
        for person in noun.people:
            self._erased[person] = max(noun.at, self._erased.get(person, EVER))
        for device, generation, at in noun.turns:
            self._place(device, Stay(generation, at, at, NOBODY))
            self._devices[device] = tuple(
                stay._replace(since=stay.begin, user=NOBODY) if forgotten(stay.user) in noun.people else stay
                for stay in self._devices[device]
            )
        self._unlogged = [link for link in self._unlogged if forgotten(link.person) not in noun.people]

    def erased(self, shopper: bytes, at: int) -> bool:
        """Whether a row of `at` about `shopper` is older than that person's erasure, and must not be stored."""
        return bool(self._erased) and at <= self._erased.get(forgotten(shopper), EVER)

    def erased_until(self, shopper: bytes) -> int:
        """The time (ms UTC) up to which rows about `shopper` must not be stored; EVER where nobody was erased."""
        return self._erased.get(forgotten(shopper), EVER)

    @property
    def anyone_erased(self) -> bool:
        """Whether `erased` can be true at all."""
        return bool(self._erased)

    def stays(self, device: bytes) -> Stays:
        """The generations of `device`, in order."""
        return self._devices.get(device, _ALONE)

    def moved(self, visitor_id: str) -> bool:
        """Whether anything is known about the device but that it exists."""
        return device_key(self._secret, visitor_id) in self._devices

    def keys(self, visitor_id: str) -> tuple[bytes, list[bytes]]:
        """The device that `visitor_id` names, and the key of each of its generations."""
        stays = self._stays(visitor_id)
        count = stays[-1].generation + 1
        keys = [visitor_key(self._secret, visitor_id, generation) for generation in range(count)]
        return device_key(self._secret, visitor_id), keys

    def unlogged(self) -> list[Entry]:
        """The log entries of all links whose entry is not durable yet; one that is twice in the log counts once."""
        return [_entry(link) for link in self._unlogged]

    def logged(self, entries: Iterable[Entry]) -> None:
        """`entries` of `unlogged` are durable now."""
        durable = {entry.key for entry in entries}
        self._unlogged = [link for link in self._unlogged if _entry(link).key not in durable]

    def _stays(self, visitor_id: str) -> Stays:
        return self._devices.get(device_key(self._secret, visitor_id), _ALONE)

    def _plan(self, visitor_id: str, generation: int, user: bytes, at: int) -> None:
        device = device_key(self._secret, visitor_id)
        link = Link(device, generation, visitor_key(self._secret, visitor_id, generation), user, at)
        self.adopt(link)
        self._unlogged.append(link)

    def _place(self, device: bytes, stay: Stay) -> None:
        """Add a generation, or name the user of a free one."""
        stays = {known.generation: known for known in self.stays(device)}
        known = stays.setdefault(stay.generation, stay)
        if stay.user and not known.user:
            stays[stay.generation] = known._replace(since=stay.since, user=stay.user)
        self._devices[device] = tuple(stays[generation] for generation in sorted(stays))


def open_identities(secret: bytes, log: Log) -> Identities:
    """Everything that `log` knows about who is who."""
    people = Identities(secret)
    for _, entry in sorted([*log.of_kind("events", "link"), *log.of_kind("events", "erasure")]):
        noun = unpack(entry.kind, entry.version, entry.body)
        if isinstance(noun, Link | Erasure):
            people.adopt(noun)
    return people


def _at(stays: Stays, at: int) -> Stay:
    return next((stay for stay in reversed(stays) if stay.begin <= at), stays[0])


def _entry(link: Link) -> Entry:
    content = b"link:" + link.device + link.generation.to_bytes(8, "big") + link.user
    key = hashlib.blake2b(content, digest_size=16).digest()
    return Entry("link", key, link.person, link.at, pack(link))
