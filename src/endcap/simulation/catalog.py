"""The simulated shop's catalogue: products from the grammar, and a feed of them with Google Merchant attribute names.

The feed tells what a shop would know as it lists an item; prices reduced and stock run out follow as changes.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.random import Generator, Philox

from endcap.domain.instants import DAY, HOUR, MINUTE, SECOND, millis
from endcap.domain.money import major_units
from endcap.simulation.assortment import Draft, Leaf, compose, leaves
from endcap.simulation.effects import Effects

CURRENCY = "EUR"
NEW_SHARE = 0.22
"""Share of the products that arrive within the last third of the period."""
SOLD_OUT_SHARE = 0.03
"""Share of the items that are sold out from the start."""
REDUCED_SHARE = 0.15
RAN_OUT_SHARE = 0.08
"""Shares of the products whose price is reduced, or whose stock runs out, for some days of the period."""
_AT_ONCE = 50_000
_TRIES = 3
"""After so many titles that were there before, a product gets a title that says which edition it is."""


class Period(NamedTuple):
    """The days that the shop's history covers: [end - days, end)."""

    end: datetime
    days: int = 90

    @property
    def start(self) -> datetime:
        """The first instant."""
        return self.end - timedelta(days=self.days)


class Span(NamedTuple):
    """From one instant to another (ms UTC); none where they are equal."""

    begins: int
    ends: int


class Product(NamedTuple):
    """What the shop sells. `variants` are colour, size and stock; `price` and `reduced` are cents.

    `added` is when the shop began to sell it (ms UTC), `sale` when it costs `reduced`, `out` when no variant is there.
    """

    number: int
    leaf: int
    draft: Draft
    variants: tuple[tuple[str, str, int], ...]
    added: int
    reduced: int
    sale: Span
    out: Span

    def item(self, place: int) -> str:
        """The merchant id of the variant at `place`."""
        return f"{self.number}-{place + 1}" if len(self.variants) > 1 else str(self.number)

    def price(self, at: int) -> int:
        """Cents a piece at `at` (ms UTC)."""
        return self.reduced if self.sale.begins <= at < self.sale.ends else self.draft.price


def catalog(seed: int, items: int, period: Period, effects: Effects) -> tuple[Product, ...]:
    """Products with `items` variants in all, oldest first."""
    rng = Generator(Philox([seed, 1]))
    assortment = leaves()
    shares = np.cumsum([leaf.share for leaf in assortment])
    drawn: list[Product] = []
    editions: Counter[str] = Counter()
    rows = 0
    while rows < items:
        number = int(np.searchsorted(shares, rng.random() * shares[-1]))
        draft = _new(assortment[number], editions, rng)
        variants = _variants(assortment[number], rng)[: items - rows]
        added = _added(period, rng) if effects.novelty else millis(period.start) - DAY
        sale = _span(period, rng, REDUCED_SHARE * effects.promotion, (4, 15))
        out = _span(period, rng, RAN_OUT_SHARE * effects.stock, (3, 11))
        reduced = round(draft.price * (0.9, 0.8, 0.7)[int(np.searchsorted([0.3, 0.75], rng.random()))])
        drawn.append(Product(0, number, draft, _stocked(variants, rng, effects), added, reduced, sale, out))
        rows += len(variants)
    drawn.sort(key=lambda product: product.added)
    return tuple(product._replace(number=number) for number, product in enumerate(drawn, 10_001))


def feed(products: tuple[Product, ...]) -> pl.DataFrame:
    """One row an item as it was listed, oldest products first; `time` is when the shop began to sell it.

    Columns: id, item_group_id (empty for a product without variants), title, description, link, image_link,
    product_type ("A > B > C"), brand, material, price ("12.99 EUR"), sale_price, sale_start, sale_end, availability,
    stock, color, size, time (UTC).
    """
    return _table(products, lambda product: iter([(product.added, False, False)]))


def changes(products: tuple[Product, ...], period: Period) -> pl.DataFrame:
    """What happens to items within the period, by time: a sale begins, stock runs out, stock is back; as `feed`."""
    end = millis(period.end)
    told = _table(products, lambda product: (moment for moment in _later(product) if moment[0] < end))
    return told.sort("time", maintain_order=True)


