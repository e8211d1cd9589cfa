"""Session neighbours and the index that they look in, against a second computation in plain Python."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.domain.requests import Request
from endcap.retrieval.sessions import SessionConfig, SessionIndex, SessionNeighbours
from endcap.retrieval.tables import Table
from endcap.state import NEWCOMER, Memory, Moment, Shelf, Trail, observe
from endcap.training.pairs import fit_sessions
from shops import START, corpus_of

ROWS = 12
Lists = list[list[int]]

ROW_LISTS = st.lists(st.integers(0, ROWS - 1), min_size=2, max_size=6, unique=True)
CONFIGS = st.builds(
    SessionConfig,
    neighbours=st.integers(1, 9),
    size_power=st.sampled_from([0.0, 0.5, 1.0]),
    idf_power=st.sampled_from([0.0, 0.5, 1.0]),
    half_life=st.sampled_from([0.3, 1.0, 10.0]),
    decay=st.sampled_from([0.0, 0.6, 1.0]),
    backward=st.sampled_from([0.0, 0.7, 1.0]),
    again=st.sampled_from([0.0, 1.0, 1.5]),
)


def listed(lists: Lists) -> Table:
    rows = np.array([row for each in lists for row in each], np.int32)
    return Table(np.r_[0, np.cumsum([len(each) for each in lists])].astype(np.int64), rows, np.ones(len(rows), "f4"))


def index_of(sessions: Lists, latest: int) -> tuple[SessionIndex, Lists, list[float]]:
    held = [[number for number in range(len(sessions)) if row in sessions[number]][::-1] for row in range(ROWS)]
    capped = [each[:latest] for each in held]
    idf = np.array([0.1 + np.log((len(sessions) + 1) / (len(each) + 1)) for each in held], np.float32)
    return SessionIndex(listed(sessions), listed(capped), idf), capped, idf.tolist()


def trailing(rows: list[int], steps: list[int]) -> tuple[Request, Moment]:
    shelf = Shelf()
    shelf.reserve(ROWS + 3)
    request = Request("home", START, 1, 10)
    trail = Trail(
        np.array(rows, np.int32), np.array(steps, np.int32), np.zeros(len(rows), np.float32), np.ones(len(rows), bool)
    )
    return request, replace(observe(request, NEWCOMER, shelf), trail=trail)


@given(
    st.lists(ROW_LISTS, min_size=1, max_size=9),
    st.lists(st.integers(0, ROWS + 2), min_size=1, max_size=6, unique=True),
    CONFIGS,
    st.integers(1, 4),
)
def test_votes_are_those_of_plain_python(sessions: Lists, touched: list[int], config: SessionConfig, cap: int) -> None:
    index, held, idf = index_of(sessions, cap)
    memory = Memory(step_decay=0.5, half_life_days=10**9, most=4)
    source = SessionNeighbours("sessions", index, memory, config)

    kept = [(row, 0.5**step) for step, row in enumerate(touched[:4]) if row < ROWS]
    similar: dict[int, float] = {}
    for row, weight in kept:
        for number in held[row]:
            similar[number] = similar.get(number, 0) + weight * idf[row]
    for number in similar:
        age = len(sessions) - 1 - number
        similar[number] *= len(sessions[number]) ** -config.size_power
        similar[number] *= 0.5 ** (age / (config.half_life * len(sessions)))
    ordered = sorted(similar, key=lambda number: (-similar[number], number))
    values = [similar[number] for number in ordered]
    assume(all(one - other > 1e-5 * one for one, other in pairwise(values)) or len(ordered) <= config.neighbours)
    expected: dict[int, float] = {}
    for number in ordered[: config.neighbours]:
        match = next(sessions[number].index(row) for row, _ in kept if row in sessions[number])
        for place, row in enumerate(sessions[number]):
            side = 1.0 if place > match else config.backward
            share = config.again if place == match else side * config.decay ** (abs(place - match) - 1)
            if share > 0:
                vote = similar[number] * share * idf[row] ** config.idf_power
                expected[row] = expected.get(row, 0) + vote

    found = source.propose(*trailing(touched, list(range(len(touched)))), 100)
    assert dict(zip(found.rows.tolist(), found.votes.tolist(), strict=True)) == pytest.approx(expected, rel=1e-4)


def test_a_masked_session_votes_no_more() -> None:
    index, _, _ = index_of([[0, 1], [0, 2]], 9)
    config = SessionConfig(9, size_power=0, idf_power=0, half_life=1, decay=1, backward=1, again=0)
    memory = Memory(step_decay=1, half_life_days=1, most=9)
    for masked, expected in ((np.empty(0, np.int32), [2, 1]), (np.array([1], np.int32), [1])):
        source = SessionNeighbours("sessions", index.without(masked), memory, config)
        assert source.propose(*trailing([0], [0]), 9).rows.tolist() == expected


def visits(*visits: tuple[int, int, list[int]]) -> list[tuple[int, int, Kind, int]]:
    """Lines of (shopper, day, items viewed one after the other)."""
    lines = [
        (shopper, START + day * DAY + place * 1_000, Kind.VIEW, item)
        for shopper, day, items in visits
        for place, item in enumerate(items)
    ]
    return sorted(lines, key=lambda line: line[1])


def items_of(index: SessionIndex) -> Lists:
    return [
        index.items.rows[index.items.starts[session] : index.items.starts[session + 1]].tolist()
        for session in range(len(index.items))
    ]


def test_an_index_holds_sessions_oldest_first_each_in_the_order_of_last_touches() -> None:
    corpus = corpus_of(visits((0, 3, [1, 2, 1, 3]), (1, 1, [7, 5, 6]), (0, 9, [2, 1]), (1, 5, [4]), (1, 7, [8, 8])))
    history = corpus.history()
    index, shoppers = fit_sessions(history, 60, 10, 3)

    assert items_of(index) == [[7, 5, 6], [2, 1, 3], [2, 1]]
    keys = [history.keys[shopper] for shopper in shoppers.tolist()]
    assert keys[1] == keys[2] != keys[0]
    found = index.sessions
    assert found.rows[found.starts[1] : found.starts[2]].tolist() == [2, 1]
    assert index.idf[[1, 7, 0]] == pytest.approx([0.1 + np.log(4 / 3), 0.1 + np.log(4 / 2), 0.1 + np.log(4)])


def test_long_and_short_sessions_are_left_out_and_a_row_keeps_its_latest() -> None:
    corpus = corpus_of(visits((0, 1, [1, 2]), (0, 2, [1, 2, 3, 4]), (0, 3, [1, 5]), (0, 4, [1, 6]), (0, 5, [9])))
    index, _ = fit_sessions(corpus.history(), 60, 2, 3)
    assert items_of(index) == [[1, 2], [1, 5], [1, 6]]
    assert index.sessions.rows[index.sessions.starts[1] : index.sessions.starts[2]].tolist() == [2, 1]
    assert index.sessions.rows[index.sessions.starts[2] : index.sessions.starts[3]].tolist() == [0]
    assert index.idf[1] == pytest.approx(0.1)


def test_nothing_counted_makes_an_empty_index() -> None:
    history = corpus_of([(0, START, Kind.IMPRESSION, 1), (0, START + 1, Kind.IMPRESSION, 2)]).history()
    index, shoppers = fit_sessions(history, 60, 10, 9)
    assert (len(index.items), len(index.sessions), len(shoppers)) == (0, 60, 0)
