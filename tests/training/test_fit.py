"""Training end to end: what it refuses, what it leaves out, and that little data still gives a list."""

from dataclasses import replace

import pytest

from endcap.domain.instants import DAY
from endcap.errors import GateRefused
from endcap.pipeline import rank
from endcap.policy import Policy
from endcap.ranking.blend import Blend
from endcap.ranking.trees import Trees
from endcap.training import Corpus, cases, train, train_layers
from shops import START, aisles


def test_nothing_to_learn_from_is_refused_with_the_remedy(corpus: Corpus) -> None:
    with pytest.raises(GateRefused, match="no view, click, cart or purchase to learn from; import events first"):
        train(corpus, START, lambda _: None)


def test_few_events_give_lists_in_the_order_of_a_blend(policy: Policy) -> None:
    small = aisles(seed=3, shoppers=4)
    snapshot = train(small, None, lambda _: None).checked()
    assert isinstance(snapshot.ranker, Blend)
    case = next(iter(cases(small, START, "time-split")))
    assert len(rank(case.request, case.state, snapshot, policy).rows) > 0


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
        recorded._replace(change=replace(recorded.change, text={}, brand=None, category=None))
        for recorded in corpus.changes
    )
    snapshot = train(replace(corpus, changes=bare), None, lambda _: None)
    names = {source.name for source in snapshot.sources}
    assert not names & {"content", "content_rare", "category"}
    assert isinstance(snapshot.ranker, Trees)
