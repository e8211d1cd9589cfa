"""The demo shop's catalog as the feeds that shops have: Merchant TSV and XML, and schema.org JSON-LD."""

import csv
import json
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl

from endcap.formats.recognise import opened
from endcap.ingest import Ports, Summary
from endcap.ingest.builtin import catalog_mapping
from endcap.ingest.catalog import UPDATE, Terms, import_catalog

_NAMES = {"stock": "sell_on_google_quantity"}


def demo_feed(demo: Path, items: int) -> pl.DataFrame:
    """The demo shop's first items with Merchant names, all of them text; `time` is left out, which no feed has."""
    return merchant_names(pl.read_csv(demo / "catalog.csv", infer_schema=False)).head(items)


def merchant_names(catalog: pl.DataFrame) -> pl.DataFrame:
    """The demo shop's catalog, all of it text, as a feed has it."""
    return catalog.drop("time", "sale_price", "sale_start", "sale_end").rename(_NAMES)


def write_tsv(feed: pl.DataFrame, path: Path) -> Path:
    """As Merchant Center exports it."""
    feed.with_columns(pl.col("availability").str.replace("_", " ")).write_csv(path, separator="\t")
    return path


def write_csv(feed: pl.DataFrame, path: Path) -> Path:
    """With the names that people type."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([name.replace("_", " ") for name in feed.columns])
        writer.writerows(feed.iter_rows())
    return path


def write_rss(feed: pl.DataFrame, path: Path) -> Path:
    """RSS 2.0 with `g:` names, titles and links without them."""
    items = []
    for row in feed.iter_rows(named=True):
        inner = "".join(
            f"<{name}>{escape(text)}</{name}>" if name in {"title", "link"} else f"<g:{name}>{escape(text)}</g:{name}>"
            for name, text in row.items()
            if text
        )
        items.append(f"<item>{inner}</item>")
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>'
    )
    path.write_text(f"{head}<title>Demo</title>{''.join(items)}</channel></rss>", encoding="utf-8")
    return path


def write_atom(feed: pl.DataFrame, path: Path) -> Path:
    """Atom 1.0: links are attributes, and an entry has an id of its own beside the item's."""
    entries = []
    for row in feed.iter_rows(named=True):
        told = {name: text for name, text in row.items() if text and name not in {"title", "link"}}
        inner = "".join(f"<g:{name}>{escape(text)}</g:{name}>" for name, text in told.items())
        own = f'<id>tag:{row["id"]}</id><title>{escape(row["title"])}</title><link href="{row["link"]}"/>'
        entries.append(f"<entry>{own}{inner}</entry>")
    head = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">'
    path.write_text(f"{head}{''.join(entries)}</feed>", encoding="utf-8")
    return path


def write_json_ld(feed: pl.DataFrame, path: Path) -> Path:
    """One document around `@graph`."""
    graph = [_product(row) for row in feed.iter_rows(named=True)]
    path.write_text(json.dumps({"@context": "https://schema.org", "@graph": graph}), encoding="utf-8")
    return path


def _product(row: dict[str, str]) -> dict[str, object]:
    amount, currency = row["price"].split()
    product = {
        "@type": "Product",
        "sku": row["id"],
        "name": row["title"],
        "description": row["description"],
        "category": row["product_type"],
        "brand": {"@type": "Brand", "name": row["brand"]},
        "color": row["color"],
        "size": row["size"],
        "material": row["material"],
        "image": row["image_link"],
        "inProductGroupWithID": row["item_group_id"],
        "offers": {
            "@type": "Offer",
            "url": row["link"],
            "price": amount,
            "priceCurrency": currency,
            "availability": "https://schema.org/" + ("InStock" if row["availability"] == "in_stock" else "OutOfStock"),
            "inventoryLevel": {"@type": "QuantitativeValue", "value": int(row[_NAMES["stock"]])},
        },
    }
    return {name: value for name, value in product.items() if value}


def take(shop: Ports, path: Path, now: int, terms: Terms = UPDATE) -> Summary:
    """Import the catalog in `path` as what it is recognised as."""
    name, table = opened(path, "catalog")
    return import_catalog(shop, table, catalog_mapping(table), now, terms=terms)._replace(format=name)
