"""The grammar is complete: nothing in it is unused, unknown or out of place."""

import re
from itertools import pairwise

import numpy as np
import pytest
from numpy.random import Generator, Philox

from endcap.simulation.assortment import Leaf, compose, leaves, shelf_price

LEAVES = {leaf.path: leaf for leaf in leaves()}


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=list(LEAVES))
def test_every_slot_of_a_leaf_is_used_and_every_used_slot_is_there(leaf: Leaf) -> None:
    assert set(re.findall(r"{(\w+)}", " ".join(leaf.titles))) - {"brand"} == set(leaf.slots)


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=list(LEAVES))
def test_a_leaf_goes_with_leaves_that_exist(leaf: Leaf) -> None:
    assert set(leaf.goes_with) <= set(LEAVES)
    assert leaf.path.count(" > ") == 2


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=list(LEAVES))
def test_a_product_reads_like_one(leaf: Leaf) -> None:
    rng = Generator(Philox(5))
    for _ in range(50):
        draft = compose(leaf, rng)
        assert draft.brand in leaf.brands
        assert draft.title[0].isupper() or draft.title[0].isdigit()
        assert not set("{}|") & set(draft.title + draft.description)
        assert "  " not in draft.title + draft.description
        assert draft.description.endswith(".")
        assert not any(a == b for a, b in pairwise(re.findall(r"[×\w'-]+", draft.title.lower())))


def test_a_model_name_belongs_to_one_brand() -> None:
    rng = Generator(Philox(5))
    drafts = [compose(LEAVES["Outdoor > Camping > Tents"], rng) for _ in range(300)]
    assert {draft.brand for draft in drafts if " Fjell " in draft.title} == {"Nordkamm"}


def test_a_phone_is_of_the_brand_that_its_name_says() -> None:
    rng = Generator(Philox(5))
    drafts = [compose(LEAVES["Electronics > Phones > Smartphones"], rng) for _ in range(50)]
    assert all(draft.title.startswith(draft.brand) for draft in drafts)


def test_a_larger_tent_costs_more_on_average() -> None:
    rng = Generator(Philox(5))
    drafts = [compose(LEAVES["Outdoor > Camping > Tents"], rng) for _ in range(400)]
    one, four = (np.mean([d.price for d in drafts if f"{n}-person" in d.title]) for n in (1, 4))
    assert four > 1.5 * one


@pytest.mark.parametrize("amount", [0.2, 1, 9.99, 10, 99.99, 100, 104.9, 2500])
def test_a_shelf_price_lies_near_the_amount_and_ends_as_prices_do(amount: float) -> None:
    price = shelf_price(amount, 0.9)
    assert abs(price - amount * 100) <= max(100, amount * 10)
    assert price % 100 in {49, 79, 99, 90} or price % 1000 == 900
