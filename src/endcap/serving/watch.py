"""What serves now: the snapshot that the registry's label points to, and the policy that the shop's file holds.

Each is one reference, swapped when a new version verifies. A rejected version leaves the old one serving, counted and
logged with its reason, and is not tried again.
"""

import asyncio
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from endcap.backends.registry import Registry
from endcap.domain.arrays import NO_ROWS
from endcap.domain.events import Events, Kind
from endcap.domain.requests import Query, Request
from endcap.errors import BackendUnavailable, InvalidPolicy, InvalidSettings, SnapshotRejected
from endcap.policy import Policy, parse_policy
from endcap.serving.lists import RUNGS
from endcap.serving.meters import Meters
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shelf, Shopper, State, fold
from endcap.state.crowd import Crowd, fold_crowd

CURRENT: Final = "current"
_SAMPLE: Final = 32
_LOOK_S: Final = 1.0
_AGAIN_S: Final = 60.0


class Watch:
    """Holds the snapshot that serves, None until the first is verified.

    `current` names the version that the label points to; `load` reads, verifies and warms one, and `masked` leaves out
    the sessions of everyone erased so far, both in a worker thread.
    """

    def __init__(
        self,
        current: Callable[[], str | None],
        load: Callable[[str], Snapshot],
        masked: Callable[[Snapshot], Snapshot],
        meters: Meters,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.because = "no snapshot is published: run `endcap train`"
        self._current = current
        self._load = load
        self._masked = masked
        self._swapping = asyncio.Lock()
        self._meters = meters
        self._seen: str | None = None

    async def hide(self) -> None:
        """Serve the same snapshot without whoever was erased before this call, and so each that follows."""
        async with self._swapping:
            if self.snapshot is not None:
                self.snapshot = await asyncio.to_thread(self._masked, self.snapshot)

    async def run(self, poll_ms: int) -> None:
        """Look at the label in steady time, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(poll_ms / 1_000)

    async def look(self) -> None:
        """Follow the label once."""
        log = structlog.get_logger()
        version: str | None = None
        try:
            version = await asyncio.to_thread(self._current)
            if version is None or version == self._seen:
                return
            self._seen = version
            loaded = await asyncio.to_thread(self._load, version)
            async with self._swapping:  # whoever is erased during this, hides when it is done
                self.snapshot = await asyncio.to_thread(self._masked, loaded)
        except (SnapshotRejected, InvalidSettings, OSError) as error:
            self._meters.snapshots.labels("rejected").inc()
            serving = self.snapshot.version if self.snapshot else ""
            self.because = f"snapshot {version or 'label'} was rejected; the server's log says why"
            log.error("snapshot_rejected", version=version or "", serving=serving, reason=str(error))
        except BackendUnavailable as error:
            self._seen = None
            log.error("registry_unavailable", reason=str(error))
        else:
            self._meters.snapshots.labels("served").inc()
            self._meters.ready.set(1)
            log.info("snapshot_served", version=version)


class Refresher:
    """Starts `command` as a child process when the catalog has news for the lists; one at a time, ended with `run`.

    `news` is the log offset of the latest change that concerns the lists. A child is due `after_s` seconds after the
    first news that the snapshot lacks; after one that failed not before another minute.
    """

    def __init__(self, command: Sequence[str], after_s: float, meters: Meters) -> None:
        self.news = 0
        self._command = command
        self._after_s = after_s
        self._meters = meters
        self._done: tuple[str, int] = ("", 0)
        self._asked = False

    def soon(self) -> None:
        """Let the next child start without waiting."""
        self._asked = True

    async def run(self, serving: Callable[[], Snapshot | None]) -> None:
        """Look once a second at what is served, for ever."""
        waited = 0.0
        while self._command and self._after_s > 0:
            await asyncio.sleep(_LOOK_S)
            snapshot = serving()
            if snapshot is None or not (self._lacking(snapshot) or self._asked):
                waited = 0.0
                continue
            waited += _LOOK_S
            if self._asked or waited >= self._after_s:
                self._asked, news = False, self.news
                done = await self._refresh()
                self._done = (snapshot.version, news) if done else self._done
                waited = 0.0 if done else min(self._after_s - _AGAIN_S, 0.0)

    def _lacking(self, snapshot: Snapshot) -> bool:
        version, known = self._done
        return self.news > max(snapshot.offset, known if version == snapshot.version else 0)

    async def _refresh(self) -> bool:
        child = await asyncio.create_subprocess_exec(
            *self._command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True
        )
        try:
            _, complaint = await child.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            raise
        done = child.returncode == 0
        self._meters.refreshes.labels("done" if done else "failed").inc()
        if not done:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            structlog.get_logger().error("refresh_failed", exit_code=child.returncode, reason=last[:500])
        return done


def warm(snapshot: Snapshot, policy: Policy, query: Query) -> None:
    """Answer each placement on each rung, for newcomers and people with a history, on a shelf of its own.

    Arrays come as in real calls, read-only ones too, since a kernel is compiled for each kind.
    """
    rows = max(snapshot.rows, 1)
    shelf = Shelf()
    shelf.reserve(rows)
    shelf.available[:] = shelf.listed[:] = True
    some = np.unique(np.linspace(0, rows - 1, _SAMPLE).astype(np.int32))
    kinds = np.where(np.arange(len(some)) % 2 == 0, Kind.VIEW, Kind.PURCHASE).astype(np.uint8)
    times = snapshot.until - 60_000 * np.arange(len(some), dtype=np.int64)
    session = Events(times, some, kinds, np.zeros(len(some), np.int64))
    known = Shopper.unpacked(fold(NEWCOMER, session, 1).packed())
    nobody = np.zeros(len(some), np.int32)
    fold_crowd([known], Crowd(nobody, session, times, nobody, [""]))
    for placement in policy.placements:
        plain = Request(placement, snapshot.until, 1, 10, exclude=some[-1:])
        calls = (
            plain,
            replace(plain, anchors=some[:1], exclude=NO_ROWS, filter="price IS NULL"),
            replace(plain, anchors=some[:4], session=session),
            replace(plain, query=query),
        )
        for request, shopper, rung in product(calls, (NEWCOMER, known), RUNGS):
            rung.answer(request, State(shopper, shelf), snapshot, policy)


class PolicyFile:
    """What a policy file says, looked at again once a second; each version is kept in the registry for replay.

    `steady` gives seconds that never go back. Raises: InvalidPolicy, at first only; later the last policy stays.
    """

    def __init__(self, path: Path, registry: Registry, steady: Callable[[], float]) -> None:
        self._path = path
        self._registry = registry
        self._steady = steady
        self._looked = steady()
        self._stamp = self._stamped()
        self._policy = self._published()

    def current(self) -> Policy:
        """The policy in force."""
        if self._steady() - self._looked >= _LOOK_S:
            self._looked = self._steady()
            if (stamp := self._stamped()) != self._stamp:
                self._stamp = stamp
                self._reread()
        return self._policy

    def _reread(self) -> None:
        try:
            self._policy = self._published()
            structlog.get_logger().info("policy_served", version=self._policy.version)
        except (InvalidPolicy, BackendUnavailable) as error:
            structlog.get_logger().error("policy_rejected", serving=self._policy.version, reason=str(error))

    def _stamped(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def _published(self) -> Policy:
        text = _text(self._path)
        policy = parse_policy(text)
        if self._registry.current("policy", CURRENT) != policy.version:
            with tempfile.TemporaryDirectory(prefix=".policy-", dir=self._path.parent) as staging:
                files = Path(staging) / "files"
                files.mkdir()
                (files / "policy.toml").write_bytes(text.encode())
                self._registry.publish("policy", policy.version, files)
            self._registry.label("policy", CURRENT, policy.version)
        return policy


def read_policy(path: Path) -> Policy:
    """The policy in the file `path`. Raises: InvalidPolicy."""
    return parse_policy(_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPolicy(f"the policy {path} cannot be read: {error}; restore it") from None
