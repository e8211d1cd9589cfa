"""The slate: what rules drop, what caps keep out, how likeness spreads, which variant and why."""

from dataclasses import replace

import numpy as np
import pytest

from endcap import slate
from endcap.domain.arrays import Rows
from endcap.domain.catalog import Change
from endcap.domain.events import Events, Kind
from endcap.domain.placements import Placement
from endcap.domain.pools import Pool
from endcap.domain.requests import Query, Reason, Request
from endcap.state import NEWCOMER, Moment, Shelf, Shopper, fold, observe
from endcap.training.sources import LAYERS

AT = 1_700_000_000_000
REQUEST = Request("home", AT, 1, 4)


def rows(*numbers: int) -> Rows:
    return np.array(numbers, np.int32)


@pytest.fixture
def shelf() -> Shelf:
    found = Shelf()
    for row in range(12):
        brand, category = f"brand {row % 3}", ("Shop", f"aisle {row // 6}")
        found.apply(Change(row, 1, listed=row != 3, stock=0 if row == 4 else None, brand=brand, category=category))
    return found


def moment(shelf: Shelf, shopper: Shopper = NEWCOMER, request: Request = REQUEST) -> Moment:
    return observe(request, shopper, shelf)


def buyer(*bought: int) -> Shopper:
    count = len(bought)
    times, kinds = np.full(count, AT - 90_000_000), np.full(count, Kind.PURCHASE, np.uint8)
    return fold(NEWCOMER, Events(times, rows(*bought), kinds, np.zeros(count, np.int64)))


def pool(size: int = 12) -> Pool:
    votes = np.ones((1, size), np.float32)
    return Pool(np.arange(size, dtype=np.int32), ("popularity",), votes, votes)


def test_every_dropped_row_keeps_the_name_of_its_rule(shelf: Shelf) -> None:
    request = replace(REQUEST, exclude=rows(0, 3), anchors=rows(1))
    placement = Placement("discovery", purchased="hide")
    kept, dropped = slate.admit(placement, request, moment(shelf, buyer(2, 0), request), pool())
    assert kept.rows.tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert {rule.rule: rule.rows.tolist() for rule in dropped} == {
        "unlisted_or_out_of_stock": [3, 4],
        "excluded": [0],
        "anchor": [1],
        "purchased": [2],
    }


def test_a_placement_may_show_the_categories_of_the_anchors_alone_or_all_others(shelf: Shelf) -> None:
    request = replace(REQUEST, anchors=rows(1))
    same, other = Placement("similar", category="same"), Placement("complete", category="other")
    for placement, shown in ((same, [0, 2, 5]), (other, [6, 7, 8, 9, 10, 11])):
        kept, dropped = slate.admit(placement, request, moment(shelf, request=request), pool())
        assert kept.rows.tolist() == shown
        assert dropped[-1].rule == "category_of_anchor"
    beyond = slate.fit(same, request, moment(shelf, request=request))
    assert beyond
    assert beyond(rows(0, 3, 6)).tolist() == [True, False, False]
    kept, _ = slate.admit(same, REQUEST, moment(shelf), pool())
    assert len(kept) == 10


def test_where_nothing_is_against_it_the_pool_is_untouched(shelf: Shelf) -> None:
    whole = pool(3)
    kept, dropped = slate.admit(Placement("home"), REQUEST, moment(shelf), whole)
    assert kept is whole
    assert dropped == ()


NO_TURNS = np.empty(0, np.float32)


def arranged(
    shelf: Shelf, placement: Placement, k: int, alike: np.ndarray | None = None, turns: np.ndarray = NO_TURNS
) -> slate.Arranged:
    ranked = np.arange(12, dtype=np.int32)
    scores = np.linspace(1, 0, 12, dtype=np.float32)
    vectors = np.empty((0, 2), np.float32) if alike is None else alike
    return slate.arranged(ranked, scores, shelf, placement, k, slate.Ways(vectors, turns))


def test_without_caps_and_diversity_the_ranking_stands(shelf: Shelf) -> None:
    assert arranged(shelf, Placement("home"), 5).chosen.tolist() == [0, 1, 2, 3, 4]


def test_a_brand_cap_passes_over_what_is_full_and_names_it(shelf: Shelf) -> None:
    found = arranged(shelf, Placement("home", most_per_brand=1), 3)
    assert found.chosen.tolist() == [0, 1, 2]
    found = arranged(shelf, Placement("home", most_per_category=2), 4)
    assert found.chosen.tolist() == [0, 1, 6, 7]
    (capped,) = slate.capped(np.arange(12, dtype=np.int32), found)
    assert (capped.rule, capped.rows.tolist()) == ("category_cap", [2, 3, 4, 5, 8, 9, 10, 11])


def test_caps_can_leave_a_slate_short_and_say_so(shelf: Shelf) -> None:
    found = arranged(shelf, Placement("home", most_per_brand=1), 5)
    assert len(found.chosen) == 3
    assert slate.shortage(3, 5, (), found) == "caps"
    assert slate.shortage(5, 5, (), found) == ""


def test_breadth_gives_places_to_where_the_visit_may_turn_each_by_its_chance(shelf: Shelf) -> None:
    categories = shelf.category[:12]
    other = int(categories[categories != categories[0]][0])
    turns = np.where(categories == other, np.float32(0.5), np.float32(0))
    theirs = np.flatnonzero(categories == other).tolist()
    assert arranged(shelf, Placement("home"), 3, turns=turns).chosen.tolist() == [0, 1, 2]
    assert arranged(shelf, Placement("home", breadth=0.4), 3, turns=NO_TURNS).chosen.tolist() == [0, 1, 2]
    broad = arranged(shelf, Placement("home", breadth=0.6), 3, turns=turns).chosen.tolist()
    assert broad[0] == theirs[0]
    assert broad[1] not in theirs


