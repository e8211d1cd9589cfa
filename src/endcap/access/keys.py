"""API keys: a token is shown once when it is made; the file keeps its SHA-256, scope, label and times.

A token holds 192 random bits, so that a plain digest cannot be searched. The server reads the file again when it
changes; when each key was last used stands in a file of its own, so that the server never writes what commands write.
"""

import fcntl
import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from hmac import compare_digest
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import structlog

from endcap.backends.durable import replace_file
from endcap.errors import InvalidSettings

Scope: TypeAlias = Literal["publishable", "secret", "admin"]

SCOPES: Final[tuple[Scope, ...]] = ("publishable", "secret", "admin")
"""Each may do all that those before it may."""

_PREFIXES: Final[Mapping[Scope, str]] = {"publishable": "ec_pub", "secret": "ec_sec", "admin": "ec_adm"}
_FORMAT: Final = 1
_LOOK_S: Final = 1.0


class Key(msgspec.Struct, frozen=True):
    """What is kept of a token; `id` is the part of it that may be shown. Times are ms UTC, `expires` None: never."""

    id: str
    scope: Scope
    label: str
    created: int
    digest: str
    expires: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether this key's scope covers `scope`."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


class Minted(NamedTuple):
    """A new key and its token, which is nowhere else."""

    key: Key
    token: str


class _Stored(msgspec.Struct):
    format: int
    keys: list[Key]


NOBODYS: Final = Key("", "publishable", "", 0, hashlib.sha256(b"").hexdigest())
"""Stands where no key was asked for; no token is its."""


def mint(scope: Scope, label: str, at: int) -> Minted:
    """A new key made at `at` (ms UTC)."""
    number = secrets.token_hex(4)
    token = f"{_PREFIXES[scope]}_{number}_{secrets.token_hex(24)}"
    return Minted(Key(number, scope, label, at, _digest(token)), token)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def find(keys: Mapping[str, Key], token: str, at: int) -> Key | None:
    """The key of `token` that holds at `at`, None where there is none; takes as long either way.

    >>> key, token = mint("secret", "", 0)
    >>> find({key.id: key}, token, 1) == key, find({key.id: key}, token + "0", 1), find({}, token, 1)
    (True, None, None)
    """
    parts = token.split("_")
    key = keys.get(parts[2], NOBODYS) if len(parts) == 4 else NOBODYS
    same = compare_digest(_digest(token), key.digest)
    expired = key.expires is not None and at >= key.expires
    return key if same and not expired and key is not NOBODYS else None


def read_keys(path: Path) -> list[Key]:
    """The keys in the file `path`, none where it is missing. Raises: InvalidSettings."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidSettings(
            f"the API keys {path} cannot be read: {error}; restore the file, or remove it and make new keys with "
            "`endcap keys create`"
        ) from None
    if stored.format != _FORMAT:
        raise InvalidSettings(f"the API keys {path} have format {stored.format}, expected {_FORMAT}; upgrade endcap")
    return stored.keys


def change_keys(path: Path, change: Callable[[list[Key]], Sequence[Key]]) -> None:
    """Let the file `path` hold what `change` makes of its keys; commands take turns. Raises: InvalidSettings."""
    try:
        with path.with_name(f".{path.name}.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            stored = _Stored(_FORMAT, list(change(read_keys(path))))
            replace_file(path, msgspec.json.format(msgspec.json.encode(stored)), 0o600)
    except OSError as error:
        raise InvalidSettings(f"the API keys {path} cannot be written: {error.strerror}; see who owns it") from None


def read_uses(path: Path) -> dict[str, int]:
    """When each key was last used (ms UTC), by id; what cannot be read is not known."""
    try:
        return msgspec.json.decode(_uses(path).read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def _uses(path: Path) -> Path:
    return path.with_name(f"{path.stem}_used.json")


class KeyFile:
    """The keys that hold now: those of a file, looked at again once a second, and those given for one start.

    `steady` gives seconds that never go back. Raises: InvalidSettings, at first only; later the last keys stay.
    """

    def __init__(self, path: Path, steady: Callable[[], float], given: Iterable[Key] = ()) -> None:
        self._path = path
        self._steady = steady
        self._given = {key.id: key for key in given}
        self._looked = steady()
        self._stamp = self._stamped()
        self._keys = self._read()
        self._used = read_uses(path)
        self._saved = dict(self._used)

    def __len__(self) -> int:
        """How many keys the file holds."""
        return len(self._keys) - len(self._given)

    def find(self, token: str, at: int) -> Key | None:
        """The key of `token`, noted as used at `at`; None where there is none."""
        self._look()
        key = find(self._keys, token, at)
        if key is not None:
            self._used[key.id] = at
        return key

    def holding(self, number: str, at: int) -> Key | None:
        """The key with the id `number`, None where it does not hold at `at`."""
        self._look()
        key = self._keys.get(number)
        return key if key is not None and (key.expires is None or at < key.expires) else None

    def save_uses(self) -> None:
        """Write when keys were last used, if there is news; from any thread. Raises: OSError."""
        used = {number: at for number, at in self._used.copy().items() if number in self._keys.keys() - self._given}
        if used != self._saved:
            replace_file(_uses(self._path), msgspec.json.encode(used), 0o600)
            self._saved = used

    def _look(self) -> None:
        if self._steady() - self._looked < _LOOK_S:
            return
        self._looked = self._steady()
        if (stamp := self._stamped()) != self._stamp:
            self._stamp = stamp
            try:
                self._keys = self._read()
                structlog.get_logger().info("keys_read", keys=len(self))
            except InvalidSettings as error:
                structlog.get_logger().error("keys_rejected", keys=len(self), reason=str(error))

    def _read(self) -> dict[str, Key]:
        return {key.id: key for key in read_keys(self._path)} | self._given

    def _stamped(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_size, found.st_ino
