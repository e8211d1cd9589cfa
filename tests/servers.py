"""A server of a shop, in a process of its own, and a client of it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2

from endcap import app
from endcap.access import Scope


@dataclass(frozen=True)
class Server:
    """`endcap serve` in a process of its own."""

    shop: Path
    process: "subprocess.Popen[str]"
    http: httpx2.Client
    log: IO[str]

    def post(self, path: str, **body: object) -> Any:
        """The answer's JSON; the call must succeed."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post_offers(self, offers: list[dict[str, object]]) -> Any:
        """The answer's JSON; the call must succeed."""
        answer = self.http.patch("/v1/catalog/offers", json={"offers": offers})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listed(self, **call: object) -> list[str]:
        """The ids of a list."""
        items = self.post("/v1/recommendations", **{"placement": "home", "k": 10, **call})["items"]
        return [item["id"] for item in items]

    def keyed(self, scope: Scope) -> httpx2.Client:
        """Another client, with a new key of `scope`; close it."""
        token = app.create_key(app.open_shop(self.shop, {}), scope, "tests").token
        return httpx2.Client(base_url=self.http.base_url, timeout=30, headers={"Authorization": f"Bearer {token}"})

    def stop(self) -> str:
        """End it as Ctrl-C does; what it wrote to stderr."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)
        self.log.seek(0)
        log = self.log.read()
        assert self.process.returncode == 0, log
        return log


@contextmanager
def serving(shop: Path, **settings: object) -> Iterator[Server]:
    """A server that is ready, with time for its lists on a busy machine too, and a client with an admin key."""
    wait = settings.pop("wait", True)
    chosen = {"deadline_ms": 60_000, **settings}
    variables = {f"ENDCAP_SERVING__{name.upper()}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-m", "endcap", "serve", "--shop", str(shop), "--port", "0"]
    token = app.create_key(app.open_shop(shop, {}), "admin", "tests").token
    environ = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
    with (
        tempfile.TemporaryFile("w+") as log,  # not a pipe, which a server that logs much would fill and wait for
        subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=log) as process,
        httpx2.Client(base_url=_address(process), timeout=30, headers={"Authorization": f"Bearer {token}"}) as http,
    ):
        try:
            deadline = time.monotonic() + 60
            while wait and http.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.05)
            yield Server(shop, process, http, log)
        finally:
            process.kill()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    line = process.stdout.readline()
    return line.split(" on ")[1].split(",")[0]
