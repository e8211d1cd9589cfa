"""The pipeline: one pure function, its records complete, its result independent of everything but its arguments."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.requests import Request
from endcap.pipeline import UNSHOWN_SAMPLE, rank, recommend
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shelf, State
from endcap.training import Case

K = 8


@pytest.fixture(scope="module")
def case(states: list[Case]) -> Case:
    return replace(states[7], request=replace(states[7].request, k=K))


def test_equal_arguments_give_an_equal_decision(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    first, second = (recommend(case.request, case.state, snapshot, policy) for _ in range(2))
    assert first.slate == second.slate
    assert first.evidence.features.tobytes() == second.evidence.features.tobytes()
    assert first.evidence.rows.tolist() == second.evidence.rows.tolist()


def test_the_seed_decides_the_sample_and_nothing_of_the_slate(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    other = replace(case.request, seed=case.request.seed + 1)
    first, second = (recommend(request, case.state, snapshot, policy) for request in (case.request, other))
    assert first.slate == second.slate
    assert first.evidence.rows[:K].tolist() == second.evidence.rows[:K].tolist()
    assert first.evidence.rows[K:].tolist() != second.evidence.rows[K:].tolist()


def test_a_ranking_is_ordered_with_ties_by_row(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    flat = replace(snapshot, ranker=replace(snapshot.blend, schema=snapshot.features.schema,
                                            weights=np.zeros(len(snapshot.features.schema), np.float32)))  # fmt: skip
    ranking = rank(case.request, case.state, flat, policy)
    assert ranking.rows.tolist() == sorted(ranking.rows.tolist())
    assert (np.diff(rank(case.request, case.state, snapshot, policy).scores) <= 0).all()


def test_a_decision_names_all_it_depended_on(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    decision = recommend(case.request, case.state, snapshot, policy)
    assert [shown.position for shown in decision.slate] == list(range(1, K + 1))
    assert decision.offsets.shopper == case.state.shopper.offset
    assert decision.offsets.shelf == case.state.shelf.offset
    assert (decision.snapshot, decision.policy) == (snapshot.version, policy.version)
    assert decision.evidence.features.shape == (len(snapshot.features.schema), K + UNSHOWN_SAMPLE)
    assert decision.evidence.votes.shape == (len(snapshot.sources), K + UNSHOWN_SAMPLE)
    assert all(shown.reason.code for shown in decision.slate)


def test_excluded_and_anchored_items_are_never_shown(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    shown = [each.row for each in recommend(case.request, case.state, snapshot, policy).slate]
    request = replace(case.request, exclude=np.array(shown[:3], np.int32), anchors=np.array(shown[3:4], np.int32))
    after = [each.row for each in recommend(request, case.state, snapshot, policy).slate]
    assert not set(shown[:4]) & set(after)


def test_an_empty_shelf_gives_an_empty_slate_and_a_reason(snapshot: Snapshot, policy: Policy) -> None:
    shelf = Shelf()
    shelf.reserve(snapshot.rows)
    decision = recommend(Request("home", snapshot.until, 1, K), State(NEWCOMER, shelf), snapshot, policy)
    assert decision.slate == ()
    assert decision.short_because == "unlisted_or_out_of_stock"


def test_without_the_ranker_the_blend_decides(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    plain = snapshot.without_ranker().checked()
    ranking = rank(case.request, case.state, plain, policy)
    assert len(ranking.rows) == len(rank(case.request, case.state, snapshot, policy).rows)
    assert (ranking.scores >= ranking.scores[-1]).all()
