"""Time recommend() in this process on a shop's own people and items; prints percentiles in ms.

    python bench/latency/in_process.py --shop demo-shop --calls 3000

Requests are those of `load.py`, for keys that the shop's state holds; nothing is logged.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as every command does; two threads wait for each other

import argparse
import json
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from endcap import app
from endcap.domain.requests import Query, Request
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.pipeline import recommend
from endcap.serving.watch import warm
from endcap.state import NEWCOMER, Shopper, State


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("shop"))
    parser.add_argument("--calls", type=int, default=3_000)
    given = parser.parse_args()
    shop = app.open_shop(given.shop, {})
    with closing(app.open_floor(shop, readonly=True)) as floor, closing(shop.log(readonly=True)) as log:
        snapshot, policy = floor.current(), floor.ground.policy()
        warm(snapshot, policy, Query())
        keys = list({entry.shopper for _, entry in log.read("events", max(0, log.end("events") - 100_000), 100_000)})
        generator = np.random.Generator(np.random.Philox(1))
        at, milliseconds, pools = app.now_ms(), [], []
        for index in range(given.calls):
            key = keys[int(generator.integers(len(keys)))]
            packed = floor.ground.kv.get_many([SHOPPER_PREFIX + key])[0] if index % 3 else None
            shopper = Shopper.unpacked(packed) if packed else NEWCOMER
            row = generator.integers(0, snapshot.rows, 1 if index % 3 == 2 else 0).astype(np.int32)
            request = Request("product" if len(row) else "home", at, index, 10, key, anchors=row)
            started = time.perf_counter()
            decision = recommend(request, State(shopper, floor.shelf), snapshot, policy)
            milliseconds.append(1_000 * (time.perf_counter() - started))
            pools.append(decision.pool_size)
    shares = {f"p{share}_ms": round(float(np.percentile(milliseconds, share)), 3) for share in (50, 90, 99)}
    print(json.dumps({"calls": given.calls, "pool": int(np.median(pools)), "items": snapshot.rows, **shares}))


if __name__ == "__main__":
    main()
