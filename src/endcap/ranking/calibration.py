"""From a ranker's score to probabilities: how likely the item is what the shopper takes next, and by which action."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from endcap.domain.arrays import Floats

ACTIONS: Final = ("view", "cart", "purchase")


@dataclass(frozen=True, slots=True)
class Calibration:
    """`scores` float32 [k], rising; `shares` float32 [actions, k] is the probability of each action at each of them.

    It is linear between two scores, and beyond the ends what it is there. No probability of a click on an item that is
    shown: it is learned from what shoppers took of all that was ranked, shown or not.

    >>> seldom = Calibration(("view",), np.array([0, 2], np.float32), np.array([[0, 0.5]], np.float32))
    >>> seldom.of(np.array([-9, 1, 9], np.float32))
    array([[0.  , 0.25, 0.5 ]], dtype=float32)
    """

    actions: tuple[str, ...]
    scores: Floats
    shares: Floats

    def of(self, scores: Floats) -> Floats:
        """float32 [actions, n]: the probability of each action at `scores` float32 [n]."""
        found = np.empty((len(self.actions), len(scores)), np.float32)
        for action, shares in enumerate(self.shares):
            found[action] = np.interp(scores, self.scores, shares)
        return found


UNCALIBRATED: Final = Calibration((), np.zeros(1, np.float32), np.empty((0, 1), np.float32))
"""That of scores of which nothing is known but their order."""
