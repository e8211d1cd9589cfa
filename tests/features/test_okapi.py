"""Okapi BM25 and its companions against plain loops over words."""

import math
from collections import Counter

import numpy as np
import pytest

from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features.okapi import MOST, Okapi, fit_okapi
from endcap.state import NEWCOMER, Memory, Moment, Shelf, observe

TEXTS = ["Halo 3 - Xbox 360", "Halo: Reach (Xbox 360)", "", "Mario Kart", "Mario Party, Mario Golf", "Xbox 360 pad"]
HALF = Memory(step_decay=0.5, half_life_days=10**9, most=3)


def moment(*touched: int) -> tuple[Request, Moment]:
    shelf = Shelf()
    shelf.reserve(len(TEXTS) + 3)
    request = Request("home", 1_700_000_000_000, 1, 10, anchors=np.array(touched, np.int32))
    return request, observe(request, NEWCOMER, shelf)


def pool(*rows: int) -> Pool:
    none = np.empty((0, len(rows)), np.float32)
    return Pool(np.array(rows, np.int32), (), none, none)


def column(family: Okapi, name: str, touched: tuple[int, ...], *rows: int) -> list[float]:
    found = family.columns(*moment(*touched), pool(*rows))
    assert found.dtype == np.float32
    assert found.shape == (len(family.names), len(rows))
    values: list[float] = found[family.names.index(name)].tolist()
    return values


def words(row: int) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in TEXTS[row].lower()).split()


def idf(word: str) -> float:
    held = sum(word in words(row) for row in range(len(TEXTS)))
    return math.log(1 + (5 - held + 0.5) / (held + 0.5))


def bm25(query: list[str], row: int) -> float:
    mean = sum(len(words(each)) for each in range(len(TEXTS))) / 5
    length = 1.2 * (0.25 + 0.75 * len(words(row)) / mean)
    counts = Counter(words(row))
    return sum(idf(word) * counts[word] * 2.2 / (counts[word] + length) for word in query if word in counts)


def test_the_match_is_bm25_of_the_item_for_the_words_of_all_texts_touched() -> None:
    family = fit_okapi(TEXTS, HALF)
    query = words(0) + words(4)

    assert column(family, "okapi", (0, 4), 1, 3, 5) == pytest.approx([bm25(query, row) for row in (1, 3, 5)])
    assert column(family, "okapi_last", (0, 4), 1, 3) == pytest.approx([bm25(words(0), 1), 0])
    best = max(bm25(query, row) for row in (1, 3))
    assert column(family, "okapi_share", (0, 4), 1, 3) == pytest.approx([bm25(query, row) / best for row in (1, 3)])


def test_memory_weighs_the_texts_and_ends_the_query() -> None:
    family = fit_okapi(TEXTS, Memory(step_decay=1.0, half_life_days=10**9, most=1))

    assert column(family, "okapi", (0, 4), 3) == [0]
    assert column(family, "okapi", (4, 0), 3) == pytest.approx([bm25(words(4), 3)])


def test_likelihood_compares_what_was_touched_with_all_texts() -> None:
    found = column(fit_okapi(TEXTS, HALF), "okapi_likelihood", (0,), 1, 3)

    share = {word: sum(word in words(row) for row in range(len(TEXTS))) / 5 for word in words(1)}
    seen = sum(math.log((1 + 5 * share[word]) / 6 / share[word]) for word in ("halo", "xbox", "360"))
    assert found == pytest.approx([seen + math.log(5 / 6), 2 * math.log(5 / 6)])


def test_the_rarest_word_shared_and_the_share_of_words_that_were_touched() -> None:
    family = fit_okapi(TEXTS, HALF)

    assert column(family, "okapi_rarest", (0,), 1, 5, 3) == pytest.approx([idf("halo"), idf("xbox"), 0])
    every = sum(idf(word) for word in words(1))
    assert column(family, "okapi_covered", (0,), 1) == pytest.approx([1 - idf("reach") / every])


def test_an_item_without_text_is_unknown_and_so_is_everything_where_nothing_touched_has_one() -> None:
    family = fit_okapi(TEXTS, HALF)

    assert np.isnan(family.columns(*moment(0), pool(2, 7))).all()
    found = family.columns(*moment(2, 8), pool(0))
    assert np.isnan(found[:8]).all()
    assert found[9] == pytest.approx([idf("3")])
    assert fit_okapi(["", ""], HALF).columns(*moment(0), pool(0, 1)).shape == (10, 2)
    assert family.columns(*moment(0), pool()).shape == (10, 0)


def test_a_permuted_pool_gives_permuted_columns() -> None:
    family, order = fit_okapi(TEXTS, HALF), [3, 0, 5, 1, 4]
    one = family.columns(*moment(1, 3), pool(0, 1, 3, 4, 5))
    other = family.columns(*moment(1, 3), pool(*(np.array([0, 1, 3, 4, 5])[[2, 0, 4, 1, 3]].tolist())))

    np.testing.assert_array_equal(one[:, [2, 0, 4, 1, 3]], other)
    assert order


def test_of_a_long_text_the_rarest_words_are_kept() -> None:
    common = [f"w{number}" for number in range(MOST)]
    family = fit_okapi([" ".join([*common, "rare"]), " ".join(common)], HALF)

    assert np.diff(family.starts).tolist() == [MOST, MOST]
    assert column(family, "okapi_most_idf", (1,), 0) == pytest.approx([math.log(1 + 1.5 / 1.5)])
