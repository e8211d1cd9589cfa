"""Ask a running storefront for pages with open-loop Poisson arrivals and print their latencies beside a floor.

    endcap demo
    python bench/latency/pages.py --shop demo-shop --rate 50 --seconds 20

The floor is `GET /healthz` between the pages: what connection, server's loop and client cost without a page.
Visitors are the people of the shop's `files/guests.json` and new ones; each page is of another of the shop's items or
categories. Latencies count from the moment a page was due and share the machine with the client, as in load.py.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import numpy as np
import uvloop
from load import Connections

from endcap import app

MIX: Final = {"home": 0.3, "category": 0.2, "item": 0.3, "search": 0.1, "floor": 0.1}
"""What a page is, and its share of the calls."""
WORDS: Final = (
    "tent",
    "jacket",
    "lamp",
    "socks navy",
    "kids backpack",
    "coffee",
    "gift",
    "phone case",
    "towle",
    "knife",
)


def calls(shop: Path, count: int) -> Iterator[tuple[str, str, str]]:
    """Kind, path and cookies of each call."""
    generator = np.random.Generator(np.random.Philox(1))
    with closing(app.open_shop(shop, {}).catalog()) as catalog:
        keys = catalog.keys()
        paths = sorted({recorded.change.category for recorded in catalog.changes() if recorded.change.category})
    items = [key.id for key in keys if key.kind == "item"]
    people = len(json.loads((shop / app.GUESTS).read_text())) if (shop / app.GUESTS).exists() else 0
    for kind in generator.choice(list(MIX), count, p=list(MIX.values())).tolist():
        number = int(generator.integers(1 << 30))
        who = f"guest-{number % people}" if people and number % 4 else f"web-{number:024x}"
        path = {
            "home": "/",
            "category": "/c/" + "/".join(quote(name, safe="") for name in paths[number % len(paths)]),
            "item": f"/p/{quote(items[number % len(items)], safe='')}",
            "search": f"/search?q={quote(WORDS[number % len(WORDS)])}",
            "floor": "/healthz",
        }[kind]
        yield kind, path, f"endcap_who={who}"


async def load(url: str, asked: Sequence[tuple[str, str, str]], rate: float) -> tuple[dict[str, list[float]], int]:
    """Latencies in ms by kind, and how many answers were none of a page."""
    parts = urlsplit(url)
    connections = Connections(parts.hostname or "127.0.0.1", parts.port or 80, "")
    due = np.cumsum(np.random.Generator(np.random.Philox(2)).exponential(1 / rate, len(asked)))
    latencies: dict[str, list[float]] = {kind: [] for kind in MIX}
    failed = 0
    started = time.perf_counter()

    async def call(at: float, kind: str, path: str, cookies: str) -> None:
        nonlocal failed
        status, _ = await connections.get(path, cookies)
        failed += status not in (200, 404)  # an item may be listed no longer
        if status == 200:
            latencies[kind].append(1_000 * (time.perf_counter() - started - at))

    async with asyncio.TaskGroup() as running:
        for at, each in zip(due.tolist(), asked, strict=True):
            await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
            running.create_task(call(at, *each))
    return latencies, failed


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8765")
    parser.add_argument("--shop", type=Path, default=Path("demo-shop"))
    parser.add_argument("--rate", type=float, default=50, help="pages a second")
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    asked = list(calls(given.shop, int(given.rate * (given.seconds + 2))))
    warm = int(2 * given.rate)
    uvloop.run(load(given.url, asked[:warm], given.rate / 2))
    latencies, failed = uvloop.run(load(given.url, asked[warm:], given.rate))
    pages = [latency for kind, of in latencies.items() if kind != "floor" for latency in of]
    told = {kind: _shares(of) for kind, of in {"pages": pages, **latencies}.items() if of}
    print(json.dumps({"rate_per_s": given.rate, "failed": failed, **told}))


def _shares(latencies: Sequence[float]) -> dict[str, float]:
    shares = {f"p{share}_ms": round(float(np.percentile(latencies, share)), 1) for share in (50, 95, 99)}
    return {"n": len(latencies), **shares}


if __name__ == "__main__":
    main()
