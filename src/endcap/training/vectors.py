"""Item vectors: factors by implicit ALS, embeddings by PPMI and SVD, and the nearest neighbours in any such space."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.instants import DAY
from endcap.features.words import Lexicon
from endcap.retrieval.tables import Table, table_of
from endcap.training.history import History

DIMENSION: Final = 64
_BLOCK: Final = 256
_COMMON: Final = 1_000
"""Words of more rows than this make none of them neighbours."""
_LONGEST: Final = 200
"""Of a longer sequence so many lines, spread over it, are told to stand together."""


@dataclass(frozen=True, slots=True)
class FactorConfig:
    """How implicit ALS weighs an interaction, which halves every `half_life_days`, and how it is held back."""

    alpha: float
    regularization: float
    half_life_days: float


def fit_factors(history: History, rows: int, at: int, config: FactorConfig) -> Floats:
    """float32 [rows, 64] unit item factors of implicit ALS (Hu, Koren, Volinsky 2008), shoppers by groups.

    Confidence is 1 + alpha * decayed interactions. Rows without an interaction are 0.
    """
    age_days = (at - history.time) / DAY
    confidence = config.alpha * history.weight * 0.5 ** (age_days / config.half_life_days)
    matrix = sparse.csr_matrix(
        (confidence.astype(np.float32), (history.shopper, history.group)), (len(history.keys), rows), dtype=np.float32
    )
    known = np.flatnonzero(matrix.getnnz(axis=0))
    if len(known) < 2:
        return np.zeros((rows, DIMENSION), np.float32)
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(
            factors=DIMENSION, regularization=config.regularization, iterations=12, random_state=7, use_gpu=False
        )
        model.fit(matrix[:, known], show_progress=False)
    factors = np.zeros((rows, DIMENSION), np.float32)
    factors[known] = model.item_factors
    return unit(factors)


def fit_embeddings(sequence: Rows, group: Rows, rows: int) -> Floats:
    """float32 [rows, ≤ 64] unit vectors: truncated SVD of the positive pointwise mutual information of sequences.

    After Levy & Goldberg 2014, symmetric (U sqrt(S)); a sequence of n distinct rows counts each pair 1 / n. Of one with
    more than 200 lines so many count, spread over it.
    """
    kept = _spread_over(sequence)
    sequence, group = sequence[kept], group[kept]
    held = sparse.csr_matrix(
        (np.ones(len(group), np.float32), (sequence, group)), (int(sequence.max(initial=-1)) + 1, rows)
    )
    held.data[:] = 1
    scaled = sparse.diags_array(1 / np.maximum(held.getnnz(axis=1), 1)) @ held
    together = sparse.coo_array(held.T @ scaled)
    apart = together.row != together.col
    row, column, count = together.row[apart], together.col[apart], together.data[apart]
    totals = np.bincount(row, weights=count, minlength=rows)
    with np.errstate(divide="ignore"):
        information = np.log(count * totals.sum() / (totals[row] * totals[column]))
    positive = information > 0
    ppmi = sparse.csr_array((information[positive], (row[positive], column[positive])), (rows, rows))
    dimension = min(DIMENSION, rows - 1)
    if ppmi.nnz < dimension or dimension < 1:
        return np.zeros((rows, 1), np.float32)
    with threadpool_limits(1, "blas"):
        left, values, _ = randomized_svd(ppmi, dimension, n_iter=3, random_state=7)
    left[np.diff(ppmi.indptr) == 0] = 0  # but for rounding they are
    return unit(left * np.sqrt(values))


def _spread_over(sequence: Rows) -> Ints:
    """int64: which lines count, of a sequence with more than _LONGEST every n-th."""
    order = np.argsort(sequence, kind="stable")
    lengths = np.bincount(sequence)
    length = np.repeat(lengths, lengths)
    turn = np.arange(len(sequence)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept: Ints = order[(length <= _LONGEST) | (turn * _LONGEST // length != (turn - 1) * _LONGEST // length)]
    return kept


def fit_words(texts: Sequence[str]) -> Lexicon:
    """The words and pairs of words of `texts`, by row, that stand in at least two; TF-IDF with logarithmic counts."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - two seconds, for texts alone

    vectorizer = TfidfVectorizer(
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - a pattern of words, no password
        ngram_range=(1, 2),
        min_df=2,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        held = sparse.csr_matrix(vectorizer.fit_transform(texts))
    except ValueError:  # no word stands in two texts
        held = sparse.csr_matrix(np.zeros((len(texts), 1), np.float32))
    return Lexicon(held.indptr.astype(np.int64), held.indices.astype(np.int32), held.data, held.shape[1])


def nearest_words(lexicon: Lexicon, allowed: Rows, most: int) -> Table:
    """For every row the `most` of `allowed` with the largest TF-IDF cosine by words that few rows have, in blocks."""
    rows = len(lexicon.starts) - 1
    often = np.bincount(lexicon.words, minlength=lexicon.size) > _COMMON
    weights = np.where(often[lexicon.words], np.float32(0), lexicon.weights)
    held = sparse.csr_matrix((weights, lexicon.words, lexicon.starts), (rows, lexicon.size), copy=True)
    held.eliminate_zeros()  # in place, and the lexicon is not ours
    others = sparse.csr_matrix(held[allowed].T)
    starts, found, cosines = [np.zeros(1, np.int64)], [], []
    for begin in range(0, rows, _BLOCK):
        near = sparse.coo_array(held[begin : begin + _BLOCK] @ others)
        apart = near.row + begin != allowed[near.col]
        key, row, cosine = near.row[apart], allowed[near.col[apart]], near.data[apart]
        block = table_of(key.astype(np.int64), row, cosine, min(_BLOCK, rows - begin), most)
        starts.append(block.starts[1:] + starts[-1][-1])
        found.append(block.rows)
        cosines.append(block.weights)
    return Table(np.concatenate(starts), np.concatenate(found), np.concatenate(cosines))


def unit(vectors: Floats) -> Floats:
    """Rows of length 1 as float32, rows of zeros left as they are."""
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def nearest(  # noqa: PLR0913 - two spaces, and who is asked for whom
    vectors: Floats, allowed: Rows, most: int, least: float, among: Rows | None = None, others: Floats | None = None
) -> Table:
    """For every row (of `among`) the `most` of `allowed` with the largest cosine above `least`, exact, in blocks.

    With `others` the product of its vector with theirs in `others`.
    """
    rows = len(vectors)
    known = np.abs(vectors).sum(axis=1) > 0
    allowed = allowed[known[allowed]]
    asked = np.flatnonzero(known) if among is None else among[known[among]]
    targets = (vectors if others is None else others)[allowed].astype(np.float32)
    keys, found, weights = [], [], []
    with threadpool_limits(1, "blas"):
        for begin in range(0, len(asked), _BLOCK):
            block = asked[begin : begin + _BLOCK]
            if not len(allowed):
                continue
            cosines = vectors[block].astype(np.float32) @ targets.T
            own = np.minimum(np.searchsorted(allowed, block), len(allowed) - 1)
            hit = np.flatnonzero(allowed[own] == block)
            cosines[hit, own[hit]] = least - 1
            best = _largest(cosines, min(most, len(allowed)))
            keys.append(np.repeat(block, best.shape[1]))
            found.append(allowed[best].ravel())
            weights.append((np.take_along_axis(cosines, best, axis=1) - least).ravel())
    if not keys:
        return table_of(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), rows, most)
    return table_of(np.concatenate(keys), np.concatenate(found).astype(np.int32), np.concatenate(weights), rows, most)


def likelihoods(table: Table) -> Table:
    """The weights of each list as shares of its summed exponentials."""
    lists = np.diff(table.starts)
    best = table.weights[np.repeat(table.starts[:-1], lists)]
    odds = np.exp(np.maximum(table.weights - best, -20))
    key = np.repeat(np.arange(len(lists)), lists)
    total = np.bincount(key, weights=odds, minlength=len(lists))
    return Table(table.starts, table.rows, (odds / total[key]).astype(np.float32))


@compiled
def _largest(values: Floats, most: int) -> Ints:
    """int64 [n, most]: the places of the `most` largest of each row, in no order."""
    found = np.empty((len(values), most), np.int64)
    for row in range(len(values)):
        line, kept = values[row], found[row]
        for place in range(most):
            kept[place] = place
        weakest = int(np.argmin(line[:most]))
        for place in range(most, len(line)):
            if line[place] > line[kept[weakest]]:
                kept[weakest] = place
                for other in range(most):
                    if line[kept[other]] < line[kept[weakest]]:
                        weakest = other
    return found
