"""Sources that look up the neighbours of what the shopper touched last, each with its own decay."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.requests import Request
from endcap.retrieval import Proposal
from endcap.retrieval.tables import Table
from endcap.state import Moment, Trail


@dataclass(frozen=True, slots=True)
class Memory:
    """How much a touched row counts: `step_decay` per step back, halved every `half_life_days`, the `most` newest only."""

    step_decay: float
    half_life_days: float
    most: int


def strengths(trail: Trail, memory: Memory) -> tuple[Rows, Floats]:
    """The rows of `trail` that `memory` keeps, and their weights float32 in (0, 1]."""
    kept = slice(0, memory.most)
    weights = memory.step_decay ** trail.steps[kept] * 0.5 ** (trail.days[kept] / memory.half_life_days)
    return trail.rows[kept], weights.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Items near those of the trail: what is "near" is what the table was fitted on."""

    name: str
    table: Table
    memory: Memory

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Sum over the trail of memory times neighbour weight."""
        rows, weights = strengths(moment.trail, self.memory)
        return self.table.look_up(rows, weights, limit)
