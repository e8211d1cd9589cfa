"""Bots: who browses faster or wider than people do, told by nothing later."""

import numpy as np
import pytest

from endcap.domain.arrays import Bools
from endcap.domain.bots import left_by_bots
from endcap.domain.events import Kind
from endcap.domain.instants import MINUTE

START = 1_700_000_000_000 // MINUTE * MINUTE


def told(times: list[int], items: list[int], kind: Kind = Kind.VIEW, events: list[int] | None = None) -> Bools:
    count = len(times)
    return left_by_bots(
        np.zeros(count, np.int32),
        np.zeros(count, np.int64),
        START + np.array(times, np.int64),
        np.full(count, kind, np.uint8),
        np.array(items, np.int32),
        np.arange(count) if events is None else np.array(events, np.int64),
    )


def test_from_the_sixty_first_event_of_a_minute_on_nothing_counts() -> None:
    found = told([n * 900 for n in range(62)] + [5 * MINUTE], [n % 7 for n in range(63)])
    assert found.tolist() == [False] * 60 + [True] * 3


def test_sixty_events_a_minute_are_a_person_s() -> None:
    assert not told([n * 1_000 for n in range(600)], [n % 7 for n in range(600)]).any()


def test_from_the_item_501_of_a_session_on_nothing_counts() -> None:
    found = told([n * 20_000 for n in range(503)], [*range(500), 3, 500, 4])
    assert found.tolist() == [False] * 501 + [True] * 2


@pytest.mark.parametrize("kind", [Kind.PURCHASE, Kind.REFUND, Kind.IMPRESSION])
def test_orders_and_lists_shown_do_not_count(kind: Kind) -> None:
    assert not told([0] * 700, list(range(700)), kind).any()


def test_lines_of_one_event_are_one() -> None:
    assert not told([0] * 70, list(range(70)), events=[n // 7 for n in range(70)]).any()


def test_what_comes_later_changes_nothing() -> None:
    generator = np.random.Generator(np.random.Philox(3))
    times = np.sort(generator.integers(0, 3 * MINUTE, 400)).tolist()
    items = generator.integers(0, 50, 400).tolist()
    whole = told(times, items)
    assert whole.any()
    for cut in range(0, 400, 37):
        known = [time for time in times if time < times[cut]]
        assert told(known, items[: len(known)]).tolist() == whole[: len(known)].tolist()


def test_the_order_of_equal_instants_does_not_matter() -> None:
    times = [n // 5 * 3_000 for n in range(120)]
    items = [n % 11 for n in range(120)]
    backwards = [119 - n for n in range(120)]
    assert told(times, items).tolist() == told(times, items, events=backwards).tolist()


def test_nobody_leaves_nothing() -> None:
    assert told([], []).tolist() == []
