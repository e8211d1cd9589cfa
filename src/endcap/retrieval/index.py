"""The inverted index of a catalog's texts, with BM25F. Knows words and rows; no request, no vector, no shelf."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from endcap.domain.arrays import Bools, Doubles, Floats, Ints, Rows, compiled
from endcap.domain.requests import folded
from endcap.retrieval.tables import Table
from endcap.retrieval.vocabulary import Vocabulary

FIELDS: Final = ("title", "brand", "category", "attributes", "description")
"""What of an item is searched; `attributes` are colour, size, material and the like."""
WEIGHTS: Final = (3.0, 2.0, 2.0, 1.5, 0.5)
"""How much a word counts in each of FIELDS."""
LENGTHS: Final = (0.5, 0.0, 0.25, 0.25, 0.75)
"""How much less a word counts in a long text, by field: 0 not at all, 1 in proportion (b of BM25F)."""
SATURATION: Final = 1.2
"""k1 of BM25F: how soon a word said again adds nothing."""

Texts = Sequence[Sequence[str]]
"""By row one text a field of FIELDS; empty texts, or none at all, for a row that is not searched."""


@dataclass(frozen=True, slots=True)
class Index:
    """BM25F (Robertson & Zaragoza 2009, section 3.6): word `w` stands in the rows of `postings`' list `w`.

    A posting's weight float32 is t / (k1 + t), with t the word's count in all fields, each by its weight and by the
    field's length against `averages` float32 [fields]; it is multiplied by `idf` float32 [words] when it is asked for.
    `rows` is how many rows were seen.
    """

    vocabulary: Vocabulary
    postings: Table
    idf: Floats
    averages: Floats
    rows: int

    def matches(self, places: Ints, words: Ints, strengths: Floats) -> tuple[Rows, Floats, Ints]:
        """Every row int32 [m] with one of `words` int64, its score float32, and how many places int64 it covers.

        Each word stands at one of the query's `places` int64 (rising, from 0) with a strength; of the words at a place
        the best counts. The cost is that of the words' lists, and of one number a row of the catalog.
        """
        table = self.postings
        return _matches(table.starts, table.rows, table.weights, places, words, strengths * self.idf[words], self.rows)


class _Postings(NamedTuple):
    """Which of `names` int64 [m] stands in which row int32 [m], with what weight float32 [m]; in any order."""

    names: list[str]
    words: Ints
    rows: Rows
    weights: Floats


def fit_index(texts: Texts) -> Index:
    """The index of `texts`, one entry a row.

    >>> index = fit_index([["Red tent"], ["Tent pegs", "", "Camping"]])
    >>> pegs = np.array([index.vocabulary.place("pegs")])
    >>> index.matches(np.array([0]), pegs, np.ones(1, np.float32))[0]
    array([1], dtype=int32)
    """
    names, word, row, field, times = _counted(texts)
    lengths = _lengths(row, field, times, len(texts))
    averages = lengths.sum(axis=1) / np.maximum((lengths > 0).sum(axis=1), 1)
    postings = _weighed(names, (word, row, field, times), lengths, averages)
    return _index(postings, averages.astype(np.float32), len(texts))


def extended(index: Index, texts: Texts, touched: Bools) -> Index:
    """`index` with what `texts`, one a row that is `touched` bool [rows], say now instead of what was said there.

    Lengths are still measured against the averages of the first time.
    """
    names, word, row, field, times = _counted(texts)
    lengths = _lengths(row, field, times, len(texts))
    fresh = _weighed(names, (word, row, field, times), lengths, index.averages.astype(np.float64))
    before, old = index.postings, index.vocabulary.words
    stays = ~touched[before.rows]
    postings = _Postings(
        [*old, *fresh.names],
        np.concatenate([np.repeat(np.arange(len(old)), np.diff(before.starts))[stays], fresh.words + len(old)]),
        np.concatenate([before.rows[stays], np.flatnonzero(touched).astype(np.int32)[fresh.rows]]),
        np.concatenate([before.weights[stays], fresh.weights]),
    )
    return _index(postings, index.averages, len(touched))


def _counted(texts: Texts) -> tuple[list[str], Ints, Rows, Ints, Doubles]:
    """The distinct words, and how many times each stands in which row and field."""
    numbers: dict[str, int] = {}
    cut: dict[str, list[tuple[int, int]]] = {}
    word, row, field, times = array("q"), array("i"), array("b"), array("d")
    for place, fields in enumerate(texts):
        for number, text in enumerate(fields):
            if text not in cut:
                counts = Counter(folded(text))
                cut[text] = [(numbers.setdefault(each, len(numbers)), count) for each, count in counts.items()]
            for each, count in cut[text]:
                word.append(each)
                row.append(place)
                field.append(number)
                times.append(count)
    return (
        list(numbers), np.array(word, np.int64), np.array(row, np.int32), np.array(field, np.int64), np.array(times)
    )  # fmt: skip


def _lengths(row: Rows, field: Ints, times: Doubles, rows: int) -> Doubles:
    """Words of each field of each row, float64 [fields, rows]."""
    lengths = np.zeros((len(FIELDS), rows))
    np.add.at(lengths, (field, row), times)
    return lengths


def _weighed(
    names: list[str], counted: tuple[Ints, Rows, Ints, Doubles], lengths: Doubles, averages: Doubles
) -> _Postings:
    """One posting a word and row: t / (k1 + t), with t over all fields."""
    word, row, field, times = counted
    share, weight = np.array(LENGTHS)[field], np.array(WEIGHTS)[field]
    against = 1 - share + share * lengths[field, row] / np.maximum(averages[field], 1e-9)
    pairs, which = np.unique(word * max(lengths.shape[1], 1) + row, return_inverse=True)
    said = np.bincount(which, weights=weight * times / against, minlength=len(pairs))
    return _Postings(
        names,
        pairs // max(lengths.shape[1], 1),
        (pairs % max(lengths.shape[1], 1)).astype(np.int32),
        (said / (SATURATION + said)).astype(np.float32),
    )


def _index(postings: _Postings, averages: Floats, rows: int) -> Index:
    """The words that stand anywhere, rising, each with its rows, rising; idf as in Lucene, never negative."""
    held = np.unique(postings.words)
    names = sorted({postings.names[word] for word in held.tolist()})
    number = {name: place for place, name in enumerate(names)}
    code = np.array([number.get(name, -1) for name in postings.names], np.int64)[postings.words]
    order = np.lexsort((postings.rows, code))
    often = np.bincount(code, minlength=len(names))
    texted = len(np.unique(postings.rows))
    return Index(
        Vocabulary.of(names, often.astype(np.int32)),
        Table(np.concatenate([[0], np.cumsum(often)]).astype(np.int64), postings.rows[order], postings.weights[order]),
        np.log(1 + (texted - often + 0.5) / (often + 0.5)).astype(np.float32),
        averages,
        rows,
    )


@compiled
def _matches(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    starts: Ints, rows: Rows, weights: Floats, places: Ints, words: Ints, strengths: Floats, size: int
) -> tuple[Rows, Floats, Ints]:
    total, here = np.zeros(size, np.float32), np.zeros(size, np.float32)
    covered = np.zeros(size, np.uint64)
    found, number, begin = np.empty(size, np.int32), 0, 0
    while begin < len(words):
        end = begin
        while end < len(words) and places[end] == places[begin]:
            end += 1
        for index in range(begin, end):
            for posting in range(starts[words[index]], starts[words[index] + 1]):
                row = rows[posting]
                value = strengths[index] * weights[posting]
                if covered[row] == 0:
                    found[number] = row
                    number += 1
                covered[row] |= np.uint64(1) << np.uint64(places[begin])
                if value > here[row]:
                    total[row] += value - here[row]
                    here[row] = value
        for index in range(begin, end):
            for posting in range(starts[words[index]], starts[words[index] + 1]):
                here[rows[posting]] = 0
        begin = end
    kept = found[:number]
    many = np.zeros(number, np.int64)
    for place in range(number):
        bits = covered[kept[place]]
        while bits:
            bits &= bits - np.uint64(1)
            many[place] += 1
    return kept.copy(), total[kept], many
