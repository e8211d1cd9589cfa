"""Boosted trees as flat arrays, scored by one kernel. Does not know which library fitted them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, compiled
from endcap.errors import SnapshotRejected
from endcap.ranking.calibration import UNCALIBRATED, Calibration

MOST_LEAVES = 16
"""As many as the bits of a mask."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees of at most 16 leaves, numbered from left to right; split n of tree t sends larger values right.

    `feature` int16 [t, n], `border` float32 [t, n]; `missing_right` bool [t, n] says where NaN goes; `left` uint16
    [t, n] has a bit for every leaf that is out of reach on the right side of the split: the first that no split of the
    tree rules out is the row's leaf (QuickScorer, Lucchese et al. 2015). `leaves` float64 [t, n + 1]; a score is `bias`
    plus a leaf a tree. A tree with fewer splits is filled up with such as rule nothing out.
    """

    schema: tuple[str, ...]
    feature: NDArray[np.int16]
    border: Floats
    missing_right: Bools
    left: NDArray[np.uint16]
    leaves: NDArray[np.float64]
    bias: float
    calibration: Calibration = UNCALIBRATED

    def checked(self) -> Self:
        """These trees, if they can be scored. Raises SnapshotRejected where shapes, features or numbers cannot be."""
        trees, splits = self.feature.shape
        shapes = self.leaves.shape == (trees, splits + 1) and all(
            part.shape == (trees, splits) for part in (self.border, self.missing_right, self.left)
        )
        if not shapes or splits >= MOST_LEAVES:
            raise SnapshotRejected(f"trees: arrays of {trees} trees of {splits} splits do not fit; train again")
        if trees and splits and (self.feature.min() < 0 or self.feature.max() >= len(self.schema)):
            raise SnapshotRejected(f"trees: a split names a feature beyond the {len(self.schema)} known; train again")
        if (np.bitwise_or.reduce(self.left, axis=1, initial=0) >> splits).any():
            raise SnapshotRejected(f"trees: splits rule out all of the {splits + 1} leaves of a tree; train again")
        if not (np.isfinite(self.leaves).all() and np.isfinite(self.border).all() and np.isfinite(self.bias)):
            raise SnapshotRejected("trees: a leaf or border is not a finite number; train again")
        return self

    def score(self, features: Floats) -> Floats:
        """float32 [n] raw scores, larger for what is likelier wanted."""
        return self.raw(features).astype(np.float32)

    def raw(self, features: Floats) -> NDArray[np.float64]:
        """float64 [n]: equal to the fitting library's raw prediction."""
        return _scores(self.feature, self.border, self.missing_right, self.left, self.leaves, self.bias, features)


@compiled
def _scores(  # noqa: PLR0913 - a kernel takes its columns one by one
    feature: NDArray[np.int16], border: Floats, missing_right: Bools, left: NDArray[np.uint16],
    leaves: NDArray[np.float64], bias: float, features: Floats,
) -> NDArray[np.float64]:  # fmt: skip
    trees, splits = feature.shape
    n = features.shape[1]
    scores = np.full(n, bias, np.float64)
    ruled_out, leaf = np.empty(n, np.uint16), np.empty(n, np.uint8)
    for tree in range(trees):
        ruled_out[:] = 0
        for split in range(splits):
            column, limit, bits = features[feature[tree, split]], border[tree, split], left[tree, split]
            if bits == 0:
                continue
            if missing_right[tree, split]:
                for row in range(n):
                    ruled_out[row] |= np.uint16(0) if column[row] <= limit else bits
            else:
                for row in range(n):
                    ruled_out[row] |= bits if column[row] > limit else np.uint16(0)
        for row in range(n):
            leaf[row] = _ones_below(ruled_out[row])
        values = leaves[tree]
        for row in range(n):
            scores[row] += values[leaf[row]]
    return scores


@compiled
def _ones_below(bits: np.uint16) -> np.uint8:
    """How many of the lowest bits are ones, without a branch: a loop over it becomes vector instructions."""
    ones = np.uint16(bits & ~np.uint16(bits + np.uint16(1)))
    ones = np.uint16(ones - np.uint16(np.uint16(ones >> np.uint16(1)) & np.uint16(0x5555)))
    ones = np.uint16((ones & np.uint16(0x3333)) + (np.uint16(ones >> np.uint16(2)) & np.uint16(0x3333)))
    ones = np.uint16(np.uint16(ones + np.uint16(ones >> np.uint16(4))) & np.uint16(0x0F0F))
    return np.uint8(np.uint16(ones + np.uint16(ones >> np.uint16(8))) & np.uint16(0x1F))
