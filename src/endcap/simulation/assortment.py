"""The written grammar behind the demo shop: leaf categories, words for titles, prices. Draws single products from it.

One TOML file a department. A leaf names its `path`, its `share` of the products, `price` (median in EUR before factors,
spread of the logarithm), `brands`, `titles` (patterns over `slots`), `facts` for descriptions, and optionally
`colours` and `sizes` (names below), `goes_with` (paths), `refill_days` (bought again after so long), `gift` (weight),
`season` (the month in which it sells best), `fits` (the slot that names the device it is made for).
A slot's value reads "words | sentence for the description | factor on the price"; the latter two may be left out.
"""

import math
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import numpy as np

DEPARTMENTS: Final = ("fashion", "outdoor", "home", "electronics", "kids")

COLOURS: Final = {
    "": (),
    "plain": ("black", "white", "grey", "navy"),
    "dress": ("navy", "rust", "sage", "black", "dusty pink", "ivory", "cobalt"),
    "knit": ("navy", "oatmeal", "charcoal", "forest green", "burgundy", "mustard", "ecru"),
    "denim": ("indigo", "light blue", "black", "ecru", "olive"),
    "shirt": ("white", "light blue", "navy", "olive", "burgundy", "sand"),
    "trouser": ("sand", "navy", "black", "olive", "stone"),
    "shoe": ("white", "black", "navy", "sage", "sand", "burgundy"),
    "leather": ("black", "cognac", "dark brown", "olive", "burgundy"),
    "tent": ("forest green", "sand", "rust", "slate", "petrol"),
    "boot": ("dark brown", "slate", "black", "olive"),
    "jacket": ("petrol", "black", "mustard", "forest green", "rust", "slate"),
    "phone": ("black", "white", "sage", "midnight blue", "coral"),
    "kitchen": ("black", "white", "brass", "sage", "cream"),
    "home": ("white", "sage", "sand", "terracotta", "slate", "dusty pink", "midnight blue"),
    "kids": ("petrol", "mustard", "berry", "navy", "mint", "coral"),
    "plush": ("grey", "rust", "cream", "mint"),
}
MATERIALS: Final = frozenset({"material", "fabric", "yarn", "texture", "wood", "weave", "denim"})
"""The slots that say what a product is made of."""
MONTHS: Final = tuple("January February March April May June July August September October November December".split())
SIZES: Final = {
    "": (),
    "women": ("XS", "S", "M", "L", "XL"),
    "men": ("S", "M", "L", "XL", "XXL"),
    "unisex": ("XS", "S", "M", "L", "XL"),
    "shoe": ("37", "38", "39", "40", "41", "42", "43", "44", "45"),
    "bed": ("135 × 200 cm", "155 × 220 cm", "200 × 200 cm"),
    "kids": ("86", "92", "98", "104", "110", "116", "122"),
}


class Word(NamedTuple):
    """One value of a slot."""

    words: str
    sentence: str
    factor: float


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf category and how its products are worded and priced; `brands` carry a factor on the price.

    `season` is the month (1 to 12) in which it sells best, 0 where all are alike.
    """

    path: str
    share: float
    price: tuple[float, float]
    brands: dict[str, float]
    brand_from: str
    titles: tuple[str, ...]
    slots: dict[str, tuple[Word, ...]]
    colours: tuple[str, ...]
    sizes: tuple[str, ...]
    facts: tuple[str, ...]
    goes_with: tuple[str, ...]
    refill_days: float
    gift: float
    season: int
    fits: str


class Draft(NamedTuple):
    """A product before it has an id or variants; `price` in cents, `words` are the values of its slots."""

    title: str
    description: str
    brand: str
    material: str
    price: int
    words: tuple[str, ...]


@cache
def leaves() -> tuple[Leaf, ...]:
    """All leaf categories, in the order of the files."""
    files = resources.files("endcap.simulation")
    departments = [tomllib.loads((files / f"{name}.toml").read_text("utf-8")) for name in DEPARTMENTS]
    return tuple(_leaf(table, department["brands"]) for department in departments for table in department["leaf"])


def compose(leaf: Leaf, rng: np.random.Generator) -> Draft:
    """One product of `leaf`: title, description and price agree with each other."""
    pattern = leaf.titles[int(rng.integers(len(leaf.titles)))]
    lines = int(rng.integers(len(leaf.brands)))
    brand = list(leaf.brands)[lines]
    chosen = {}
    for slot, values in leaf.slots.items():
        if f"{{{slot}}}" in pattern:
            own = values[lines :: len(leaf.brands)] if slot == "model" else values  # a model name belongs to one brand
            chosen[slot] = own[int(rng.integers(len(own)))]
    if leaf.brand_from:
        brand = chosen[leaf.brand_from].words.split()[0]
    title = pattern.format(brand=brand, **{slot: word.words for slot, word in chosen.items()})
    first = int(rng.integers(len(leaf.facts)))
    facts = leaf.facts[first], leaf.facts[first - int(rng.integers(1, len(leaf.facts)))]
    median, spread = leaf.price
    factors = math.prod(word.factor for word in chosen.values())
    amount = median * leaf.brands[brand] * factors * math.exp(rng.normal(0, spread / 2))
    return Draft(
        title=title[0].upper() + title[1:],
        description=" ".join([*(word.sentence for word in chosen.values() if word.sentence), *facts]),
        brand=brand,
        material=next((word.words for slot, word in chosen.items() if slot in MATERIALS), ""),
        price=shelf_price(amount, rng.random()),
        words=tuple(word.words for word in chosen.values()),
    )


def shelf_price(amount: float, habit: float) -> int:
    """The cents that a shop writes on the shelf for about `amount` EUR; `habit` in [0, 1) chooses its usual ending.

    >>> [shelf_price(amount, 0.2) for amount in (3.3, 24.6, 83, 187, 612)]
    [349, 2499, 8399, 18900, 60900]
    """
    if amount < 10:
        shelf = [euros * 100 + cents for euros in (int(amount) - 1, int(amount)) for cents in (49, 79, 99)]
        return max(49, min(shelf, key=lambda price: abs(price - amount * 100)))
    if amount < 100:
        return int(amount) * 100 + (99 if habit < 0.6 else 95 if habit < 0.85 else 90)
    return round(amount / 10) * 1000 - 100


def _leaf(table: dict[str, Any], tiers: dict[str, float]) -> Leaf:
    median, spread = table["price"]
    return Leaf(
        path=table["path"],
        share=table["share"],
        price=(median, spread),
        brands={name: tiers[name] for name in table["brands"]},
        brand_from=table.get("brand_from", ""),
        titles=tuple(table["titles"]),
        slots={slot: tuple(map(_word, values)) for slot, values in table["slots"].items()},
        colours=COLOURS[table.get("colours", "")],
        sizes=SIZES[table.get("sizes", "")],
        facts=tuple(table["facts"]),
        goes_with=tuple(table.get("goes_with", ())),
        refill_days=table.get("refill_days", 0),
        gift=table.get("gift", 0.0),
        season=MONTHS.index(table["season"]) + 1 if "season" in table else 0,
        fits=table.get("fits", ""),
    )


def _word(text: str) -> Word:
    words, sentence, factor = (*(part.strip() for part in text.split("|")), "", "")[:3]
    if sentence and re.fullmatch(r"[\d.]+", sentence):
        sentence, factor = "", sentence
    return Word(words, sentence, float(factor or 1))
