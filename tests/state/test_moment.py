"""The moment: what one request sees of a shopper, on groups and not beyond its time."""

from dataclasses import replace

import numpy as np

from endcap.domain.catalog import Change
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY, MINUTE
from endcap.domain.requests import Request
from endcap.state import NEWCOMER, KeptState, Memory, Shelf, Shopper, fold, observe

AT = 1_700_000_000_000


def events(*lines: tuple[int, int, Kind]) -> Events:
    times = np.array([AT - ago for ago, _, _ in lines])
    rows = np.array([row for _, row, _ in lines], np.int32)
    return Events(times, rows, np.array([kind for _, _, kind in lines], np.uint8), np.zeros(len(lines), np.int64))


def shelf(rows: int = 20) -> Shelf:
    found = Shelf()
    for row in range(rows):
        found.apply(Change(row, 1, listed=True))
    return found


def request(**more: object) -> Request:
    return Request("home", AT, 1, 10, **more)  # type: ignore[arg-type]


def shopper(*lines: tuple[int, int, Kind]) -> Shopper:
    return fold(NEWCOMER, events(*lines))


def test_the_trail_starts_with_anchors_then_the_newest_without_repeats() -> None:
    known = shopper((9 * MINUTE, 1, Kind.VIEW), (5 * MINUTE, 2, Kind.VIEW), (1 * MINUTE, 1, Kind.CART))
    trail = observe(request(anchors=np.array([7], np.int32)), known, shelf()).trail
    assert trail.rows.tolist() == [7, 1, 2]
    assert trail.steps.tolist() == [0, 1, 2]
    assert trail.here.all()


def test_lines_of_one_basket_share_a_step_and_older_purchases_follow() -> None:
    old = [(40 * DAY + row, 10 + row % 5, Kind.PURCHASE) for row in range(60)]
    basket = [(2 * DAY, row, Kind.PURCHASE) for row in range(10)]
    trail = observe(request(), shopper(*old, *basket), shelf()).trail
    assert set(trail.steps[:10].tolist()) == {0}
    assert set(trail.rows[:10].tolist()) == set(range(10))
    assert set(trail.rows[10:].tolist()) == {10, 11, 12, 13, 14}
    assert not trail.here.any()


def test_events_after_the_request_are_not_known() -> None:
    trail = observe(request(), shopper((5, 1, Kind.VIEW), (-5, 2, Kind.VIEW)), shelf()).trail
    assert trail.rows.tolist() == [1]


def test_the_current_session_begins_after_half_an_hour_of_silence() -> None:
    known = shopper((90 * MINUTE, 1, Kind.VIEW), (20 * MINUTE, 2, Kind.VIEW), (10 * MINUTE, 3, Kind.VIEW))
    moment = observe(request(), known, shelf())
    assert moment.recent.row[moment.session :].tolist() == [2, 3]


def test_without_consent_only_what_the_request_brings_is_known() -> None:
    known = shopper((5 * MINUTE, 1, Kind.VIEW))
    moment = observe(request(consent=False, session=events((MINUTE, 4, Kind.VIEW))), known, shelf())
    assert moment.trail.rows.tolist() == [4]
    assert moment.lines == 1


def test_variants_count_as_their_group() -> None:
    found = shelf()
    for row in (3, 4):
        found.apply(Change(row, 2, group=15))
    known = shopper((40 * DAY, 3, Kind.PURCHASE), (10 * DAY, 4, Kind.PURCHASE))
    moment = observe(request(), known, found)
    assert moment.trail.rows.tolist() == [15]
    assert moment.purchases["row"].tolist() == [15]
    assert moment.purchases["count"].tolist() == [2]
    assert moment.touched.tolist() == [4, 3]


def test_memory_fades_by_step_and_by_day() -> None:
    known = shopper((10 * DAY, 1, Kind.VIEW), (0, 2, Kind.VIEW))
    rows, weights = observe(request(), known, shelf()).trail.strengths(Memory(0.5, 10, 5))
    assert rows.tolist() == [2, 1]
    assert weights.tolist() == [1.0, 0.25]


def test_an_event_that_was_posted_and_is_sent_along_as_well_counts_once() -> None:
    known = shopper((5 * MINUTE, 1, Kind.VIEW))
    sent = events((5 * MINUTE, 1, Kind.VIEW), (MINUTE, 2, Kind.VIEW))
    moment = observe(request(session=sent), known, shelf())
    assert moment.recent.row.tolist() == [1, 2]
    assert moment.lines == 2


def test_lists_of_a_page_share_a_moment_until_something_that_it_depends_on_is_another() -> None:
    known, goods = shopper((20 * MINUTE, 1, Kind.VIEW)), shelf()
    state, home = KeptState(known, goods), request()
    moment = state.moment(home)
    assert state.moment(replace(home, placement="new", k=3, exclude=np.array([2], np.int32))) is moment
    others = (
        replace(home, at=AT + 1),
        replace(home, anchors=np.array([4], np.int32)),
        replace(home, region="FR"),
        replace(home, consent=False),
        replace(home, session=events((MINUTE, 3, Kind.VIEW))),
        replace(home, session=events((MINUTE, 3, Kind.CART))),
    )
    seen = [state.moment(each) for each in others]
    assert len({id(each) for each in (moment, *seen)}) == len(others) + 1
    assert all(
        np.array_equal(one.trail.rows, observe(each, known, goods).trail.rows)
        for one, each in zip(seen, others, strict=True)
    )
    goods.offset += 1
    assert state.moment(home) is not moment


def test_what_is_worked_out_of_a_moment_is_worked_out_once_by_each() -> None:
    done: list[str] = []

    def work(name: str) -> str:
        done.append(name)
        return name

    moment, one, other = observe(request(), NEWCOMER, shelf()), object(), object()
    asked = [(one, 5, "a"), (one, 5, "b"), (one, 6, "c"), (other, 5, "d"), (other, 5, "e")]
    told = [moment.once(by, detail, lambda name=name: work(name)) for by, detail, name in asked]  # type: ignore[misc]
    assert told == ["a", "a", "c", "d", "d"]
    assert done == ["a", "c", "d"]
