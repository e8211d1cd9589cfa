"""Load a running server with open-loop Poisson arrivals and print its latencies.

    endcap serve --shop demo-shop
    python bench/latency/load.py --url http://127.0.0.1:8765 --shop demo-shop --rate 100 --seconds 20

Open loop: calls are sent when they are due, whether or not earlier ones have been answered, and a latency counts from
the moment the call was due. Calls mix newcomers, the people of --people and product pages. The client shares the machine
with the server, so on few cores the figures are those of both.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import httpx2
import numpy as np

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


async def load(url: str, calls: Sequence[dict[str, object]], rate: float) -> tuple[list[float], dict[str, int]]:
    """Latencies in ms from the due moment, and answers by status and rung."""
    generator = np.random.Generator(np.random.Philox(2))
    due = np.cumsum(generator.exponential(1 / rate, len(calls)))
    latencies: list[float] = []
    outcomes: dict[str, int] = {}
    limits = httpx2.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=30) as http:
        started = time.perf_counter()

        async def call(at: float, body: dict[str, object]) -> None:
            await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
            answer = await http.post("/v1/recommendations", json=body)
            latencies.append(1_000 * (time.perf_counter() - started - at))
            name = str(answer.status_code) + (f" {answer.json()['rung']}" if answer.status_code == 200 else "")
            outcomes[name] = outcomes.get(name, 0) + 1

        await asyncio.gather(*(call(at, body) for at, body in zip(due.tolist(), calls, strict=True)))
    return latencies, outcomes


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8765")
    parser.add_argument("--shop", type=Path, default=Path("shop"))
    parser.add_argument("--people", type=Path, help="a file with one visitor id a line")
    parser.add_argument("--rate", type=float, default=100, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    people = given.people.read_text().split() if given.people else []
    calls = bodies(given.shop, people, int(given.rate * given.seconds))
    asyncio.run(load(given.url, calls[: int(given.rate)], given.rate / 2))
    latencies, outcomes = asyncio.run(load(given.url, calls, given.rate))
    shares = {f"p{share}_ms": round(float(np.percentile(latencies, share)), 2) for share in (50, 90, 99)}
    print(json.dumps({"rate_per_s": given.rate, "calls": len(latencies), **shares, "answers": outcomes}))  # noqa: T201


if __name__ == "__main__":
    main()
