"""Time `endcap import catalog` of a made-up feed into a fresh shop, from parsing to the shelf; prints one line of JSON.

    python bench/ingest/catalog.py --items 200000 --format tsv

Formats: tsv, rss, jsonld, jsonl. A variant in four shares a group. `per_s` is by the clock, `per_cpu_s` by the time of
all cores; both count reading, log, catalog, shelf, texts and checkpoint, and not the start of Python.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as every command does
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from endcap import app

NAMES = (
    "id", "title", "description", "link", "image_link", "availability", "price", "brand", "product_type",
    "item_group_id", "color", "size",
)  # fmt: skip
SYLLABLES = [a + b for a in "ka lo mi ru te sa no vi pe du".split() for b in "rin dor mas tel gan pol".split()]


def rows(items: int) -> Iterator[tuple[str, ...]]:
    """Rows under `NAMES`; titles of 6 words and descriptions of 45."""
    draw = random.Random(1)  # noqa: S311 (a made-up feed)
    paths = [f"{a} > {b} > {c}" for a in ("Home", "Fashion") for b in SYLLABLES[:12] for c in SYLLABLES[:9]]
    for number in range(items):
        yield (
            f"sku-{number}", " ".join(draw.choices(SYLLABLES, k=6)), " ".join(draw.choices(SYLLABLES, k=45)),
            f"https://shop.example/p/{number}", f"https://shop.example/i/{number}.jpg",
            "in_stock" if number % 9 else "out_of_stock", f"{draw.randint(99, 99_999) / 100:.2f} EUR",
            draw.choice(SYLLABLES), draw.choice(paths), f"g{number // 4}", draw.choice(("red", "blue")),
            draw.choice("SML"),
        )  # fmt: skip


def write(file: TextIO, items: int, format_: str) -> None:
    """The feed in one of the formats."""
    named = (dict(zip(NAMES, row, strict=True)) for row in rows(items))
    if format_ == "tsv":
        file.write("\t".join(NAMES) + "\n")
        file.writelines("\t".join(row.values()) + "\n" for row in named)
    elif format_ == "jsonl":
        file.writelines(json.dumps(row) + "\n" for row in named)
    elif format_ == "rss":
        file.write('<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>')
        for row in named:
            inner = "".join(f"<g:{name}>{text.replace('>', '&gt;')}</g:{name}>" for name, text in row.items())
            file.write(f"<item>{inner}</item>\n")
        file.write("</channel></rss>")
    else:
        for row in named:
            amount, currency = row["price"].split()
            stock = "InStock" if row["availability"] == "in_stock" else "OutOfStock"
            product = {
                "@context": "https://schema.org", "@type": "Product", "sku": row["id"], "name": row["title"],
                "description": row["description"], "image": row["image_link"], "brand": {"name": row["brand"]},
                "category": row["product_type"], "inProductGroupWithID": row["item_group_id"], "color": row["color"],
                "size": row["size"],
                "offers": {
                    "url": row["link"], "price": amount, "priceCurrency": currency,
                    "availability": f"https://schema.org/{stock}",
                },
            }  # fmt: skip
            file.write(json.dumps(product) + "\n")


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--format", choices=("tsv", "rss", "jsonld", "jsonl"), default="tsv")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed"
        with feed.open("w", encoding="utf-8") as file:
            write(file, given.items, given.format)
        app.initialise(Path(folder) / "shop", "EUR", "UTC")
        shop = app.open_shop(Path(folder) / "shop", {})
        clock, cpu = time.perf_counter(), time.process_time()
        summary = app.import_catalog(shop, feed, None, lambda _, __: None)
        seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - cpu
        print(
            json.dumps(
                {
                    "format": summary.format,
                    "items": summary.fresh,
                    "megabytes": round(feed.stat().st_size / 1e6),
                    "seconds": round(seconds, 2),
                    "per_s": round(summary.fresh / seconds),
                    "per_cpu_s": round(summary.fresh / cpu_seconds),
                    "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                }
            )
        )


if __name__ == "__main__":
    main()
