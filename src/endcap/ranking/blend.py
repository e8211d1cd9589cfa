"""The fixed blend: a weighted sum of the sources' votes, for the layers below the ranker and the rung without it."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats
from endcap.ranking.calibration import UNCALIBRATED, Calibration


@dataclass(frozen=True, slots=True)
class Blend:
    """A linear score: `weights` float32 [width] times the features, unknown ones counting 0."""

    schema: tuple[str, ...]
    weights: Floats

    @property
    def calibration(self) -> Calibration:
        """None: a blend orders."""
        return UNCALIBRATED

    def score(self, features: Floats) -> Floats:
        """float32 [n] weighted sums."""
        return self.weights @ np.nan_to_num(features, nan=0.0)
