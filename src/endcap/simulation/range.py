"""The catalogue as its shoppers see it: one entry a product, with latents that no feed, feature or text shows.

A product's style is partly that of its brand and words, so that texts tell something of it, and partly its own.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.random import Generator, Philox

from endcap.domain.arrays import Bools, Doubles, Ints, Millis
from endcap.simulation.assortment import Leaf, leaves
from endcap.simulation.catalog import Product
from endcap.simulation.effects import Effects

STYLES: Final = 8
"""Dimensions of what people see in a product."""
OWN_STYLE: Final = 0.6
"""The part of a style's variance that neither brand nor words tell."""
APPEAL: Final = 0.9
"""Standard deviation of what makes some products please everybody."""


@dataclass(frozen=True, slots=True)
class Range:
    """All products, in the order of the feed; arrays have one entry (or row) a product.

    `style` float64 [products, STYLES], length about 1; `level` the logarithm of the price against its leaf,
    standardised; `appeal` in log-odds; `added` and the bounds of `sale` and `out` int64 [products, 2] in ms UTC;
    `saving` the share of the price that a sale takes off; `missing` where no variant was ever in stock. `device`
    numbers what the product is or is made for, -1 where it has to do with none; `accessory`: made for one. `in_leaf`
    are the products of each leaf; `bond` float64 [leaves, leaves] is 1 where products of the second complete one of
    the first, `aside` where they share a department.
    """

    products: tuple[Product, ...]
    leaf: Ints
    style: Doubles
    level: Doubles
    appeal: Doubles
    added: Millis
    sale: Millis
    saving: Doubles
    out: Millis
    missing: Bools
    device: Ints
    accessory: Bools
    in_leaf: tuple[Ints, ...]
    bond: Doubles
    aside: Doubles

    def likeness(self, product: int, others: Ints) -> Doubles:
        """How much each of `others` looks like `product`, about -1 to 1; 3 less where it is made for another device."""
        like = self.style[others] @ self.style[product]
        misfit = self.accessory[others] & (self.device[others] != self.device[product]) & (self.device[product] >= 0)
        return np.asarray(like - 3 * misfit)

    def leaf_of(self, product: int) -> Leaf:
        """The category of `product`."""
        return leaves()[int(self.leaf[product])]


def stocked(products: tuple[Product, ...], seed: int, effects: Effects) -> Range:
    """What `products` offer; without an effect its latent is 0."""
    rng = Generator(Philox([seed, 2]))
    leaf = np.array([product.leaf for product in products], np.int64)
    price = np.log([product.draft.price for product in products])
    in_leaf = tuple(np.flatnonzero(leaf == number) for number in range(len(leaves())))
    level = np.zeros(len(leaf))
    for members in in_leaf:
        if len(members):
            level[members] = (price[members] - price[members].mean()) / (price[members].std() + 0.1)
    bond, aside = _bonds()
    return Range(
        products=products,
        leaf=leaf,
        style=_styles(products, rng) * effects.taste,
        level=level,
        appeal=rng.normal(0, APPEAL, len(leaf)) * effects.appeal,
        added=np.array([product.added for product in products], np.int64),
        sale=np.array([product.sale for product in products], np.int64),
        saving=np.array([1 - product.reduced / product.draft.price for product in products]),
        out=np.array([product.out for product in products], np.int64),
        missing=np.array([not any(stock for *_, stock in product.variants) for product in products]),
        device=np.array([_device(product.draft.title, product.leaf) for product in products], np.int64),
        accessory=np.array([bool(leaves()[number].fits) for number in leaf]),
        in_leaf=in_leaf,
        bond=bond,
        aside=aside,
    )


def _styles(products: tuple[Product, ...], rng: Generator) -> Doubles:
    own = rng.normal(size=(len(products), STYLES)) * np.sqrt(OWN_STYLE / STYLES)
    told = [np.mean([_style(word) for word in (each.draft.brand, *each.draft.words)], axis=0) for each in products]
    words = np.array([1 + len(each.draft.words) for each in products])[:, None]
    return np.asarray(own + np.array(told) * np.sqrt(words * (1 - OWN_STYLE) / STYLES))


@cache
def _style(word: str) -> Doubles:
    """What a word or brand stands for: the same in every shop."""
    return Generator(Philox([zlib.crc32(word.encode()), 3])).normal(size=STYLES)


def _bonds() -> tuple[Doubles, Doubles]:
    paths = [leaf.path for leaf in leaves()]
    bond = np.array([[float(other in leaf.goes_with) for other in paths] for leaf in leaves()])
    aside = np.array([[float(one.split(" > ")[0] == other.split(" > ")[0]) for other in paths] for one in paths])
    return bond, aside


@cache
def _devices() -> list[tuple[str, int]]:
    """All that accessories are made for, with numbers; longer names first, since one may begin another."""
    names = {word.words for leaf in leaves() if leaf.fits for word in leaf.slots[leaf.fits]}
    return [(name, number) for number, name in enumerate(sorted(names, key=lambda name: (-len(name), name)))]


@cache
def _has_devices(leaf: int) -> bool:
    """Whether products of the leaf are devices or made for one."""
    names = [word.words for values in leaves()[leaf].slots.values() for word in values]
    return any(name in names for name, _ in _devices())


def _device(title: str, leaf: int) -> int:
    return next((number for name, number in _devices() if name in title), -1) if _has_devices(leaf) else -1
