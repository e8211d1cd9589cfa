"""The shopper: a fold that does not depend on the order of arrival, and stays small."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.domain.events import NO_EVENTS, Events, Kind
from endcap.domain.instants import DAY
from endcap.state import NEWCOMER, Shopper, fold, joined
from endcap.state.shopper import PURCHASED, RECENT

LINES = st.lists(
    st.tuples(
        st.integers(10**12, 10**12 + 400 * DAY), st.integers(0, 30), st.sampled_from(list(Kind)), st.integers(0, 3)
    ),
    max_size=120,
)


def events(lines: list[tuple[int, int, Kind, int]]) -> Events:
    time, row, kind, session = (list(column) for column in zip(*lines, strict=True)) if lines else ([], [], [], [])
    columns = np.array(time, np.int64), np.array(row, np.int32), np.array(kind, np.uint8), np.array(session, np.int64)
    looked = np.isin(columns[2], (Kind.VIEW, Kind.LEAVE))
    dwell, scrolled = looked * columns[1] * 5 % 60, looked * columns[1] * 7 % 101
    return Events(*columns, dwell.astype(np.uint16), scrolled.astype(np.uint8))


@given(LINES, st.randoms(use_true_random=False), st.integers(1, 9))
def test_any_order_and_any_batches_give_the_same_bytes(
    lines: list[tuple[int, int, Kind, int]], random: Random, size: int
) -> None:
    at_once = fold(NEWCOMER, events(lines), offset=9, region="DE")
    random.shuffle(lines)
    shopper = NEWCOMER
    for begin in range(0, len(lines), size):
        shopper = fold(shopper, events(lines[begin : begin + size]), offset=9, region="DE")
    assert shopper.packed() == at_once.packed()


@given(LINES, LINES)
def test_two_people_who_are_one_join_to_what_their_events_fold_to(
    one: list[tuple[int, int, Kind, int]], other: list[tuple[int, int, Kind, int]]
) -> None:
    first, second = fold(NEWCOMER, events(one), 7, "DE"), fold(NEWCOMER, events(other), 9, "AT")
    both = fold(fold(NEWCOMER, events(one), 7, "DE"), events(other), 9, "AT")
    assert joined(first, second).packed() == both.packed() == joined(second, first).packed()


def test_two_who_bought_more_than_is_kept_keep_what_was_bought_last() -> None:
    lines = [(10**12 + n * DAY // 40, n, Kind.PURCHASE, 0) for n in range(2 * PURCHASED)]
    both = joined(fold(NEWCOMER, events(lines[::2])), fold(NEWCOMER, events(lines[1::2])))
    assert both.packed() == fold(NEWCOMER, events(lines)).packed()


@given(LINES)
def test_unpacking_gives_back_what_was_packed(lines: list[tuple[int, int, Kind, int]]) -> None:
    shopper = fold(NEWCOMER, events(lines), offset=7, region="Österreich")
    assert Shopper.unpacked(shopper.packed()).packed() == shopper.packed()


def test_a_foreign_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 9, this release reads 1 and 2; rebuild the state"):
        Shopper.unpacked(b"\x09" + NEWCOMER.packed()[1:])


def test_state_that_is_cut_short_is_refused() -> None:
    with pytest.raises(ValueError, match="cut short; rebuild the state"):
        Shopper.unpacked(NEWCOMER.packed()[:10])


def test_a_shopper_is_bounded() -> None:
    lines = [(10**12 + n * DAY // 40, n, Kind.PURCHASE, 0) for n in range(40_000)]
    shopper = fold(NEWCOMER, events(lines))
    assert len(shopper.recent) == RECENT
    assert len(shopper.purchases) == PURCHASED
    assert shopper.purchases["row"].min() == 40_000 - PURCHASED
    assert len(shopper.packed()) < 1_024 + 12 * PURCHASED + 200


@pytest.mark.parametrize("size", [1, 7, 400])
def test_batches_do_not_matter_for_one_who_bought_more_than_is_kept(size: int) -> None:
    generator = np.random.Generator(np.random.Philox(5))
    lines = [(10**12 + n * DAY // 9, int(generator.integers(900)), Kind.PURCHASE, 0) for n in range(4_000)]
    shopper = NEWCOMER
    for begin in range(0, len(lines), size):
        shopper = fold(shopper, events(lines[begin : begin + size]))
    assert len(shopper.purchases) == PURCHASED
    assert shopper.packed() == fold(NEWCOMER, events(lines)).packed()


def test_purchases_keep_the_last_two_days_the_first_and_the_count() -> None:
    days = (3, 40, 40, 90)
    shopper = fold(NEWCOMER, events([(day * DAY + 5, 8, Kind.PURCHASE, 0) for day in days]))
    assert shopper.purchases.tolist() == [(8, 90, 40, 3, 4)]
    assert shopper.days.tolist() == [90, 40, 3]


def test_a_refund_reverses_its_purchase_even_if_it_comes_first() -> None:
    refund, purchase = events([(50 * DAY, 8, Kind.REFUND, 0)]), events([(40 * DAY, 8, Kind.PURCHASE, 0)])
    assert fold(fold(NEWCOMER, refund), purchase).purchases.tolist() == [(8, 40, 0, 40, 0)]


def test_impressions_leave_no_trace() -> None:
    assert fold(NEWCOMER, events([(10**12, 1, Kind.IMPRESSION, 0)])) is NEWCOMER
    assert fold(NEWCOMER, NO_EVENTS) is NEWCOMER


def test_how_a_page_was_looked_at_is_known_when_it_was_left() -> None:
    """A view tells afterwards how long it was, counted from its own time on; leaving a page is told as it happens."""
    shopper = fold(NEWCOMER, events([(10**12, 4, Kind.VIEW, 0), (10**12, 5, Kind.LEAVE, 0)]))
    assert shopper.looks.tolist() == [(10**9, 5, 25, 35), (10**9 + 20, 4, 20, 28)]
    assert shopper.lines == 1


def test_state_of_the_format_before_is_read() -> None:
    shopper = fold(NEWCOMER, events([(10**12, 1, Kind.CART, 0)]), offset=7, region="DE")
    packed = shopper.packed()
    before = b"\x01" + packed[1:41] + packed[43:]
    assert Shopper.unpacked(before).packed() == packed


def test_the_region_is_that_of_the_latest_line() -> None:
    early, late = events([(10**12, 1, Kind.VIEW, 0)]), events([(10**12 + 5, 1, Kind.VIEW, 0)])
    assert fold(fold(NEWCOMER, late, region="FR"), early, region="DE").region == "FR"
