"""The kit that every source runs in: unknown shopper, unknown rows, order, bounds, determinism."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.requests import Request
from endcap.retrieval import Source
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shelf, observe
from endcap.training import Case
from endcap.training.sources import LAYERS

NAMES = sorted({name for names in LAYERS.values() for name in names} - {"season"})
"""All but those for which the small shop has no data: no second year."""


def source_of(snapshot: Snapshot, name: str) -> Source:
    return next(source for source in snapshot.sources if source.name == name)


def test_the_small_shop_fits_every_other_source(snapshot: Snapshot) -> None:
    assert sorted(source.name for source in snapshot.sources) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_proposals_are_distinct_positive_ordered_and_bounded(name: str, snapshot: Snapshot, states: list[Case]) -> None:
    source = source_of(snapshot, name)
    proposed = 0
    for case in states[:60]:
        moment = observe(case.request, case.state.shopper, case.state.shelf)
        whole, few = source.propose(case.request, moment, 1_000), source.propose(case.request, moment, 3)
        assert whole.rows.dtype == np.int32
        assert whole.votes.dtype == np.float32
        assert len(set(whole.rows.tolist())) == len(whole.rows)
        assert (whole.votes > 0).all()
        order = np.lexsort((whole.rows, -whole.votes))
        assert order.tolist() == list(range(len(order)))
        assert few.rows.tolist() == whole.rows[:3].tolist()
        proposed += len(whole.rows)
    assert proposed > 0


@pytest.mark.parametrize("name", NAMES)
def test_equal_arguments_give_equal_bytes(name: str, snapshot: Snapshot, states: list[Case]) -> None:
    case = states[3]
    moment = observe(case.request, case.state.shopper, case.state.shelf)
    first, second = (source_of(snapshot, name).propose(case.request, moment, 50) for _ in range(2))
    assert first.rows.tobytes() == second.rows.tobytes()
    assert first.votes.tobytes() == second.votes.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_newcomer_gets_popularity_and_nothing_made_up(name: str, snapshot: Snapshot) -> None:
    request = Request("home", 1_800_000_000_000, 1, 10)
    shelf = Shelf()
    shelf.reserve(snapshot.rows)
    proposal = source_of(snapshot, name).propose(request, observe(request, NEWCOMER, shelf), 10)
    assert bool(len(proposal.rows)) is (name in ("popularity", "arrivals"))


@pytest.mark.parametrize("name", NAMES)
def test_rows_beyond_the_snapshot_are_no_error(name: str, snapshot: Snapshot) -> None:
    shelf = Shelf()
    shelf.reserve(snapshot.rows + 50)
    request = Request("product", 1_800_000_000_000, 1, 10, anchors=np.array([snapshot.rows + 7], np.int32))
    moment = observe(request, NEWCOMER, shelf)
    assert len(source_of(snapshot, name).propose(request, moment, 10).rows) in (0, 10)


def test_a_region_that_is_asked_for_comes_before_the_shoppers_own(snapshot: Snapshot, states: list[Case]) -> None:
    case = states[0]
    source = source_of(snapshot, "region")
    lists = []
    for region in ("north", "south", "nowhere"):
        request = replace(case.request, region=region)
        moment = observe(request, case.state.shopper, case.state.shelf)
        lists.append(source.propose(request, moment, 20).rows.tolist())
    assert lists[0] != lists[1]
    assert lists[2] == []
