from itertools import permutations
from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from endcap.metrics import METRICS, bootstrap, figures, ndcg, paired_gain, pessimistic_hits, precision, recall


def listed(rows: list[int], scores: list[float], targets: list[int]) -> dict[str, float]:
    found = figures(np.array(rows, np.int32), np.array(scores, np.float32), np.array(targets, np.int32))
    return dict(zip(METRICS, found.tolist(), strict=True))


def falling(count: int) -> list[float]:
    return [float(count - place) for place in range(count)]


def test_a_hand_computed_list_has_the_figures_of_the_textbook() -> None:
    found = listed(list(range(30)), falling(30), [1, 4, 15, 99])

    assert found["recall@10"] == 2 / 4
    assert found["recall@20"] == 3 / 4
    assert found["precision@10"] == 2 / 10
    assert found["precision@20"] == 3 / 20
    assert found["mrr@10"] == found["mrr@20"] == 1 / 2
    ideal = 1 + 1 / log2(3) + 1 / log2(4) + 1 / log2(5)
    assert found["ndcg@10"] == pytest.approx((1 / log2(3) + 1 / log2(6)) / ideal)
    assert found["ndcg@20"] == pytest.approx((1 / log2(3) + 1 / log2(6) + 1 / log2(17)) / ideal)


def test_recall_is_by_the_size_of_the_basket_even_where_it_exceeds_k() -> None:
    found = listed(list(range(20)), falling(20), list(range(40)))

    assert found["recall@10"] == 10 / 40
    assert found["recall@20"] == 20 / 40


def test_the_ideal_of_ndcg_holds_no_more_hits_than_the_list_has_places() -> None:
    found = listed(list(range(20)), falling(20), list(range(40)))

    assert found["ndcg@10"] == found["ndcg@20"] == found["precision@20"] == found["mrr@10"] == 1


@pytest.mark.parametrize("rank", [1, 2, 3, 10, 11, 20, 21])
def test_one_target_at_a_rank_has_the_closed_forms(rank: int) -> None:
    found = listed(list(range(25)), falling(25), [rank - 1])

    for k in (10, 20):
        within = rank <= k
        assert found[f"recall@{k}"] == within
        assert found[f"precision@{k}"] == within / k
        assert found[f"mrr@{k}"] == (1 / rank if within else 0)
        assert found[f"ndcg@{k}"] == pytest.approx(1 / log2(rank + 1) if within else 0)


def test_a_short_and_an_empty_list_are_measured_by_k_and_the_basket_all_the_same() -> None:
    assert listed([3], [1.0], [3, 4])["precision@10"] == 1 / 10
    assert listed([3], [1.0], [3, 4])["recall@10"] == 1 / 2
    assert set(listed([], [], [3]).values()) == {0.0}


def test_a_constant_score_earns_nothing_within_the_first_places() -> None:
    found = listed(list(range(40)), [1.0] * 40, list(range(20)))

    assert set(found.values()) == {0.0}


def test_the_order_given_within_a_tie_changes_nothing() -> None:
    lucky = listed([5, 1, 2, 3], [2, 1, 1, 1], [1, 5])
    unlucky = listed([5, 2, 3, 1], [2, 1, 1, 1], [1, 5])

    assert lucky == unlucky
    assert lucky["ndcg@10"] == pytest.approx((1 + 1 / log2(5)) / (1 + 1 / log2(3)))


def naive(order: tuple[int, ...], targets: set[int], k: int) -> tuple[float, float, float, float]:
    """Recall, NDCG, precision and reciprocal rank by loops."""
    hits = [place for place, row in enumerate(order[:k], 1) if row in targets]
    gained = sum(1 / log2(place + 1) for place in hits)
    ideal = sum(1 / log2(place + 1) for place in range(1, min(len(targets), k) + 1))
    return len(hits) / len(targets), gained / ideal, len(hits) / k, 1 / hits[0] if hits else 0.0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.sets(st.integers(0, 8), min_size=1, max_size=5),
    st.integers(1, 7),
)
def test_every_figure_is_the_worst_over_all_orders_that_the_scores_allow(
    grades: list[int], targets: set[int], k: int
) -> None:
    grades.sort(reverse=True)
    allowed = [
        order
        for order in permutations(range(len(grades)))
        if [grades[row] for row in order] == grades
    ]  # fmt: skip
    worst = np.min([naive(order, targets, k) for order in allowed], axis=0)

    wanted = np.array(sorted(targets), np.int32)
    hits = pessimistic_hits(np.arange(len(grades), dtype=np.int32), np.array(grades, np.float32), wanted)
    first = np.flatnonzero(hits[:k])
    found = [
        recall(hits, len(wanted), k),
        ndcg(hits, len(wanted), k),
        precision(hits, k),
        1 / (first[0] + 1) if len(first) else 0,
    ]
    np.testing.assert_allclose(found, worst, atol=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.sets(st.integers(0, 40), min_size=1, max_size=12))
