"""The kit that every feature family runs in: shape, dtype, NaN, one item, no item, permuted pool, determinism."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.instants import DAY
from endcap.domain.placements import Placement
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features import Feature
from endcap.features.following import Following, Sequel
from endcap.features.items import ItemFacts, ItemStatistics
from endcap.features.links import Links
from endcap.features.looks import Closeness, Looks
from endcap.features.okapi import fit_okapi
from endcap.features.similarity import Similarity
from endcap.features.words import Lexicon, Words
from endcap.retrieval.pool import pool_of
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Memory, Moment, Shelf, observe
from endcap.state.shopper import LOOK
from endcap.training import Case, Corpus
from endcap.training.sources import Fitted

FAMILIES = (
    "Votes", "ItemFacts", "OwnPurchases", "Touches", "Affinity", "Links cooccurrence", "Links transitions", "Journey",
    "Words", "Following sequel", "Following attention", "Similarity factors", "Similarity vectors",
    "Similarity content", "Context", "Okapi", "Looks",
)  # fmt: skip
MEMORY = Memory(step_decay=0.5, half_life_days=3, most=8)
Seen = tuple[Request, Moment, Pool]


def title(family: Feature) -> str:
    of = (getattr(family, name, "") for name in ("source", "space", "name"))
    return f"{type(family).__name__} {''.join(of)}".strip()


@pytest.fixture(scope="module")
def families(fitted: Fitted, corpus: Corpus) -> dict[str, Feature]:
    texts = [recorded.change.text["title"] for recorded in corpus.changes]
    looks = Looks(Closeness((3, 1), (50, 20)), np.linspace(-1, 1, len(fitted.alike), dtype=np.float32), fitted.alike)
    return {title(family): family for family in (*fitted.features.families, fit_okapi(texts, MEMORY), looks)}


@pytest.fixture
def family(families: dict[str, Feature], name: str) -> Feature:
    return families[name]


@pytest.fixture(scope="module")
def seen(fitted: Fitted, states: list[Case]) -> list[Seen]:
    found = []
    for case in states[-30:]:
        moment = told(observe(case.request, case.state.shopper, case.state.shelf))
        found.append((case.request, moment, pool_of(fitted.sources, Placement("home"), case.request, moment)))
    return found


def told(moment: Moment) -> Moment:
    """`moment` where every other row of the trail was looked at closely."""
    looks = np.zeros(len(moment.trail.rows[::2]), LOOK)
    looks["row"], looks["at"], looks["dwell"], looks["scrolled"] = moment.trail.rows[::2], 0, 30, 80
    return replace(moment, looks=looks)


def stranger(rows: int, *anchors: int) -> tuple[Request, Moment]:
    """A newcomer to a shop of `rows` rows, who looks at `anchors`."""
    shelf = Shelf()
    shelf.reserve(rows)
    request = Request("home", 1_800_000_000_000, 1, 10, anchors=np.array(anchors, np.int32))
    return request, observe(request, NEWCOMER, shelf)


def silent(*rows: int, sources: tuple[str, ...] = ()) -> Pool:
    """A pool of `rows` for which nobody votes."""
    nothing = np.full((len(sources), len(rows)), np.nan, np.float32)
    return Pool(np.array(rows, np.int32), sources, nothing, nothing)


def test_the_kit_holds_every_family(families: dict[str, Feature], snapshot: Snapshot) -> None:
    assert tuple(families) == FAMILIES
    assert {title(family) for family in snapshot.features.families} <= set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_columns_have_the_promised_shape_and_are_never_infinite(family: Feature, seen: list[Seen]) -> None:
    for request, moment, pool in seen:
        columns = family.columns(request, moment, pool)
        assert columns.dtype == np.float32
        assert columns.shape == (len(family.names), len(pool))
        assert not np.isinf(columns).any()


@pytest.mark.parametrize("name", FAMILIES)
def test_no_column_is_unknown_for_everyone(family: Feature, seen: list[Seen]) -> None:
    without = {
        "own_days_before_last",
        "own_interval_days",
        "own_due",
        "again",
        "season_4_weeks",
        "season_10_weeks",
        "season_rise",
    }
    columns = np.concatenate([family.columns(*each) for each in seen], axis=1)
    dark = {name for name, column in zip(family.names, columns, strict=True) if np.isnan(column).all()}
    assert dark <= without


@pytest.mark.parametrize("name", FAMILIES)
def test_a_permuted_pool_permutes_the_columns(name: str, family: Feature, seen: list[Seen]) -> None:
    for request, moment, pool in seen[:10]:
        order = np.random.Generator(np.random.Philox(1)).permutation(len(pool))
        turned = Pool(pool.rows[order], pool.sources, pool.votes[:, order], pool.ranks[:, order])
        straight = family.columns(request, moment, pool)
        tolerance = 1e-5 if name.startswith("Similarity") else 0
        np.testing.assert_allclose(family.columns(request, moment, turned), straight[:, order], tolerance)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_item_and_no_item_are_pools_too(family: Feature, seen: list[Seen]) -> None:
    request, moment, pool = seen[0]
    for size in (0, 1):
        few = pool.kept(np.arange(len(pool)) < size)
        columns = family.columns(request, moment, few)
        assert columns.shape == (len(family.names), size)
        assert columns.dtype == np.float32


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_arguments_give_equal_bytes(family: Feature, seen: list[Seen]) -> None:
    first, second = (family.columns(*seen[4]).tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("anchors", [(), (62,), (3, 62)])
def test_newcomers_and_rows_beyond_the_snapshot_are_unknown_not_errors(
    anchors: tuple[int, ...], family: Feature, fitted: Fitted, corpus: Corpus
) -> None:
    rows = len(corpus.keys)
    sources = tuple(source.name for source in fitted.sources)
    pool = silent(rows, 5, rows + 1, rows + 2, sources=sources)
    columns = family.columns(*stranger(rows + 5, *anchors), pool)
    assert columns.shape == (len(family.names), 4)
    assert not np.isinf(columns).any()
    if isinstance(family, Links | Words | Following | Similarity):
        assert np.isnan(columns[:, [0, 2, 3]]).all()
        assert np.isnan(columns[:, 1]).all() or 3 in anchors


@pytest.mark.parametrize("name", FAMILIES)
def test_years_away_leave_no_column_infinite_and_cosines_as_they_were(
    name: str, family: Feature, seen: list[Seen]
) -> None:
    for request, moment, pool in seen[:10]:
        late = replace(moment.trail, days=moment.trail.days + 4_000)
        columns = family.columns(replace(request, at=request.at + 4_000 * DAY), replace(moment, trail=late), pool)
        assert not np.isinf(columns).any()
        if name == "Words" or name.startswith("Similarity"):
            alike = [place for place, column in enumerate(family.names) if column.endswith(("_last", "nearest"))]
            near = family.columns(request, moment, pool)
            np.testing.assert_allclose(columns[alike], near[alike], 1e-5)
            assert np.nanmax(np.abs(columns[0]), initial=0) <= 1.001
            assert np.nanmax(np.abs(columns[0]), initial=0) > 0.01 * np.nanmax(np.abs(near[0]), initial=0)


NOTHING = np.empty(0, np.float32)
NO_VECTORS = np.empty((0, 4), np.float32)
NO_LISTS = np.zeros(1, np.int64), np.empty(0, np.int32), NOTHING
BARE: tuple[Feature, ...] = (
    Links("cooccurrence", *NO_LISTS, MEMORY),
    Words(Lexicon(*NO_LISTS, 0), MEMORY),
    Following("sequel", Sequel(NO_VECTORS, NO_VECTORS, NOTHING, np.ones(3, np.float32))),
    Similarity("content", NO_VECTORS, MEMORY),
    fit_okapi([], MEMORY),
)


@pytest.mark.parametrize("family", BARE, ids=title)
def test_what_was_learned_from_an_empty_catalog_knows_nothing(family: Feature) -> None:
    request, moment = stranger(5, 0, 4)
    assert np.isnan(family.columns(request, moment, silent(1, 0))).all()
    assert family.columns(request, moment, silent()).shape == (len(family.names), 0)


def test_statistics_of_an_empty_catalog_are_those_of_items_that_nobody_touched() -> None:
    weeks = np.zeros((0, 0), np.uint16)
    facts = ItemFacts(ItemStatistics(0, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, weeks))
    columns = facts.columns(*stranger(5, 0), silent(1, 2))
    assert columns[facts.names.index("total")].tolist() == [0, 0]
    assert np.isnan(columns[facts.names.index("revisited")]).all()


def test_names_are_unique_across_families(families: dict[str, Feature]) -> None:
    names = [name for family in families.values() for name in family.names]
    assert len(set(names)) == len(names)
