"""The bench's own scoring gives what the product's gives, computed another way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cases import UNRANKABLE, Cases, Lines, Pairs
from endcap import metrics
from measure import CUTOFFS, Floats, figures, places

ITEMS = 12


def nothing_known() -> Lines:
    none = np.empty(0, np.int64)
    return Lines(none, none, none, none.astype(np.float64), none.astype(np.bool_))


def asked(wanted: list[list[int]], barred: list[tuple[int, int]]) -> Cases:
    case = np.repeat(np.arange(len(wanted)), [len(items) for items in wanted])
    item = np.array([each for items in wanted for each in items])
    left_out = np.array(sorted(barred), np.int64).reshape(-1, 2)
    unit = np.arange(len(wanted))
    ids = tuple(map(str, unit))
    return Cases(ids, unit, nothing_known(), Pairs(case, item), Pairs(left_out[:, 0], left_out[:, 1]))


wanted_items = st.lists(st.integers(UNRANKABLE, ITEMS - 1), min_size=1, max_size=5, unique=True)


@given(
    lists=st.lists(
        st.tuples(st.lists(st.integers(0, 3), min_size=ITEMS, max_size=ITEMS), wanted_items), min_size=1, max_size=4
    ),
    barred=st.integers(0, ITEMS - 1),
)
def test_figures_are_those_of_the_product_ties_and_barred_items_too(
    lists: list[tuple[list[int], list[int]]], barred: int
) -> None:
    scores = np.array([scores for scores, _ in lists], np.float32)
    cases = asked([wanted for _, wanted in lists], [(0, barred)])

    def score(_: Cases) -> Floats:
        return scores.copy()

    found = figures(cases.wanted, places(score, cases), len(cases))

    for case, (row, wanted) in enumerate(zip(scores, (wanted for _, wanted in lists), strict=True)):
        ranked = np.array([item for item in np.argsort(-row, kind="stable") if (case, item) != (0, barred)], np.int32)
        theirs = metrics.figures(ranked, row[ranked], np.array(wanted, np.int32))
        ours = [found[name][case] for name in metrics.METRICS]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_list_in_which_all_are_equal_earns_nothing() -> None:
    cases = asked([[0]], [])

    place = places(lambda _: np.zeros((1, 50)), cases)

    assert place.tolist() == [50]
    assert all(figures(cases.wanted, place, 1)[f"recall@{k}"][0] == 0 for k in CUTOFFS)


def test_only_candidates_are_ranked_where_there_are_some() -> None:
    cases = asked([[3]], [])
    among = Pairs(np.zeros(2, np.int64), np.array([3, 5]))
    few = Cases(cases.ids, cases.unit, cases.known, cases.wanted, cases.barred, among)

    assert places(lambda _: np.arange(ITEMS)[None] * 1.0, few).tolist() == [2]
