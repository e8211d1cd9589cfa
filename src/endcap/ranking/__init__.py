"""Rankers: from the features of a pool to one score an item."""

from typing import Protocol

from endcap.domain.arrays import Floats
from endcap.ranking.calibration import Calibration


class Ranker(Protocol):
    """A learned scorer; `schema` names the features it was fitted on, in order."""

    @property
    def schema(self) -> tuple[str, ...]:
        """Feature names, equal to those of the feature set it is used with."""

    @property
    def calibration(self) -> Calibration:
        """What a score says of probabilities."""

    def score(self, features: Floats) -> Floats:
        """float32 [n] from float32 [width, n], NaN where a feature is unknown; larger is better."""
