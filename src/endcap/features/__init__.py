"""Features of a pool: each family is defined once and serves, is logged, and is trained on as it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from endcap.domain.arrays import Floats
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Moment


class Feature(Protocol):
    """One family of columns over the members of a pool."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, in order."""

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """float32 [len(names), n], NaN where nothing is known."""


@dataclass(frozen=True)
class FeatureSet:
    """The families of one snapshot, in order."""

    families: Sequence[Feature]

    @cached_property
    def schema(self) -> tuple[str, ...]:
        """All column names, in the order of the matrix."""
        return tuple(name for family in self.families for name in family.names)

    def matrix(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """float32 [width, n]: a row per feature, so that the ranker reads one at a time."""
        columns = [family.columns(request, moment, pool) for family in self.families]
        return np.concatenate(columns, dtype=np.float32)
