"""What one person does on one visit: an intent, products looked at one after another, a cart, perhaps an order.

Intents: browse, compare offers of one kind, complete a set, find a gift, refill what has run out.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.random import Generator

from endcap.domain.arrays import Floats, Ints
from endcap.domain.instants import DAY, MINUTE, SECOND
from endcap.simulation.range import NEW_DAYS, Range, Variant
from endcap.simulation.shoppers import Shopper

Intent: TypeAlias = Literal["browse", "compare", "set", "gift", "refill"]

INTENTS: Final[dict[Intent, float]] = {"browse": 0.44, "compare": 0.26, "set": 0.18, "gift": 0.07, "refill": 0.05}
CARTED: Final[dict[Intent, float]] = {"browse": 0.05, "compare": 0.04, "set": 0.15, "gift": 0.1, "refill": 0.75}
"""Chance that a product just looked at goes into the cart."""
ORDERED: Final[dict[Intent, float]] = {"browse": 0.4, "compare": 0.5, "set": 0.6, "gift": 0.6, "refill": 0.85}
"""Chance that a cart becomes an order."""
GOES_ON: Final = 0.5
"""Chance that a visit takes up what the last one left open."""
CLICKED: Final = 0.12
WISHED: Final = 0.02
RETURNED: Final = 0.05


class Line(NamedTuple):
    """One line of the events export; `time` ms UTC, `price` EUR a unit."""

    event: str
    time: int
    visitor_id: str
    user_id: str
    session_id: str
    item_id: str
    quantity: int
    price: float
    transaction_id: str
    region: str


class Stop(NamedTuple):
    """One part of a visit: `views` products of `leaf`, rather those like product `aim` the greater `pull` is."""

    leaf: int
    views: int
    aim: int = -1
    pull: float = 4.0


@dataclass(slots=True)
class Memory:
    """What a person carries from visit to visit: a product in mind, purchases, and what will run out when (ms UTC)."""

    mission: int = -1
    owned: list[int] = field(default_factory=list)
    refills: list[tuple[int, int]] = field(default_factory=list)


class Visit:
    """One visit under way: a clock, a cart and the lines written so far."""

    def __init__(self, shopper: Shopper, memory: Memory, stock: Range, at: int, rng: Generator) -> None:
        self.shopper = shopper
        self.memory = memory
        self.stock = stock
        self.rng = rng
        self.clock = at
        self.session = f"s-{int(rng.integers(1 << 40)):010x}"
        self.user = shopper.user if rng.random() < 0.94 else ""
        self.cart: dict[int, tuple[Variant, int]] = {}
        self.lines: list[Line] = []

    def run(self, refill: int = -1) -> list[Line]:
        """All lines of the visit in order of time; with `refill`, it is to buy this product again."""
        intent: Intent = "refill" if refill >= 0 else self._intent()
        for stop in self._route(intent, refill):
            seen = self._choose(stop, intent)
            for product in seen:
                self._look(product)
                if self.rng.random() < CARTED[intent]:
                    self._take(product)
            if intent == "compare" and len(seen) > 1:
                self._decide(seen)
        if self.cart:
            self._check_out(intent)
        return self.lines

    def _intent(self) -> Intent:
        chances = np.array(list(INTENTS.values()))
        return list(INTENTS)[int(self.rng.choice(len(INTENTS), p=chances / chances.sum()))]

    def _route(self, intent: Intent, refill: int) -> list[Stop]:
        leaf, rng = self.stock.leaf, self.rng
        if refill >= 0:
            return [Stop(int(leaf[refill]), int(rng.choice([1, 2], p=[0.75, 0.25])), refill, 12.0)]
        goes_on = self.memory.mission >= 0 and rng.random() < GOES_ON
        aim = self.memory.mission if goes_on else self._wish(intent)
        match intent:
            case "browse":
                legs = [Stop(int(leaf[aim]), 2 + int(rng.poisson(2)), aim, 2.5)]
                return legs if rng.random() < 0.5 else [*legs, self._anywhere(1 + int(rng.poisson(1.2)))]
            case "compare":
                return [Stop(int(leaf[aim]), 3 + int(rng.poisson(2.5)), aim, 6.0)]
            case "set":
                anchor = self.memory.owned[-1] if self.memory.owned and rng.random() < 0.4 else aim
                return [Stop(int(leaf[anchor]), 1, anchor, 12.0), *self._complements(anchor)]
            case "gift":
                return [Stop(int(leaf[aim]), 2 + int(rng.poisson(2)), aim, 3.0)]
            case "refill":
                return [Stop(int(leaf[aim]), 1 + int(rng.poisson(0.7)), aim, 4.0)]

    def _wish(self, intent: Intent) -> int:
        """The product in mind: from habit, for a gift from what people give, for a refill from what runs out."""
        habit = np.array(self.shopper.habit, np.float64)
        if intent == "gift":
            habit = np.array([leaf.gift for leaf in self.stock.leaves])
        elif intent == "refill":
            habit = habit * [leaf.refill_days > 0 for leaf in self.stock.leaves]
        leaf = int(self.rng.choice(len(habit), p=habit / habit.sum()))
        return int(self._ranked(Stop(leaf, 1), intent)[0])

    def _anywhere(self, views: int) -> Stop:
        aim = self._wish("browse")
        return Stop(int(self.stock.leaf[aim]), views, aim, 2.5)

    def _complements(self, anchor: int) -> list[Stop]:
        leaf = self.stock.leaves[self.stock.leaf[anchor]]
        return [
            Stop(self.stock.leaf_at(path), 1 + int(self.rng.poisson(0.8)), anchor, 9.0)
            for place, path in enumerate(leaf.goes_with)
            if self.rng.random() < 0.8 - 0.2 * place
        ]

    def _choose(self, stop: Stop, intent: Intent) -> Ints:
        return self._ranked(stop, intent)[: stop.views]

    def _ranked(self, stop: Stop, intent: Intent) -> Ints:
        """Products of the stop's leaf that are sold by now, in an order drawn by their odds (Gumbel-max trick)."""
        there = self.stock.in_leaf[stop.leaf]
        there = there[self.stock.added[there] < self.clock]
        odds = self._odds(there, intent)
        if stop.aim >= 0:
            odds = odds + stop.pull * self.stock.likeness(stop.aim, there)
        return there[np.argsort(-(odds + self.rng.gumbel(size=len(there))), kind="stable")]

    def _odds(self, products: Ints, intent: Intent) -> Floats:
        age = (self.clock - self.stock.added[products]) / DAY
        liking = self.shopper.liking[products] * (0.15 if intent == "gift" else 1)
        return np.asarray(self.stock.appeal[products] + liking + 2.3 * (age < NEW_DAYS), np.float32)

    def _look(self, product: int) -> Variant:
        variant = self._variant(product)
        if self.rng.random() < CLICKED:
            self._write("select_item", variant)
            self.clock += int(self.rng.integers(1, 4)) * SECOND
        self._write("view_item", variant)
        self.clock += int(np.clip(self.rng.lognormal(3.7, 0.8), 4, 12 * 60)) * SECOND
        if self.rng.random() < WISHED:
            self._write("add_to_wishlist", variant)
            self.clock += 3 * SECOND
        self.memory.mission = product
        return variant

    def _variant(self, product: int) -> Variant:
        """The variant in the shopper's size and colour, one in stock where there is one."""
        me = self.shopper
        offered = self.stock.variants[product]
        return max(offered, key=lambda one: (one.stock > 0, one.size in me.sizes, one.color in me.colours))

    def _decide(self, seen: Ints) -> None:
        """After comparing: back to the one that read best, and perhaps take it."""
        best = int(seen[np.argmax(self.shopper.liking[seen] + self.rng.gumbel(size=len(seen)) * 0.5)])
        if self.rng.random() < 0.5:
            self._look(best)
        if self.rng.random() < 0.3:
            self._take(best)

    def _take(self, product: int) -> None:
        variant = self._variant(product)
        if product in self.cart or variant.stock == 0:
            return
        refill = self.stock.leaves[self.stock.leaf[product]].refill_days > 0
        quantity = 1 + int(self.rng.binomial(2, 0.3 if refill else 0.03))
        self.cart[product] = (variant, quantity)
        self._write("add_to_cart", variant, quantity)
        self.clock += int(self.rng.integers(4, 25)) * SECOND

    def _check_out(self, intent: Intent) -> None:
        if len(self.cart) > 1 and self.rng.random() < 0.15:
            variant, quantity = self.cart.pop(next(iter(self.cart)))
            self._write("remove_from_cart", variant, quantity)
            self.clock += 8 * SECOND
        if self.rng.random() >= ORDERED[intent]:
            return
        self.clock += int(self.rng.integers(60, 5 * 60)) * SECOND
        order = f"T{int(self.rng.integers(10**9, 10**10))}"
        for product, (variant, quantity) in self.cart.items():
            self._write("purchase", variant, quantity, order)
            self._own(product)
            if self.stock.leaves[self.stock.leaf[product]].sizes and self.rng.random() < RETURNED:
                days = int(self.rng.integers(4, 15))
                back = self.lines[-1]._replace(event="refund", time=self.clock + days * DAY + 7 * MINUTE, session_id="")
                self.lines.append(back)

    def _own(self, product: int) -> None:
        self.memory.owned.append(product)
        self.memory.mission = -1
        days = self.stock.leaves[self.stock.leaf[product]].refill_days
        if days and self.rng.random() < 0.7:
            self.memory.refills.append((self.clock + round(days * DAY * self.rng.normal(1, 0.12)), product))

    def _write(self, event: str, variant: Variant, quantity: int = 1, order: str = "") -> None:
        me = self.shopper
        self.lines.append(
            Line(
                event,
                self.clock,
                me.visitor,
                self.user,
                self.session,
                variant.id,
                quantity,
                variant.price,
                order,
                me.region,
            )
        )
