"""Refresh: new items in every list where they fit, what was learned from people as it was."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.arrays import Rows
from endcap.domain.catalog import Change, concerns_lists
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY
from endcap.domain.requests import Reason, Request
from endcap.features.items import ItemFacts
from endcap.features.journeys import Journey
from endcap.pipeline import recommend
from endcap.policy import Policy
from endcap.retrieval.journeys import Onward
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.popularity import CategoryPopularity
from endcap.retrieval.search import heard
from endcap.snapshot import Snapshot, row_digest
from endcap.state import NEWCOMER, Shelf, State
from endcap.training import Corpus, Learned, News, learn, refreshed
from endcap.training.corpus import Texts
from endcap.training.sources import LEAST_COSINE, NEIGHBOURS
from endcap.training.vectors import nearest
from shops import START

NOW = START + 41 * DAY
NEW = 60
CHANGES = (
    Change(NEW, NOW, listed=True, price=900, category=("Shop", "oak"), text={"title": "oak chair number 99"}),
    Change(62, NOW, listed=True, group=61, category=("Shop", "ash"), text={"title": "ash chair number 98"}),
    Change(7, NOW, category=("Shop", "fir"), text={"title": "fir chair number 7"}),
)
TOUCHED = {7, NEW, 61}
KEYS = (ItemKey("item", "i60"), ItemKey("group", "g"), ItemKey("item", "i62"))


@pytest.fixture(scope="module")
def learned(corpus: Corpus) -> Learned:
    found = learn(corpus, None, None, lambda _: None)
    return found._replace(snapshot=replace(found.snapshot, version="parent"))


def news_of(corpus: Corpus, changes: tuple[Change, ...]) -> News:
    shelf, texts = Shelf(), Texts()
    for change in (*(recorded.change for recorded in corpus.changes), *changes):
        shelf.apply(change)
        texts.take(change)
    changed = np.unique(np.array([change.row for change in changes], np.int32))
    return News((*corpus.keys, *KEYS), shelf, texts, changed, corpus.offset + 9, NOW)


@pytest.fixture(scope="module")
def news(corpus: Corpus) -> News:
    return news_of(corpus, CHANGES)


@pytest.fixture(scope="module")
def child(learned: Learned, news: News) -> Snapshot:
    return refreshed(learned.snapshot, learned.encoder, news)


def neighbours(snapshot: Snapshot, name: str) -> Neighbours:
    (found,) = (source for source in snapshot.sources if source.name == name)
    assert isinstance(found, Neighbours)
    return found


def near(snapshot: Snapshot, name: str, row: int) -> Rows:
    table = neighbours(snapshot, name).table
    return table.rows[table.starts[row] : table.starts[row + 1]]


def test_the_child_names_its_parent_and_all_rows(child: Snapshot, learned: Learned, news: News) -> None:
    assert (child.parent, child.version, child.rows, child.offset) == ("parent", "", 63, news.offset)
    assert child.row_digest == row_digest(news.keys)
    assert learned.snapshot.parent == ""
    assert child.until == learned.snapshot.until


@pytest.mark.parametrize("name", ["content", "content_rare"])
def test_neighbours_are_those_of_a_table_made_anew_but_for_places_left_empty(
    child: Snapshot, news: News, name: str
) -> None:
    (facts,) = (family for family in child.features.families if isinstance(family, ItemFacts))
    total = np.zeros(63)
    total[:60] = facts.statistics.total
    own = news.shelf.available[:63] & (news.shelf.group[:63] == np.arange(63))
    allowed = np.flatnonzero(own & (total < 10)) if name == "content_rare" else np.arange(63)
    expected = nearest(child.alike, allowed.astype(np.int32), NEIGHBOURS, LEAST_COSINE)
    for row in range(63):
        found = neighbours(child, name).table
        mine, wanted = (slice(table.starts[row], table.starts[row + 1]) for table in (found, expected))
        have, want = set(found.rows[mine].tolist()), set(expected.rows[wanted].tolist())
        assert want & TOUCHED <= have
        assert len(have ^ want) <= 2 * len(TOUCHED), row
        assert (np.diff(found.weights[mine]) <= 0).all()


def test_a_full_list_gives_its_last_place_to_a_nearer_new_item(learned: Learned, news: News) -> None:
    content = neighbours(learned.snapshot, "content")
    everything = np.arange(60, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("endcap.training.refresh.NEIGHBOURS", 3)
        full = replace(content, table=nearest(learned.snapshot.alike, everything, 3, LEAST_COSINE))
        sources = tuple(full if source.name == "content" else source for source in learned.snapshot.sources)
        child = refreshed(replace(learned.snapshot, sources=sources), learned.encoder, news)
    holding = [row for row in range(60) if NEW in near(child, "content", row)]
    assert len(holding) >= 3
    assert max(len(near(child, "content", row)) for row in range(63)) == 3
    for row in holding:
        cosines = child.alike[:63] @ child.alike[row]
        cosines[[row, 62]] = -1
        assert cosines[NEW] >= np.sort(cosines)[-4]


def test_a_new_item_is_similar_to_its_kind_and_shown_beside_it(child: Snapshot, news: News, policy: Policy) -> None:
    request = Request("product", NOW, 1, 8, anchors=np.array([3], np.int32))
    decision = recommend(request, State(NEWCOMER, news.shelf), child, policy)
    assert {shown.reason for shown in decision.slate if shown.row in (NEW, 62)} == {Reason("similar", 3)}
    assert NEW in near(child, "content", 3)[:15]


def test_a_cold_visitor_finds_new_items(child: Snapshot, learned: Learned, news: News, policy: Policy) -> None:
    request = Request("home", NOW, 1, 10)
    before = recommend(request, State(NEWCOMER, news.shelf), learned.snapshot, policy)
    after = recommend(request, State(NEWCOMER, news.shelf), child, policy)
    new = {NEW, 62}
    assert not new & {shown.row for shown in before.slate}
    assert {shown.reason.code for shown in after.slate if shown.row in new} == {"new"}


def test_a_variant_is_proposed_as_its_group_alone(child: Snapshot) -> None:
    proposed = set(neighbours(child, "content").table.rows.tolist())
    assert 61 in proposed
    assert 62 not in proposed


def test_an_item_that_changed_moves_to_where_it_belongs_now(child: Snapshot, learned: Learned, news: News) -> None:
    before, after = ({source.name: source for source in each.sources}["category"] for each in (learned.snapshot, child))
    assert isinstance(before, CategoryPopularity)
    assert isinstance(after, CategoryPopularity)
    assert before.category[7] == before.category[8]
    assert after.category[7] == after.category[50] == before.category[50]
    assert after.category[NEW] == before.category[0]
    onward = next(source for source in child.sources if isinstance(source, Onward))
    told = next(family for family in child.features.families if isinstance(family, Journey))
    assert onward.journeys.category is told.journeys.category is after.category
    assert np.array_equal(np.delete(after.category[:60], 7), np.delete(before.category, 7))
    assert (near(child, "content", 7)[:5] >= 45).all()
    assert (near(learned.snapshot, "content", 7)[:5] < 15).all()


def test_what_was_learned_from_people_is_the_same_object(child: Snapshot, learned: Learned) -> None:
    parents = {source.name: source for source in learned.snapshot.sources}
    for source in child.sources:
        parent = parents.get(source.name)
        if isinstance(source, Onward) and isinstance(parent, Onward):
            assert source.journeys.within is parent.journeys.within
            assert source.journeys.across is parent.journeys.across
        elif source.name not in ("content", "content_rare", "category", "arrivals"):
            assert source is parent
    assert child.ranker is learned.snapshot.ranker


@pytest.mark.parametrize(
    ("change", "concerned"),
    [
        (Change(1, 5, price=5, stock=0), False),
        (Change(1, 5, listed=False), False),
        (Change(1, 5, text={"link": "https://shop.example", "gtin": "1"}), False),
        (Change(1, 5, listed=True), True),
        (Change(1, 5, brand="Acme"), True),
        (Change(1, 5, category=()), True),
        (Change(1, 5, group=4), True),
        (Change(1, 5, text={"title": "Mug"}), True),
    ],
)
def test_prices_stocks_and_links_concern_no_refresh(change: Change, concerned: bool) -> None:
    assert concerns_lists(change) is concerned


def test_a_new_item_is_searched_for_and_suggested(learned: Learned, child: Snapshot, news: News) -> None:
    def found(snapshot: Snapshot, typed: str) -> list[int]:
        assert snapshot.search is not None
        query = heard(typed, snapshot.search.index.vocabulary)
        return sorted(snapshot.search.find(query, news.shelf).rows.tolist()) if query.words else []

    assert (found(learned.snapshot, "99"), found(child, "99"), found(child, "98")) == ([], [NEW], [61])
    assert 7 in found(learned.snapshot, "oak")
    assert 7 in found(child, "fir")
    assert 7 not in found(child, "oak")
    assert child.search is not None
    assert child.search.vectors is child.alike
    assert child.suggestions is not None
    assert len(child.suggestions.shown) >= 4
