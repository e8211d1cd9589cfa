"""Post events to a running server and print how many a second it makes durable.

    endcap serve --shop demo-shop
    python bench/ingest/http_events.py --url http://127.0.0.1:8765 --shop demo-shop --events 100000

Each of --connections keep-alive connections posts batches of --batch fresh events of made-up visitors, one after the
other. An event counts when its batch is answered, which is after it is on disk and folded. The client shares the
machine with the server.
"""

import argparse
import asyncio
import json
import secrets
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvloop

from endcap import app


def bodies(items: list[str], events: int, batch: int) -> list[bytes]:
    """Bodies of calls, `batch` events each, of visitors with some ten events."""
    generator = np.random.Generator(np.random.Philox(1))
    run, now = secrets.token_hex(4), app.now_ms()
    picked = generator.integers(len(items), size=events).tolist()
    visitors = generator.integers(max(1, events // 10), size=events).tolist()
    made = [
        {
            "event_id": f"{run}-{index}", "name": "view_item", "time": now - 1_000 + index % 1_000,
            "visitor_id": f"{run}-{visitor}", "session_id": f"{run}-{visitor}", "items": [{"item_id": items[item]}],
        }
        for index, (item, visitor) in enumerate(zip(picked, visitors, strict=True))
    ]  # fmt: skip
    return [json.dumps({"events": made[start : start + batch]}).encode() for start in range(0, events, batch)]


async def post(address: tuple[str, int], key: str, waiting: list[bytes]) -> list[float]:
    """Post what waits over one connection; the seconds that each call took."""
    reader, writer = await asyncio.open_connection(*address)
    head = f"POST /v1/events HTTP/1.1\r\nHost: {address[0]}\r\nAuthorization: Bearer {key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: "
    took = []
    while waiting:
        body = waiting.pop()
        started = time.perf_counter()
        writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        headers = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in headers.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = json.loads(await reader.readexactly(int(length.split(b":")[1])))
        if answer.get("results") != ["accepted"] * len(answer.get("results", [0])):
            raise RuntimeError(f"not all accepted: {headers[:60]!r} {str(answer)[:200]}")
        took.append(time.perf_counter() - started)
    writer.close()
    return took


async def measure(
    address: tuple[str, int], key: str, calls: list[bytes], connections: int
) -> tuple[float, list[float]]:
    """Seconds for all of `calls`, and those of each."""
    started = time.perf_counter()
    took = await asyncio.gather(*(post(address, key, calls) for _ in range(connections)))
    return time.perf_counter() - started, [each for one in took for each in one]


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8765")
    parser.add_argument("--shop", type=Path, default=Path("shop"))
    parser.add_argument("--key", help="an API key; by default the one that the running server of --shop left there")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    shop = app.open_shop(given.shop, {})
    found = app.running(shop)
    with closing(shop.catalog()) as catalog:
        keys = catalog.keys()
    items = [key.id for key in keys if key.kind == "item"]
    parts = urlsplit(given.url)
    address = parts.hostname or "127.0.0.1", parts.port or 80
    calls = bodies(items, given.events, given.batch)
    seconds, took = uvloop.run(measure(address, given.key or (found.token if found else ""), calls, given.connections))
    shares = {f"p{share}_ms": round(1_000 * float(np.percentile(took, share)), 1) for share in (50, 99)}
    rate = round(given.events / seconds)
    print(json.dumps({"events": given.events, "batch": given.batch, "events_per_s": rate, **shares}))


if __name__ == "__main__":
    main()
