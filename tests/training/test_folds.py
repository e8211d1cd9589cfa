"""Folds of a history by sequence: what is learned, what is asked, and what is known of who is asked."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.state import NEWCOMER, Shopper, fold
from endcap.training import Corpus, Shop
from endcap.training.cut import items_after
from endcap.training.folds import (
    asked_cases,
    asked_fold,
    in_parts,
    last_lines_fold,
    latest_sessions,
    next_item_fold,
    standing,
)
from endcap.training.history import History
from endcap.training.replay import Folded, action_of, earlier, next_items, shopper_at, wants
from shops import START, aisles, corpus_of

Lines = list[tuple[int, int, Kind, int]]


def history_of(lines: Lines) -> tuple[Corpus, History]:
    corpus = corpus_of(lines)
    return corpus, corpus.history()


def views(*items: int, shopper: int = 0, at: int = START) -> Lines:
    return [(shopper, at + place * 1_000, Kind.VIEW, item) for place, item in enumerate(items)]


def many(lines: int, days: int, seed: int = 5) -> Lines:
    """One shopper who views, buys, returns and sees items over many `days`."""
    draw = np.random.Generator(np.random.Philox(seed))
    times = START + np.sort(draw.integers(0, days * DAY, lines))
    kinds = draw.choice([Kind.VIEW, Kind.PURCHASE, Kind.REFUND, Kind.IMPRESSION], lines, p=[0.4, 0.4, 0.1, 0.1])
    items = draw.integers(0, 60, lines)
    return [(0, time, Kind(kind), item) for time, kind, item in zip(times.tolist(), kinds, items.tolist(), strict=True)]


def same(one: Shopper, other: Shopper) -> bool:
    return one.packed() == other.packed()


def test_a_long_history_folds_line_by_line_to_what_it_folds_to_at_once() -> None:
    _, history = history_of(many(1_500, 90))
    folded = Folded(history)

    for stop in (600, 601, 640, 1_499, 1_500, 700, 3, 0):
        assert same(folded.upto(slice(0, stop)), shopper_at(history, slice(0, stop)))


def test_the_region_is_that_of_the_latest_line_however_the_past_was_folded() -> None:
    _, history = history_of(many(700, 90))
    regions = np.zeros(700, np.int32)
    regions[600:650] = 1
    history = replace(history, regions=("", "north"), region=regions)
    folded = Folded(history)

    assert [folded.upto(slice(0, stop)).region for stop in (620, 660, 700)] == ["north", "", ""]
    assert all(same(folded.upto(slice(0, stop)), shopper_at(history, slice(0, stop))) for stop in (640, 680))


def test_days_earlier_is_what_folding_earlier_lines_gives() -> None:
    _, history = history_of(many(200, 90))
    events, region = history.events(slice(0, 200)), history.regions[history.region[199]]
    moved = fold(NEWCOMER, replace(events, time=events.time - 30 * DAY), region=region)

    assert same(earlier(shopper_at(history, slice(0, 200)), 30), moved)
    assert earlier(NEWCOMER, 5) is NEWCOMER


def test_every_case_knows_what_came_before_in_its_history_and_nothing_else() -> None:
    corpus, history = history_of(views(1, 2, 3, 2) + views(4, 5, shopper=1, at=START + DAY))
    everything = np.ones(len(history), np.bool_)
    learned = standing(corpus, history)
    found = list(asked_cases(history, asked_fold(history, everything, np.array([0, 2, 3, 5]), "none"), learned))

    assert [case.state.shopper.recent.row.tolist() for case in found] == [[], [1, 2], [1, 2, 3], [4]]
    assert [case.targets.tolist() for case in found] == [[1], [3], [2], [5]]
    assert [case.bought.tolist() for case in found] == [[], [], [2], []]
    assert [case.request.at - START for case in found] == [0, 1_001, 2_001, DAY + 1]


def test_lines_that_are_another_question_s_own_are_not_known() -> None:
    corpus, history = history_of(views(1, 2, 3, 4, 3, 5))
    own = np.array([0, 7, 7, 8, 8, 8])
    asked = asked_fold(history, own == 0, np.array([2, 4, 5]), "last")._replace(own=own)
    found = list(asked_cases(history, asked, standing(corpus, history)))

    assert [case.state.shopper.recent.row.tolist() for case in found] == [[1, 2], [1, 4], [1, 4, 3]]
    assert [case.request.exclude.tolist() for case in found] == [[2], [4], [3]]
    assert [case.bought.tolist() for case in found] == [[], [], []]
    assert [case.request.at - START for case in found] == [1_001, 3_001, 4_001]


@pytest.mark.parametrize(("hides", "hidden"), [("none", []), ("last", [3]), ("known", [1, 2, 3])])
def test_what_is_known_is_hidden_as_the_fold_says(hides: str, hidden: list[int]) -> None:
    corpus, history = history_of(views(1, 2, 3, 2))
    asked = asked_fold(history, np.ones(4, np.bool_), np.array([3]), hides)  # type: ignore[arg-type]
    case = next(iter(asked_cases(history, asked, standing(corpus, history))))

    assert sorted(set(case.request.exclude.tolist())) == hidden


def test_where_the_last_item_is_hidden_nothing_that_wants_it_is_asked() -> None:
    _, history = history_of(views(1, 1, 2, 2, 1))

    learned, lines = np.ones(5, np.bool_), (np.arange(1, 5), np.arange(4))

    assert next_item_fold(history, learned, lines, "last").asked.target.tolist() == [2, 4]
    assert next_item_fold(history, learned, lines).asked.target.tolist() == [1, 2, 3, 4]


def test_the_last_lines_are_held_back_from_what_is_learned_but_never_the_first() -> None:
    _, history = history_of(
        views(1, 2, 3) + views(4, shopper=1, at=START + DAY) + views(5, 6, shopper=2, at=START + 2 * DAY)
    )
    learned = np.array([True, True, True, True, True, False])
    found = last_lines_fold(history, learned, 1)

    assert found.asked.target.tolist() == [2]
    assert found.learned.tolist() == [True, True, False, True, True, False]


def test_a_refund_after_the_line_held_back_is_held_back_and_not_asked() -> None:
    lines = [*views(1, 2, 3), (0, START + 9_000, Kind.REFUND, 2)]
    _, history = history_of(lines)
    found = last_lines_fold(history, np.ones(4, np.bool_), 1)

    assert found.asked.target.tolist() == [2]
    assert found.learned.tolist() == [True, True, False, False]


def test_each_part_lacks_the_lines_of_its_own_shoppers_alone() -> None:
    _, history = history_of(
        [line for shopper in range(5) for line in views(1, 2, 3, shopper=shopper, at=START - shopper * DAY)]
    )
    learned = np.ones(15, np.bool_)
    whole = last_lines_fold(history, learned, 1)
    parts = in_parts(history, whole, learned, 2)

    for part in parts:
        assert np.flatnonzero(~part.learned).tolist() == part.asked.target.tolist()
    assert sorted(target for part in parts for target in part.asked.target.tolist()) == whole.asked.target.tolist()
    first_lines = {history.offset[begin] for begin in parts[0].asked.begin}
    assert first_lines == set(sorted(history.offset[history.starts[:-1]])[::2])
    (alone,) = in_parts(history, whole, learned, 1)
    assert alone.learned.tolist() == whole.learned.tolist()
    assert alone.asked.target.tolist() == whole.asked.target.tolist()


def test_latest_sessions_leave_out_one_that_holds_more_than_a_third() -> None:
    _, history = history_of(
        views(*range(10)) + views(1, 2, shopper=1, at=START - DAY) + views(3, 4, shopper=2, at=START - 2 * DAY)
    )
    latest = latest_sessions(history, np.ones(14, np.bool_), 100)

    assert sorted(history.row[latest].tolist()) == [1, 2, 3, 4]


def test_a_shop_that_stands_sells_what_was_learned_and_nothing_else() -> None:
    corpus, history = history_of(views(1, 2, 3))
    corpus = replace(corpus, changes=())
    shop = standing(corpus, history.where(np.array([True, True, False])))

    assert np.flatnonzero(shop.shelf.available).tolist() == [1, 2]


def test_candidates_are_drawn_from_what_is_sold_with_the_wanted_one_among_them() -> None:
    corpus, history = history_of(views(*range(30)))
    corpus = replace(corpus, changes=())
    asked = asked_fold(history, np.ones(30, np.bool_), np.array([7, 8]), "none")._replace(drawn=10)
    shop = standing(corpus, history)
    first, second = asked_cases(history, asked, shop)

    assert 7 in first.request.candidates
    assert 8 in second.request.candidates
    assert len(set(first.request.candidates.tolist())) == 10
    assert first.request.candidates.tolist() != second.request.candidates.tolist()
    again, _ = asked_cases(history, asked, shop)
    assert again.request.candidates.tolist() == first.request.candidates.tolist()


def test_a_question_far_behind_the_shop_s_last_day_is_asked_on_that_day_with_all_ages_kept() -> None:
    corpus, history = history_of(views(1, 2) + views(3, 4, 5, shopper=1, at=START + 40 * DAY))
    learned = np.array([True, True, False, False, False])
    asked = asked_fold(history, learned, np.array([4]), "none")
    case = next(iter(asked_cases(history, asked, standing(corpus, history.where(learned)))))

    assert case.request.at == START + 1_001
    assert case.state.shopper.recent.time.tolist() == [START, START + 1_000]


def test_replayed_next_items_of_a_long_history_know_the_same_as_short_ones() -> None:
    corpus, history = history_of(many(900, 60))
    nobody = standing(corpus, history.where(np.zeros(900, np.bool_)))

    for case in list(next_items(history, nobody, START, None))[::50]:
        stop = int(case.id.split(":")[1])
        assert same(case.state.shopper, shopper_at(history, slice(0, stop)))


def test_what_was_only_shown_was_not_touched_before() -> None:
    corpus = aisles(seed=3)
    history = corpus.history()
    kind = history.kind.copy()
    kind[history.starts[:-1]] = Kind.IMPRESSION
    shown = replace(history, kind=kind)
    cases = list(next_items(shown, Shop(corpus, shown), START, None))
    for case in cases:
        lines = shown.lines(shown.keys.index(case.request.shopper))
        known = shown.group[lines][(shown.time[lines] < case.request.at) & (shown.kind[lines] != Kind.IMPRESSION)]
        assert np.array_equal(case.bought, np.unique(known))
    assert any(
        history.group[history.starts[shown.keys.index(case.request.shopper)]] not in case.bought for case in cases
    )


def test_a_visit_asks_for_a_group_once_and_before_the_list_that_showed_it() -> None:
    minute, (a, b, c, d) = 60_000, (1, 2, 3, 4)
    view, click, cart, bought, shown = Kind.VIEW, Kind.CLICK, Kind.CART, Kind.PURCHASE, Kind.IMPRESSION
    viewed, carted, purchased = action_of(np.array([view, cart, bought], np.uint8)).tolist()
    visit = [
        (0, view, a), (1, shown, b), (1, shown, c), (2, click, c), (3, view, c), (4, cart, c),
        (5, click, b), (6, view, a), (7, view, d), (8, bought, c), (600, view, c),
    ]  # fmt: skip
    corpus, history = history_of([(1, START + after * minute, kind, row) for after, kind, row in visit])
    cases = list(next_items(history, Shop(corpus, history), START, None))
    assert [case.targets.tolist() for case in cases] == [[b, c], [d], [c]]
    assert [case.actions.tolist() for case in cases] == [[viewed, purchased], [viewed], [viewed]]
    assert [case.state.shopper.lines for case in cases] == [1, 6, 8]
    assert [case.request.at - START for case in cases] == [1, 6 * minute + 1, 600 * minute]
    assert [(case.opened - START) // minute for case in cases] == [1, 7, 600]
    assert items_after(history, START) == len(cases)
    early = list(next_items(history, Shop(corpus, history), START, START + 5 * minute))
    assert [case.targets.tolist() for case in early] == [[c]]
    assert early[0].actions.tolist() == [carted]


def test_nobody_wants_anything_of_no_history() -> None:
    _, history = history_of(many(9, 3))
    assert not len(wants(history.where(np.zeros(9, np.bool_)), None).line)
