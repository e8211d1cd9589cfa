"""A windowed co-occurrence kNN with the usual freedoms: tuned, it stands above most of what is published."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cases import Cases, Lines, Task
from floors import Matrix, trails
from measure import Floats, Scorer


@dataclass(frozen=True, slots=True)
class Memory:
    """The `last` steps of what is known, each later one `fade` of the one before, half after `half_life` of age."""

    last: int = 10
    fade: float = 0.8
    half_life: float = np.inf

    def of(self, known: Lines, cases: int, items: int) -> Matrix:
        """float32 [cases, items]."""
        back = known.back()
        weight = np.where(back < self.last, self.fade**back * 0.5 ** (known.age / self.half_life), 0)
        return trails(known, cases, items, weight)


@dataclass(frozen=True, slots=True)
class Knn:
    """Two items that occur d steps apart (0: in one basket) count `steps[d]`, `backward` of it for the earlier of them.

    A pair counts half after `half_life` of age, and less in a large basket, by its size to `size_power`. The sum is
    divided by how often the known item occurs to `from_power` and how often the other occurs to `to_power`, both with
    `shrinkage`. An item of the case itself gets `own` times the best score, faded by `own_fade` a step; `itself` counts
    an item that follows itself like any other.
    """

    steps: tuple[float, ...]
    backward: float = 1.0
    half_life: float = np.inf
    size_power: float = 0.0
    from_power: float = 0.0
    to_power: float = 0.3
    shrinkage: float = 5.0
    memory: Memory = Memory()
    own: float = 0.0
    own_fade: float = 0.5
    itself: bool = False

    def fit(self, task: Task) -> Scorer:
        """The scorer."""
        items = len(task.items)
        table = self._table(task.learned, items)

        def score(cases: Cases) -> Floats:
            scores: Floats = (self.memory.of(cases.known, len(cases), items) @ table).toarray()
            if self.own:
                known = cases.known
                bonus = self.own * np.maximum(scores.max(1), 1e-9)[known.sequence] * self.own_fade ** known.back()
                scores += trails(known, len(cases), items, bonus).toarray()
            return scores

        return score

    def _table(self, learned: Lines, items: int) -> Matrix:
        fresh = np.r_[True, (np.diff(learned.sequence) != 0) | (np.diff(learned.step) != 0)]
        basket = np.cumsum(fresh) - 1
        sequence, size = learned.sequence[fresh], np.bincount(basket)[basket]
        weight = np.sqrt(0.5 ** (learned.age / self.half_life) / size**self.size_power).astype(np.float32)
        baskets = sparse.csr_array((weight, (basket, learned.item)), (len(sequence), items))
        table = sparse.csr_array((items, items), dtype=np.float32)
        for apart, count in enumerate(self.steps):
            if not count:
                continue
            earlier = np.flatnonzero(sequence[: len(sequence) - apart] == sequence[apart:])
            pairs = (baskets[earlier].T @ baskets[earlier + apart]).tocsr() * np.float32(count)
            table = table + pairs
            if apart and self.backward:
                table = table + pairs.T.tocsr() * np.float32(self.backward)
        often = np.bincount(learned.item, minlength=items) + np.float64(self.shrinkage)
        if not self.itself:
            table = table - sparse.diags_array(table.diagonal())
        known, other = (sparse.diags_array(often**-power) for power in (self.from_power, self.to_power))
        scaled: Matrix = (known @ table @ other).tocsr().astype(np.float32)
        return scaled
