"""Search: which words stand for which, what matches, in what order, and what is found where nothing does."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.domain.catalog import Change
from endcap.domain.requests import Query, folded
from endcap.retrieval.index import FIELDS, LENGTHS, SATURATION, WEIGHTS, extended, fit_index
from endcap.retrieval.search import WHOLE, Search, heard
from endcap.retrieval.vocabulary import Strings, Vocabulary
from endcap.state import Shelf

TEXTS = (
    ("Trekking tent", "Nord", "Camping Tents", "green"),
    ("Trekking tents, two", "Nord", "Camping Tents", "red"),
    ("Tent pegs", "Sud", "Camping Accessories", "", "For every tent"),
    ("Daypack", "Nord", "Camping Backpacks", "red"),
    ("Sauté pan", "Herd", "Kitchen Pans", "red"),
    (),
)


@pytest.fixture(scope="module")
def search() -> Search:
    vectors = np.eye(6, 4, dtype=np.float32)
    return Search(fit_index(TEXTS), vectors)


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    for row in range(6):
        shelf.apply(Change(row, 1, listed=True))
    return shelf


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("TENT", ["tent"]),
        ("sauté", ["saute"]),
        ("Saute", ["saute"]),
        ("tnet", ["tent"]),
        ("trekkign", ["trekking"]),
        ("trekkingtent", ["trekking", "tent"]),
        ("dayp", ["daypack"]),
        ("peg", ["pegs"]),
        ("the tent for", ["tent"]),
        ("me@example.org tent", ["tent"]),
        ("tent tent", ["tent"]),
        ("rde", []),
        ("qqqqqq", []),
        ("x" * 1_000, []),
        ("", []),
        ("🎿 ' -- \0", []),
    ],
)
def test_what_is_typed_is_heard_in_words_of_the_catalog(search: Search, typed: str, words: list[str]) -> None:
    query = heard(typed, search.index.vocabulary)
    assert [others[0] for others in query.words] == words
    assert bool(query) == bool(typed)


def test_only_misspelled_words_are_corrected_ones(search: Search) -> None:
    vocabulary = search.index.vocabulary
    assert [heard(text, vocabulary).corrected for text in ("tent", "tents", "dayp", "tnet")] == [False] * 3 + [True]


@given(st.text(max_size=60))
def test_any_text_is_heard(text: str) -> None:
    query = heard(text, fit_index(TEXTS).vocabulary)
    assert all(
        word in {each for fields in TEXTS for field in fields for each in folded(field)} for (word, *_) in query.words
    )


@given(st.lists(st.text(max_size=8), max_size=20, unique=True), st.text(max_size=8))
def test_strings_keep_what_they_are_given_and_find_it(texts: list[str], text: str) -> None:
    texts = sorted(texts)
    strings = Strings.of(texts)
    assert list(strings) == texts
    assert strings.before(text) == sum(each < text for each in texts)


def test_mistakes_are_counted_as_the_textbook_counts_them() -> None:
    words = sorted({"camping", "campings", "camper", "camping2", "acmping", "clamping", "damping", "vamping", "stamps"})
    vocabulary = Vocabulary.of(words, np.ones(len(words), np.int32))
    for typed in ("campnig", "camping", "campi", "kamping", "tramping", "amping", "caming"):
        distances = {word: alignment(typed, word) for word in words}
        least = min(distances.values())
        found = {words[place] for place in vocabulary.nearest(typed).tolist()}
        assert found <= {word for word, distance in distances.items() if distance == least}
        assert bool(found) == (least <= 1 + (len(typed) >= 8))


def alignment(one: str, other: str) -> int:
    """Optimal string alignment, by its recurrence."""
    table = {(-1, place): place + 1 for place in range(-1, len(other))}
    table |= {(place, -1): place + 1 for place in range(-1, len(one))}
    for a, letter in enumerate(one):
        for b, against in enumerate(other):
            table[a, b] = min(table[a - 1, b] + 1, table[a, b - 1] + 1, table[a - 1, b - 1] + (letter != against))
            if a and b and letter == other[b - 1] and one[a - 1] == against:
                table[a, b] = min(table[a, b], table[a - 2, b - 2] + 1)
    return table[len(one) - 1, len(other) - 1]


def test_scores_are_those_of_the_formula(search: Search) -> None:
    """BM25F, term by term, in plain Python."""
    cut = [[folded(field) for field in fields] + [[]] * (len(FIELDS) - len(fields)) for fields in TEXTS]
    averages = [
        sum(len(fields[field]) for fields in cut) / max(sum(bool(fields[field]) for fields in cut), 1)
        for field in range(len(FIELDS))
    ]
    word, held = "tent", sum(any("tent" in field for field in fields) for fields in cut)
    idf = np.log(1 + (5 - held + 0.5) / (held + 0.5))
    place = np.array([search.index.vocabulary.place(word)])
    found, scores, _ = search.index.matches(np.array([0]), place, np.ones(1, np.float32))
    for row, score in zip(found.tolist(), scores.tolist(), strict=True):
        said = sum(
            weight * field.count(word) / (1 - length + length * len(field) / max(average, 1e-9))
            for field, weight, length, average in zip(cut[row], WEIGHTS, LENGTHS, averages, strict=True)
        )
        assert score == pytest.approx(idf * said / (SATURATION + said), rel=1e-5)
    assert found.tolist() == [0, 2]


def test_all_words_come_before_some_and_some_fill_a_short_list(search: Search, shelf: Shelf) -> None:
    found = search.find(heard("red tent", search.index.vocabulary), shelf)
    assert found.matches == 1
    assert found.rows.tolist()[0] == 1
    assert set(found.rows.tolist()) == {0, 1, 2, 3, 4}
    assert (found.votes[0] > WHOLE, found.votes[1] < WHOLE, found.recovered) == (True, True, "")


def test_what_cannot_be_sold_is_not_found(search: Search, shelf: Shelf) -> None:
    shelf.apply(Change(1, 2, stock=0))
    found = search.find(heard("red tent", search.index.vocabulary), shelf)
    assert 1 not in found.rows.tolist()
    assert found.recovered == "words"


def test_a_search_recovers_by_spelling_then_words_then_meaning(search: Search, shelf: Shelf) -> None:
    vocabulary = search.index.vocabulary
    assert search.find(heard("tnet", vocabulary), shelf).recovered == "spelling"
    assert search.find(heard("tnet glockenspiel", vocabulary), shelf).recovered == "words"
    unknown = heard("glockenspiel", vocabulary)
    found = search.find(replace(unknown, vector=np.array([0, 0, 0, 1], np.float32)), shelf)
    assert (found.rows.tolist(), found.recovered) == ([3], "meaning")
    assert search.find(unknown, shelf).recovered == "popular"


def test_meaning_orders_what_has_the_same_words(search: Search, shelf: Shelf) -> None:
    query = heard("red", search.index.vocabulary)
    for row in (1, 3):
        vector = np.eye(6, 4, dtype=np.float32)[row]
        assert search.find(replace(query, vector=vector), shelf).rows[0] == row
    strange = np.ones(7, np.float32)
    assert (
        search.find(replace(query, vector=strange), shelf).votes.tobytes() == search.find(query, shelf).votes.tobytes()
    )


def test_votes_fall_and_ties_go_by_row(search: Search, shelf: Shelf) -> None:
    found = search.find(heard("camping", search.index.vocabulary), shelf)
    pairs = list(zip((-found.votes).tolist(), found.rows.tolist(), strict=True))
    assert all(first < second for first, second in pairwise(pairs))


def test_an_extended_index_finds_what_a_new_one_finds(search: Search) -> None:
    texts = [*TEXTS[:5], ("Glockenspiel", "Nord"), ("Trekking poles", "Nord", "Camping")]
    texts[4] = ("Copper pan", "Herd", "Kitchen Pans", "red")
    touched = np.array([False, False, False, False, True, True, True])
    again, new = extended(search.index, texts[4:], touched), fit_index(texts)
    assert list(again.vocabulary.words) == list(new.vocabulary.words)
    assert again.vocabulary.often.tolist() == new.vocabulary.often.tolist()
    assert again.postings.rows.tolist() == new.postings.rows.tolist()
    assert again.idf.tobytes() == new.idf.tobytes()
    np.testing.assert_allclose(again.postings.weights, new.postings.weights, rtol=0.1)


def test_an_empty_catalog_finds_nothing(shelf: Shelf) -> None:
    nothing = Search(fit_index([(), ()]), np.zeros((2, 1), np.float32))
    found = nothing.find(heard("tent", nothing.index.vocabulary), shelf)
    assert (found.rows.tolist(), found.recovered) == ([], "popular")
    assert nothing.category(Query(missed=1), shelf) == 0
