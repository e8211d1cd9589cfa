"""The lexical encoder for a few words at a time, as serving needs it: the same vectors without scikit-learn."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from endcap.backends.encoder import Encoder
from endcap.domain.arrays import Floats, Ints, compiled

_BUCKETS: Final = 2**20
_WORD: Final = re.compile(r"\b\w+\b")
_LONGEST: Final = 200
"""Characters of a text that are read: a query is short."""
_PARTS: Final = (3, 4, 5)


@dataclass(frozen=True, slots=True, eq=False)
class LexicalQueries(Encoder):
    """`backends.encoder.lexical.LexicalEncoder`, made of the same arrays and equal to it but for rounding.

    `buckets` int32 [f] sorted, `idf` float32 [f], `directions` float32 [f, dimension]. Texts are read up to 200
    characters.
    """

    buckets: NDArray[np.int32]
    idf: Floats
    directions: Floats
    dimension: int

    def encode(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dimension], rows of length 1, or 0 where no feature of the text is known."""
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for place, text in enumerate(texts):
            vectors[place] = self._encoded(text[:_LONGEST].lower())
        return vectors

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `lexical_queries` takes."""
        return {"buckets": self.buckets, "idf": self.idf, "directions": self.directions}

    def _encoded(self, text: str) -> Floats:
        words = _buckets([*(found := _WORD.findall(text)), *(f"{a} {b}" for a, b in pairwise(found))])
        parts = _buckets(list(_parts(text))) + _BUCKETS
        bucket, times = np.unique(np.concatenate([words, parts]), return_counts=True)
        place = np.minimum(np.searchsorted(self.buckets, bucket), max(len(self.buckets) - 1, 0))
        known = self.buckets[place] == bucket if len(self.buckets) else np.zeros(len(bucket), np.bool_)
        weights = ((1 + np.log(times[known])) * self.idf[place[known]]).astype(np.float32)
        vector: Floats = weights @ self.directions[place[known]]
        length = np.linalg.norm(vector)
        return vector / length if length > 0 else vector


def lexical_queries(arrays: Mapping[str, NDArray[Any]]) -> LexicalQueries:
    """The encoder whose `arrays` these are. Raises: KeyError where one is missing."""
    directions = arrays["directions"]
    return LexicalQueries(arrays["buckets"], arrays["idf"], directions, directions.shape[1])


def _parts(text: str) -> Iterator[str]:
    """3 to 5 characters within words, each word between spaces; one that is shorter is a part by itself."""
    for word in text.split():
        padded = f" {word} "
        for size in _PARTS:
            yield padded[:size]
            yield from (padded[begin : begin + size] for begin in range(1, len(padded) - size + 1))
            if len(padded) <= size:
                break


def _buckets(features: list[str]) -> Ints:
    """The bucket int64 of each feature: the absolute value of its signed 32-bit MurmurHash3."""
    encoded = [feature.encode("utf-8", "surrogatepass") for feature in features]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(each) for each in encoded], out=starts[1:])
    signed = _hashes(np.frombuffer(b"".join(encoded), np.uint8), starts).view(np.int32).astype(np.int64)
    return np.abs(signed) % _BUCKETS


@compiled
def _hashes(letters: NDArray[np.uint8], starts: Ints) -> NDArray[np.uint32]:
    """MurmurHash3_x86_32 (Appleby 2011, public domain) of each piece, with seed 0."""
    hashes = np.empty(len(starts) - 1, np.uint32)
    bits = np.uint64(0xFFFFFFFF)
    for piece in range(len(hashes)):
        begin, end = starts[piece], starts[piece + 1]
        state = np.uint64(0)
        for block in range(begin, end, 4):
            word, size = np.uint64(0), min(end - block, 4)
            for place in range(size):
                word |= np.uint64(letters[block + place]) << np.uint64(8 * place)
            word = (word * np.uint64(0xCC9E2D51)) & bits
            word = ((word << np.uint64(15)) | (word >> np.uint64(17))) & bits
            state ^= (word * np.uint64(0x1B873593)) & bits
            if size == 4:
                state = ((state << np.uint64(13)) | (state >> np.uint64(19))) & bits
                state = (state * np.uint64(5) + np.uint64(0xE6546B64)) & bits
        state ^= np.uint64(end - begin)
        state = ((state ^ (state >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & bits
        state = ((state ^ (state >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & bits
        hashes[piece] = np.uint32(state ^ (state >> np.uint64(16)))
    return hashes