def _later(product: Product) -> Iterator[tuple[int, bool, bool]]:
    """Instants at which something changes, each with: on sale, sold out."""
    instants = {span.begins for span in (product.sale, product.out) if span.begins < span.ends}
    if product.out.begins < product.out.ends:
        instants.add(product.out.ends)
    for at in sorted(instants):
        if at > product.added:
            yield at, product.sale.begins <= at < product.sale.ends, product.out.begins <= at < product.out.ends


def _new(leaf: Leaf, editions: Counter[str], rng: Generator) -> Draft:
    """A draft with a title that no other has; `editions` counts those of each title."""
    drafts = (compose(leaf, rng) for _ in range(_TRIES))
    draft = next((draft for draft in drafts if draft.title not in editions), None) or compose(leaf, rng)
    editions[draft.title] += 1
    edition = editions[draft.title]
    return draft if edition == 1 else draft._replace(title=f"{draft.title}, edition {edition}")


def _variants(leaf: Leaf, rng: Generator) -> list[tuple[str, str]]:
    """Colour and size of each variant; one pair where the product has none."""
    colours, sizes = [""], [""]
    if leaf.colours:
        some = rng.permutation(len(leaf.colours))[: 1 + int(np.searchsorted([0.6, 0.9], rng.random()))]
        colours = [leaf.colours[place] for place in some]
    if leaf.sizes:
        width = min(len(leaf.sizes), int(rng.integers(2, 5)))
        first = int(rng.integers(len(leaf.sizes) - width + 1))
        sizes = list(leaf.sizes[first : first + width])
    return [(colour, size) for colour in colours for size in sizes]


def _stocked(variants: list[tuple[str, str]], rng: Generator, effects: Effects) -> tuple[tuple[str, str, int], ...]:
    missing = rng.random(len(variants)) < SOLD_OUT_SHARE * effects.stock
    stock = np.where(missing, 0, 1 + rng.geometric(0.04, len(variants)))
    return tuple((colour, size, int(there)) for (colour, size), there in zip(variants, stock, strict=True))


def _added(period: Period, rng: Generator) -> int:
    """New products come day by day within the last third of the period; the others were there before it."""
    if rng.random() < NEW_SHARE:
        days = period.days - int(rng.integers(1, max(2, period.days // 3)))
    else:
        days = -1 - int(rng.exponential(300))
    return millis(period.start) + days * DAY + 8 * HOUR + int(rng.integers(60)) * MINUTE


def _span(period: Period, rng: Generator, share: float, days: tuple[int, int]) -> Span:
    """Some days of the period, for a `share` of the products."""
    begins = millis(period.start) + int(rng.integers(period.days)) * DAY + 6 * HOUR
    length = int(rng.integers(*days)) * DAY
    return Span(begins, begins + length if rng.random() < share else begins)


def _table(
    products: tuple[Product, ...], moments: Callable[[Product], Iterator[tuple[int, bool, bool]]]
) -> pl.DataFrame:
    rows = (row for product in products for at, sale, out in moments(product) for row in _rows(product, at, sale, out))
    parts = [pl.DataFrame(schema=_SCHEMA)]
    while some := list(islice(rows, _AT_ONCE)):
        parts.append(pl.DataFrame(some, schema=_SCHEMA, orient="row"))
    return pl.concat(parts)


_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(
        "id item_group_id title description link image_link product_type brand material price sale_price".split(),
        pl.String,
    ),
    **dict.fromkeys(("sale_start", "sale_end"), pl.Datetime("ms", "UTC")),
    "availability": pl.String,
    "stock": pl.Int64,
    "color": pl.String,
    "size": pl.String,
    "time": pl.Datetime("ms", "UTC"),
}


def _rows(product: Product, at: int, sale: bool, out: bool) -> Iterator[tuple[object, ...]]:
    draft = product.draft
    for place, (colour, size, known) in enumerate(product.variants):
        item, stock = product.item(place), 0 if out else known
        yield (
            item,
            str(product.number) if len(product.variants) > 1 else "",
            ", ".join(filter(None, (draft.title, colour, size))),
            draft.description,
            f"https://shop.example/p/{item}",
            f"https://shop.example/pictures/{item}.svg",
            leaves()[product.leaf].path,
            draft.brand,
            draft.material,
            _money(draft.price),
            _money(product.reduced) if sale else "",
            _instant(product.sale.begins) if sale else None,
            _instant(product.sale.ends) if sale else None,
            "in_stock" if stock else "out_of_stock",
            stock,
            colour,
            size,
            _instant(at),
        )


def _money(cents: int) -> str:
    return f"{major_units(cents, CURRENCY)} {CURRENCY}"


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
