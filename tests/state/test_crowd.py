"""Many shoppers folded at once are what each is, folded alone."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY, HOUR
from endcap.state import NEWCOMER, Shopper, fold
from endcap.state.crowd import Crowd, fold_crowd

REGIONS = ["", "UK", "France"]
LINE = st.tuples(
    st.integers(0, 3),
    st.integers(0, 400).map(lambda hours: 15_000 * DAY + hours * HOUR),
    st.integers(0, 6),
    st.sampled_from(Kind),
    st.integers(0, 2),
    st.integers(0, 2),
)


def crowd(lines: Sequence[tuple[int, ...]], first: int) -> Crowd:
    person, time, row, kind, session, region = np.array(lines, np.int64).reshape(-1, 6).T.copy()
    dwell, scrolled = (kind == Kind.LEAVE) * row, (kind == Kind.VIEW) * session
    columns = time, row.astype(np.int32), kind.astype(np.uint8), session, dwell.astype(np.uint16)
    events = Events(*columns, scrolled.astype(np.uint8))
    offset = np.arange(first, first + len(lines))
    return Crowd(person.astype(np.int32), events, offset, region.astype(np.int32), REGIONS)


def folded(shoppers: list[Shopper], crowd: Crowd) -> list[Shopper]:
    return [fold_crowd(shoppers, crowd).get(place, shopper) for place, shopper in enumerate(shoppers)]


def one_by_one(shoppers: list[Shopper], crowd: Crowd) -> list[Shopper]:
    known = list(shoppers)
    for line, person in enumerate(crowd.person.tolist()):
        if crowd.offset[line] > known[person].offset:
            events, region = crowd.events.take(slice(line, line + 1)), REGIONS[crowd.region[line]]
            known[person] = fold(known[person], events, int(crowd.offset[line]), region)
    return known


@settings(max_examples=60)
@given(st.lists(LINE, max_size=40), st.lists(LINE, max_size=40))
def test_a_crowd_folds_like_each_of_its_people(before: list[tuple[int, ...]], after: list[tuple[int, ...]]) -> None:
    newcomers = [NEWCOMER] * 4
    first, second = crowd(before, 1), crowd(after, len(before) + 1)
    known = folded(newcomers, first)
    assert [each.packed() for each in known] == [each.packed() for each in one_by_one(newcomers, first)]
    told = [each.packed() for each in folded(known, second)]
    assert told == [each.packed() for each in one_by_one(known, second)]
    assert fold_crowd(folded(known, second), second) == {}


def test_the_bounds_of_recent_lines_purchases_and_days_hold_in_a_crowd() -> None:
    rng = np.random.default_rng(5)
    lines = [
        (
            int(rng.integers(3)),
            int(rng.integers(900) * DAY),
            int(rng.integers(1200)),
            int(rng.choice([1, 7, 7, 7, 8])),
            0,
            0,
        )
        for _ in range(4_000)
    ]
    newcomers = [NEWCOMER] * 3
    many = crowd(lines, 1)
    told = folded(newcomers, many)
    assert [each.packed() for each in told] == [each.packed() for each in one_by_one(newcomers, many)]
    assert {(len(each.recent), len(each.purchases), len(each.days)) for each in told} == {(48, 512, 32)}
