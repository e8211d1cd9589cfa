"""Who comes to the demo shop: people with habits, tastes, a purse and a region. Not what they do there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from endcap.domain.arrays import Floats
from endcap.simulation.assortment import COLOURS, SIZES
from endcap.simulation.range import STYLES, Range

PERSONAS: Final[dict[str, dict[str, float]]] = {
    "camper": {"Outdoor > Camping": 6, "Outdoor > Hiking": 3, "Fashion > Underwear": 0.5},
    "hiker": {"Outdoor > Hiking": 6, "Outdoor > Camping": 1.5, "Fashion > Underwear": 1, "Electronics > Wearables": 1},
    "cyclist": {"Outdoor > Cycling": 7, "Outdoor > Hiking": 1, "Electronics > Wearables": 1},
    "parent": {"Kids": 5, "Home > Household": 2, "Home > Pantry": 0.5},
    "grandparent": {"Kids > Toys": 5, "Kids > Clothing": 2, "Home > Living": 1, "Home > Pantry": 1},
    "cook": {"Home > Kitchen": 5, "Home > Pantry": 3, "Home > Household": 1},
    "nester": {"Home > Living": 4, "Home > Bedroom": 4, "Home > Bath": 3, "Home > Household": 0.5},
    "wardrobe": {"Fashion > Women": 5, "Fashion > Shoes": 2, "Fashion > Accessories": 3},
    "gentleman": {"Fashion > Men": 5, "Fashion > Shoes": 2, "Fashion > Underwear": 1, "Fashion > Accessories": 0.5},
    "gadgeteer": {"Electronics > Phones": 4, "Electronics > Audio": 3, "Electronics > Wearables": 2},
    "commuter": {"Electronics > Audio": 2, "Outdoor > Cycling": 3, "Electronics > Phones": 2, "Fashion > Shoes": 1},
    "home office": {"Electronics > Office": 4, "Home > Pantry": 3, "Electronics > Phones": 1, "Home > Living": 1},
}
CIRCLES: Final = 4
"""Groups within a persona whose members like the same styles, brands and words."""
REGIONS: Final = {"DE": 0.55, "AT": 0.15, "NL": 0.12, "CH": 0.1, "DK": 0.08}
LEANING: Final = {
    "AT": {"Outdoor > Hiking": 2.0},
    "CH": {"Outdoor > Camping": 1.8, "Home > Pantry": 1.4},
    "NL": {"Outdoor > Cycling": 3.0},
    "DK": {"Home > Living": 2.0, "Home > Kitchen": 1.4},
}
ACCOUNT_SHARE: Final = 0.45
NEWCOMER_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Shopper:
    """One person. `habit` [leaves] sums to 1, `liking` [products] adds to the logarithm of a product's odds.

    `user` is empty for people without an account; `visits` counts sessions, refills apart.
    """

    visitor: str
    user: str
    region: str
    visits: int
    habit: Floats
    liking: Floats
    colours: frozenset[str]
    sizes: frozenset[str]


def population(count: int, stock: Range, rng: Generator) -> list[Shopper]:
    """`count` people who do not know each other but have things in common."""
    personas = rng.integers(len(PERSONAS), size=count)
    circles = personas * CIRCLES + rng.integers(CIRCLES, size=count)
    regions = rng.choice(list(REGIONS), size=count, p=list(REGIONS.values()))
    liking = _liking(circles, stock, rng)
    habit = _habit(personas, regions, stock, rng)
    newcomer = rng.random(count) < NEWCOMER_SHARE
    visits = np.where(newcomer, 1, 1 + rng.negative_binomial(1.2, 0.3, size=count))
    account = rng.random(count) < np.where(newcomer, 0.1, ACCOUNT_SHARE)
    palette = sorted({colour for names in COLOURS.values() for colour in names})
    return [
        Shopper(
            visitor=f"v-{int(rng.integers(1 << 40)):010x}",
            user=f"u{20_001 + number}" if account[number] else "",
            region=str(regions[number]),
            visits=int(visits[number]),
            habit=habit[number],
            liking=liking[number],
            colours=frozenset(map(str, rng.choice(palette, size=8, replace=False))),
            sizes=frozenset(str(rng.choice(sizes)) for sizes in SIZES.values() if sizes),
        )
        for number in range(count)
    ]


def _habit(personas: np.ndarray, regions: np.ndarray, stock: Range, rng: Generator) -> Floats:
    paths = [leaf.path for leaf in stock.leaves]

    def weights(interests: dict[str, float]) -> list[float]:
        return [
            max((interests[prefix] for prefix in interests if path.startswith(prefix)), default=0) for path in paths
        ]

    table = np.array([weights(interests) for interests in PERSONAS.values()])
    table /= table.sum(axis=1, keepdims=True)
    second = rng.integers(len(PERSONAS), size=len(personas))
    mixed = 0.78 * table[personas] + 0.17 * table[second] + 0.05 / len(paths)
    leaning = np.array([np.maximum(1, weights(LEANING.get(region, {}))) for region in regions])
    habit = mixed * leaning * rng.gamma(1.5, size=mixed.shape)
    return np.asarray(habit / habit.sum(axis=1, keepdims=True), np.float32)


def _liking(circles: np.ndarray, stock: Range, rng: Generator) -> Floats:
    """Words and style, shared within a circle and own, and the distance of the price from the purse."""
    groups, people = len(PERSONAS) * CIRCLES, len(circles)
    words = rng.normal(size=(groups, stock.words.shape[1])) * 1.3
    style = rng.normal(size=(groups, STYLES)) / np.sqrt(STYLES) * 1.2
    shared = words @ stock.words.T + style @ stock.style.T
    own = (rng.normal(size=(people, STYLES)) / np.sqrt(STYLES) * 0.5) @ stock.style.T
    purse = rng.normal(0, 0.9, size=(people, 1))
    # rounded, so that the last bits, in which processors differ, decide nothing
    return np.asarray(np.round(shared[circles] + own - 0.45 * (stock.level - purse) ** 2, 3), np.float32)
