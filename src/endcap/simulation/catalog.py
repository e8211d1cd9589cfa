"""The demo shop's catalogue as a product feed with Google Merchant attribute names, variants and new arrivals."""

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.random import Generator, Philox

from endcap.domain.money import major_units
from endcap.simulation.assortment import Draft, Leaf, compose, leaves

CURRENCY = "EUR"
NEW_SHARE = 0.22
"""Share of the products that arrive within the last third of the period."""
SOLD_OUT_SHARE = 0.03


class Period(NamedTuple):
    """The days that the shop's history covers: [end - days, end)."""

    end: datetime
    days: int = 90

    @property
    def start(self) -> datetime:
        """The first instant."""
        return self.end - timedelta(days=self.days)


class _Product(NamedTuple):
    leaf: Leaf
    draft: Draft
    variants: list[tuple[str, str]]
    added: datetime


def catalog(seed: int, items: int, period: Period) -> pl.DataFrame:
    """About `items` rows, one an item, oldest products first; `added` is when the shop began to sell it.

    Columns: id, item_group_id (empty for a product without variants), title, description, link, product_type ("A > B >
    C"), brand, price ("12.99 EUR"), availability, stock, color, size, added (UTC).
    """
    rng = Generator(Philox([seed, 1]))
    products = sorted(_products(items, period, rng), key=lambda product: product.added)
    rows = [row for number, product in enumerate(products, 10_001) for row in _rows(number, product, rng)]
    return pl.DataFrame(rows, orient="row")


def _products(items: int, period: Period, rng: Generator) -> list[_Product]:
    assortment = leaves()
    shares = np.array([leaf.share for leaf in assortment])
    products: list[_Product] = []
    titles: set[str] = set()
    rows = 0
    while rows < items:
        leaf = assortment[int(rng.choice(len(assortment), p=shares / shares.sum()))]
        draft = compose(leaf, rng)
        if draft.title in titles:
            continue
        titles.add(draft.title)
        products.append(_Product(leaf, draft, _variants(leaf, rng)[: items - rows], _added(period, rng)))
        rows += len(products[-1].variants)
    return products


def _variants(leaf: Leaf, rng: Generator) -> list[tuple[str, str]]:
    """Colour and size of each variant; one pair where the product has none."""
    colours, sizes = [""], [""]
    if leaf.colours:
        some = rng.permutation(leaf.colours)[: int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))]
        colours = [str(colour) for colour in some]
    if leaf.sizes:
        width = min(len(leaf.sizes), int(rng.integers(2, 5)))
        first = int(rng.integers(len(leaf.sizes) - width + 1))
        sizes = list(leaf.sizes[first : first + width])
    return [(colour, size) for colour in colours for size in sizes]


def _added(period: Period, rng: Generator) -> datetime:
    """New products come day by day within the last third of the period; the others were there before it."""
    if rng.random() < NEW_SHARE:
        moment = period.end - timedelta(days=int(rng.integers(1, period.days // 3)))
    else:
        moment = period.start - timedelta(days=1 + float(rng.exponential(300)))
    return moment.replace(hour=8, minute=int(rng.integers(60)), second=0, microsecond=0)


def _rows(number: int, product: _Product, rng: Generator) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for place, (colour, size) in enumerate(product.variants, 1):
        item = f"{number}-{place}" if len(product.variants) > 1 else str(number)
        stock = 0 if rng.random() < SOLD_OUT_SHARE else 1 + int(rng.geometric(0.04))
        rows.append(
            {
                "id": item,
                "item_group_id": str(number) if len(product.variants) > 1 else "",
                "title": ", ".join(filter(None, (product.draft.title, colour, size))),
                "description": product.draft.description,
                "link": f"https://shop.example/p/{item}",
                "product_type": product.leaf.path,
                "brand": product.draft.brand,
                "price": f"{major_units(product.draft.price, CURRENCY)} {CURRENCY}",
                "availability": "in_stock" if stock else "out_of_stock",
                "stock": stock,
                "color": colour,
                "size": size,
                "added": product.added,
            }
        )
    return rows
