"""The peers: `implicit` ALS and BPR, and EASE^R in closed form, each asked by the last items of a history.

`threadpoolctl` gives dense algebra two threads while EASE is inverted; `implicit` runs on one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from numpy.typing import NDArray
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from cases import Cases, Task
from floors import Matrix, trails
from knn import Memory
from measure import Floats, Scorer

MOST_ITEMS: Final = 20_000
"""Up to how many items EASE is fitted."""
_SEED: Final = 7
_MEMORY: Final = Memory()


def _had(task: Task) -> Matrix:
    """Whether a sequence has an item: float32 [sequences, items]; sequences without lines are rows without items."""
    sequences = int(task.learned.sequence.max(initial=-1)) + 1
    had = trails(task.learned, sequences, len(task.items), np.ones(len(task.learned.item)))
    had.data[:] = 1
    return had


@dataclass(frozen=True, slots=True)
class Ease:
    """Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019, eq. 8), ridge `ridge`."""

    ridge: float = 200.0
    memory: Memory = _MEMORY

    def fit(self, task: Task) -> Scorer:
        """The scorer; items² floats."""
        had, items = _had(task), len(task.items)
        gram = (had.T @ had).toarray().astype(np.float32, order="F")
        gram[np.diag_indices(items)] += self.ridge
        with threadpool_limits(2, "blas"):
            factor, _ = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
            inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
        table: NDArray[np.float32] = np.tril(inverse) + np.tril(inverse, -1).T
        table /= -np.diag(table)
        table[np.diag_indices(items)] = 0
        return lambda cases: np.asarray(self.memory.of(cases.known, len(cases), len(task.items)) @ table)


@dataclass(frozen=True, slots=True)
class Als:
    """Hu, Koren & Volinsky (ICDM 2008) as `implicit` fits it; a case is folded in by what its memory holds.

    A line of weight w has confidence 1 + `alpha` w.
    """

    factors: int = 64
    alpha: float = 10.0
    regularization: float = 1.0
    iterations: int = 15
    memory: Memory = _MEMORY

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        model = AlternatingLeastSquares(
            self.factors, self.regularization, self.alpha, iterations=self.iterations, num_threads=1, random_state=_SEED
        )
        with threadpool_limits(1, "blas"):
            model.fit(sparse.csr_matrix(_had(task)), show_progress=False)
        vectors: NDArray[np.float32] = model.item_factors
        square = vectors.T @ vectors + self.regularization * np.eye(self.factors, dtype=np.float32)

        def score(cases: Cases) -> Floats:
            weight = self.memory.of(cases.known, len(cases), len(task.items))
            left, right = np.tile(square, (len(cases), 1, 1)), np.zeros((len(cases), self.factors), np.float32)
            for case in range(len(cases)):
                lines = slice(weight.indptr[case], weight.indptr[case + 1])
                own, trust = vectors[weight.indices[lines]], self.alpha * weight.data[lines, None]
                left[case] += own.T @ (trust * own)
                right[case] = ((1 + trust) * own * (trust > 0)).sum(0)
            return np.asarray(np.linalg.solve(left, right[:, :, None])[:, :, 0] @ vectors.T)

        return score


@dataclass(frozen=True, slots=True)
class Bpr:
    """Rendle et al. (UAI 2009) as `implicit` fits it; the vector of a case is the mean of those its memory holds.

    With `own` it is the fitted one of the shopper instead.
    """

    factors: int = 64
    learning_rate: float = 0.05
    regularization: float = 0.01
    iterations: int = 100
    memory: Memory = _MEMORY
    own: bool = False

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        model = BayesianPersonalizedRanking(
            self.factors, self.learning_rate, self.regularization, iterations=self.iterations, num_threads=1,
            random_state=_SEED,
        )  # fmt: skip
        model.fit(sparse.csr_matrix(_had(task)), show_progress=False)
        vectors: NDArray[np.float32] = model.item_factors
        people: NDArray[np.float32] = model.user_factors

        def score(cases: Cases) -> Floats:
            if self.own:
                return np.asarray(people[cases.unit] @ vectors.T)
            weight = self.memory.of(cases.known, len(cases), len(task.items))
            asked = np.asarray(weight @ vectors) / np.maximum(np.asarray(weight.sum(axis=1)), 1e-9)[:, None]
            asked[:, -1] = 1  # an item's last factor is its bias
            return np.asarray(asked @ vectors.T)

        return score
