"""Kill cycles of one shop, one after the other: start, send, kill -9 at a random moment, look at what is left.

Owns the processes it starts and ends no others. Everything random comes from the seed, but what two processes and a
disk make of it is theirs.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from endcap import app
from torture.checks import Findings, examine, examine_answers, examine_end
from torture.load import Caller, Ledger, Script

EVENTS_A_CYCLE: Final = 100
SENDERS: Final = 3
_START_S: Final = 120.0
_LOAD_S: Final = 60.0
_KILLED_WHILE_STARTING: Final = 0.15
_PACE: Final = {
    "CHECKPOINT_S": "1", "DECISION_FLUSH_MS": "100", "DEADLINE_MS": "10000", "MAX_IN_FLIGHT_REQUESTS": "1000",
    "ACCESS_LOG": "none", "REFRESH_AFTER_S": "0",
}  # fmt: skip
"""Checkpoints within the cycle; nothing is refused or answered late because the machine is busy."""


class Interrupted(Exception):
    """The run is to end."""


@dataclass(frozen=True)
class Running:
    """A server and where it listens."""

    process: "subprocess.Popen[str]"
    port: int
    key: str

    def caller(self) -> Caller:
        """A new connection."""
        return Caller(self.port, self.key)

    def opened(self, stop: threading.Event) -> bool:
        """Wait until events are taken; whether the process still lives then."""
        deadline = time.monotonic() + _START_S
        caller = self.caller()
        while self.process.poll() is None and time.monotonic() < deadline:
            if caller.call("POST", "/v1/events", b'{"events": []}').status == 200:
                caller.close()
                return True
            if stop.wait(0.02):
                raise Interrupted
        return False


class Lane:
    """One shop with the ledger of all that was sent to it.

    `program` is what serves it, `asks` whether lists are asked for. Standard error goes to `folder`/server.log.
    """

    def __init__(self, folder: Path, seed: str, program: Sequence[str], stop: threading.Event, *, asks: bool) -> None:
        self.folder, self.shop = folder, folder / "shop"
        self.ledger, self.findings = Ledger(), Findings()
        self.cycles = self.lists = 0
        self._program, self._stop, self._asks = program, stop, asks
        self._random = random.Random(seed)
        self._scripts = [Script(seed, f"{folder.name}-{number}") for number in range(SENDERS + 1)]

    def cycle(self) -> int:
        """One kill and what it left behind; the events acknowledged for the first time since the last."""
        if self._random.random() < _KILLED_WHILE_STARTING:
            self._kill_while_starting()
        before = self.ledger.acknowledged_events()
        with self._server() as server:
            self._send_what_is_owed(server)
            with ThreadPoolExecutor(SENDERS + 1) as pool:
                load = self._load(server)
                sending = [pool.submit(each) for each in load]
                self._wait_for_the_moment(before)
                ended = time.monotonic()
                server.process.kill()
            for each in sending:
                each.result()
        examine(self.shop, self.folder, self.ledger, ended, self.findings)
        self.lists += len(self.ledger.lists)
        self.ledger.lists.clear()
        self._read_log()
        self.cycles += 1
        return self.ledger.acknowledged_events() - before

    def finish(self) -> None:
        """Send what was not sent twice, end the server in peace and look again."""
        with self._server() as server:
            self._send_what_is_owed(server)
            server.process.send_signal(signal.SIGINT)
            server.process.wait(60)
        examine(self.shop, self.folder, self.ledger, 0.0, self.findings)
        examine_answers(self.ledger, self.findings)
        examine_end(self.shop, self.folder, self.findings)
        self._read_log()

    @contextmanager
    def _server(self) -> Iterator[Running]:
        with self._started() as running:
            if not running.opened(self._stop):
                raise AssertionError(f"the server did not open:\n{self._log().read_text()[-3_000:]}")
            yield running

    @contextmanager
    def _started(self) -> Iterator[Running]:
        key = _key(self.shop)
        command = [sys.executable, *self._program, "serve", "--shop", str(self.shop), "--port", "0"]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environ |= {f"ENDCAP_SERVING__{name}": value for name, value in _PACE.items()}
        with (
            self._log().open("a") as log,
            subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            try:
                assert process.stdout
                line = process.stdout.readline()
                yield Running(process, _port(line, self._log()), key)
            finally:
                process.kill()

    def _kill_while_starting(self) -> None:
        """Two deaths in a row: the second while the tail of the first is being folded."""
        with self._started() as running, suppress(subprocess.TimeoutExpired):
            running.process.wait(self._random.uniform(0, 1.5))

    def _send_what_is_owed(self, server: Running) -> None:
        """First of all the calls that were in flight at the kill; then nothing is left that was sent only once."""
        caller = server.caller()
        while batches := list(self.ledger.owed()):
            for batch in batches:
                if self._stop.is_set():
                    raise Interrupted
                assert self.ledger.send(batch, caller), "the server went away before it was killed"
                assert batch.acknowledged, self.ledger.refused[-1]
        caller.close()

    def _load(self, server: Running) -> list[Callable[[], None]]:
        jobs: list[Callable[[], None]] = [
            lambda script=script: self._send_events(script, server)  # type: ignore[misc]
            for script in self._scripts[:SENDERS]
        ]
        return [*jobs, lambda: self._send_the_rest(self._scripts[-1], server)]

    def _send_events(self, script: Script, server: Running) -> None:
        """Batch after batch until the connection breaks; half of them a second time at once, some of another sender."""
        caller, alive = server.caller(), True
        while alive:
            batch = script.batch()
            self.ledger.batches.append(batch)
            alive = self.ledger.send(batch, caller)
            again = script.again(batch, self.ledger.batches[-SENDERS:])
            if alive and again:
                alive = self.ledger.send(again, caller)
            time.sleep(script.pause_s())
        caller.close()

    def _send_the_rest(self, script: Script, server: Running) -> None:
        """Offers and items, logins and logouts and, where the shop can, calls for lists."""
        caller, alive = server.caller(), True
        while alive:
            alive = self.ledger.send_offer(script.offer(), caller)
            alive = alive and self.ledger.send_signal(script.signal(), caller)
            if alive and self._asks:
                alive = self.ledger.ask(script.wish(), caller)
            time.sleep(0.01)
        caller.close()

    def _wait_for_the_moment(self, before: int) -> None:
        deadline = time.monotonic() + _LOAD_S
        earliest = time.monotonic() + self._random.uniform(0.1, 1.7)
        while self.ledger.acknowledged_events() < before + EVENTS_A_CYCLE or time.monotonic() < earliest:
            if self._stop.is_set():
                raise Interrupted
            assert time.monotonic() < deadline, f"no {EVENTS_A_CYCLE} events were acknowledged: {self.ledger.refused}"
            time.sleep(0.005)
        time.sleep(self._random.uniform(0, 0.01))

    def _log(self) -> Path:
        return self.folder / "server.log"

    def _read_log(self) -> None:
        """No start, load or end may leave a stack trace or an error in the server's own log."""
        for line in self._log().read_text(encoding="utf-8").splitlines():
            if "Traceback" in line or '"level": "error"' in line:
                self.findings.note("logged an error", line)
        self._log().write_text("")


def _port(line: str, log: Path) -> int:
    assert " on http://" in line, f"the server did not start: {line}\n{log.read_text()[-3_000:]}"
    return int(line.partition(" on http://")[2].partition(",")[0].rpartition(":")[2])


def _key(shop: Path) -> str:
    """An API key that may do what is tried here."""
    return app.relabelled(app.open_shop(shop, {}), "admin", "torture").token
