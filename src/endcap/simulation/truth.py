"""The truth of a simulated shop: how likely a person who looks at a product clicks it, puts it into the cart, buys it.

Shoppers act by these chances and by nothing else, so what a list was worth can be asked here instead of estimated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from endcap.domain.arrays import Bools, Doubles, Ints
from endcap.domain.instants import DAY, HOUR, day_of
from endcap.simulation.assortment import leaves
from endcap.simulation.effects import Effects
from endcap.simulation.range import Range
from endcap.simulation.shoppers import LEANING, Shopper, by_path

Intent: TypeAlias = Literal["browse", "compare", "set", "gift", "kids", "refill"]

CARTED: Final[dict[Intent, float]] = {
    "browse": -4.0, "compare": -3.8, "set": -3.0, "gift": -3.3, "kids": -3.5, "refill": 3.0,
}  # fmt: skip
"""Log-odds that a product of no special interest, just looked at, goes into the cart."""
ORDERED: Final[dict[Intent, float]] = {
    "browse": 0.4, "compare": 0.5, "set": 0.6, "gift": 0.6, "kids": 0.55, "refill": 0.95,
}  # fmt: skip
"""Chance that a cart becomes an order."""
NEEDED: Final = 1.8
"""What is used up goes into the cart so much more readily, in log-odds."""
KEPT: Final = 0.95
"""Chance that a product stays in the cart."""
SEVERAL: Final = (0.03, 0.3)
"""Chance of each of two more pieces, of what lasts and of what runs out."""
CLICKED: Final = -1.95
"""Log-odds of a click on a product of no special interest of the category that one came for."""
DEPARTMENTS_BY_HOUR: Final = {
    range(8): {"Electronics": 1.5, "Kids": 0.6},
    range(8, 17): {"Electronics": 1.6, "Outdoor": 1.1, "Fashion": 0.7},
    range(17, 24): {"Fashion": 1.4, "Kids": 1.2, "Home": 1.2, "Electronics": 0.6},
}
"""What people are more or less after, by the hour (UTC)."""
NEW_DAYS: Final = 14
_MIDDLE: Final = 15
"""The day of its month on which a season is at its height."""


class Scene(NamedTuple):
    """What a person is about at `at` (ms UTC).

    `leaf` is the category in mind and `aim` the product looked at last, -1 where there is none; `owned` says when each
    product was bought (ms UTC).
    """

    at: int
    intent: Intent
    leaf: int = -1
    aim: int = -1
    referrer: str = "direct"
    owned: Mapping[int, int] = {}


class Gain(NamedTuple):
    """What one look at each of n products is worth: purchases expected, float64 [n], and revenue in minor units."""

    purchases: Doubles
    revenue: Doubles


@dataclass(frozen=True, slots=True)
class Truth:
    """The products, and the effects by which people choose among them."""

    stock: Range
    effects: Effects

    def click(self, shopper: Shopper, scene: Scene, products: Ints) -> Doubles:
        """The chance float64 [n] that a product is clicked by one who looks at it in a list."""
        return _chance(CLICKED + self._interest(shopper, scene, products) + self._fit(shopper, scene, products))

    def cart(self, shopper: Shopper, scene: Scene, products: Ints) -> Doubles:
        """The chance float64 [n] that a product just clicked goes into the cart; 0 where none is in stock."""
        odds = CARTED[scene.intent] + 1.2 * self._interest(shopper, scene, products)
        odds += NEEDED * self._run_out(products)
        return np.asarray(_chance(odds) * ~self.sold_out(scene.at, products))

    def true_gain(self, shopper: Shopper, scene: Scene, products: Ints) -> Gain:
        """What one look at each of `products` int64 [n] brings in this visit: click, cart, order, in a row.

        Revenue is before refunds, at the price of the moment.
        """
        chance = self.click(shopper, scene, products) * self.cart(shopper, scene, products)
        pieces = 1 + 2 * self.several(products)
        purchases = chance * KEPT * ORDERED[scene.intent] * pieces
        cents = np.array([self.stock.products[product].price(scene.at) for product in products])
        return Gain(purchases, purchases * cents)

    def several(self, products: Ints) -> Doubles:
        """The chance float64 [n] of each of two more pieces."""
        return np.where(self._run_out(products), SEVERAL[1], SEVERAL[0])

    def sold_out(self, at: int, products: Ints) -> Bools:
        """Whether no variant of a product is there, bool [n]."""
        out = self.stock.out[products]
        return np.asarray(self.stock.missing[products] | (out[:, 0] <= at) & (at < out[:, 1]))

    def leaf_odds(self, shopper: Shopper, at: int) -> Doubles:
        """How likely each category float64 [leaves] is what the person comes for at `at`; sums to 1."""
        odds = np.log(shopper.habit) if self.effects.habit else np.zeros(len(leaves()))
        odds = odds + self._seasons(at)
        if self.effects.context:
            odds = odds + np.log(_by_hour(at // HOUR % 24) * _by_region(shopper.region))
        chance = np.exp(odds - odds.max())
        return np.asarray(chance / chance.sum())

    def _interest(self, shopper: Shopper, scene: Scene, products: Ints) -> Doubles:
        """What the person finds in a product, in log-odds; 0 for one of no special interest."""
        stock, effects = self.stock, self.effects
        found = stock.appeal[products].copy()
        if effects.taste:
            share = 0.25 if scene.intent in ("gift", "kids") else 1.0
            purse = shopper.purse - (0.8 if effects.context and scene.referrer == "price_comparison" else 0)
            away = np.minimum(np.abs(stock.level[products] - purse), 2.5)
            found += share * (stock.style[products] @ shopper.taste) + 0.25 - 0.3 * away**2
        if effects.novelty:
            found += 0.8 * (scene.at - stock.added[products] < NEW_DAYS * DAY)
        if effects.promotion:
            keen = 2 if effects.context and scene.referrer == "newsletter" else 1
            found += keen * 2.5 * stock.saving[products] * self._on_sale(scene.at, products)
        if effects.stock:
            found -= 1.2 * self.sold_out(scene.at, products)
        if effects.repeat and scene.owned:
            found += self._again(scene, products)
        return np.asarray(found + self._seasons(scene.at)[stock.leaf[products]])

    def _fit(self, shopper: Shopper, scene: Scene, products: Ints) -> Doubles:
        """How well a product goes with what the person came for, in log-odds; 0 where it is just that."""
        leaf, mission = self.stock.leaf[products], self.effects.mission
        if scene.leaf < 0 or not mission:
            often = np.log(self.leaf_odds(shopper, scene.at)[leaf] * len(leaves()))
            return np.asarray(np.clip(often, -2.5, 1.5) - 0.8 * mission)
        complete = 0.4 if scene.intent == "set" else -0.8
        same, bond, aside = leaf == scene.leaf, self.stock.bond[scene.leaf, leaf], self.stock.aside[scene.leaf, leaf]
        found = np.where(same, 0.0, np.where(bond > 0, complete, np.where(aside > 0, -1.8, -2.8)))
        if scene.aim >= 0:
            pull = 2.0 if scene.intent == "compare" else 1.2
            found = found + pull * self.stock.likeness(scene.aim, products) - 2.0 * (products == scene.aim)
        return np.asarray(found)

    def _again(self, scene: Scene, products: Ints) -> Doubles:
        """What owning a product already does to the interest in it."""
        found = np.zeros(len(products))
        for place, product in enumerate(products.tolist()):
            bought = scene.owned.get(product)
            if bought is not None:
                days = self.stock.leaf_of(product).refill_days
                due = days > 0 and scene.at - bought > 0.7 * days * DAY
                found[place] = 2.2 if due else -1.0
        return found

    def _run_out(self, products: Ints) -> Bools:
        """Which of `products` are used up after a while, bool [n]."""
        return np.asarray(self.effects.repeat * _refill_days()[self.stock.leaf[products]] > 0)

    def _on_sale(self, at: int, products: Ints) -> Bools:
        sale = self.stock.sale[products]
        return np.asarray((sale[:, 0] <= at) & (at < sale[:, 1]))

    def _seasons(self, at: int) -> Doubles:
        """What the time of the year does to each category float64 [leaves], in log-odds."""
        return np.asarray(_season(day_of(at).timetuple().tm_yday) * self.effects.season)


def _chance(odds: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-odds)))


@cache
def _refill_days() -> Doubles:
    return np.array([leaf.refill_days for leaf in leaves()])


@cache
def _season(day: int) -> Doubles:
    """Of the `day` of a year: 0.7 at the height of a category's season, -0.7 half a year from it."""
    months = np.array([leaf.season for leaf in leaves()])
    away = 2 * np.pi * ((day - _MIDDLE) / 365.25 - (months - 1) / 12)
    return np.where(months > 0, 0.7 * np.cos(away), 0.0)


@cache
def _by_hour(hour: int) -> Doubles:
    leaning = next(leaning for hours, leaning in DEPARTMENTS_BY_HOUR.items() if hour in hours)
    return by_path(tuple(leaning.items()), 1.0)


@cache
def _by_region(region: str) -> Doubles:
    return by_path(tuple(LEANING.get(region, {}).items()), 1.0)
