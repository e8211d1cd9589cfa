"""How often a digest came before: exact, in 8 bytes a row. Does not know what is digested."""

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Ints


class Occurrences:
    """Counts of all digests (uint64) seen so far, as sorted runs of which each is longer than the next.

    >>> seen = Occurrences()
    >>> seen.number(np.array([7, 5, 7], np.uint64)).tolist(), seen.number(np.array([7, 9], np.uint64)).tolist()
    ([1, 1, 2], [3, 1])
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def number(self, digests: NDArray[np.uint64]) -> Ints:
        """int64 [n], from 1: which occurrence of its digest each one is, over all calls."""
        order = np.argsort(digests, kind="stable")
        run = digests[order]
        count = np.arange(1, len(run) + 1) - np.searchsorted(run, run)
        for earlier in self._runs:
            count += np.searchsorted(earlier, run, side="right") - np.searchsorted(earlier, run)
        self._keep(run)
        numbers = np.empty(len(run), np.int64)
        numbers[order] = count
        return numbers

    def _keep(self, run: NDArray[np.uint64]) -> None:
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]))
        self._runs.append(run)