def test_diversity_puts_the_unlike_before_the_like(shelf: Shelf) -> None:
    alike = np.zeros((12, 2), np.float32)
    alike[:6, 0], alike[6:, 1] = 1, 1
    assert arranged(shelf, Placement("home"), 2, alike).chosen.tolist() == [0, 1]
    assert arranged(shelf, Placement("home", diversity=0.6), 2, alike).chosen.tolist() == [0, 6]


def test_the_variant_shown_is_the_one_touched_last_if_it_sells(shelf: Shelf) -> None:
    for row in (8, 9, 10):
        shelf.apply(Change(row, 2, group=0))
    touched = buyer(9)
    assert slate.variants(Placement("home"), REQUEST, moment(shelf), rows(0, 5)) == [8, 5]
    assert slate.variants(Placement("home"), REQUEST, moment(shelf, touched), rows(5, 0)) == [5, 9]
    shelf.apply(Change(9, 3, stock=0))
    assert slate.variants(Placement("home"), REQUEST, moment(shelf, touched), rows(0)) == [8]


def test_the_variant_shown_is_the_one_that_was_searched_for(shelf: Shelf) -> None:
    for row, colour in ((8, "red"), (9, "Écru"), (10, "dark red")):
        shelf.apply(Change(row, 2, group=0, text={"color": colour, "size": "S"}))
    for words, expected in (((("red",),), 8), ((("dark",), ("red",)), 10), ((("ecru",),), 9), ((("s",),), 8)):
        asked = replace(REQUEST, query=Query(words))
        assert slate.variants(Placement("search"), asked, moment(shelf), rows(0)) == [expected]
    asked = replace(REQUEST, query=Query((("red",),)))
    assert slate.variants(Placement("search"), asked, moment(shelf, buyer(9)), rows(0)) == [8]


def reason(ranks: list[float], witness: dict[str, int], *seen: int) -> Reason:
    sources = ("popularity", "personal", "cooccurrence", "content")
    column = np.array(ranks, np.float32)[:, None]
    return slate.reasons(sources, column, rows(7), rows(*seen), lambda source, _: witness.get(source, -1))[0]


NO = float("nan")


@pytest.mark.parametrize(
    ("ranks", "witness", "expected"),
    [
        ([0, 50, 1, 1], {"cooccurrence": 3}, Reason("bought_before")),
        ([0, NO, 9, 4], {"cooccurrence": 3, "content": 5}, Reason("similar", 5)),
        ([0, NO, 2, 4], {"cooccurrence": 3, "content": 5}, Reason("chosen_together", 3)),
        ([8, NO, 2, NO], {}, Reason("popular")),
        ([NO, NO, 2, NO], {}, Reason("picked")),
    ],
)
def test_reasons_are_true_and_the_nearest_comes_first(
    ranks: list[float], witness: dict[str, int], expected: Reason
) -> None:
    assert reason(ranks, witness) == expected


def test_what_the_shopper_looked_at_is_said_to_be_that_unless_it_was_bought() -> None:
    assert reason([NO, NO, 2, 4], {"cooccurrence": 3}, 7) == Reason("seen_before")
    assert reason([NO, 3, 2, 4], {"cooccurrence": 3}, 7) == Reason("bought_before")
    assert reason([NO, NO, 2, 4], {"cooccurrence": 3}, 8) == Reason("chosen_together", 3)


@pytest.mark.parametrize("source", [name for names in LAYERS.values() for name in names])
def test_every_source_has_a_reason_with_and_without_an_anchor(source: str) -> None:
    for anchor in (3, -1):
        found = slate.reasons((source,), np.zeros((1, 1), np.float32), rows(7), rows(), lambda *_, named=anchor: named)
        assert found[0].code


def test_a_cap_does_not_leave_a_slate_short_while_others_lie_far_below() -> None:
    found = Shelf()
    for row in range(400):
        found.apply(Change(row, 1, listed=True, category=("Shop", "crowded" if row < 390 else f"aisle {row}")))
    ranked, scores = np.arange(400, dtype=np.int32), np.linspace(1, 0, 400, dtype=np.float32)
    capped = Placement("home", most_per_category=2)
    chosen = slate.arranged(ranked, scores, found, capped, 5, slate.Ways(np.empty((0, 2), np.float32), NO_TURNS)).chosen
    assert chosen.tolist() == [0, 1, 390, 391, 392]


@pytest.mark.parametrize(
    ("new", "places", "expected"),
    [
        ([], 1, [0, 1, 2, 3, 4]),
        ([9], 0, [0, 1, 2, 3, 4]),
        ([9, 10], 1, [0, 1, 2, 3, 9]),
        ([9, 10], 3, [0, 1, 2, 9, 10]),
        ([2, 9], 1, [0, 1, 2, 3, 4]),
        ([2, 9], 2, [0, 1, 2, 3, 9]),
        ([4, 9], 2, [0, 1, 2, 9, 4]),
        ([5, 6, 7, 8, 9, 10], 9, [5, 6, 7, 8, 9]),
    ],
)
def test_new_items_get_the_last_places_that_are_kept_for_them(
    shelf: Shelf, new: list[int], places: int, expected: list[int]
) -> None:
    mask = np.zeros(12, np.bool_)
    mask[new] = True
    assert slate.renewed(arranged(shelf, Placement("home"), 5), mask, places).tolist() == expected


def test_a_new_item_that_a_cap_kept_out_stays_out(shelf: Shelf) -> None:
    mask = np.zeros(12, np.bool_)
    mask[[3, 8]] = True
    found = arranged(shelf, Placement("home", most_per_brand=1), 2)
    assert slate.renewed(found, mask, 1).tolist() == [0, 8]
