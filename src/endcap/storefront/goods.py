"""The shop's items as pages show them: titles, prices, stock and pictures from facts, and what stands in a category.

Knows the open floor at one instant; no visitor, no list, no markup.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np

from endcap.domain.arrays import Rows
from endcap.domain.ids import ItemKey
from endcap.domain.money import major_units
from endcap.serving import Floor
from endcap.state import ATTRIBUTES, NEVER, Shelf
from endcap.storefront.pictures import Look

FEW: Final = 5
"""Of so few pieces a page says how many are left."""
REMEMBERED: Final = 10_000
"""Products that are kept as they were put together."""
SIGNS: Final = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "PLN": "zł"}
Order = Literal["recommended", "newest", "price", "-price"]


class Product(NamedTuple):
    """One item. `usual` is the struck price where it is reduced, else empty; amounts are written for reading."""

    id: str
    row: int
    title: str
    brand: str
    path: tuple[str, ...]
    price: str
    usual: str
    stock: str
    available: bool
    image: str

    @property
    def address(self) -> str:
        """Of its page."""
        return f"/p/{quote(self.id, safe='')}"


class Branch(NamedTuple):
    """A category within another: its path, and how many things it has to sell."""

    path: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Window:
    """What the shop has at `at` (ms UTC)."""

    floor: Floor
    at: int

    def row(self, item_id: str) -> int | None:
        """The row of an item that the shop knows and lists."""
        row = self.floor.rows.find(ItemKey("item", item_id))
        return row if row is not None and row < len(self.floor.shelf) and self.floor.shelf.listed[row] else None

    def products(self, rows: Iterable[int]) -> list[Product]:
        """The items of `rows`, in their order."""
        wanted = np.array(list(rows), np.int32)
        prices = self.floor.shelf.prices(wanted, self.at).tolist()
        return [self._product(row, price) for row, price in zip(wanted.tolist(), prices, strict=True)]

    def named(self, ids: Iterable[str]) -> list[Product]:
        """The items of `ids` that the shop lists, in their order."""
        found = (self.row(item) for item in ids)
        return self.products(row for row in found if row is not None)

    def _product(self, row: int, price: int) -> Product:
        shelf, text = self.floor.shelf, self.floor.texts.get(row)
        return _known(
            row,
            self.floor.rows.key(row).id,
            (text.get("title", ""), text.get("image_link", ""), self.attribute(row, "color")),
            (shelf.brands.values[shelf.brand[row]], shelf.categories.values[shelf.category[row]]),
            (price, int(shelf.price[row]), self.floor.ground.currency),
            (int(shelf.stock[row]), bool(shelf.available[row])),
        )

    def look(self, row: int, key: str, title: str) -> Look:
        """What the drawn picture of an item is made from."""
        path = self.floor.shelf.categories.values[self.floor.shelf.category[row]]
        return Look(key, " > ".join(path), title, self.attribute(row, "color"))

    def attribute(self, row: int, name: str) -> str:
        """What the feed tells of `row` under `name`, empty where nothing."""
        kept = self.floor.shelf.attributes.get(name)
        return kept.names.values[kept.codes[row]] if kept is not None else ""

    def facts(self, row: int) -> list[tuple[str, str]]:
        """Every attribute that the feed tells of `row`, by name, but for the shop's own labels."""
        names = sorted(name for name in ATTRIBUTES if not name.startswith("custom_"))
        told = [(name.replace("_", " ").capitalize(), self.attribute(row, name)) for name in names]
        return [fact for fact in told if fact[1]]

    def money(self, minor: int) -> str:
        """An amount as it is written in English, empty where it is unknown."""
        return _written(minor, self.floor.ground.currency)

    def variants(self, row: int) -> list[int]:
        """The listed rows of the group of `row`, itself among them."""
        shelf = self.floor.shelf
        return [each for each in shelf.variants(int(shelf.group[row])) if shelf.listed[each]] or [row]

    def departments(self) -> list[Branch]:
        """The first level of categories, the largest first."""
        return self.branches(())

    def branches(self, path: tuple[str, ...]) -> list[Branch]:
        """The categories one level below `path` that have something to sell, the largest first."""
        shelf, depth = self.floor.shelf, len(path)
        sizes = np.bincount(shelf.category[_sold(shelf)], minlength=len(shelf.categories.values))
        found: dict[tuple[str, ...], int] = {}
        for code in np.flatnonzero(sizes).tolist():
            whole = shelf.categories.values[code]
            if len(whole) > depth and whole[:depth] == path:
                found[whole[: depth + 1]] = found.get(whole[: depth + 1], 0) + int(sizes[code])
        return [Branch(*each) for each in sorted(found.items(), key=lambda each: (-each[1], each[0]))]

    def stars(self, branches: Sequence[Branch]) -> list[Product]:
        """Of each category of the first level the product that sells best now."""
        shelf, sold = self.floor.shelf, _sold(self.floor.shelf)
        numbers = {branch.path: number for number, branch in enumerate(branches)}
        first = np.array([numbers.get(whole[:1], -1) for whole in shelf.categories.values], np.int64)
        under, trend = first[shelf.category[sold]], shelf.daily[:, sold].sum(axis=0)
        best = [int(sold[np.where(under == number, trend, -1).argmax()]) for number in numbers.values()]
        return self.products(self.shown(best))

    def shelves(self, path: tuple[str, ...], order: Order) -> Rows:
        """The group rows sold under `path` in an order that is the same for everybody; "recommended" is what sells."""
        shelf, values = self.floor.shelf, self.floor.shelf.categories.values
        under = np.array([whole[: len(path)] == path for whole in values], np.bool_)
        sold = _sold(self.floor.shelf)
        rows = sold[under[shelf.category[sold]]]
        if order == "newest":
            keys = -np.where(shelf.born[rows] == NEVER, 0, shelf.born[rows])
        elif order == "recommended":
            keys = -shelf.daily[:, rows].sum(axis=0, dtype=np.int64)
        else:
            prices = shelf.prices(rows, self.at)
            keys = np.where(prices < 0, NEVER, prices if order == "price" else -prices)
        return rows[np.lexsort((rows, keys))]

    def shown(self, groups: Sequence[int]) -> list[int]:
        """For each group the variant that is shown: the first that is there."""
        shelf = self.floor.shelf
        return [next((each for each in shelf.variants(row) if shelf.available[each]), row) for row in groups]