def test_figures_are_fractions_and_grow_with_k_where_they_must(grades: list[int], targets: set[int]) -> None:
    grades.sort(reverse=True)
    found = listed(list(range(len(grades))), [float(grade) for grade in grades], sorted(targets))

    assert all(0 <= value <= 1 for value in found.values())
    assert found["recall@10"] <= found["recall@20"]
    assert found["mrr@10"] <= found["mrr@20"]


@pytest.mark.parametrize(
    ("rows", "scores", "targets", "complaint"),
    [
        ([1, 2], [1.0, 2.0], [1], "rise"),
        ([1, 2], [1.0, float("nan")], [1], "NaN"),
        ([1], [float("nan")], [1], "NaN"),
        ([1, 1], [2.0, 1.0], [1], "twice"),
        ([1, 2], [2.0, 1.0], [], "at least one"),
    ],
)
def test_a_list_that_cannot_be_measured_is_refused(
    rows: list[int], scores: list[float], targets: list[int], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        listed(rows, scores, targets)


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(seed)).normal(size=shape)


def test_the_interval_of_a_mean_has_the_width_of_the_normal_theory() -> None:
    values = normal(1, 400, 1)

    found = bootstrap(values, np.arange(400))[0]

    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.12 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.12 * half)


def test_the_interval_of_paired_gains_covers_the_true_gain_in_95_of_100_samples() -> None:
    samples, cases, gain = 400, 200, 0.05
    ease = 10 * normal(2, samples, cases, 1)
    above = ease + normal(3, samples, cases, 1)
    values = ease + gain + normal(4, samples, cases, 1)

    found = [paired_gain(values[i], above[i], np.arange(cases), resamples=300)[0] for i in range(samples)]

    covered = np.mean([interval.low <= gain <= interval.high for interval in found])
    assert 0.91 <= covered <= 0.97


def test_cases_of_one_shopper_are_drawn_together() -> None:
    samples, shoppers, each = 200, 40, 5
    values = np.repeat(normal(5, samples, shoppers, 1), each, axis=1)
    units = np.repeat(np.arange(shoppers), each)

    found = [bootstrap(values[i], units, resamples=300)[0] for i in range(samples)]

    covered = np.mean([interval.low <= 0 <= interval.high for interval in found])
    assert 0.90 <= covered <= 0.97


def test_units_of_unequal_size_weigh_by_their_cases() -> None:
    found = bootstrap(np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([0, 0, 0, 1]))[0]

    assert found.mean == 0.75
    assert (found.low, found.high) == (0, 1)


def test_a_gain_that_holds_everywhere_is_seen_through_any_noise_that_both_share() -> None:
    ease = 100 * normal(6, 30, 1)

    found = paired_gain(ease + 0.01, ease, np.arange(30))[0]

    assert not found.holds_zero
    assert found.low == pytest.approx(0.01)


def test_the_same_values_give_the_same_interval_to_the_last_bit() -> None:
    values = normal(7, 50, 3)

    assert bootstrap(values, np.arange(50)) == bootstrap(values.copy(), np.arange(50))


def test_a_column_has_the_interval_that_it_has_alone() -> None:
    values = normal(8, 50, 2)

    together, alone = bootstrap(values, np.arange(50))[1], bootstrap(values[:, 1:], np.arange(50))[0]

    assert together == pytest.approx(alone)


def test_no_case_has_no_interval() -> None:
    with pytest.raises(ValueError, match="no case"):
        bootstrap(np.empty((0, 8)), np.empty(0, np.int64))
