"""A shop's API keys, and the address and key by which commands on the same machine reach its running server."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from endcap.access import Key, Minted, Scope, change_keys, mint, read_keys, read_uses
from endcap.app.shop import API_KEYS, Shop, now_ms
from endcap.errors import InvalidRequest

RUNNING: Final = "run/server.json"
_HOUR_MS: Final = 3_600_000


class Listing(NamedTuple):
    """A key and when it was last used (ms UTC), None: never, as far as is known."""

    key: Key
    used: int | None


def create_key(shop: Shop, scope: Scope, label: str) -> Minted:
    """A new key; its token is nowhere but in what this returns."""
    minted = mint(scope, label, now_ms())
    change_keys(shop.folder / API_KEYS, lambda keys: [*keys, minted.key])
    return minted


def list_keys(shop: Shop) -> list[Listing]:
    """All keys that hold, the oldest first."""
    used, now = read_uses(shop.folder / API_KEYS), now_ms()
    keys = read_keys(shop.folder / API_KEYS)
    return [Listing(key, used.get(key.id)) for key in keys if key.expires is None or key.expires > now]


def rotate_key(shop: Shop, number: str, grace_hours: float) -> Minted:
    """A new key of the same scope and label; the old one holds `grace_hours` longer. Raises: InvalidRequest."""
    now = now_ms()
    fresh: list[Minted] = []

    def change(keys: list[Key]) -> Sequence[Key]:
        old = _known(keys, number)
        fresh.append(mint(old.scope, old.label, now))
        until = now + int(grace_hours * _HOUR_MS)
        until = until if old.expires is None else min(until, old.expires)
        return [*(replace(key, expires=until) if key is old else key for key in keys), fresh[0].key]

    change_keys(shop.folder / API_KEYS, change)
    return fresh[0]


def revoke_key(shop: Shop, number: str) -> Key:
    """Take a key away; a running server refuses it within a second. Raises: InvalidRequest."""
    gone: list[Key] = []

    def change(keys: list[Key]) -> Sequence[Key]:
        gone.append(_known(keys, number))
        return [key for key in keys if key is not gone[0]]

    change_keys(shop.folder / API_KEYS, change)
    return gone[0]


def relabelled(shop: Shop, scope: Scope, label: str) -> Minted:
    """A new key in the place of all that had this label."""
    minted = mint(scope, label, now_ms())
    change_keys(shop.folder / API_KEYS, lambda keys: [*(key for key in keys if key.label != label), minted.key])
    return minted


def _known(keys: Sequence[Key], number: str) -> Key:
    for key in keys:
        if key.id == number:
            return key
    known = ", ".join(key.id for key in keys) or "none"
    raise InvalidRequest(f"there is no key {number!r}; known are {known}: see `endcap keys list`")


@dataclass(frozen=True, slots=True)
class Running:
    """How a running server is reached from the same machine. The token holds as long as it runs."""

    address: str
    pid: int
    token: str


@contextmanager
def announced(shop: Shop, address: str, token: str) -> Iterator[Callable[[], None]]:
    """Gives the function that says in `run/server.json`, readable by its owner only, that a server runs."""
    path = shop.folder / RUNNING

    def announce() -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(msgspec.json.encode(Running(address, os.getpid(), token)))

    try:
        yield announce
    finally:
        if (found := running(shop)) and found.pid == os.getpid():
            path.unlink(missing_ok=True)


def running(shop: Shop) -> Running | None:
    """What a server said when it started, None where none did or it ended properly; one that was killed leaves it."""
    try:
        return msgspec.json.decode(Path(shop.folder / RUNNING).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
