"""The pipeline: one pure function, its records complete, its result independent of everything but its arguments."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from endcap import pipeline
from endcap.domain.decisions import Decision
from endcap.domain.placements import Placement
from endcap.domain.pools import Proposal
from endcap.domain.requests import Query, Request
from endcap.pipeline import UNSHOWN_SAMPLE, rank, recommend
from endcap.policy import Policy
from endcap.retrieval.pool import pool_of
from endcap.retrieval.search import heard
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Moment, Shelf, State, observe
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


def test_where_candidates_are_named_exactly_they_are_ranked_with_the_votes_they_have(
    case: Case, snapshot: Snapshot, policy: Policy
) -> None:
    open_ranking = rank(case.request, case.state, snapshot, policy)
    named = np.r_[open_ranking.rows[[9, 2, 5]], np.int32(59), open_ranking.rows[2]]
    ranking = rank(replace(case.request, candidates=named), case.state, snapshot, policy)
    assert sorted(ranking.rows.tolist()) == sorted(set(named.tolist()))
    pool, whole = ranking.candidates.pool, open_ranking.candidates.pool
    assert pool.sources == whole.sources
    for place, row in enumerate(pool.rows.tolist()):
        if row in whole.rows:
            index = whole.rows.tolist().index(row)
            np.testing.assert_array_equal(pool.votes[:, place], whole.votes[:, index])
            np.testing.assert_array_equal(pool.ranks[:, place], whole.ranks[:, index])


def test_candidates_that_are_not_sold_or_that_no_source_knows_are_no_error(
    case: Case, snapshot: Snapshot, policy: Policy
) -> None:
    shelf = Shelf()
    shelf.reserve(snapshot.rows)
    request = replace(case.request, candidates=np.array([3, 4], np.int32))
    assert recommend(request, State(NEWCOMER, shelf), snapshot, policy).slate == ()
    facts = replace(snapshot.features, families=snapshot.features.families[1:2])
    silent = replace(snapshot, sources=(), features=facts)
    assert pipeline.candidates(request, case.state, silent, policy).pool.votes.shape == (0, 2)


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


def test_a_filter_is_asked_beyond_the_quotas(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    narrow = replace(policy, placements={"home": Placement("home", quota=3)})
    few = recommend(case.request, case.state, snapshot, narrow)
    request = replace(case.request, filter="brand = 'brand 2'", k=7)
    decision = recommend(request, case.state, snapshot, narrow)
    assert [shown.row % 5 for shown in decision.slate] == [2] * 7
    assert decision.short_because == ""
    assert sum(row % 5 == 2 for row in rank(case.request, case.state, snapshot, narrow).rows.tolist()) < 7
    (dropped,) = (rule for rule in decision.dropped if rule.rule == "filter")
    assert len(dropped.rows) <= few.pool_size
    impossible = recommend(replace(request, filter="brand = 'brand 9'"), case.state, snapshot, narrow)
    assert (impossible.slate, impossible.short_because) == ((), "filter")


def test_page_after_page_shows_everything_once(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    narrow = replace(policy, placements={"home": Placement("home", quota=5)})
    request, pages = replace(case.request, k=7), []
    while True:
        decision = recommend(request, case.state, snapshot, narrow)
        pages.append([shown.row for shown in decision.slate])
        request = replace(request, shown=np.concatenate([request.shown, np.array(pages[-1], np.int32)]))
        if decision.short_because:
            break
    listed = [row for page in pages for row in page]
    assert len(listed) == len(set(listed))
    assert decision.short_because == "shown_on_page"
    assert len(listed) >= 50


def test_ranks_beyond_a_quota_are_the_source_s_own() -> None:
    proposal = Proposal(np.arange(10, dtype=np.int32), np.arange(10, 0, -1).astype(np.float32))

    class Ten:
        name = "ten"

        def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
            return proposal

    shelf = Shelf()
    shelf.reserve(10)
    request = Request("home", 1, 1, 4)
    pool = pool_of(
        [Ten()], Placement("home", quota=2), request, observe(request, NEWCOMER, shelf), lambda rows: rows > 6
    )
    assert pool.rows.tolist() == [0, 1, 7, 8]
    assert pool.ranks.tolist() == [[0, 1, 7, 8]]
    assert pool.votes.tolist() == [[10, 9, 3, 2]]


def searched(case: Case, snapshot: Snapshot, policy: Policy, typed: str, **given: Any) -> Decision:
    assert snapshot.search is not None
    query = heard(typed, snapshot.search.index.vocabulary)
    return recommend(replace(case.request, placement="search", query=query, **given), case.state, snapshot, policy)


def test_only_what_a_query_finds_is_listed_best_for_the_shopper_first(
    case: Case, snapshot: Snapshot, policy: Policy
) -> None:
    decision = searched(case, snapshot, policy, "elm chair", k=20)
    assert [shown.row // 15 == 2 for shown in decision.slate] == [True] * 15 + [False] * 5
    assert (decision.recovered, decision.evidence.sources[0]) == ("", "search")
    placements = {**policy.placements, "search": replace(policy.placements["search"], personal=1.0)}
    by_ranker = searched(case, snapshot, replace(policy, placements=placements), "elm chair", k=20)
    ranked = [shown.score for shown in by_ranker.slate]
    assert ranked == sorted(ranked, reverse=True)
    assert [shown.row for shown in by_ranker.slate] != [shown.row for shown in decision.slate]


def test_a_filter_of_a_search_is_asked_of_everything_it_finds(case: Case, snapshot: Snapshot, policy: Policy) -> None:
    placements = {**policy.placements, "search": Placement("search", quota=3)}
    narrow = replace(policy, placements=placements)
    decision = searched(case, snapshot, narrow, "elm chair", k=3, filter="brand = 'brand 2'")
    assert [shown.row % 5 for shown in decision.slate] == [2] * 3
    assert len(searched(case, snapshot, narrow, "elm chair", k=9).slate) == 3
    none = searched(case, snapshot, policy, "elm chair", filter="brand = 'brand 9'")
    assert (none.slate, none.short_because, none.recovered) == ((), "filter", "")


def test_where_a_query_finds_nothing_the_list_is_of_the_nearest_category(
    case: Case, snapshot: Snapshot, policy: Policy
) -> None:
    assert snapshot.search is not None
    assert searched(case, snapshot, policy, "qqqqqq").recovered == "popular"
    faint = (0.3 * snapshot.alike[20] + 0.2 * snapshot.alike[21]).astype(np.float32)
    query = Query(missed=1, vector=faint)
    request = replace(case.request, placement="search", query=query, k=5)
    far = replace(snapshot, search=replace(snapshot.search, vectors=snapshot.alike * np.float32(0.5)))
    decision = recommend(request, case.state, far, policy)
    assert decision.recovered == "popular"
    assert {shown.row // 15 for shown in decision.slate} == {1}
    blind = recommend(request, case.state, replace(snapshot, search=None), policy)
    assert (blind.recovered, len(blind.slate)) == ("popular", 5)
