"""A shop's folder: its settings and keys, and each part opened by the adapter that stands for it."""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from endcap.backends.db import Catalog
from endcap.backends.kv import KV
from endcap.backends.log import Log
from endcap.backends.registry import Registry
from endcap.backends.tables import Tables
from endcap.errors import InvalidSettings
from endcap.policy import DEFAULT_POLICY, Policy
from endcap.settings import Settings, read_settings

if TYPE_CHECKING:
    from endcap.access import Minted

SETTINGS: Final = "endcap.toml"
POLICY: Final = "policy.toml"
LAKE: Final = "lake"
SHOPPER_KEY: Final = "keys/shopper.key"
SIGNING_KEY: Final = "keys/signing.key"
PUBLIC_KEY: Final = "keys/signing.pub"
API_KEYS: Final = "keys/api.json"
CURRENT: Final = "current"

Report = Callable[[str], None]


def now_ms() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop's folder and settings; each method opens one part of it."""

    folder: Path
    settings: Settings

    def secret(self) -> bytes:
        """The key of the shoppers' hashes."""
        return self.read_key(SHOPPER_KEY)

    def read_key(self, name: str) -> bytes:
        """The 32 bytes of a key file. Raises: InvalidSettings."""
        try:
            key = (self.folder / name).read_bytes()
        except OSError as error:
            raise InvalidSettings(
                f"the key {self.folder / name} cannot be read: {error.strerror}; restore it from a backup"
            ) from None
        if len(key) != 32:
            raise InvalidSettings(
                f"the key {self.folder / name} has {len(key)} bytes, expected 32; restore it from a backup"
            )
        return key

    def policy(self) -> Policy:
        """What `policy.toml` says now. Raises: InvalidPolicy."""
        from endcap.serving.watch import read_policy

        return read_policy(self.folder / POLICY)

    def log(self, *, readonly: bool = False) -> Log:
        """The event log; one process may write."""
        from endcap.backends.log.sqlite import SqliteLog

        return SqliteLog(self.folder / "log.sqlite", readonly=readonly)

    def kv(self) -> KV:
        """Shopper state and checkpoints."""
        from endcap.backends.kv.memory import MemoryKV

        return MemoryKV(self.folder / "state.sqlite", now_ms)

    def catalog(self) -> Catalog:
        """Rows and the history of their changes."""
        from endcap.backends.db.sqlalchemy_catalog import SqlCatalog

        return SqlCatalog(f"sqlite:///{self.folder / 'catalog.sqlite'}")

    def registry(self) -> Registry:
        """Snapshots and policies."""
        from endcap.backends.registry.directory import DirectoryRegistry

        return DirectoryRegistry(self.folder / "registry")

    def tables(self) -> Tables:
        """The lake; loads a training library."""
        from endcap.backends.tables.duckdb_lake import DuckLake

        return DuckLake(self.folder / LAKE)


def settings_of(folder: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of the shop in `folder` (None: the defaults), overlaid by `environ`. Raises: InvalidSettings."""
    if folder is None:
        return read_settings("", environ)
    try:
        toml = (folder / SETTINGS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(
            f"{folder} is no shop: it has no {SETTINGS}; make one with `endcap init --shop {folder}`, or name another"
        ) from None
    return read_settings(toml, environ, str(folder / SETTINGS))


def open_shop(folder: Path, environ: Mapping[str, str]) -> Shop:
    """The shop in `folder`. Raises: InvalidSettings."""
    return Shop(folder, settings_of(folder, environ))


def initialise(folder: Path, currency: str, timezone: str) -> "list[Minted]":
    """Make a shop in `folder`; its first API keys, one a scope.

    Raises: InvalidSettings where one stands there, or a value is impossible.
    """
    from endcap.access import SCOPES, change_keys, mint
    from endcap.releases import new_signing_key, public_key_of

    toml = f'[shop]\ncurrency = "{currency}"\ntimezone = "{timezone}"\n'
    read_settings(toml, {}, "init")
    for name in (SETTINGS, POLICY, SHOPPER_KEY, SIGNING_KEY, API_KEYS):
        if (folder / name).exists():
            raise InvalidSettings(f"{folder / name} exists; expected a folder without a shop: choose another --shop")
    try:
        (folder / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
        signing = new_signing_key()
        _write_key(folder / SHOPPER_KEY, secrets.token_bytes(32), 0o600)
        _write_key(folder / SIGNING_KEY, signing, 0o600)
        _write_key(folder / PUBLIC_KEY, public_key_of(signing), 0o644)
        minted = [mint(scope, "first", now_ms()) for scope in SCOPES]
        change_keys(folder / API_KEYS, lambda _: [each.key for each in minted])
        (folder / POLICY).write_text(DEFAULT_POLICY, encoding="utf-8")
        (folder / SETTINGS).write_text(toml, encoding="utf-8")
    except OSError as error:
        raise InvalidSettings(f"{folder} cannot be written: {error.strerror}; choose another --shop") from None
    shop = Shop(folder, read_settings(toml, {}))
    shop.log().close()
    shop.catalog().close()
    return minted


def _write_key(path: Path, key: bytes, mode: int) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, mode)) as file:
        file.write(key)
