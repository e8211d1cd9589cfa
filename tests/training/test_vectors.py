"""Nearest rows, shares of likelihood and words, against numpy sorts and plain loops."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from endcap.retrieval.tables import Table
from endcap.training.vectors import fit_embeddings, fit_words, likelihoods, nearest, nearest_words, unit

DRAW = np.random.Generator(np.random.Philox(5))
VECTORS = unit(DRAW.normal(size=(50, 6)).astype(np.float32))
VECTORS[[4, 17]] = 0
OTHERS = DRAW.normal(size=(50, 6)).astype(np.float32)


def entry(table: Table, key: int) -> dict[int, float]:
    kept = slice(table.starts[key], table.starts[key + 1])
    assert (np.diff(table.weights[kept]) <= 0).all()
    return dict(zip(table.rows[kept].tolist(), table.weights[kept].tolist(), strict=True))


@pytest.mark.parametrize("most", [1, 7, 49, 80])
@pytest.mark.parametrize("least", [-2.0, 0.0, 0.4])
def test_the_nearest_are_the_first_of_a_sort(most: int, least: float) -> None:
    allowed = np.flatnonzero(np.arange(50) % 3 > 0).astype(np.int32)
    found = nearest(VECTORS, allowed, most, least)
    cosines = VECTORS @ VECTORS.T
    for row in range(50):
        may = [other for other in allowed.tolist() if other not in (row, 4, 17) and row not in (4, 17)]
        wanted = sorted((other for other in may if cosines[row, other] > least), key=lambda other: -cosines[row, other])
        expected = {other: float(cosines[row, other] - least) for other in wanted[:most]}
        assert entry(found, row) == pytest.approx(expected, abs=1e-6)


def test_only_rows_that_are_asked_have_a_list_and_another_space_gives_products() -> None:
    asked = np.array([3, 4, 9], np.int32)
    found = nearest(VECTORS, np.arange(50, dtype=np.int32), 5, -1e6, asked, OTHERS)
    assert np.flatnonzero(np.diff(found.starts)).tolist() == [3, 9]
    products = VECTORS @ OTHERS.T
    for row in (3, 9):
        wanted = [other for other in np.argsort(-products[row]).tolist() if other not in (row, 4, 17)][:5]
        assert list(entry(found, row)) == wanted


def test_of_equal_vectors_as_many_are_kept_as_asked_for() -> None:
    same = np.tile(unit(np.ones((1, 3), np.float32)), (9, 1))
    found = nearest(same, np.arange(9, dtype=np.int32), 4, 0.0)
    assert np.diff(found.starts).tolist() == [4] * 9
    assert found.weights == pytest.approx(np.ones(36))


def test_nothing_known_gives_an_empty_table() -> None:
    nothing = nearest(np.zeros((3, 2), np.float32), np.arange(3, dtype=np.int32), 4, 0.0)
    assert nothing.starts.tolist() == [0, 0, 0, 0]
    assert likelihoods(nothing).weights.tolist() == []


def test_likelihoods_are_shares_of_summed_exponentials() -> None:
    starts, rows = np.array([0, 3, 3, 5], np.int64), np.array([5, 1, 2, 4, 0], np.int32)
    weights = np.array([2.0, 1.0, -1.0, 1e6 + 1, 1e6], np.float32)
    found = likelihoods(Table(starts, rows, weights))

    first = np.exp(weights[:3]) / np.exp(weights[:3]).sum()
    assert found.weights == pytest.approx([*first, 1 / (1 + math.exp(-1)), 1 / (1 + math.e)])
    assert found.rows is rows


TEXTS = ["red oak chair", "Red oak table, red", "", "ash", "oak chair"]


def terms(text: str) -> list[str]:
    words = text.lower().replace(",", "").split()
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def test_words_and_pairs_of_words_weigh_as_tf_idf_says() -> None:
    found = fit_words(TEXTS)

    held = Counter(term for text in TEXTS for term in set(terms(text)))
    kept = sorted(term for term, count in held.items() if count > 1)
    assert kept == ["chair", "oak", "oak chair", "red", "red oak"]
    assert found.size == len(kept)
    for row, text in enumerate(TEXTS):
        counts = Counter(term for term in terms(text) if term in kept)
        weights = {
            kept.index(term): (1 + math.log(count)) * (1 + math.log((1 + len(TEXTS)) / (1 + held[term])))
            for term, count in counts.items()
        }
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        mine = slice(found.starts[row], found.starts[row + 1])
        stored = dict(zip(found.words[mine].tolist(), found.weights[mine].tolist(), strict=True))
        assert stored == pytest.approx({term: weight / length for term, weight in weights.items()})


@pytest.mark.parametrize("texts", [[], ["", ""], ["oak", "ash"]])
def test_where_no_word_stands_twice_there_are_none(texts: list[str]) -> None:
    found = fit_words(texts)
    assert found.starts.tolist() == [0] * (len(texts) + 1)
    assert not len(found.words)


@pytest.mark.parametrize("most", [1, 3, 60])
def test_the_nearest_by_words_are_the_first_of_a_sort(most: int) -> None:
    draw = np.random.Generator(np.random.Philox(6))
    lexicon = fit_words(
        [" ".join(draw.choice(["oak", "ash", "red", "big", "old", "new"], 3)) for _ in range(40)] + [""]
    )
    dense = np.zeros((41, lexicon.size), np.float32)
    for row in range(41):
        mine = slice(lexicon.starts[row], lexicon.starts[row + 1])
        dense[row, lexicon.words[mine]] = lexicon.weights[mine]
    allowed = np.flatnonzero(np.arange(41) % 3 > 0).astype(np.int32)

    found = nearest_words(lexicon, allowed, most)

    cosines = dense @ dense.T
    for row in range(41):
        wanted = sorted(
            (cosines[row, other] for other in allowed if other != row and cosines[row, other] > 0), reverse=True
        )
        near = entry(found, row)
        assert list(near.values()) == pytest.approx(wanted[:most], abs=1e-6)
        assert near == pytest.approx({other: cosines[row, other] for other in near}, abs=1e-6)
        assert row not in near
        assert set(near) <= set(allowed.tolist())


def test_words_that_too_many_rows_have_make_no_neighbours() -> None:
    common = fit_words(["oak"] * 1_001 + ["oak red", "ash red"])
    before = common.words.copy()
    found = nearest_words(common, np.arange(1_003, dtype=np.int32), 5)
    assert common.words.tobytes() == before.tobytes()
    assert np.flatnonzero(np.diff(found.starts)).tolist() == [1_001, 1_002]


def test_of_a_long_sequence_no_more_than_200_lines_stand_together() -> None:
    short, long = np.arange(200, dtype=np.int32), np.arange(20_000, dtype=np.int32)
    assert fit_embeddings(np.zeros(200, np.int32), short, 200).any(axis=1).sum() == 200
    assert fit_embeddings(np.zeros(20_000, np.int32), long, 20_000).any(axis=1).sum() == 200
