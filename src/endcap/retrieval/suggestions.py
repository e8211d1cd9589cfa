"""What a search box suggests: brands, categories and phrases of titles that go on from what is typed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from endcap.domain.arrays import Rows
from endcap.domain.requests import folded
from endcap.retrieval.search import PASSED_OVER, Search, heard
from endcap.retrieval.vocabulary import Strings
from endcap.state import Shelf

LONGEST: Final = 3
"""Words of a phrase."""
LEAST: Final = 2
"""A phrase stands in so many titles or more; a brand or category in any."""
MOST: Final = 50_000
_EDGES: Final = "'’\"()[].:!?-–"
_TRIED: Final = 40
"""How many phrases are tried until enough of them lead to something."""


class Suggestion(NamedTuple):
    """What to search for, and how many items that can be sold it finds."""

    text: str
    items: int


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Phrases as they are `shown`, `often` int32 counting the rows of each.

    `keys` rise: each phrase in its normal form, and what it is from each further word on; `phrases` int32 says of which
    phrase a key is, `inner` int32 how many words came before.
    """

    shown: Strings
    often: Rows
    keys: Strings
    phrases: Rows
    inner: Rows

    def completing(self, words: Sequence[str]) -> Iterator[str]:
        """Phrases with words that begin with `words`, those that begin so themselves first, the frequent first."""
        start = " ".join(words)
        first, end = self.keys.before(start), self.keys.before(start + "\U0010ffff")
        found = np.arange(first, end)
        order = np.lexsort((self.phrases[found], -self.often[self.phrases[found]], self.inner[found] > 0))
        for phrase in dict.fromkeys(self.phrases[found[order]].tolist()):
            yield self.shown[phrase]


def suggest(
    suggestions: Suggestions, search: Search, shelf: Shelf, typed: str, most: int
) -> tuple[list[Suggestion], str]:
    """At most `most` suggestions that lead to something, and what `typed` was taken for where it is misspelled."""
    words = folded(typed)
    found = _leading(suggestions.completing(words), search, shelf, most) if words else []
    if found or not words:
        return found, ""
    query = heard(typed, search.index.vocabulary)
    said = query.said()
    return (_leading(suggestions.completing(folded(said)), search, shelf, most), said) if query.corrected else ([], "")


def _leading(phrases: Iterable[str], search: Search, shelf: Shelf, most: int) -> list[Suggestion]:
    """The first of `phrases` of which something that can be sold has all words; of two that ask the same the first."""
    found: list[Suggestion] = []
    asked = set()
    for _, phrase in zip(range(_TRIED), phrases, strict=False):
        if len(found) == most:
            break
        query = heard(phrase, search.index.vocabulary)
        items, same = search.sellable(query, shelf), frozenset(map(frozenset, query.words))
        if items and same not in asked:
            asked.add(same)
            found.append(Suggestion(phrase, items))
    return found


def fit_suggestions(titles: Iterable[str], names: Iterable[str]) -> Suggestions:
    """The phrases of `titles` and the `names` of brands and categories, one of each an item.

    >>> suggestions = fit_suggestions(["Trekking tent, red", "Trekking tent, sand"], ["Nordkamm", "Nordkamm"])
    >>> list(suggestions.completing(["te"])), list(suggestions.completing(["nord"]))
    (['tent', 'Trekking tent'], ['Nordkamm'])
    """
    often: Counter[str] = Counter()
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for title in titles:
        for key, phrase in {" ".join(folded(phrase)): phrase for phrase in _phrases(title)}.items():
            often[key] += 1
            shown[key][phrase] += 1
    begun = {(key.rpartition(" ")[0], count) for key, count in often.items()}
    for key in [key for key, count in often.items() if count < LEAST or (key, count) in begun]:
        del often[key]
    for name in names:
        if key := " ".join(folded(name)):
            often[key] += 1
            shown[key][name] += len(shown)
    return _suggestions([(shown[key].most_common(1)[0][0], count) for key, count in often.most_common(MOST)])


def joined(one: Suggestions, other: Suggestions) -> Suggestions:
    """The phrases of both, those that stand in both added up."""
    often: Counter[str] = Counter(dict(zip(one.shown, one.often.tolist(), strict=True)))
    often.update(dict(zip(other.shown, other.often.tolist(), strict=True)))
    return _suggestions(often.most_common(MOST))


def _suggestions(phrases: list[tuple[str, int]]) -> Suggestions:
    keys: list[tuple[str, int, int]] = []
    for number, (phrase, _) in enumerate(phrases):
        words = folded(phrase)
        keys += [(" ".join(words[place:]), number, place) for place in range(len(words))]
    keys.sort()
    return Suggestions(
        Strings.of([phrase for phrase, _ in phrases]),
        np.array([count for _, count in phrases], np.int32),
        Strings.of([key for key, _, _ in keys]),
        np.array([number for _, number, _ in keys], np.int32),
        np.array([place for _, _, place in keys], np.int32),
    )


def _phrases(title: str) -> Iterator[str]:
    """One to LONGEST words in a row between commas, beginning and ending with one that says something."""
    for part in title.replace(";", ",").split(","):
        words = part.split()
        for begin in range(len(words)):
            for end in range(begin + 1, min(begin + LONGEST, len(words)) + 1):
                first, last = folded(words[begin]), folded(words[end - 1])
                phrase = " ".join(words[begin:end]).strip(_EDGES)
                telling = first and last and not {first[0], last[-1]} & PASSED_OVER
                if telling and len(first[0]) > 1 and not phrase.isdigit():
                    yield phrase
