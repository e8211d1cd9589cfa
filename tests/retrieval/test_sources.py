"""The kit that every source runs in: unknown shopper, unknown rows, empty catalog, order, bounds, determinism."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.arrays import NO_ROWS
from endcap.domain.requests import Request
from endcap.retrieval import Source
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.popularity import CategoryPopularity, RegionPopularity, Shortlist
from endcap.retrieval.sessions import SessionIndex, SessionNeighbours
from endcap.retrieval.tables import Table
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Memory, Moment, Shelf, observe
from endcap.training import Case
from endcap.training.profile import BASKETS, SESSIONS
from endcap.training.sources import ATTENTION, LAYERS, Fitted

NAMES = sorted({name for names in LAYERS.values() for name in names} - {"season"})
"""All but those for which the small shop has no data: no second year."""
ANYWAY = ("popularity", "arrivals")
"""Those that need to know nothing of who asks."""


@pytest.fixture
def source(fitted: Fitted, name: str) -> Source:
    return next(source for source in fitted.sources if source.name == name)


def moment_of(case: Case) -> Moment:
    return observe(case.request, case.state.shopper, case.state.shelf)


def stranger(rows: int, *anchors: int) -> tuple[Request, Moment]:
    """A newcomer to a shop of `rows` rows, who looks at `anchors`."""
    request = Request("product", 1_800_000_000_000, 1, 10, anchors=np.array(anchors, np.int32))
    shelf = Shelf()
    shelf.reserve(rows)
    return request, observe(request, NEWCOMER, shelf)


def test_the_small_shop_fits_every_other_source(fitted: Fitted, snapshot: Snapshot) -> None:
    assert sorted(source.name for source in fitted.sources) == NAMES
    left_out = {"factors", "vectors", "words"}
    assert {f"near_{name}" for name in left_out} | left_out | {ATTENTION} >= SESSIONS.left_out
    assert sorted(source.name for source in snapshot.sources) == sorted(set(NAMES) - left_out)


@pytest.mark.parametrize("name", NAMES)
def test_proposals_are_distinct_positive_ordered_and_bounded(source: Source, states: list[Case]) -> None:
    proposed = 0
    for case in states[:60]:
        moment = moment_of(case)
        whole, few = source.propose(case.request, moment, 1_000), source.propose(case.request, moment, 3)
        assert whole.rows.dtype == np.int32
        assert whole.votes.dtype == np.float32
        assert len(set(whole.rows.tolist())) == len(whole.rows)
        assert (whole.votes > 0).all()
        assert np.isfinite(whole.votes).all()
        order = np.lexsort((whole.rows, -whole.votes))
        assert order.tolist() == list(range(len(order)))
        assert few.rows.tolist() == whole.rows[:3].tolist()
        proposed += len(whole.rows)
    assert proposed > 0


@pytest.mark.parametrize("name", NAMES)
def test_equal_arguments_give_equal_bytes(source: Source, states: list[Case]) -> None:
    case = states[3]
    first, second = (source.propose(case.request, moment_of(case), 50) for _ in range(2))
    assert first.rows.tobytes() == second.rows.tobytes()
    assert first.votes.tobytes() == second.votes.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_votes_stay_positive_for_who_was_away_for_years(name: str, source: Source, states: list[Case]) -> None:
    for case in states[:20]:
        moment = moment_of(case)
        late = replace(moment, trail=replace(moment.trail, days=moment.trail.days + 4_000))
        before, after = (source.propose(case.request, each, 1_000) for each in (moment, late))
        assert (after.votes > 0).all()
        if name == "recent":
            assert set(after.rows.tolist()) == set(before.rows.tolist())


@pytest.mark.parametrize("name", NAMES)
def test_a_newcomer_gets_popularity_and_nothing_made_up(name: str, source: Source, snapshot: Snapshot) -> None:
    proposal = source.propose(*stranger(snapshot.rows), 10)
    assert bool(len(proposal.rows)) is (name in ANYWAY)


@pytest.mark.parametrize("name", NAMES)
def test_rows_beyond_the_snapshot_are_no_error(name: str, source: Source, snapshot: Snapshot) -> None:
    new = snapshot.rows + 7
    proposal = source.propose(*stranger(snapshot.rows + 50, new), 10)
    expected = {"recent": [new]}.get(name, [])
    assert proposal.rows.tolist() == expected or name in ANYWAY
    both = source.propose(*stranger(snapshot.rows + 50, new, 3), 10)
    assert set(both.rows.tolist()) <= {*range(snapshot.rows), *expected}


LISTS = Table(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
NEAR = Memory(step_decay=0.5, half_life_days=3, most=8)
BARE: tuple[Source, ...] = (
    Shortlist("popularity", LISTS),
    RegionPopularity("region", LISTS, ()),
    CategoryPopularity("category", LISTS, NO_ROWS, NEAR),
    Neighbours("cooccurrence", LISTS, np.empty(0, np.uint16), NEAR),
    SessionNeighbours("sessions", SessionIndex(LISTS, LISTS, np.empty(0, np.float32)), NEAR, SESSIONS.sessions),
    SessionNeighbours("sessions", SessionIndex(LISTS, LISTS, np.empty(0, np.float32)), NEAR, BASKETS.sessions),
)


@pytest.mark.parametrize("source", BARE, ids=lambda source: type(source).__name__)
def test_what_was_learned_from_an_empty_catalog_proposes_nothing(source: Source) -> None:
    for anchors in ((), (0, 2)):
        proposal = source.propose(*stranger(5, *anchors), 10)
        assert not len(proposal.rows)
        assert not len(proposal.votes)
        assert proposal.rows.dtype == np.int32
        assert proposal.votes.dtype == np.float32


def test_a_region_that_is_asked_for_comes_before_the_shoppers_own(fitted: Fitted, states: list[Case]) -> None:
    case = states[0]
    source = next(source for source in fitted.sources if source.name == "region")
    lists = []
    for region in ("north", "south", "nowhere"):
        request = replace(case.request, region=region)
        moment = observe(request, case.state.shopper, case.state.shelf)
        lists.append(source.propose(request, moment, 20).rows.tolist())
    assert lists[0] != lists[1]
    assert lists[2] == []
