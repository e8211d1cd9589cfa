"""Fixed blends: of the sources' votes, for what is ordered without the ranker, and of a query with the ranker."""

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


def mixed(said: Floats, scores: Floats, personal: float) -> Floats:
    """float32 [n]: what a query says of each row and the ranker's scores, both on the scale of log-odds, weighted.

    `personal` from 0 (the query alone) to 1 (the ranker alone).
    """
    return ((1 - personal) * said + personal * scores).astype(np.float32)
