"""The embedded encoder: n-grams of the shop's own texts, TF-IDF and SVD; no weights from elsewhere, any language.

Features are words and pairs of words, and 3 to 5 characters within words (which carry inflections, compounds and
scripts without spaces), hashed, so that what is fitted is three arrays. Knows texts only. Imports scikit-learn, so
training imports this module and serving does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.utils.extmath import randomized_svd

from endcap.backends.encoder import Encoder
from endcap.domain.arrays import Floats

_BUCKETS: Final = 2**20
_FEATURES: Final = 50_000
_MIN_TEXTS: Final = 2
_TEXTS_AT_ONCE: Final = 10_000
_WORD_CHARACTERS: Final = 1_000
_PART_CHARACTERS: Final = 200
_SEED: Final = 0

_WORDS: Final = HashingVectorizer(
    ngram_range=(1, 2),
    token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - a pattern of words, no password
    n_features=_BUCKETS,
    alternate_sign=False,
    norm=None,
    dtype=np.float32,
)
_PARTS: Final = HashingVectorizer(
    analyzer="char_wb", ngram_range=(3, 5), n_features=_BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
)


@dataclass(frozen=True, slots=True, eq=False)
class LexicalEncoder(Encoder):
    """What `fit_lexical` found: the kept buckets, their inverse document frequencies and directions.

    `buckets` int32 [f] sorted, `idf` float32 [f], `directions` float32 [f, dimension].
    """

    buckets: NDArray[np.int32]
    idf: Floats
    directions: Floats
    dimension: int

    def encode(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dimension], rows of length 1, or 0 where no feature of the text was seen in fitting."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = _counts(texts[start : start + _TEXTS_AT_ONCE])[:, self.buckets]
            vectors[start : start + some.shape[0]] = _weighted(some, self.idf) @ self.directions
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `lexical_of` takes."""
        return {"buckets": self.buckets, "idf": self.idf, "directions": self.directions}


def lexical_of(arrays: Mapping[str, NDArray[Any]]) -> LexicalEncoder:
    """The encoder whose `arrays` these are. Raises: KeyError where one is missing."""
    directions = arrays["directions"]
    return LexicalEncoder(arrays["buckets"], arrays["idf"], directions, directions.shape[1])


def fit_lexical(texts: Sequence[str], dimension: int = 64) -> LexicalEncoder:
    """Fit to `texts` (a title and what else describes an item; the title first, for long texts are cut).

    Features that stand in fewer than 2 texts are left out, the 50,000 most frequent kept. Latent semantic analysis:
    Deerwester et al. 1990; the randomized SVD is Halko, Martinsson, Tropp 2011, with a fixed seed. With fewer texts or
    features than `dimension` the last columns are 0.
    """
    counts = [_counts(texts[start : start + _TEXTS_AT_ONCE]) for start in range(0, len(texts), _TEXTS_AT_ONCE)]
    frequency = np.zeros(2 * _BUCKETS, np.int64)
    for some in counts:
        frequency += np.bincount(some.indices, minlength=2 * _BUCKETS)
    buckets = _kept(frequency)
    idf = (np.log((1 + len(texts)) / (1 + frequency[buckets])) + 1).astype(np.float32)
    directions = np.zeros((len(buckets), dimension), np.float32)
    rank = min(dimension, len(buckets), len(texts))
    if rank:
        weighted = sp.vstack([_weighted(some[:, buckets], idf) for some in counts], format="csr")
        _, _, components = randomized_svd(weighted, rank, n_iter=4, random_state=_SEED)
        directions[:, :rank] = components.T
    return LexicalEncoder(buckets, idf, directions, dimension)


def _counts(texts: Sequence[str]) -> sp.csr_matrix[np.float32]:
    words = _WORDS.transform([text[:_WORD_CHARACTERS] for text in texts])
    parts = _PARTS.transform([text[:_PART_CHARACTERS] for text in texts])
    return sp.csr_matrix(sp.hstack([words, parts], format="csr"))


def _kept(frequency: NDArray[np.int64]) -> NDArray[np.int32]:
    enough = np.flatnonzero(frequency >= _MIN_TEXTS)
    most = enough[np.argsort(-frequency[enough], kind="stable")[:_FEATURES]]
    return np.sort(most).astype(np.int32)


def _weighted(counts: sp.csr_matrix[np.float32], idf: Floats) -> sp.csr_matrix[np.float32]:
    """Sublinear TF-IDF, each row of length 1 (Manning, Raghavan, Schütze 2008, section 6.4)."""
    weighted = counts.copy()
    weighted.data = (1 + np.log(weighted.data)) * idf[weighted.indices]
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    rows = np.repeat(np.arange(weighted.shape[0]), np.diff(weighted.indptr))
    weighted.data /= lengths[rows]
    return weighted
