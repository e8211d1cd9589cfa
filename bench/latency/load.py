"""Load a running server with open-loop Poisson arrivals and print its latencies.

    endcap serve --shop demo-shop
    python bench/latency/load.py --url http://127.0.0.1:8765 --shop demo-shop --rate 100 --seconds 20

Open loop: calls are sent when they are due, whether or not earlier ones have been answered, and a latency counts from
the moment the call was due. Calls mix newcomers, the people of --people and product pages. The client shares the
machine with the server, so on few cores the figures are those of both.
"""

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvloop

from endcap import app


def bodies(shop: Path, people: Sequence[str], count: int) -> list[dict[str, object]]:
    """Calls for lists: a third newcomers, a third people of `people`, a third product pages."""
    with closing(app.open_shop(shop, {}).catalog()) as catalog:
        keys = catalog.keys()
    items = [key.id for key in keys if key.kind == "item"]
    generator = np.random.Generator(np.random.Philox(1))
    made: list[dict[str, object]] = []
    for index in range(count):
        who = people[int(generator.integers(len(people)))] if people and index % 3 else f"new-{index}"
        anchors = [items[int(generator.integers(len(items)))]] if index % 3 == 2 else []
        made.append({"placement": "product" if anchors else "home", "visitor_id": who, "anchors": anchors, "k": 10})
    return made


class Connections:
    """Keep-alive connections; a call takes one that is free, or a new one."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._address = host, port
        self._headers = f"Host: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json"
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = f"POST {path} HTTP/1.1\r\n{self._headers}\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._answer(head.encode() + body)

    async def get(self, path: str, cookies: str = "") -> tuple[int, bytes]:
        """Status and body of the answer."""
        return await self._answer(f"GET {path} HTTP/1.1\r\n{self._headers}\r\nCookie: {cookies}\r\n\r\n".encode())

    async def _answer(self, request: bytes) -> tuple[int, bytes]:
        """A kept connection that the server has closed meanwhile is replaced."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection(*self._address)
        if reader.at_eof():
            writer.close()
            return await self._answer(request)
        writer.write(request)
        headers = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in headers.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await reader.readexactly(int(length.split(b":")[1]))
        self._free.append((reader, writer))
        return int(headers.split(b" ", 2)[1]), answer


async def load(connections: Connections, calls: Sequence[bytes], rate: float) -> tuple[list[float], dict[str, int]]:
    """Latencies in ms from the due moment, and answers by status and rung."""
    due = np.cumsum(np.random.Generator(np.random.Philox(2)).exponential(1 / rate, len(calls)))
    latencies: list[float] = []
    outcomes: Counter[str] = Counter()
    started = time.perf_counter()

    async def call(at: float, body: bytes) -> None:
        status, answer = await connections.post("/v1/recommendations", body)
        latencies.append(1_000 * (time.perf_counter() - started - at))
        rung = re.search(rb'"rung":"(\w+)"', answer)
        outcomes[f"{status} {rung[1].decode()}" if rung else str(status)] += 1

    async with asyncio.TaskGroup() as running:
        for at, body in zip(due.tolist(), calls, strict=True):
            await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
            running.create_task(call(at, body))
    return latencies, dict(outcomes)


async def measure(url: str, key: str, calls: Sequence[bytes], rate: float) -> tuple[list[float], dict[str, int]]:
    """`load` after a second at half the rate, whose latencies do not count."""
    parts = urlsplit(url)
    connections = Connections(parts.hostname or "127.0.0.1", parts.port or 80, key)
    await load(connections, calls[: int(rate / 2)], rate / 2)
    return await load(connections, calls, rate)


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8765")
    parser.add_argument("--shop", type=Path, default=Path("shop"))
    parser.add_argument("--people", type=Path, help="a file with one visitor id a line")
    parser.add_argument("--rate", type=float, default=100, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--key", help="an API key; by default the one that the running server of --shop left there")
    given = parser.parse_args()
    found = app.running(app.open_shop(given.shop, {}))
    key = given.key or (found.token if found else "")
    people = given.people.read_text().split() if given.people else []
    calls = [json.dumps(body).encode() for body in bodies(given.shop, people, int(given.rate * given.seconds))]
    latencies, outcomes = uvloop.run(measure(given.url, key, calls, given.rate))
    shares = {f"p{share}_ms": round(float(np.percentile(latencies, share)), 2) for share in (50, 90, 99)}
    print(json.dumps({"rate_per_s": given.rate, "calls": len(latencies), **shares, "answers": outcomes}))


if __name__ == "__main__":
    main()
