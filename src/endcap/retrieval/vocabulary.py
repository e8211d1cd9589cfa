"""Words: how a text is cut into them, and which of a catalog's words stand for one that somebody typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Ints, Rows, compiled

INFLECTIONS: Final = 3
"""How many forms of a typed word are looked for beside it."""
COMPLETIONS: Final = 12
"""How many words may stand for the beginning of one."""
CORRECTIONS: Final = 3
"""How many words may stand for a misspelled one."""
_ENDINGS: Final = (("", "s"), ("", "es"), ("y", "ies"), ("", "n"), ("", "en"), ("", "e"), ("", "er"))
_LEAST_STEM: Final = 3
_FORGIVEN: Final = (4, 8)
"""A word of fewer letters than the first is taken as it is, of fewer than the second may have one mistake, else two."""


@dataclass(frozen=True, slots=True)
class Strings(Sequence[str]):
    """Many strings in two arrays: string `i` has the code points `letters[starts[i]:starts[i + 1]]` uint32."""

    letters: NDArray[np.uint32]
    starts: Ints

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Strings":
        """`texts` in their order."""
        joined = "".join(texts).encode("utf-32-le", "surrogatepass")
        starts = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=starts[1:])
        return cls(np.frombuffer(joined, "<u4").astype(np.uint32), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def before(self, text: str) -> int:
        """How many of strings that rise come before `text`."""
        letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        return int(_before(self.letters, self.starts, letters))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        letters = self.letters[self.starts[index] : self.starts[index + 1]]
        return letters.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The distinct words of a catalog in their normal form, rising; `often` int32 counts the rows that have each.

    >>> words = Vocabulary.of(["tent", "tents", "trekking"], np.array([9, 2, 4], np.int32))
    >>> words.place("tent"), words.place("tend"), words.beginning("te").tolist(), words.nearest("trekknig").tolist()
    (0, -1, [0, 1], [2])
    """

    words: Strings
    often: Rows
    letters: NDArray[np.uint64]

    @classmethod
    def of(cls, words: Sequence[str], often: Rows) -> "Vocabulary":
        """`words` are distinct and rise."""
        strings = Strings.of(words)
        return cls(strings, often, _letters(strings.letters, strings.starts))

    def __len__(self) -> int:
        return len(self.words)

    def place(self, word: str) -> int:
        """The number of `word`, -1 where it is none."""
        place = self.words.before(word)
        return place if place < len(self.words) and self.words[place] == word else -1

    def forms(self, word: str) -> list[int]:
        """`word` itself, if it is one, and its plural or singular, where a common ending makes one of the other."""
        stems = [
            word[: len(word) - len(ending)] + stem for stem, ending in _ENDINGS if ending and word.endswith(ending)
        ]
        longer = [word[: len(word) - len(stem)] + ending for stem, ending in _ENDINGS if word.endswith(stem)]
        tried = [word, *(other for other in (*longer, *stems) if min(len(other), len(word)) >= _LEAST_STEM)]
        if any(letter.isdigit() for letter in word):
            tried = tried[:1]
        found = [place for place in dict.fromkeys(map(self.place, tried)) if place >= 0]
        return found[: 1 + INFLECTIONS]

    def beginning(self, start: str) -> Ints:
        """The most frequent words int64 that begin with `start`."""
        first, end = self.words.before(start), self.words.before(start + "\U0010ffff")
        places = np.arange(first, end)
        return places[np.argsort(-self.often[first:end], kind="stable")[:COMPLETIONS]]

    def nearest(self, word: str) -> Ints:
        """Words int64 with the fewest mistakes between them and `word`, the most frequent first; none beyond bounds.

        A mistake is a letter more, less or another one, or two neighbours swapped (optimal string alignment, Damerau
        1964); how many are forgiven depends on the length. Looks at every word; words with other letters cost next to
        nothing. What has digits is never corrected.
        """
        most = sum(len(word) >= least for least in _FORGIVEN)
        if not most or any(letter.isdigit() for letter in word):
            return np.empty(0, np.int64)
        typed = Strings.of([word])
        mask = _letters(typed.letters, typed.starts)[0]
        away = _mistakes(typed.letters, mask, self.words.letters, self.words.starts, self.letters, most)
        places = np.flatnonzero(away == away.min(initial=most)) if (away <= most).any() else np.empty(0, np.int64)
        first = self.words.letters[self.words.starts[places]] != typed.letters[0]
        return places[np.lexsort((-self.often[places], first))][:CORRECTIONS]


@compiled
def _before(letters: NDArray[np.uint32], starts: Ints, text: NDArray[np.uint32]) -> int:
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high) // 2
        begin, end = starts[middle], starts[middle + 1]
        place = 0
        while place < len(text) and begin + place < end and letters[begin + place] == text[place]:
            place += 1
        if place < len(text) and (begin + place == end or letters[begin + place] < text[place]):
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _letters(letters: NDArray[np.uint32], starts: Ints) -> NDArray[np.uint64]:
    """Which letters each word has, as bits: two words with n bits that differ are at least n / 2 mistakes apart."""
    masks = np.zeros(len(starts) - 1, np.uint64)
    for word in range(len(masks)):
        for place in range(starts[word], starts[word + 1]):
            masks[word] |= np.uint64(1) << np.uint64(letters[place] & np.uint32(63))
    return masks


@compiled
def _mistakes(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    typed: NDArray[np.uint32], mask: np.uint64,
    letters: NDArray[np.uint32], starts: Ints, masks: NDArray[np.uint64], most: int,
) -> NDArray[np.uint8]:  # fmt: skip
    away = np.full(len(masks), np.uint8(255), np.uint8)
    size = len(typed)
    rows = np.zeros((3, size + 1), np.int64)
    for word in range(len(masks)):
        begin, length = starts[word], starts[word + 1] - starts[word]
        if abs(length - size) > most:
            continue
        differs, bits = mask ^ masks[word], 0
        while differs and bits <= 2 * most:
            differs &= differs - np.uint64(1)
            bits += 1
        if bits > 2 * most:
            continue
        for place in range(size + 1):
            rows[0, place] = place
        least = 0
        for other in range(1, length + 1):
            now, last, before = rows[other % 3], rows[(other - 1) % 3], rows[(other - 2) % 3]
            now[0] = other
            least = other
            for place in range(1, size + 1):
                same = letters[begin + other - 1] == typed[place - 1]
                value = min(now[place - 1] + 1, last[place] + 1, last[place - 1] + (0 if same else 1))
                if (
                    other > 1 and place > 1 and letters[begin + other - 1] == typed[place - 2]
                    and letters[begin + other - 2] == typed[place - 1]
                ):  # fmt: skip
                    value = min(value, before[place - 2] + 1)
                now[place] = value
                least = min(least, value)
            if least > most:
                break
        if least <= most and rows[length % 3, size] <= most:
            away[word] = rows[length % 3, size]
    return away
