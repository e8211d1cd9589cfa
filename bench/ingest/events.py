"""Import events that this command writes first; prints rows a second and the peak of memory as one line of JSON.

    python bench/ingest/events.py --rows 1000000 --format mapped

A made-up shop of 20,000 items: visits of 8 views on average over 60 days, some carts and orders, in order of time, as a
Parquet file with a mapping or as JSON lines of GA4's export to BigQuery.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from endcap import app

MAPPING = """kind = "events"
[fields]
name = "name"
time = "CAST(time AS time)"
item_id = "item_id"
visitor_id = "visitor_id"
session_id = "session_id"
transaction_id = "transaction_id"
quantity = "quantity"
price = "price"
region = "region"
"""
ITEMS, DAYS, DAY, START = 20_000, 60, 86_400_000, 1_700_000_000_000


def events(rows: int) -> pl.DataFrame:
    """`rows` lines in order of time."""
    rng = np.random.Generator(np.random.Philox(1))
    visit = np.sort(rng.integers(0, rows // 8, rows))
    begin = np.sort(rng.integers(0, DAYS * DAY, rows // 8 + 1))
    visitor = rng.integers(0, rows // 20, rows // 8 + 1)
    names = np.array(["view_item", "select_item", "add_to_cart", "purchase"])
    name = names[rng.choice(4, rows, p=[0.84, 0.06, 0.06, 0.04])]
    item = (ITEMS * rng.random(rows) ** 2).astype(np.int64)
    order = np.where(name == "purchase", visit, -1)
    return pl.DataFrame(
        {
            "name": name,
            "time": START + begin[visit] + rng.integers(0, 900_000, rows),
            "item_id": np.char.add("sku-", item.astype(str)),
            "visitor_id": np.char.add("v", visitor[visit].astype(str)),
            "session_id": np.char.add("s", visit.astype(str)),
            "transaction_id": np.where(order >= 0, np.char.add("t", order.astype(str)), ""),
            "quantity": rng.integers(1, 4, rows),
            "price": (item % 300 + 1) / 2,
            "region": np.array(["DE", "AT", "CH"])[visit % 3],
        }
    ).sort("time")


def write_ga4(frame: pl.DataFrame, path: Path) -> None:
    """One event a line, each with one item."""
    with path.open("w", encoding="utf-8") as file:
        for row in frame.iter_rows(named=True):
            session = {"key": "ga_session_id", "value": {"int_value": row["session_id"][1:]}}
            event = {
                "event_name": row["name"],
                "event_timestamp": str(row["time"] * 1000),
                "event_params": [session],
                "user_pseudo_id": row["visitor_id"],
                "ecommerce": {"transaction_id": row["transaction_id"]},
                "geo": {"country": row["region"]},
                "items": [{name: row[name] for name in ("item_id", "quantity", "price")}],
            }
            file.write(json.dumps(event) + "\n")


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=("mapped", "ga4"), default="mapped")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        frame = events(given.rows)
        frame.write_parquet(given.write) if given.write.suffix == ".parquet" else write_ga4(frame, given.write)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mapping = folder / "events.toml" if given.format == "mapped" else None
        file = folder / ("events.parquet" if mapping else "events.jsonl")
        if mapping:
            mapping.write_text(MAPPING, encoding="utf-8")
        # Written by another process, for what that takes is no part of the memory measured.
        subprocess.run(  # noqa: S603 (this file)
            [sys.executable, __file__, "--rows", str(given.rows), "--write", str(file)], check=True
        )
        app.initialise(folder / "shop", "EUR", "UTC")
        shop = app.open_shop(folder / "shop", {})
        began, cpu = time.perf_counter(), time.process_time()
        summary = app.import_events(shop, file, mapping, lambda _done, _of: None)
        took, used = time.perf_counter() - began, time.process_time() - cpu
    figures = {
        "format": given.format,
        "rows": summary.rows,
        "fresh": summary.fresh,
        "seconds": round(took, 1),
        "cpu_seconds": round(used, 1),
        "rows_per_s": round(summary.rows / took),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
