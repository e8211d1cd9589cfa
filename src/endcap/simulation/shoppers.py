"""Who comes to the simulated shop: people with habits, tastes, a purse and a region. Not what they do there."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.random import Generator, Philox

from endcap.domain.arrays import Doubles
from endcap.simulation.assortment import COLOURS, SIZES, leaves
from endcap.simulation.range import STYLES

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
"""Groups within a persona whose members like the same styles."""
REGIONS: Final = {"DE": 0.55, "AT": 0.15, "NL": 0.12, "CH": 0.1, "DK": 0.08}
LEANING: Final = {
    "AT": {"Outdoor > Hiking": 2.0},
    "CH": {"Outdoor > Camping": 1.8, "Home > Pantry": 1.4},
    "NL": {"Outdoor > Cycling": 3.0},
    "DK": {"Home > Living": 2.0, "Home > Kitchen": 1.4},
}
"""What people of a region are more often after than others."""
DEVICES: Final = {"mobile": 0.62, "desktop": 0.33, "tablet": 0.05}
ACCOUNT_SHARE: Final = 0.45
NEWCOMER_SHARE: Final = 0.2
PARENT_SHARE: Final = 0.3
"""Share of the others, beside parents, who have children to shop for."""
FOR_KIDS: Final = 0.25
"""Share of what these come for that is for the children."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """One person. `habit` float64 [leaves] sums to 1; `taste` float64 [STYLES] and `purse` are what their names say.

    `user` is empty for people without an account; `visits` counts sessions, refills apart. `number` tells people of a
    shop apart; nobody else knows it.
    """

    number: int
    visitor: str
    user: str
    region: str
    device: str
    visits: int
    children: bool
    habit: Doubles
    taste: Doubles
    purse: float
    colours: frozenset[str]
    sizes: frozenset[str]


def shopper(seed: int, number: int) -> Shopper:
    """The person `number` of the shop `seed`: the same, however many others there are."""
    rng = Generator(Philox([seed, 4, number]))
    persona, second, circle = (int(rng.integers(count)) for count in (len(PERSONAS), len(PERSONAS), CIRCLES))
    table = _interests()
    mixed = (0.78 * table[persona] + 0.17 * table[second] + 0.05 / len(leaves())) * rng.gamma(1.5, size=len(leaves()))
    newcomer = rng.random() < NEWCOMER_SHARE
    account = rng.random() < (0.1 if newcomer else ACCOUNT_SHARE)
    visits = 1 if newcomer else 1 + int(rng.negative_binomial(1.2, 0.3))
    own = rng.normal(size=STYLES)
    children = list(PERSONAS)[persona] == "parent" or rng.random() < PARENT_SHARE
    if children:
        mixed = (1 - FOR_KIDS) * mixed / mixed.sum() + FOR_KIDS * _for_kids() @ mixed / (_for_kids() @ mixed).sum()
    return Shopper(
        number=number,
        visitor=f"v-{int(rng.integers(1 << 40)):010x}",
        user=f"u{20_001 + number}" if account else "",
        region=_drawn(REGIONS, rng),
        device=_drawn(DEVICES, rng),
        visits=visits,
        children=children,
        habit=mixed / mixed.sum(),
        taste=0.9 * _circle(seed, persona, circle) + 0.5 * own,
        purse=float(rng.normal(0, 0.9)),
        colours=frozenset(_palette()[place] for place in rng.choice(len(_palette()), size=8, replace=False)),
        sizes=frozenset(sizes[int(rng.integers(len(sizes)))] for sizes in SIZES.values() if sizes),
    )


@cache
def by_path(interests: tuple[tuple[str, float], ...], other: float) -> Doubles:
    """A number for each leaf, float64 [leaves]: that of the path it begins with, the largest of several."""
    told = [[value for prefix, value in interests if leaf.path.startswith(prefix)] for leaf in leaves()]
    return np.array([max(values, default=other) for values in told])


@cache
def _interests() -> Doubles:
    table = np.array([by_path(tuple(interests.items()), 0) for interests in PERSONAS.values()])
    return np.asarray(table / table.sum(axis=1, keepdims=True))


@cache
def _for_kids() -> Doubles:
    """What one likes for oneself as what one likes for the children: float64 [leaves, leaves].

    Theirs count as they are, and those of `Kids > X` share what is felt for all of `X`: who camps, camps with the kids.
    """
    paths = [leaf.path.split(" > ") for leaf in leaves()]
    alike = Counter(path[1] for path in paths if path[0] == "Kids")
    shares = [
        [float(kids is own) + (kids[1] == own[0]) / alike[kids[1]] if kids[0] == "Kids" else 0.0 for own in paths]
        for kids in paths
    ]
    return np.array(shares)


@cache
def _circle(seed: int, persona: int, circle: int) -> Doubles:
    return Generator(Philox([seed, 5, persona, circle])).normal(size=STYLES)


@cache
def _palette() -> tuple[str, ...]:
    return tuple(sorted({colour for names in COLOURS.values() for colour in names}))


def _drawn(shares: dict[str, float], rng: Generator) -> str:
    return list(shares)[int(np.searchsorted(np.cumsum(list(shares.values())), rng.random()))]
