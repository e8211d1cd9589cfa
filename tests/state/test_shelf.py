"""The shelf: late changes do not overrule newer ones, sales hold in their window, days are a ring."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.domain.catalog import SINCE_EVER, Change
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY
from endcap.state import Shelf

ROW = np.array([0], np.int32)


def seen(day: int, row: int = 0, kind: Kind = Kind.VIEW) -> Events:
    return Events(np.array([day * DAY]), np.array([row], np.int32), np.array([kind], np.uint8), np.array([0]))


def test_an_older_change_does_not_overrule_a_newer_one() -> None:
    shelf = Shelf()
    for change in (Change(0, 5, price=200, listed=True), Change(0, 3, price=100), Change(0, SINCE_EVER, listed=False)):
        shelf.apply(change)
    assert shelf.prices(ROW, 10).tolist() == [200]
    assert shelf.available[0]
    assert shelf.born[0] == 3


def told(shelf: Shelf) -> list[dict[str, Any]]:
    """Every row in words, without the numbers that depend on the order in which names came."""
    columns = ("group", "listed", "available", "price", "sale_price", "sale_start", "sale_end", "stock", "born")
    rows = []
    for row in range(len(shelf)):
        found: dict[str, Any] = {name: getattr(shelf, name)[row].item() for name in columns}
        found |= {
            "changed": int(shelf.changed[row]),
            "emptied": int(shelf.emptied[row]),
            "told": shelf.told[:, row].tolist(),
        }
        found |= {"brand": shelf.brands.values[shelf.brand[row]], "path": shelf.categories.values[shelf.category[row]]}
        for name, attribute in shelf.attributes.items():
            if attribute.told[row] >= 0:
                found[name] = attribute.names.values[attribute.codes[row]], int(attribute.told[row])
        found |= {"variants": shelf.variants(row), "face": int(shelf.face[row])}
        rows.append(found)
    return rows


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CHANGES = st.lists(
    st.builds(
        Change,
        row=st.integers(0, 3),
        at=st.integers(0, 4),
        group=maybe(st.integers(4, 5)),
        listed=maybe(st.booleans()),
        price=maybe(st.integers(-1, 9)),
        sale_price=maybe(st.integers(-1, 9)),
        sale_start=maybe(st.integers(0, 3)),
        sale_end=maybe(st.integers(0, 9)),
        stock=maybe(st.integers(-1, 1)),
        brand=maybe(st.sampled_from(["", "Acme", "Brook"])),
        category=maybe(st.sampled_from([(), ("Home",), ("Home", "Mugs")])),
        text=st.dictionaries(st.sampled_from(["color", "size", "title"]), st.sampled_from(["", "red", "blue"])),
    ),
    max_size=12,
    unique_by=lambda change: (change.row, change.at),
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(changes: list[Change], random: Any) -> None:
    shuffled = list(changes)
    random.shuffle(shuffled)
    arrived, in_time = Shelf(), Shelf()
    for shelf in (arrived, in_time):
        shelf.reserve(6)
    for change in shuffled:
        arrived.apply(change)
    for change in sorted(changes, key=lambda change: change.at):
        in_time.apply(change)
    assert told(arrived) == told(in_time)


def test_a_late_change_still_tells_what_no_later_one_did() -> None:
    shelf = Shelf()
    shelf.apply(Change(0, 5, price=200))
    shelf.apply(Change(0, 3, price=100, stock=0, brand="Acme", listed=True, text={"color": "red"}))
    assert (shelf.price[0], shelf.stock[0], shelf.brands.values[shelf.brand[0]]) == (200, 0, "Acme")
    assert shelf.attributes["color"].codes[0] == 1
    shelf.apply(Change(0, 4, text={"color": ""}))
    assert shelf.attributes["color"].codes[0] == 0


def test_only_attributes_that_occur_take_room() -> None:
    shelf = Shelf()
    shelf.apply(Change(2_000, 1, text={"title": "Mug", "color": "red"}))
    assert list(shelf.attributes) == ["color"]
    assert len(shelf.attributes["color"].codes) == len(shelf.group)
    shelf.apply(Change(90_000, 1, text={"color": "blue"}))
    assert shelf.attributes["color"].codes[[2_000, 90_000]].tolist() == [1, 2]


@pytest.mark.parametrize(("at", "price"), [(9, 100), (10, 80), (19, 80), (20, 100)])
def test_a_sale_holds_inside_its_window(at: int, price: int) -> None:
    shelf = Shelf()
    shelf.apply(Change(0, 1, price=100, sale_price=80, sale_start=10, sale_end=20))
    assert shelf.prices(ROW, at).tolist() == [price]


@pytest.mark.parametrize(("stock", "available"), [(None, True), (-1, True), (3, True), (0, False)])
def test_unknown_stock_sells_and_none_does_not(stock: int | None, available: bool) -> None:
    shelf = Shelf()
    shelf.apply(Change(0, 1, listed=True, stock=stock))
    assert bool(shelf.available[0]) is available


def test_a_group_is_available_while_one_variant_is() -> None:
    shelf = Shelf()
    for row in (1, 2):
        shelf.apply(Change(row, 1, listed=True, stock=1, group=0, price=100 * row))
    shelf.apply(Change(1, 2, stock=0))
    assert shelf.available[:3].tolist() == [True, False, True]
    shelf.apply(Change(2, 2, stock=0))
    assert not shelf.available[0]
    assert shelf.variants(0) == [1, 2]


def test_days_are_counted_in_any_order_and_forgotten_after_the_ring() -> None:
    days = [100, 70, 131, 99, 131, 60]
    forward, backward = Shelf(), Shelf()
    for day in days:
        forward.observe(seen(day))
    for day in reversed(days):
        backward.observe(seen(day))
    assert np.array_equal(forward.daily[:, 0], backward.daily[:, 0])
    assert int(forward.daily[:, 0].sum()) == 3


def test_views_of_a_variant_count_for_its_group() -> None:
    shelf = Shelf()
    shelf.apply(Change(1, 1, listed=True, group=0))
    shelf.observe(seen(50, row=1, kind=Kind.CART))
    assert shelf.daily[50 % 32, 0] == 3


def test_growing_keeps_what_was_known() -> None:
    shelf = Shelf()
    shelf.apply(Change(0, 1, listed=True, price=7))
    shelf.apply(Change(5_000, 1, listed=True, price=9))
    assert shelf.prices(np.array([0, 5_000], np.int32), 2).tolist() == [7, 9]
    assert shelf.group[[0, 4_999]].tolist() == [0, 4_999]


def test_an_item_that_moves_to_another_group_leaves_the_one_it_was_in() -> None:
    shelf = Shelf()
    shelf.apply(Change(0, 1, group=5, listed=True))
    shelf.apply(Change(1, 1, group=5, listed=True))
    shelf.apply(Change(0, 2, group=6))
    assert (shelf.variants(5), shelf.variants(6)) == ([1], [0])
    shelf.apply(Change(1, 3, stock=0))
    assert shelf.available[[5, 6]].tolist() == [False, True]
    shelf.apply(Change(0, 4, group=0))
    assert (shelf.variants(5), shelf.variants(6)) == ([1], [])
    assert shelf.available[[0, 6]].tolist() == [True, False]
