"""Self-attention over sequences: its slopes are those of its loss, and a planted order is learned and served."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from endcap.domain.arrays import Floats
from endcap.domain.events import Kind
from endcap.features.attention import Attention, Block, forward
from endcap.training import attention
from endcap.training.attention import AttentionConfig, fit_attention
from endcap.training.history import History
from endcap.training.sequence import slopes_of
from shops import START, corpus_of

CONFIG = AttentionConfig(dimension=16, reach=5, epochs=60, negatives=8, rate=0.01, kept=0.9, batch=50)
UNKNOWN = np.zeros((60, 1), np.float32)
TOUCHED = 12


def there_and_back() -> History:
    """Shoppers who go 0 1 2 3 … 11 or 11 10 9 … 0: the item alone does not say what follows."""
    lines = []
    for shopper in range(240):
        for place in range(TOUCHED):
            row = place if shopper % 2 else TOUCHED - 1 - place
            lines.append((shopper, START + place * 86_400_000 + shopper, Kind.VIEW, row))
    return corpus_of(sorted(lines, key=lambda line: line[1])).history()


@pytest.fixture(scope="module")
def learned() -> Attention:
    return fit_attention(there_and_back(), UNKNOWN, CONFIG)


def next_of(model: Attention, *newest_first: int) -> int:
    scores = model.outward[:TOUCHED] @ model.trail(np.array(newest_first, np.int32)) + model.bias[:TOUCHED]
    return int(np.argmax(scores))


def test_what_follows_is_told_by_the_items_before_the_last(learned: Attention) -> None:
    rows = range(2, TOUCHED - 2)
    there = sum(next_of(learned, row, row - 1, row - 2) == row + 1 for row in rows)
    back = sum(next_of(learned, row, row + 1, row + 2) == row - 1 for row in rows)
    assert there + back >= 14  # of 16; the last item alone tells half of them


def test_rows_without_a_line_are_0_and_a_trail_of_them_too(learned: Attention) -> None:
    for part in (learned.vectors, learned.bias):
        assert part.dtype == np.float32
        assert len(part) == 60
        assert not part[TOUCHED:].any()
    assert not learned.trail(np.array([40, 99], np.int32)).any()
    assert not learned.trail(np.empty(0, np.int32)).any()


def test_equal_lines_give_equal_bytes(learned: Attention) -> None:
    again = fit_attention(there_and_back(), UNKNOWN, CONFIG)
    assert again.vectors.tobytes() == learned.vectors.tobytes()
    assert all(
        getattr(again.block, each.name).tobytes() == getattr(learned.block, each.name).tobytes()
        for each in fields(Block)
    )


def test_a_trail_is_served_as_it_was_in_a_batch_and_no_further_back_than_the_reach(learned: Attention) -> None:
    sequences, ones = ([3, 7, 1], [5], [2, 9, 4, 11, 0]), np.ones((1, 1), np.float32)
    lines = np.concatenate([learned.vectors[rows] for rows in sequences])
    begins = np.repeat([0, 3, 4], [3, 1, 5])
    told = forward(learned.block, lines, begins, (ones, ones)).told
    for rows, last in zip(sequences, (2, 3, 8), strict=True):
        np.testing.assert_allclose(learned.trail(np.array(rows[::-1], np.int32)), told[last], atol=1e-5)
    newest = np.array([0, 11, 4, 9, 2], np.int32)
    assert np.array_equal(learned.trail(np.r_[newest, np.int32(7)]), learned.trail(newest))
    assert np.array_equal(learned.trail(np.r_[newest[:2], np.int32(50), newest[2:]]), learned.trail(newest))


@pytest.mark.parametrize("kind", [Kind.VIEW, Kind.IMPRESSION])
def test_lines_that_follow_none_and_lines_that_do_not_count_teach_nothing(kind: Kind) -> None:
    history = corpus_of([(shopper, START, kind, shopper) for shopper in range(3)]).history()
    assert not fit_attention(history, UNKNOWN, CONFIG).bias.any()


def drawn_model(draw: np.random.Generator, items: int) -> Attention:
    model = Attention(
        draw.normal(size=(items, 6)).astype(np.float32),
        draw.normal(size=items).astype(np.float32),
        attention._begun(replace(CONFIG, dimension=6), draw),
    )
    for each in fields(Block):
        getattr(model.block, each.name)[...] += draw.normal(0, 0.3, getattr(model.block, each.name).shape)
    return model


def test_the_slopes_are_those_of_the_loss() -> None:
    draw = np.random.Generator(np.random.Philox(3))
    model, others, drawn = drawn_model(draw, 9), np.array([0, 4, 4, 7]), draw.normal(size=9).astype(np.float32)
    batch = attention._Batch(np.array([1, 2, 3, 5, 1]), np.array([2, 3, 4, 1, 8]), np.array([0, 0, 0, 3, 3]))
    first, second, third = (draw.random((3, 5, 6)) < 0.7).astype(np.float32)
    kept = first, second, third

    def loss() -> float:
        told = forward(model.block, kept[0] * model.vectors[batch.before], batch.begins, kept[1:]).told
        own = (told * model.vectors[batch.wanted]).sum(axis=1) + (model.bias - drawn)[batch.wanted]
        scores = told @ model.vectors[others].T + (model.bias - drawn)[others]
        scores[batch.wanted[:, None] == others] = -1e9
        every = np.column_stack([own, scores]).astype(np.float64)
        return float((np.log(np.exp(every).sum(axis=1)) - own).sum())

    slopes = attention._slopes(model, batch, others, drawn, kept)
    for weights, found in zip(attention._arrays(model), attention._arrays(slopes), strict=True):
        for place in draw.choice(len(weights), min(len(weights), 8), replace=False):
            assert found[place] == pytest.approx(numeric(weights, int(place), loss), rel=0.03, abs=0.01)


def numeric(weights: Floats, place: int, loss: Callable[[], float]) -> float:
    held, step = weights[place], np.float32(3e-3)
    weights[place] = held + step
    above = loss()
    weights[place] = held - step
    below = loss()
    weights[place] = held
    slope: float = (above - below) / (2 * float(step))
    return slope


def test_equal_products_have_equal_slopes_whatever_the_batch() -> None:
    trails, outward = np.ones((1, 2), np.float32), np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    products = trails @ outward[[0, 1]].T
    nothing = np.zeros(3, np.float32)
    own = slopes_of(products, np.array([2]), np.array([0, 1]), trails, outward, nothing, nothing)
    share = np.exp(2) / (np.exp(2) + 2 * np.exp(1))
    assert own[0] == pytest.approx(share - 1)
    assert products[0] == pytest.approx([(1 - share) / 2] * 2)