@lru_cache(maxsize=REMEMBERED)
def _known(  # noqa: PLR0913 - all that a product is made from
    row: int, key: str, texts: tuple[str, str, str], places: tuple[str, tuple[str, ...]],
    prices: tuple[int, int, str], stock: tuple[int, bool],
) -> Product:  # fmt: skip
    """The product: the same few are shown again and again."""
    (title, link, color), (brand, path), (price, usual, currency), (pieces, available) = texts, places, prices, stock
    return Product(
        id=key,
        row=row,
        title=title or key,
        brand=brand,
        path=path,
        price=_written(price, currency),
        usual=_written(usual, currency) if 0 <= price < usual else "",
        stock=stock_words(pieces),
        available=available,
        image=link if _leads_somewhere(link) else _drawn_at(Look(key, " > ".join(path), title, color)),
    )


def _written(minor: int, currency: str) -> str:
    if minor < 0:
        return ""
    whole, point, part = major_units(minor, currency).partition(".")
    amount = f"{int(whole):,}{point}{part}"
    return f"{SIGNS[currency]}{amount}" if currency in SIGNS else f"{amount} {currency}"


def _leads_somewhere(link: str) -> bool:
    """Whether a picture can be asked for at `link`.

    >>> [_leads_somewhere(link) for link in ("https://cdn.shop/7.jpg", "https://shop.example/7.jpg", "https://[7.jpg")]
    [True, False, False]
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # a bracket that begins no address
        return False
    return parts.scheme == "https" and not (parts.hostname or "").endswith(".example")


def _drawn_at(look: Look) -> str:
    """The address of a drawn picture, another one for what looks otherwise."""
    version = hashlib.blake2b("\0".join(look).encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"/pictures/{quote(look.item_id, safe='')}.svg?v={version}"


def stock_words(stock: int) -> str:
    """What the stock is in words, from the fact alone.

    >>> stock_words(0), stock_words(3), stock_words(40), stock_words(-1)
    ('Out of stock', 'Only 3 left', 'In stock', '')
    """
    if stock < 0:
        return ""
    return "Out of stock" if stock == 0 else f"Only {stock} left" if stock <= FEW else "In stock"


def category_address(path: Sequence[str]) -> str:
    """The page of a category.

    >>> category_address(("Home", "Bath & towels"))
    '/c/Home/Bath%20%26%20towels'
    """
    return "/c/" + "/".join(quote(name, safe="") for name in path)


def category_filter(path: Sequence[str]) -> str:
    """A filter for what stands in the category `path` or below it.

    >>> category_filter(("Kids", "Toys & games"))
    "category = 'Kids > Toys & games' OR starts_with(category, 'Kids > Toys & games > ')"
    """
    whole = " > ".join(path).replace("'", "''")
    return f"category = '{whole}' OR starts_with(category, '{whole} > ')"


def _sold(shelf: Shelf) -> Rows:
    """Groups, and items without one, that may be sold."""
    rows = np.flatnonzero(shelf.available[: len(shelf)]).astype(np.int32)
    groups: Rows = rows[shelf.group[rows] == rows]
    return groups
