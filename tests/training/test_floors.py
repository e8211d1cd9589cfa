"""Plain methods against counts made by hand."""

import pytest

from endcap import pipeline
from endcap.domain.events import Kind
from endcap.domain.instants import DAY, HOUR, MINUTE
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.training import Case, Corpus, cases, cut_of, plain_layers
from endcap.training.cut import baskets_after, items_after
from shops import START, corpus_of

Line = tuple[int, int, Kind, int]
"""Shopper, time, kind, item."""


def _order(shopper: int, day: int, *items: int) -> list[Line]:
    return [(shopper, START + day * DAY, Kind.PURCHASE, item) for item in items]


ORDERS = [
    *_order(0, 1, 1, 2),
    *_order(1, 2, 1, 2),
    *_order(2, 3, 1, 3),
    *_order(3, 4, 5, 6),
    *_order(4, 5, 5),
    *_order(4, 6, 1),
    *_order(4, 9, 2),
]
"""1 goes with 2 twice and with 3 once; shopper 4 bought 5, then 1."""


@pytest.fixture
def orders() -> Corpus:
    return corpus_of(ORDERS)


def _lists(corpus: Corpus, snapshot: Snapshot, policy: Policy) -> dict[str, list[int]]:
    (case,) = _cases(corpus)
    layers = plain_layers(corpus, START + 8 * DAY, "next-basket", snapshot)
    return {
        layer.name: pipeline.rank(case.request, case.state, layer.snapshot, policy).rows.tolist() for layer in layers
    }


def _cases(corpus: Corpus) -> list[Case]:
    return list(cases(corpus, START + 8 * DAY, "next-basket"))


def test_also_bought_counts_orders_from_the_last_order_alone(
    orders: Corpus, snapshot: Snapshot, policy: Policy
) -> None:
    also = _lists(orders, snapshot, policy)["also bought"]
    assert also[:2] == [2, 3]
    assert also.index(6) > 1


def test_where_counts_know_nothing_bestsellers_follow(orders: Corpus, snapshot: Snapshot, policy: Policy) -> None:
    assert set(_lists(orders, snapshot, policy)["also bought"]) == {1, 2, 3, 5, 6}


def test_buy_again_prefers_what_was_bought_more_often_then_later(snapshot: Snapshot, policy: Policy) -> None:
    often = corpus_of([*ORDERS, *_order(4, 2, 5)])
    later = corpus_of([*ORDERS, *_order(4, 7, 6)])
    assert _lists(later, snapshot, policy)["buy again"][:3] == [6, 1, 5]
    assert _lists(often, snapshot, policy)["buy again"][:2] == [5, 1]


def test_also_viewed_counts_visits_and_also_bought_is_left_out_without_orders(
    snapshot: Snapshot, policy: Policy
) -> None:
    visits = [
        (n, START + n * DAY + m * MINUTE, Kind.VIEW, item) for n in range(5) for m, item in enumerate((7, 8 + n % 2))
    ]
    corpus = corpus_of(visits)
    (layer,) = plain_layers(corpus, START + 9 * DAY, "time-split", snapshot)
    assert layer.name == "also viewed"


def test_a_cut_counts_the_cases_that_it_gives(corpus: Corpus) -> None:
    cut = cut_of(corpus, "UTC")
    assert cut.protocol == "time-split"
    assert cut.cases == len(list(cases(corpus, cut.at, cut.protocol)))
    history = corpus.history()
    assert cut.cases == items_after(history, cut.at)
    assert baskets_after(history, cut.at) == len(list(cases(corpus, cut.at, "next-basket")))


def test_a_cut_lies_at_a_midnight_of_the_shop_or_at_an_hour_of_a_short_history(corpus: Corpus) -> None:
    cut = cut_of(corpus, "Europe/Berlin")
    assert len(cut.text) == 10
    assert (cut.at + HOUR) % DAY == 0
    day = corpus_of([(n % 9, START + n * 10 * MINUTE, Kind.VIEW, n % 4) for n in range(100)])
    assert len(cut_of(day, "UTC").text) > 10
    assert START < cut_of(day, "UTC").at < START + DAY


def test_of_orders_the_next_basket_is_asked(orders: Corpus) -> None:
    cut = cut_of(orders, "UTC")
    assert (cut.protocol, cut.cases) == ("next-basket", 1)


def test_cases_are_thinned_by_content(corpus: Corpus) -> None:
    cut = cut_of(corpus, "UTC")
    half = list(cases(corpus, cut.at, cut.protocol, lambda seed: seed % 2 == 0))
    assert 0 < len(half) < cut.cases
    assert all(case.request.seed % 2 == 0 for case in half)
