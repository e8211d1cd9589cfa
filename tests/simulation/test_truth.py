"""Shoppers act by the truth: what it says a look is worth is what comes of looks, and without effects all is alike."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.random import Generator, Philox

from endcap.domain.instants import DAY, millis
from endcap.simulation import EVERY_EFFECT, NO_EFFECT, Effects, Scene, Truth, World, open_world
from endcap.simulation.assortment import leaves
from endcap.simulation.catalog import Period
from endcap.simulation.visits import INTENTS, Leg, Memory, Visit

EFFECTS = [field.name for field in fields(Effects)]


def only(effect: str) -> Effects:
    return replace(NO_EFFECT, **{effect: True})


def some(world: World, count: int = 40) -> np.ndarray:
    """Products of one category."""
    return next(there for there in world.truth.stock.in_leaf if len(there) >= count)[:count]


def test_purchases_of_many_looks_are_those_that_the_truth_expects(world: World) -> None:
    """Each person looks at one product that she would click, again and again, with an empty cart."""
    truth, products = world.truth, some(world)
    rng = Generator(Philox(3))
    expected, found = [], []
    for number in range(60):
        me = world.shopper(number)
        scene = Scene(millis(world.period.end) - DAY, "set", int(truth.stock.leaf[products[0]]))
        gain, click = truth.true_gain(me, scene, products), truth.click(me, scene, products)
        for place in rng.integers(len(products), size=40):
            visit = Visit(truth, me, Memory(), scene.at, rng)
            visit.intent = "set"
            if rng.random() < click[place]:
                visit._look(visit._weighed(Leg(scene.leaf), products[[place]]), 0)
            if visit.cart:
                visit._check_out()
            bought = [line for line in visit.lines if line.event == "purchase"]
            expected.append((gain.purchases[place], gain.revenue[place]))
            found.append((sum(line.quantity for line in bought), sum(line.quantity * line.price for line in bought)))
    told, came = np.array(expected), np.array(found)
    error = came.std(axis=0) / np.sqrt(len(came))
    assert came[:, 0].sum() > 30
    assert (np.abs(told.mean(axis=0) - came.mean(axis=0)) < 3 * error).all()


@pytest.mark.parametrize("intent", INTENTS)
def test_in_the_null_shop_every_product_is_worth_the_same_to_everybody_at_any_time(intent: str, period: Period) -> None:
    null = open_world(1, 400, period, NO_EFFECT)
    products = np.arange(len(null.truth.stock.leaf))
    chances = [
        chance(null.shopper(number), Scene(at, intent, leaf, 3, "newsletter", {5: at - DAY}), products)  # type: ignore[arg-type]
        for number, at, leaf in ((0, millis(period.start), 0), (1, millis(period.end), 7), (2, millis(period.end), -1))
        for chance in (null.truth.click, null.truth.cart)
    ]
    assert {len(np.unique(each)) for each in chances} == {1}
    assert len({float(each[0]) for each in chances}) == 2


@pytest.mark.parametrize("effect", [name for name in EFFECTS if name != "position"])
def test_each_effect_makes_products_differ_where_it_alone_is_there(effect: str, period: Period) -> None:
    world = open_world(1, 2_000, period, only(effect))
    truth, everything = world.truth, np.arange(len(world.truth.stock.leaf))
    aim = int(truth.stock.in_leaf[0][0])
    due = {product: millis(period.end) - 60 * DAY for product in range(0, len(everything), 2)}
    scene = Scene(millis(period.end) - 9 * DAY, "browse", 0, aim, "newsletter", due)
    assert truth.click(world.shopper(0), scene, everything).std() > 0.005


def test_where_people_have_habits_they_come_for_other_categories(period: Period) -> None:
    truth, at = open_world(1, 400, period, only("habit")).truth, millis(period.end)
    one, two = (truth.leaf_odds(open_world(1, 400, period).shopper(number), at) for number in (0, 1))
    assert one.sum() == pytest.approx(1)
    assert np.abs(one - two).max() > 0.02
    plain = open_world(1, 400, period, NO_EFFECT).truth
    assert np.allclose(plain.leaf_odds(open_world(1, 400, period).shopper(0), at), 1 / len(leaves()))


def test_the_eye_tires_down_a_list_only_where_position_has_an_effect(period: Period) -> None:
    def seen(effects: Effects) -> list[int]:
        world = open_world(1, 2_000, period, effects)
        acts = [line for number in range(40) for line in world.history(number)]
        return [line.position for line in acts if line.event == "view_item_list"]

    tired, fresh = (np.bincount(seen(effects))[1:] for effects in (only("position"), NO_EFFECT))
    assert tired[0] > 2 * tired[-1]
    assert fresh[0] == fresh[-1]


def test_what_is_sold_out_is_never_taken_and_a_sale_lowers_the_price_in_its_days(world: World) -> None:
    truth = world.truth
    me = world.shopper(0)
    out = int(np.flatnonzero(truth.stock.out[:, 0] < truth.stock.out[:, 1])[0])
    begins, ends = truth.stock.out[out]
    chances = [float(truth.cart(me, Scene(int(at), "set"), np.array([out]))[0]) for at in (begins - 1, begins, ends)]
    assert chances[1] == 0 < min(chances[0], chances[2]) or truth.stock.missing[out]
    product = next(each for each in truth.stock.products if each.sale.begins < each.sale.ends)
    prices = [product.price(at) for at in (product.sale.begins - 1, product.sale.begins, product.sale.ends)]
    assert prices == [product.draft.price, product.reduced, product.draft.price]
    assert product.reduced < product.draft.price


def test_what_has_run_out_is_wanted_again_and_what_lasts_is_not(world: World) -> None:
    truth, me, at = world.truth, world.shopper(0), millis(world.period.end)
    days = np.array([leaves()[leaf].refill_days for leaf in truth.stock.leaf])
    for product, owned, wanted in (
        (int(np.flatnonzero(days > 0)[0]), at - 60 * DAY, 1),
        (int(np.flatnonzero(days > 0)[0]), at - 2 * DAY, -1),
        (int(np.flatnonzero(days == 0)[0]), at - 60 * DAY, -1),
    ):
        scene = Scene(at, "browse", int(truth.stock.leaf[product]))
        plain, again = (
            truth.click(me, each, np.array([product]))[0] for each in (scene, scene._replace(owned={product: owned}))
        )
        assert np.sign(again - plain) == wanted


def test_latents_are_in_no_text(world: World) -> None:
    """Products with the same words differ in style, and the length of a title tells nothing of the appeal."""
    stock = world.truth.stock
    texts = np.array([len(product.draft.title) for product in stock.products], np.float64)
    assert abs(np.corrcoef(stock.appeal, texts)[0, 1]) < 0.1
    twins = [product.draft.words for product in stock.products]
    pairs = [(a, twins.index(words)) for a, words in enumerate(twins) if twins.index(words) != a]
    assert len(pairs) > 20
    assert min(np.linalg.norm(stock.style[a] - stock.style[b]) for a, b in pairs) > 0.1


def test_a_truth_is_asked_without_being_changed(world: World) -> None:
    scene = Scene(millis(datetime(2026, 10, 3, tzinfo=UTC)), "compare", 4)
    one, two = (Truth(world.truth.stock, EVERY_EFFECT).true_gain(world.shopper(5), scene, some(world)) for _ in "ab")
    assert np.array_equal(one.purchases, two.purchases)
    assert one.revenue.dtype == np.float64
    assert (one.revenue[one.purchases > 0] / one.purchases[one.purchases > 0] >= 49).all()
