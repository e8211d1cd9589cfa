"""`endcap doctor`: one line per check of a shop, with what was found and, where it fails, the remedy."""

import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from endcap.app import CURRENT, PUBLIC_KEY, SHOPPER_KEY, SIGNING_KEY, Shop, open_floor, open_shop
from endcap.errors import EndcapError
from endcap.ingest.fold import CATALOG, LAKE
from endcap.serving.floor import batches

OLDEST_PYTHON: Final = (3, 11)
LEAST_FREE_BYTES: Final = 1_000_000_000
_PRIVATE: Final = 0o077


class Finding(NamedTuple):
    """What a check found."""

    check: str
    passed: bool
    found: str


class Failure(Exception):
    """A check failed; the text says what was found and the remedy."""


def examine(folder: Path, environ: Mapping[str, str]) -> list[Finding]:
    """All findings, in order; without settings nothing else can be checked."""
    findings = [_finding("python", _python)]
    try:
        shop = open_shop(folder, environ)
    except EndcapError as error:
        return [*findings, Finding("settings", False, str(error))]
    findings.append(Finding("settings", True, str(folder / "endcap.toml")))
    return findings + [_finding(name, partial(check, shop)) for name, check in CHECKS.items()]


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except (EndcapError, Failure) as error:
        return Finding(name, False, str(error))


def _python() -> str:
    found = sys.version_info[:2]
    if found < OLDEST_PYTHON:
        raise Failure(f"Python {found}; expected {OLDEST_PYTHON} or later: make the environment with a newer one")
    return ".".join(map(str, sys.version_info[:3]))


def _keys(shop: Shop) -> str:
    for name in (SHOPPER_KEY, SIGNING_KEY, PUBLIC_KEY):
        shop.read_key(name)
    for name in (SHOPPER_KEY, SIGNING_KEY):
        path = shop.folder / name
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _PRIVATE:
            raise Failure(f"{path} has mode {mode:o}, so others may read it; expected 600: chmod 600 {path}")
    return "present, readable by their owner only"


def _log(shop: Shop) -> str:
    with closing(shop.log(readonly=True)) as log:
        expected = 0
        for records in batches(log, 0):
            for record in records:
                expected += 1
                if record.offset != expected:
                    raise Failure(
                        f"offset {expected} is missing before {record.offset}; restore log.sqlite from a backup"
                    )
        return f"{expected:,} records, {log.end('decisions'):,} decisions, no gap"


def _in_step(shop: Shop) -> str:
    with closing(shop.log(readonly=True)) as log:
        end, lags = log.end("events"), []
        for name in (CATALOG, LAKE):
            lags.append(f"{name} {end - log.committed(name):,}")
            if log.committed(name) > end:
                raise Failure(
                    f"the {name} is ahead of the log ({log.committed(name)} > {end}); restore all from one backup"
                )
    with closing(open_floor(shop, readonly=True)) as floor:
        if floor.shelf.offset < end:
            raise Failure(
                f"state folds up to {floor.shelf.offset} of {end}; delete state.sqlite and it is rebuilt from the log"
            )
        if len(floor.shelf) > len(floor.rows.keys()):
            raise Failure(
                "the shelf has more rows than the catalog; delete catalog.sqlite and state.sqlite to rebuild them"
            )
    return f"state folds up to offset {end:,}; records still to be projected: {', '.join(lags)}"


def _snapshot(shop: Shop) -> str:
    with closing(open_floor(shop, readonly=True)) as floor:
        snapshot = floor.current()
        whole = f"{snapshot.rows:,} rows, {len(snapshot.sources)} sources"
        return f"{snapshot.version} is {CURRENT}, signed and whole: {whole}"


def _policy(shop: Shop) -> str:
    policy = shop.policy()
    return f"{policy.version}: {', '.join(policy.placements)}"


def _disk(shop: Shop) -> str:
    free = shutil.disk_usage(shop.folder).free
    if free < LEAST_FREE_BYTES:
        raise Failure(
            f"{free / 1e9:.1f} GB are free; expected at least {LEAST_FREE_BYTES / 1e9:.0f} GB: free some space"
        )
    return f"{free / 1e9:.1f} GB free"


CHECKS: Final[dict[str, Callable[[Shop], str]]] = {
    "keys": _keys,
    "policy": _policy,
    "log": _log,
    "in step": _in_step,
    "snapshot": _snapshot,
    "disk": _disk,
}
