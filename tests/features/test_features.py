"""The kit that every feature family runs in: shape, dtype, NaN, one item, no item, permuted pool, determinism."""

import numpy as np
import pytest

from endcap.domain.placements import Placement
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features import Feature
from endcap.retrieval.pool import pool_of
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Moment, Shelf, observe
from endcap.training import Case

FAMILIES = range(9)
Seen = tuple[Request, Moment, Pool]


@pytest.fixture(scope="module")
def seen(snapshot: Snapshot, states: list[Case]) -> list[Seen]:
    found = []
    for case in states[-30:]:
        moment = observe(case.request, case.state.shopper, case.state.shelf)
        found.append((case.request, moment, pool_of(snapshot.sources, Placement("home"), case.request, moment)))
    return found


def family(snapshot: Snapshot, number: int) -> Feature:
    assert len(snapshot.features.families) == len(FAMILIES)
    return snapshot.features.families[number]


@pytest.mark.parametrize("number", FAMILIES)
def test_columns_have_the_promised_shape_and_are_never_infinite(
    number: int, snapshot: Snapshot, seen: list[Seen]
) -> None:
    for request, moment, pool in seen:
        columns = family(snapshot, number).columns(request, moment, pool)
        assert columns.dtype == np.float32
        assert columns.shape == (len(family(snapshot, number).names), len(pool))
        assert not np.isinf(columns).any()


@pytest.mark.parametrize("number", FAMILIES)
def test_no_column_is_unknown_for_everyone(number: int, snapshot: Snapshot, seen: list[Seen]) -> None:
    without = {
        "own_days_before_last",
        "own_interval_days",
        "own_due",
        "again",
        "season_4_weeks",
        "season_10_weeks",
        "season_rise",
    }
    columns = np.concatenate([family(snapshot, number).columns(*each) for each in seen], axis=1)
    dark = {
        name for name, column in zip(family(snapshot, number).names, columns, strict=True) if np.isnan(column).all()
    }
    assert dark <= without


@pytest.mark.parametrize("number", FAMILIES)
def test_a_permuted_pool_permutes_the_columns(number: int, snapshot: Snapshot, seen: list[Seen]) -> None:
    for request, moment, pool in seen[:10]:
        order = np.random.Generator(np.random.Philox(1)).permutation(len(pool))
        turned = Pool(pool.rows[order], pool.sources, pool.votes[:, order], pool.ranks[:, order])
        straight = family(snapshot, number).columns(request, moment, pool)
        np.testing.assert_allclose(family(snapshot, number).columns(request, moment, turned), straight[:, order], 1e-5)


@pytest.mark.parametrize("number", FAMILIES)
def test_one_item_and_no_item_are_pools_too(number: int, snapshot: Snapshot, seen: list[Seen]) -> None:
    request, moment, pool = seen[0]
    whole = family(snapshot, number).columns(request, moment, pool)
    for size in (0, 1):
        few = pool.kept(np.arange(len(pool)) < size)
        assert family(snapshot, number).columns(request, moment, few).shape == (len(whole), size)


@pytest.mark.parametrize("number", FAMILIES)
def test_equal_arguments_give_equal_bytes(number: int, snapshot: Snapshot, seen: list[Seen]) -> None:
    first, second = (family(snapshot, number).columns(*seen[4]).tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("number", FAMILIES)
def test_newcomers_and_rows_beyond_the_snapshot_are_unknown_not_errors(number: int, snapshot: Snapshot) -> None:
    shelf = Shelf()
    shelf.reserve(snapshot.rows + 5)
    request = Request("home", 1_800_000_000_000, 1, 10)
    moment = observe(request, NEWCOMER, shelf)
    sources = tuple(source.name for source in snapshot.sources)
    nothing = np.full((len(sources), 3), np.nan, np.float32)
    pool = Pool(np.arange(snapshot.rows, snapshot.rows + 3, dtype=np.int32), sources, nothing, nothing)
    columns = family(snapshot, number).columns(request, moment, pool)
    assert columns.shape == (len(family(snapshot, number).names), 3)
    assert not np.isinf(columns).any()


def test_names_are_unique_across_families(snapshot: Snapshot) -> None:
    assert len(set(snapshot.features.schema)) == len(snapshot.features.schema)
