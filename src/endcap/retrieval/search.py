"""Hybrid search: what has the words of the query (BM25F), what is near it in meaning, and what else where nothing is.

Knows words, vectors and what may be sold; neither people nor the ranker, by which what is found here is ordered anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows
from endcap.domain.decisions import Recovered
from endcap.domain.pools import Proposal
from endcap.domain.requests import Query, folded
from endcap.retrieval.index import Index
from endcap.retrieval.tables import best
from endcap.retrieval.vocabulary import Vocabulary
from endcap.state import Shelf

SEARCH: Final = "search"
"""The name of what is found among the sources of a pool."""
MOST_WORDS: Final = 16
LONGEST: Final = 40
"""Words of a query beyond so many, and letters of one, are not looked for."""
FEW: Final = 24
"""Fewer matches than this are followed by what has some of the words, or is near in meaning."""
WHOLE: Final = 20.0
"""How much more it counts to have as many of the words as any row has, where others fill the list: more than a ranker's
scores differ."""
MEANING: Final = 0.5
"""How much the cosine to the query counts beside its words, whose idf are logarithms of odds too."""
NEAR: Final = 0.35
"""The least cosine of what is shown for its meaning alone."""
STANDING_IN: Final = 0.8
"""How much a word counts that stands for the one that was typed, where that or a likelier one is there too."""
_LEAST_PART: Final = 3
PASSED_OVER: Final = frozenset(
    "a an and at by for from in of on or the to with without der die das den dem des ein eine einen einem einer fur "
    "mit ohne und oder von vom im zu zum zur aus auf la le les un une de du pour avec et sans el los las para con y "
    "del il lo per di da e een het van voor met en".split()
)
"""Words that say nothing by themselves, in some languages."""


class Found(NamedTuple):
    """What a query finds, best first; the first `matches` of `rows` have as many of its words as any row has."""

    rows: Rows
    votes: Floats
    matches: int
    recovered: Recovered


@dataclass(frozen=True, slots=True)
class Search:
    """The index, and the items' `vectors` float32 [rows, d] by the encoder that makes the vectors of queries."""

    index: Index
    vectors: Floats

    def find(self, query: Query, shelf: Shelf) -> Found:
        """Everything that may be sold and has all words of `query`, or as many as any has.

        Votes are BM25F and what meaning adds. Where these are FEW, they are WHOLE more, and rows with fewer of the
        words fill the list, and rows near in meaning, which cost one product with every vector.
        """
        rows, scores, covered = self._matches(query)
        sold = shelf.available[rows]
        rows, scores, covered = rows[sold], scores[sold], covered[sold]
        most = int(covered.max(initial=0))
        whole = covered == most
        matches = int(whole.sum())
        if matches >= FEW:
            rows, votes = rows[whole], scores[whole]
        else:
            votes = scores + np.float32(WHOLE) * whole
        votes = (votes + np.float32(MEANING) * self._likeness(query, rows)).astype(np.float32)
        if matches < FEW:
            rows, votes = self._filled(query, shelf, Proposal(rows, votes))
        found = best(rows, votes, len(rows) if matches >= FEW else FEW)
        return Found(*found, matches if most else len(found.rows), self._recovered(query, most, len(found.rows)))

    def sellable(self, query: Query, shelf: Shelf) -> int:
        """How many rows that may be sold have all words of `query`."""
        rows, _, covered = self._matches(query)
        return int(shelf.available[rows[covered == len(query.words)]].sum())

    def category(self, query: Query, shelf: Shelf) -> int:
        """The shelf's code of the category of what is nearest in meaning, 0 where nothing is."""
        cosines = self._likeness(query, np.arange(min(len(self.vectors), len(shelf)), dtype=np.int32))
        return int(shelf.category[cosines.argmax()]) if cosines.any() else 0

    def _matches(self, query: Query) -> tuple[Rows, Floats, Ints]:
        places, words, strengths = [], [], []
        for place, others in enumerate(query.words):
            for rank, word in enumerate(others):
                if (number := self.index.vocabulary.place(word)) >= 0:
                    places.append(place)
                    words.append(number)
                    strengths.append(STANDING_IN if rank else 1.0)
        return self.index.matches(
            np.array(places, np.int64), np.array(words, np.int64), np.array(strengths, np.float32)
        )

    def _likeness(self, query: Query, rows: Rows) -> Floats:
        """Cosines float32 [n] of `rows` to the query, 0 where they are below or unknown."""
        found = np.zeros(len(rows), np.float32)
        if len(query.vector) == self.vectors.shape[1]:
            known = rows < len(self.vectors)
            found[known] = np.maximum(self.vectors[rows[known]] @ query.vector, 0)
        return found

    def _filled(self, query: Query, shelf: Shelf, found: Proposal) -> Proposal:
        """`found` and what may be sold, has no word of the query and is near it in meaning."""
        if len(query.vector) != self.vectors.shape[1]:
            return found
        cosines = self.vectors @ query.vector
        near = np.flatnonzero((cosines >= NEAR) & shelf.available[: len(cosines)]).astype(np.int32)
        near = np.setdiff1d(near, found.rows, assume_unique=True)
        votes = (MEANING * cosines[near]).astype(np.float32)
        return Proposal(np.concatenate([found.rows, near]), np.concatenate([found.votes, votes]))

    def _recovered(self, query: Query, covered: int, found: int) -> Recovered:
        if not found:
            return "popular"
        if not covered:
            return "meaning"
        if covered < len(query.words) or query.missed:
            return "words"
        return "spelling" if query.corrected else ""


def heard(text: str, vocabulary: Vocabulary) -> Query:
    """What `text` asks for, in words of `vocabulary`; its vector is for the caller to add.

    A word stands for itself and its plural or singular, the last one also for what begins so; a word that is none of
    the vocabulary's for the most likely one that was meant, or for two that were run together.
    """
    typed = folded(text)[:MOST_WORDS]
    telling = [word for word in typed if word not in PASSED_OVER] or typed
    words: list[tuple[str, ...]] = []
    missed, corrected = 0, False
    for place, word in enumerate(telling):
        meant, wrong = _meant(word, vocabulary, last=place == len(telling) - 1)
        words += [tuple(vocabulary.words[each] for each in others) for others in meant]
        missed += not meant
        corrected |= wrong
    if not typed and text.strip():
        missed = 1
    return Query(tuple(dict.fromkeys(words)), missed, corrected)


def _meant(word: str, vocabulary: Vocabulary, *, last: bool) -> tuple[list[list[int]], bool]:
    """The places of a query that `word` makes, each with the numbers of its words; whether it was misspelled."""
    if len(word) > LONGEST:
        return [], False
    found = vocabulary.forms(word)
    if not found and last:
        found = vocabulary.beginning(word).tolist()
    if found:
        return [found], False
    nearest: list[int] = vocabulary.nearest(word).tolist()
    if nearest:
        return [nearest], True
    parts = max(_parted(word, vocabulary), key=lambda pair: vocabulary.often[pair].min(), default=[])
    return [[part] for part in parts], bool(parts)


def _parted(word: str, vocabulary: Vocabulary) -> Iterator[list[int]]:
    for cut in range(_LEAST_PART, len(word) - _LEAST_PART + 1):
        pair = [vocabulary.place(word[:cut]), vocabulary.place(word[cut:])]
        if min(pair) >= 0:
            yield pair
