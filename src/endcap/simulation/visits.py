"""What one person does on one visit: an intent, lists looked down, products opened, a cart, perhaps an order.

What is clicked, taken and bought is decided by the chances of `truth`; which lists there are is the shop's habit, in
which no recommender has a part.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.random import Generator

from endcap.domain.arrays import Doubles, Ints
from endcap.domain.instants import DAY, MINUTE, SECOND
from endcap.simulation.assortment import leaves
from endcap.simulation.catalog import Product
from endcap.simulation.choices import LEAVES, Choice
from endcap.simulation.shoppers import Shopper
from endcap.simulation.truth import KEPT, ORDERED, Intent, Scene, Truth

_Name = TypeVar("_Name", bound=str)

INTENTS: Final[dict[Intent, float]] = {"browse": 0.44, "compare": 0.28, "set": 0.18, "gift": 0.1}
KIDS: Final = 0.2
"""Chance that a person with children shops for them."""
REFERRERS: Final = {"direct": 0.42, "search_engine": 0.28, "newsletter": 0.12, "social": 0.1, "price_comparison": 0.08}
GOES_ON: Final = 0.4
"""Chance that a visit takes up what the last one left open."""
SEARCHED: Final = 0.3
"""Chance that a list is asked for by words."""
MISTYPED: Final = 0.08
"""Chance that a search has two letters swapped."""
LIST: Final = 24
STAYS: Final = {"desktop": 0.955, "tablet": 0.945, "mobile": 0.935}
"""Chance that the eye goes on to the next place of a list."""
AGAIN: Final = 0.4
"""Chance that a person who has compared looks at the best again."""
COMPLETED: Final = 0.4
"""Chance that who has taken something looks for what goes with it."""
WISHED: Final = 0.02
RETURNED: Final = 0.05
SATISFIED: Final = 0.95
"""Chance that what runs out is bought again."""
SIGNED_IN: Final = 0.94
"""Chance that somebody with an account is signed in."""


class Told(NamedTuple):
    """What some events tell beside the item: `position` from 1, `engagement` seconds on a page, `scrolled` per cent."""

    quantity: int = 1
    transaction_id: str = ""
    search_term: str = ""
    position: int = 0
    engagement: int = 0
    scrolled: int = 0


_NOTHING: Final = Told()


class Line(NamedTuple):
    """One line of the events export; `time` ms UTC, `price` minor units a piece, the last six as in `Told`."""

    event: str
    event_id: str
    time: int
    visitor_id: str
    user_id: str
    session_id: str
    item_id: str
    price: int
    region: str
    device: str
    referrer: str
    quantity: int
    transaction_id: str
    search_term: str
    position: int
    engagement: int
    scrolled: int


class Leg(NamedTuple):
    """One list of a visit: of products of `leaf` (-1: of all), asked for by the words of product `sought`, if any."""

    leaf: int
    sought: int = -1


class Search(NamedTuple):
    """What a person was about as she searched at `scene.at` (ms UTC), for the words that product `sought` has."""

    scene: Scene
    sought: int


class Listed(NamedTuple):
    """Products int64 [n] as they stand before the person, and her chances float64 [n] to click and to take each."""

    leg: Leg
    products: Ints
    click: Doubles
    cart: Doubles


@dataclass(slots=True)
class Memory:
    """What a person carries from visit to visit: a product in mind, when what was bought and what runs out (ms UTC)."""

    aim: int = -1
    owned: dict[int, int] = field(default_factory=dict)
    refills: list[tuple[int, int]] = field(default_factory=list)


class Visit:
    """One visit under way: a clock, a cart, the lines written so far and the choices that led to them."""

    def __init__(self, truth: Truth, shopper: Shopper, memory: Memory, at: int, rng: Generator) -> None:
        self.truth = truth
        self.shopper = shopper
        self.memory = memory
        self.rng = rng
        self.clock = at
        self.session = f"s-{int(rng.integers(1 << 40)):010x}"
        self.user = shopper.user if rng.random() < SIGNED_IN else ""
        self.referrer = _one(REFERRERS, rng)
        self.intent: Intent = "browse"
        self.aim = -1
        self.tired = False
        self.cart: dict[int, tuple[int, int]] = {}
        self.events = 0
        self.lines: list[Line] = []
        self.searches: list[Search] = []
        self.choices: list[Choice] = []
        self.opened: set[int] = set()

    def run(self, refills: tuple[int, ...] = ()) -> list[Line]:
        """All lines of the visit in order of time; with `refills`, it is to buy these products again."""
        self.intent = "refill" if refills else self._wanted()
        for product in refills:
            alone = self._weighed(Leg(int(self.truth.stock.leaf[product])), np.array([product]))
            self._choose(alone, one=True)
            self._look(alone, 0)
        route, taken = self._route(refills), len(self.cart)
        while route and not self.tired:
            self._walk(route.pop(0))
            if len(self.cart) > taken and self.rng.random() < COMPLETED:
                route += self._complements(int(self.truth.stock.leaf[next(reversed(self.cart))]))[:1]
            taken = len(self.cart)
        if self.cart:
            self._check_out()
        self.memory.aim = self.aim
        return self.lines

    def _wanted(self) -> Intent:
        if self.truth.effects.mission and self.shopper.children and self.rng.random() < KIDS:
            return "kids"
        return _one(INTENTS, self.rng)

    def _route(self, refills: tuple[int, ...]) -> list[Leg]:
        """The lists that the person means to see."""
        rng, stock = self.rng, self.truth.stock
        if not self.truth.effects.mission:
            return [Leg(-1)] * (1 + int(rng.poisson(1.0)))
        if refills:
            return [self._leg(int(stock.leaf[refills[0]]))] if rng.random() < 0.2 else []
        goes_on = self.memory.aim >= 0 and rng.random() < GOES_ON
        if goes_on:
            self.aim = self.memory.aim
        leaf = int(stock.leaf[self.aim]) if goes_on else self._leaf()
        if self.referrer == "search_engine" and len(stock.in_leaf[leaf]):
            self._land(leaf)
        match self.intent:
            case "compare":
                return [self._leg(leaf)] * (1 + int(rng.random() < 0.6))
            case "set":
                return [self._leg(leaf), *self._complements(leaf)]
            case "kids":
                return [self._leg(leaf), self._leg(self._leaf())]
            case _:
                return [self._leg(leaf) for leaf in (leaf, self._leaf())[: 1 + int(rng.random() < 0.5)]]

    def _complements(self, leaf: int) -> list[Leg]:
        """Lists of what goes with products of `leaf`; none where people come for nothing in particular."""
        bonds = np.flatnonzero(self.truth.stock.bond[leaf]) if self.truth.effects.mission else ()
        return [self._leg(int(each)) for each in bonds if self.rng.random() < 0.6]

    def _leaf(self) -> int:
        """The category one comes for: by habit, for a gift what people give, for the kids what is theirs."""
        odds = self.truth.leaf_odds(self.shopper, self.clock)
        if self.intent == "gift":
            odds = np.array([leaf.gift for leaf in leaves()])
        elif self.intent == "kids":
            odds = np.array([leaf.path.startswith("Kids") for leaf in leaves()]) * (odds + 0.01)
        total = np.cumsum(odds)
        return int(np.searchsorted(total, self.rng.random() * total[-1]))

    def _leg(self, leaf: int) -> Leg:
        """A list of `leaf`, one in some asked for by words: those of a product that the person would like."""
        there = self._sold(leaf)
        if not len(there) or self.rng.random() > SEARCHED:
            return Leg(leaf)
        some = there[self.rng.integers(len(there), size=6)]
        return Leg(leaf, int(some[np.argmax(self.truth.click(self.shopper, self._scene(leaf), some))]))

    def _land(self, leaf: int) -> None:
        """Come from a search engine, right on the page of a product."""
        there = self._sold(leaf)
        if len(there):
            some = self._weighed(Leg(leaf), there[self.rng.integers(len(there), size=8)])
            total = np.cumsum(some.click)
            self._choose(some, one=True)
            self._look(some, int(np.searchsorted(total, self.rng.random() * total[-1])))

    def _weighed(self, leg: Leg, products: Ints) -> Listed:
        scene, truth = self._scene(leg.leaf), self.truth
        click, cart = (chance(self.shopper, scene, products) for chance in (truth.click, truth.cart))
        return Listed(leg, products, click, cart)

    def _sold(self, leaf: int) -> Ints:
        """Products of the leaf (-1: of all) that the shop has by now."""
        stock = self.truth.stock
        there = stock.in_leaf[leaf] if leaf >= 0 else np.arange(len(stock.leaf))
        if len(there) > 3 * LIST:  # a list shows few of many
            there = there[self.rng.integers(len(there), size=3 * LIST)]
            there = there[np.unique(there, return_index=True)[1]]
        return there[stock.added[there] < self.clock]

    def _scene(self, leaf: int) -> Scene:
        return Scene(self.clock, self.intent, leaf, self.aim, self.referrer, self.memory.owned)

    def _walk(self, leg: Leg) -> None:
        """Look down one list, open what pleases, take what one wants."""
        products = self._listed(leg)
        if not len(products):
            return
        some, seen = self._weighed(leg, products), len(products)
        if self.truth.effects.position:
            seen = min(seen, 1 + int(self.rng.geometric(1 - STAYS[self.shopper.device])))
        clicked = np.flatnonzero(self.rng.random(seen) < some.click[:seen])
        self._choose(Listed(leg, products[:seen], some.click[:seen], some.cart[:seen]))
        self._show(products[:seen], leg)
        for place in clicked.tolist():
            self._write("select_item", int(products[place]), Told(position=place + 1))
            self.clock += SECOND
            self._look(some, place)
            if self.tired:
                return
        if self.intent == "compare" and len(clicked) > 1 and self.rng.random() < AGAIN:
            self._look(some, int(clicked[np.argmax(some.click[clicked])]))

    def _listed(self, leg: Leg) -> Ints:
        """What the shop shows: what pleases many comes first as a rule, what has the words asked for before all."""
        stock, there = self.truth.stock, self._sold(leg.leaf)
        order = 0.2 * stock.appeal[there] + self.rng.gumbel(size=len(there))
        if leg.sought >= 0:
            words = words_of(stock.products[leg.sought])
            order = order + 2.5 * np.array([len(words & words_of(stock.products[each])) for each in there])
        return np.asarray(there[np.argsort(-order, kind="stable")][:LIST])

    def _choose(self, some: Listed, *, one: bool = False) -> None:
        """Keep what stands before the person now."""
        fresh = np.array([product not in self.opened for product in some.products.tolist()])
        scene = self._scene(some.leg.leaf)._replace(owned=dict(self.memory.owned))
        self.choices.append(Choice(self.clock, scene, some.products, some.click, fresh, one))

    def _show(self, listed: Ints, leg: Leg) -> None:
        """Write the impressions as one event."""
        sought = ""
        if leg.sought >= 0:
            scene = self._scene(leg.leaf)._replace(owned=dict(self.memory.owned))
            self.searches.append(Search(scene, leg.sought))
            typed = " ".join(sorted(words_of(self.truth.stock.products[leg.sought])))
            sought = mistyped(typed, f"{self.session}-{self.events}")
        for place, product in enumerate(listed.tolist(), 1):
            self._write("view_item_list", product, Told(search_term=sought, position=place), together=place > 1)
        self.clock += int(self.rng.integers(2, 5)) * SECOND

    def _look(self, some: Listed, place: int) -> None:
        """Open a product's page; perhaps take it, wish for it, or have seen enough."""
        rng, product, pleased = self.rng, int(some.products[place]), float(some.click[place])
        seconds = int(min(12 * 60, 3 + rng.lognormal(3.0 + 1.6 * pleased, 0.7)))
        scrolled = int(min(100, 20 + 60 * (rng.random() + pleased)))
        self.opened.add(product)
        self._write("view_item", product, Told(engagement=seconds, scrolled=scrolled))
        self.clock += seconds * SECOND
        self.aim = product
        if rng.random() < WISHED:
            self._write("add_to_wishlist", product)
            self.clock += 3 * SECOND
        if rng.random() < some.cart[place]:
            self._take(product)
        self.tired = rng.random() < LEAVES

    def _take(self, product: int) -> None:
        place = self._variant(product)
        if product in self.cart or self.truth.stock.products[product].variants[place][2] == 0:
            return
        quantity = 1 + int(self.rng.binomial(2, self.truth.several(np.array([product]))[0]))
        self.cart[product] = place, quantity
        self._write("add_to_cart", product, Told(quantity))
        self.clock += int(self.rng.integers(4, 25)) * SECOND

    def _variant(self, product: int) -> int:
        """The place of the variant in the person's size and colour, one in stock where there is one."""
        me, offered = self.shopper, self.truth.stock.products[product].variants
        return max(
            range(len(offered)),
            key=lambda place: (offered[place][2] > 0, offered[place][1] in me.sizes, offered[place][0] in me.colours),
        )

    def _check_out(self) -> None:
        for product in [product for product in self.cart if self.rng.random() >= KEPT]:
            self._write("remove_from_cart", product, Told(self.cart.pop(product)[1]))
            self.clock += 8 * SECOND
        if not self.cart or self.rng.random() >= ORDERED[self.intent]:
            return
        self.clock += int(self.rng.integers(60, 5 * 60)) * SECOND
        order = f"T{int(self.rng.integers(10**9, 10**10))}"
        for place, (product, (_, quantity)) in enumerate(self.cart.items()):
            self._write("purchase", product, Told(quantity, order), together=place > 0)
        for product in self.cart:
            self._own(product)
        self._send_back([line for line in self.lines if line.event == "purchase"])

    def _send_back(self, bought: list[Line]) -> None:
        """Refunds of what has a size and does not fit."""
        for line, product in zip(bought, self.cart, strict=True):
            if self.truth.stock.leaf_of(product).sizes and self.rng.random() < RETURNED:
                at = line.time + int(self.rng.integers(4, 15)) * DAY + 7 * MINUTE
                back = f"{line.event_id}-{line.item_id}"
                self.lines.append(line._replace(event="refund", event_id=back, time=at, session_id="", referrer=""))

    def _own(self, product: int) -> None:
        self.aim = -1
        if not self.truth.effects.repeat:
            return
        self.memory.owned[product] = self.clock
        days = self.truth.stock.leaf_of(product).refill_days
        if days and self.rng.random() < SATISFIED:
            self.memory.refills.append((self.clock + round(days * DAY * self.rng.normal(1, 0.12)), product))

    def _write(self, event: str, product: int, told: Told = _NOTHING, *, together: bool = False) -> None:
        """Write a line; `together` with the one before, as one event."""
        me, sold = self.shopper, self.truth.stock.products[product]
        self.events += not together
        place = self.cart[product][0] if product in self.cart else self._variant(product)
        self.lines.append(
            Line(
                event,
                f"{self.session}-{self.events}",
                self.clock,
                me.visitor,
                self.user,
                self.session,
                sold.item(place),
                sold.price(self.clock),
                me.region,
                me.device,
                self.referrer,
                *told,
            )
        )


def mistyped(words: str, key: str) -> str:
    """`words`, or in one of some searches, which `key` decides, with two neighbouring letters swapped.

    >>> [mistyped("soft toy", key) for key in ("s-1", "s-2")]
    ['soft toy', 'sfot toy']
    """
    drawn = zlib.crc32(key.encode())
    places = [place for place in range(len(words) - 1) if words[place : place + 2].isalpha()]
    if not places or drawn % 1_000 >= 1_000 * MISTYPED:
        return words
    place = places[drawn // 1_000 % len(places)]
    return words[:place] + words[place + 1] + words[place] + words[place + 2 :]


def words_of(product: Product) -> frozenset[str]:
    """The words of a product that people search for: what it is, not its brand or model."""
    return frozenset(product.draft.words[-2:])


def _one(shares: Mapping[_Name, float], rng: Generator) -> _Name:
    names = list(shares)
    total = np.cumsum(list(shares.values()))
    return names[int(np.searchsorted(total, rng.random() * total[-1]))]
