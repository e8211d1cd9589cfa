"""What a person of a simulated shop chose from, as it stood before her: the law of what she opens next.

With it what she did can be drawn again and again, everything before it being as it was.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from endcap.domain.arrays import Bools, Doubles, Ints
from endcap.simulation.truth import Scene

LEAVES: Final = 0.05
"""Chance that a person has seen enough after a product."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What stood before a person at `opened` (ms UTC): products int64 [n], top to bottom, and chances float64 [n].

    She opens each by its chance, from the top, until she has seen enough; where it is `one`, exactly one of them.
    `fresh` bool [n] are those not opened before in this visit.
    """

    opened: int
    scene: Scene
    products: Ints
    chances: Doubles
    fresh: Bools
    one: bool = False

    def redraws(self, rng: Generator, times: int) -> Bools:
        """What she could have opened, bool [times, n]: drawn anew until each time something fresh is among it."""
        found = np.empty((0, len(self.products)), np.bool_)
        while len(found) < times:
            taken = self._drawn(rng, times) & self.fresh
            found = np.concatenate([found, taken[taken.any(axis=1)]])
        return found[:times]

    def _drawn(self, rng: Generator, times: int) -> Bools:
        size = times, len(self.products)
        if self.one:
            total = np.cumsum(self.chances)
            place = np.searchsorted(total, rng.random(times) * total[-1])
            return np.asarray(np.arange(size[1]) == place[:, None])
        taken = rng.random(size) < self.chances
        enough = taken & (rng.random(size) < LEAVES)
        return np.asarray(taken & (np.cumsum(enough, axis=1) - enough == 0))
