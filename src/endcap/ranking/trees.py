"""Boosted symmetric trees as flat arrays, scored by one kernel. Does not know which library fitted them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, compiled
from endcap.errors import SnapshotRejected

_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Trees:
    """`trees` symmetric trees of depth d ≤ 8: level l of tree t asks `feature[t, l]` > `border[t, l]`, NaN answers no.

    `feature` int16 [t, d], `border` float32 [t, d], `leaves` float64 [t, 2^d]; a score is `bias` plus a leaf a tree.
    """

    schema: tuple[str, ...]
    feature: NDArray[np.int16]
    border: Floats
    leaves: NDArray[np.float64]
    bias: float

    def checked(self) -> Self:
        """These trees, if they can be scored. Raises SnapshotRejected where shapes, features or numbers cannot be."""
        trees, depth = self.feature.shape
        shapes = self.border.shape == (trees, depth) and self.leaves.shape == (trees, 2**depth)
        if not shapes or depth > _MAX_DEPTH:
            raise SnapshotRejected(f"trees: arrays of {trees} trees of depth {depth} do not fit together; train again")
        if trees and (self.feature.min() < 0 or self.feature.max() >= len(self.schema)):
            raise SnapshotRejected(f"trees: a split names a feature beyond the {len(self.schema)} known; train again")
        if not (np.isfinite(self.leaves).all() and np.isfinite(self.border).all() and np.isfinite(self.bias)):
            raise SnapshotRejected("trees: a leaf or border is not a finite number; train again")
        return self

    def score(self, features: Floats) -> Floats:
        """float32 [n] raw scores (log-odds where fitted with Logloss)."""
        return self.raw(features).astype(np.float32)

    def raw(self, features: Floats) -> NDArray[np.float64]:
        """float64 [n]: equal to the fitting library's raw prediction."""
        return _scores(self.feature, self.border, self.leaves, self.bias, features)


@compiled
def _scores(
    feature: NDArray[np.int16], border: Floats, leaves: NDArray[np.float64], bias: float, features: Floats
) -> NDArray[np.float64]:
    trees, depth = feature.shape
    n = features.shape[1]
    scores = np.full(n, bias, np.float64)
    leaf = np.empty(n, np.uint8)
    for tree in range(trees):
        leaf[:] = 0
        for level in range(depth):
            column, limit, bit = features[feature[tree, level]], border[tree, level], np.uint8(1 << level)
            for row in range(n):
                leaf[row] |= bit if column[row] > limit else np.uint8(0)
        values = leaves[tree]
        for row in range(n):
            scores[row] += values[leaf[row]]
    return scores
