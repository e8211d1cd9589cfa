"""Links, words and sequels of single items against plain loops; equal items are ranked by row, wherever they stand."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features import Feature
from endcap.features.following import Following, Sequel
from endcap.features.links import Links
from endcap.features.words import Words
from endcap.retrieval.tables import table_of
from endcap.state import NEWCOMER, Memory, Moment, Shelf, Trail, observe
from endcap.training.vectors import fit_words

ROWS = 9
MEMORY = Memory(step_decay=0.5, half_life_days=10**9, most=4)
TEXTS = ["red oak chair", "red oak table", "", "oak chair", "ash", "ash table red", "oak chair", "red", "blue ash"]
NAN = float("nan")
ROW_LISTS = st.lists(st.integers(0, ROWS + 2), max_size=8, unique=True)


def trailing(rows: list[int]) -> tuple[Request, Moment]:
    """Who touched `rows`, one a step, newest first."""
    shelf = Shelf()
    shelf.reserve(ROWS + 3)
    request = Request("home", 1_700_000_000_000, 1, 10)
    nothing = np.zeros(len(rows), np.float32)
    trail = Trail(np.array(rows, np.int32), np.arange(len(rows), dtype=np.int32), nothing, nothing == 0)
    return request, replace(observe(request, NEWCOMER, shelf), trail=trail)


def pool(rows: list[int]) -> Pool:
    none = np.empty((0, len(rows)), np.float32)
    return Pool(np.array(rows, np.int32), (), none, none)


@given(
    st.dictionaries(st.tuples(st.integers(0, ROWS - 1), st.integers(0, ROWS - 1)), st.integers(1, 9), max_size=40),
    ROW_LISTS,
    ROW_LISTS,
)
def test_links_are_those_of_plain_python(links: dict[tuple[int, int], int], trail: list[int], rows: list[int]) -> None:
    pairs = np.array(list(links), np.int64).reshape(-1, 2)
    table = table_of(pairs[:, 0], pairs[:, 1].astype(np.int32), np.array([*links.values()], np.float32), ROWS, 99)
    family = Links("pairs", table.starts, table.rows, table.weights, MEMORY)

    def column(row: int) -> list[float]:
        speaking = [links[key, row] for key in trail[:4] if (key, row) in links]
        first, second = (links.get((key, row), NAN) for key in (*trail[:2], -1, -1)[:2])
        return [first, second, max(speaking, default=NAN), len(speaking) or NAN]

    expected = np.array([column(row) for row in rows], np.float32).reshape(-1, 4).T
    np.testing.assert_array_equal(family.columns(*trailing(trail), pool(rows)), expected)


@given(ROW_LISTS, ROW_LISTS)
def test_words_are_cosines_of_tf_idf(trail: list[int], rows: list[int]) -> None:
    lexicon = fit_words(TEXTS)
    dense = np.zeros((ROWS + 3, lexicon.size))
    for row in range(ROWS):
        mine = slice(lexicon.starts[row], lexicon.starts[row + 1])
        dense[row, lexicon.words[mine]] = lexicon.weights[mine]
    found = Words(lexicon, MEMORY).columns(*trailing(trail), pool(rows))

    told = [(row, 0.5**step) for step, row in enumerate(trail[:4]) if dense[row].any()]
    known = [place for place, row in enumerate(rows) if dense[row].any() and told]
    expected = np.full((3, len(rows)), np.nan)
    centre = sum((weight * dense[row] for row, weight in told), np.zeros(lexicon.size))
    for place in known:
        vector = dense[rows[place]]
        cosines = [vector @ dense[row] for row, _ in told]
        expected[:, place] = vector @ centre / np.linalg.norm(centre), cosines[0], max(cosines)
    np.testing.assert_allclose(found[:3], expected, atol=1e-6)
    assert found[3, known].tolist() == [int((found[0, known] > found[0, place]).sum()) for place in known]
    assert np.isnan(np.delete(found[3], known)).all()


def sequel(seed: int = 1, dimension: int = 64) -> Sequel:
    draw = np.random.Generator(np.random.Philox(seed))
    inward, outward = (draw.normal(size=(ROWS, dimension)).astype(np.float32) for _ in range(2))
    bias = draw.normal(size=ROWS).astype(np.float32)
    bias[2] = inward[2] = outward[2] = 0
    return Sequel(inward, outward, bias, np.array([1.0, 0.5, 0.25], np.float32))


@given(ROW_LISTS, ROW_LISTS)
def test_a_sequel_is_the_product_of_the_decayed_trail_and_the_item(trail: list[int], rows: list[int]) -> None:
    model = sequel()
    found = Following("sequel", model).columns(*trailing(trail), pool(rows))

    told = [(row, float(model.places[place])) for place, row in enumerate(trail[:3]) if row < ROWS]
    known = [place for place, row in enumerate(rows) if row < ROWS and row != 2 and any(row != 2 for row, _ in told)]
    assert np.isnan(np.delete(found, known, axis=1)).all()
    length = sum(weight**2 for _, weight in told) ** 0.5
    vector = sum((weight / length * model.inward[row] for row, weight in told), np.zeros(64))
    scores = [float(model.outward[rows[place]] @ vector + model.bias[rows[place]]) for place in known]
    assert found[0, known] == pytest.approx(scores, abs=1e-4)
    assert found[1, known] == pytest.approx([score - max(scores) for score in scores], abs=1e-4)
    assert found[2, known].tolist() == [int((found[0, known] > found[0, place]).sum()) for place in known]


def tied() -> list[Feature]:
    """Families for which rows 3, 5, 6 and 8 are equal."""
    one = sequel(dimension=63)
    same = np.where(np.isin(np.arange(ROWS), (5, 6, 8)), 3, np.arange(ROWS))
    texts = [TEXTS[3] if row == 3 else TEXTS[0] for row in same]
    return [
        Words(fit_words(texts), MEMORY),
        Following("sequel", Sequel(one.inward, one.outward[same], one.bias[same], one.places)),
    ]


@pytest.mark.parametrize("family", tied(), ids=lambda family: type(family).__name__)
def test_equal_items_share_a_place_wherever_they_stand(family: Feature) -> None:
    for rows in permutations([1, 3, 5, 6, 8]):
        found = family.columns(*trailing([0]), pool(list(rows)))
        ranks = dict(zip(rows, found[-1].tolist(), strict=True))
        assert [ranks[row] - ranks[3] for row in (5, 6, 8)] == [0, 0, 0]
