"""History: an order that depends on what was done, never on a key or an offset."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from endcap.domain.instants import DAY, MINUTE
from endcap.training.history import History, read_history
from shops import START, aisles

COLUMNS = ("time", "kind", "row", "quantity", "price", "region", "shopper", "session", "starts")


def content(history: History) -> list[bytes]:
    return [getattr(history, name).tobytes() for name in COLUMNS]


def test_another_key_gives_the_same_history() -> None:
    first, second = aisles(seed=2, secret=b"one"), aisles(seed=2, secret=b"two")
    assert first.interactions["shopper"].to_pylist() != second.interactions["shopper"].to_pylist()
    histories = [read_history(each.interactions, each.groups()) for each in (first, second)]
    assert content(histories[0]) == content(histories[1])


def test_the_order_of_the_log_does_not_matter() -> None:
    corpus = aisles(seed=2)
    order = np.random.Generator(np.random.Philox(1)).permutation(len(corpus.interactions))
    shuffled = corpus.interactions.take(pa.array(order))
    assert content(read_history(shuffled, corpus.groups())) == content(
        read_history(corpus.interactions, corpus.groups())
    )


def test_a_person_that_is_gone_leaves_the_others_as_if_never_come() -> None:
    corpus = aisles(seed=2)
    gone = corpus.interactions["shopper"][0]
    rest = corpus.interactions.filter(pa.compute.not_equal(corpus.interactions["shopper"], gone))
    shifted = rest.set_column(0, "offset", pa.array(np.arange(len(rest)) * 3 + 1))
    assert content(read_history(rest, corpus.groups())) == content(read_history(shifted, corpus.groups()))


def test_only_what_lies_before_is_read() -> None:
    corpus = aisles(seed=2)
    history = read_history(corpus.interactions, corpus.groups(), START + 20 * DAY)
    assert 0 < len(history) < len(corpus.interactions)
    assert history.time.max() < START + 20 * DAY


def test_sessions_end_with_the_shopper_and_after_half_an_hour() -> None:
    corpus = aisles(seed=2)
    history = read_history(corpus.interactions, corpus.groups())
    gaps = np.diff(history.time) > 30 * MINUTE
    others = np.diff(history.shopper) != 0
    assert np.array_equal(np.diff(history.session) == 1, gaps | others)


def test_an_empty_lake_is_an_empty_history() -> None:
    corpus = aisles(seed=2)
    empty = replace(corpus, interactions=corpus.interactions.slice(0, 0))
    assert len(read_history(empty.interactions, empty.groups())) == 0
