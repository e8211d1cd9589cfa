"""Tables: sums over lists equal plain Python's, whatever the lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from endcap.domain.pools import Proposal
from endcap.retrieval.pool import merged
from endcap.retrieval.tables import Table, best, table_of

ENTRIES = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 200)), st.integers(1, 64).map(lambda n: n / 8), max_size=60
)


def table(entries: dict[tuple[int, int], float], most: int = 1_000) -> Table:
    keys, rows = (np.array([pair[side] for pair in entries], np.int64) for side in (0, 1))
    return table_of(keys, rows.astype(np.int32), np.array(list(entries.values()), np.float32), 7, most)


@given(ENTRIES, st.lists(st.tuples(st.integers(0, 9), st.integers(1, 8)), max_size=8))
def test_a_look_up_sums_strength_times_weight(
    entries: dict[tuple[int, int], float], asked: list[tuple[int, int]]
) -> None:
    keys = np.array([key for key, _ in asked], np.int32)
    strengths = np.array([strength for _, strength in asked], np.float32)
    expected: dict[int, float] = {}
    for key, strength in asked:
        for (owner, row), weight in entries.items():
            if owner == key:
                expected[row] = expected.get(row, 0) + strength * weight
    found = table(entries).look_up(keys, strengths, 1_000)
    assert dict(zip(found.rows.tolist(), found.votes.tolist(), strict=True)) == expected
    assert found.rows.tolist() == sorted(expected, key=lambda row: (-expected[row], row))


@given(ENTRIES, st.integers(1, 5))
def test_a_table_keeps_the_largest_weights_of_a_key(entries: dict[tuple[int, int], float], most: int) -> None:
    found = table(entries, most)
    for key in range(7):
        ranked = sorted(((-weight, row) for (owner, row), weight in entries.items() if owner == key))[:most]
        assert found.rows[found.starts[key] : found.starts[key + 1]].tolist() == [row for _, row in ranked]


def test_ties_go_to_the_smaller_row() -> None:
    rows, votes = np.array([9, 2, 5, 7], np.int32), np.array([1, 1, 2, 1], np.float32)
    assert best(rows, votes, 3).rows.tolist() == [5, 2, 7]


def test_a_pool_keeps_votes_of_members_beyond_a_sources_quota() -> None:
    proposals = [
        Proposal(np.array([1, 2, 3], np.int32), np.array([3, 2, 1], np.float32)),
        Proposal(np.array([3, 4], np.int32), np.array([9, 8], np.float32)),
    ]
    pool = merged(("a", "b"), proposals, np.array([1, 1]))
    assert pool.rows.tolist() == [1, 3]
    assert np.array_equal(pool.votes, np.array([[3, 1], [np.nan, 9]]), equal_nan=True)
    assert np.array_equal(pool.ranks, np.array([[0, 2], [np.nan, 0]]), equal_nan=True)


def test_no_proposals_make_an_empty_pool() -> None:
    nothing = Proposal(np.empty(0, np.int32), np.empty(0, np.float32))
    pool = merged(("a",), [nothing], np.array([10]))
    assert (len(pool), pool.votes.shape) == (0, (1, 0))
