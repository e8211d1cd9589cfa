"""The catalogue as its shoppers see it: one entry a product, with what it resembles, its price level and popularity.

Read from the feed alone, so that whatever shoppers like about a product can be read from the feed by others too; only
popularity and style, which no feed shows, are drawn.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import polars as pl
from numpy.random import Generator

from endcap.domain.arrays import Bools, Floats, Ints, Millis
from endcap.simulation.assortment import Leaf, leaves, words_of

STYLES: Final = 8
"""Dimensions of what people see in a product and no text tells."""
NEW_DAYS: Final = 14
SHARED: Final = 8
"""A word that fewer products have in their titles is a name; it does not make them alike."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One item that can be put into a cart."""

    id: str
    color: str
    size: str
    price: float
    stock: int


@dataclass(frozen=True, slots=True)
class Range:
    """All products, in the order of the feed; arrays have one entry (or row) a product.

    `words` float32 [products, vocabulary], rows of unit length (or 0); `style` float32 [products,
    STYLES]; `level` the logarithm of the price against its leaf, standardised; `added` ms UTC.
    `device` numbers what the product is or is made for, -1 where it has to do with none; `accessory`: made for one.
    """

    leaves: tuple[Leaf, ...]
    variants: tuple[tuple[Variant, ...], ...]
    leaf: Ints
    words: Floats
    style: Floats
    level: Floats
    appeal: Floats
    added: Millis
    device: Ints
    accessory: Bools
    in_leaf: tuple[Ints, ...]

    def likeness(self, product: int, others: Ints) -> Floats:
        """How much each of `others` reads like `product`, in [0, 1]; less 1 where it is made for another device."""
        like = self.words[others] @ self.words[product]
        misfit = self.accessory[others] & (self.device[others] != self.device[product]) & (self.device[product] >= 0)
        return np.asarray(like - misfit, np.float32)

    def leaf_at(self, path: str) -> int:
        """The number of the leaf with this path."""
        return next(number for number, leaf in enumerate(self.leaves) if leaf.path == path)


def stocked(feed: pl.DataFrame, rng: Generator) -> Range:
    """The range that `feed` (columns as `catalog` gives them) offers."""
    products = feed.with_columns(product=pl.col("id").str.split("-").list.first()).partition_by(
        "product", maintain_order=True
    )
    first = pl.concat([product.head(1) for product in products])
    paths = {leaf.path: number for number, leaf in enumerate(leaves())}
    leaf = np.array([paths[path] for path in first["product_type"]], np.int64)
    price = np.log(first["price"].str.split(" ").list.first().cast(pl.Float64).to_numpy())
    in_leaf = tuple(np.flatnonzero(leaf == number) for number in range(len(paths)))
    level = np.zeros(len(leaf), np.float32)
    for members in in_leaf:
        level[members] = (price[members] - price[members].mean()) / (price[members].std() + 0.1) if len(members) else 0
    return Range(
        leaves=leaves(),
        variants=tuple(_variants(product) for product in products),
        leaf=leaf,
        words=_words(first),
        style=rng.normal(size=(len(leaf), STYLES)).astype(np.float32),
        level=level,
        appeal=rng.normal(0, 1.1, len(leaf)).astype(np.float32),
        added=first["added"].dt.epoch("ms").to_numpy(),
        device=np.array([_device(title) for title in first["title"]], np.int64),
        accessory=np.array([bool(leaves()[number].fits) for number in leaf]),
        in_leaf=in_leaf,
    )


def _variants(product: pl.DataFrame) -> tuple[Variant, ...]:
    return tuple(
        Variant(row["id"], row["color"], row["size"], float(row["price"].split()[0]), row["stock"])
        for row in product.iter_rows(named=True)
    )


@cache
def _devices() -> list[str]:
    """All that accessories are made for; longer names first, since one may begin another."""
    names = {word.words for leaf in leaves() if leaf.fits for word in leaf.slots[leaf.fits]}
    return sorted(names, key=lambda name: (-len(name), name))


def _device(title: str) -> int:
    return next((number for number, name in enumerate(_devices()) if name in title), -1)


def _words(first: pl.DataFrame) -> Floats:
    titles = [
        {f"brand {brand}", *words_of(title.removesuffix(f", {size}").removesuffix(f", {color}"))}
        for title, brand, color, size in first.select("title", "brand", "color", "size").iter_rows()
    ]
    vocabulary = {word: place for place, word in enumerate(sorted(set().union(*titles)))}
    incidence = np.zeros((len(titles), len(vocabulary)), np.float32)
    for row, title in enumerate(titles):
        incidence[row, [vocabulary[word] for word in title]] = 1
    telling = incidence[:, incidence.sum(axis=0) >= SHARED]
    return np.asarray(telling / np.maximum(np.linalg.norm(telling, axis=1, keepdims=True), 1), np.float32)
