"""Training end to end: what it refuses, what it leaves out, and that little data still gives a list."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from msgspec import structs

from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.domain.requests import Request
from endcap.errors import GateRefused
from endcap.pipeline import rank
from endcap.policy import Policy
from endcap.ranking.blend import Blend
from endcap.ranking.trees import Trees
from endcap.state import NEWCOMER, Shelf, State
from endcap.training import Corpus, Shop, cases, train, train_layers
from endcap.training.history import read_history
from shops import START, aisles, corpus_of


def test_nothing_to_learn_from_is_refused_with_the_remedy(corpus: Corpus) -> None:
    with pytest.raises(GateRefused, match="no view, click, cart or purchase to learn from; import events first"):
        train(corpus, START, lambda _: None)


def test_few_events_give_lists_in_the_order_of_a_blend(policy: Policy) -> None:
    small = aisles(seed=3, shoppers=4)
    snapshot = train(small, None, lambda _: None).checked()
    assert isinstance(snapshot.ranker, Blend)
    case = next(iter(cases(small, START, "time-split")))
    assert len(rank(case.request, case.state, snapshot, policy).rows) > 0


def test_a_shop_where_nothing_ever_followed_anything_learns_what_it_can(policy: Policy) -> None:
    single = [(shopper, START + shopper * DAY // 9, Kind.VIEW, shopper * 7 % 60) for shopper in range(300)]
    snapshot = train(corpus_of(single), None, lambda _: None).checked()
    assert not {"sequel", "sessions", "transitions"} & {source.name for source in snapshot.sources}
    shelf = Shelf()
    shelf.reserve(snapshot.rows)
    rank(Request("home", START, 1, 5), State(NEWCOMER, shelf), snapshot, policy)


def test_layers_of_few_events_leave_the_hybrid_out_and_say_why(policy: Policy) -> None:
    small = aisles(seed=3, shoppers=4)
    found = train_layers(small, START + 40 * DAY, "time-split", lambda _: None)
    assert [layer.name for layer in found.layers] == ["popularity", "collaborative", "content", "session"]
    assert [left.name for left in found.left_out] == ["hybrid"]
    case = next(iter(cases(small, START, "time-split")))
    for layer in found.layers:
        assert len(rank(case.request, case.state, layer.snapshot.checked(), policy).rows) > 0


def test_a_shop_without_texts_has_no_content_source_and_names_the_layer_only_if_empty(corpus: Corpus) -> None:
    bare = tuple(
        recorded._replace(change=structs.replace(recorded.change, text={}, brand=None, category=None))
        for recorded in corpus.changes
    )
    snapshot = train(replace(corpus, changes=bare), None, lambda _: None)
    names = {source.name for source in snapshot.sources}
    assert not names & {"content", "content_rare", "category"}
    assert isinstance(snapshot.ranker, Trees)


def test_a_shop_does_not_go_back_in_time(corpus: Corpus) -> None:
    shop = Shop(corpus, read_history(corpus.interactions, corpus.groups()))
    shop.advance(START + 10 * DAY)
    with pytest.raises(ValueError, match="cannot go back"):
        shop.advance(START + 9 * DAY)


def test_order_lines_alone_can_be_replayed_event_by_event(policy: Policy) -> None:
    orders = aisles(seed=4)
    bought = orders.interactions.filter(pc.equal(orders.interactions["kind"], int(Kind.PURCHASE)))
    layers = train_layers(replace(orders, interactions=bought), START + 35 * DAY, "time-split", lambda _: None).layers
    assert layers[-1].name == "hybrid"


def test_no_region_is_no_region(corpus: Corpus) -> None:
    column = pa.array([""] * len(corpus.interactions)).dictionary_encode()
    index = corpus.interactions.schema.get_field_index("region")
    table = corpus.interactions.set_column(index, corpus.interactions.schema.field("region"), column)
    snapshot = train(replace(corpus, interactions=table), None, lambda _: None)
    assert "region" not in {source.name for source in snapshot.sources}


def test_no_case_is_asked_before_the_split(corpus: Corpus) -> None:
    middle = len(corpus.interactions) // 2
    splits = corpus.interactions["time"][middle : middle + 5].to_pylist()
    first = [min(case.request.at for case in cases(corpus, split, "time-split")) for split in splits]
    assert all(at >= split for at, split in zip(first, splits, strict=True))
    assert any(at == split for at, split in zip(first, splits, strict=True))
