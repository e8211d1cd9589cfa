"""Sources that look up the neighbours of what the shopper touched last, each with its own decay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import Table
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Items near those of the trail: what is "near" is what the table was fitted on.

    `people` uint16, beside the table's rows, counts the shoppers behind a neighbour; empty where none are.
    """

    name: str
    table: Table
    people: NDArray[np.uint16]
    memory: Memory

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Sum over the trail of memory times neighbour weight."""
        rows, weights = moment.trail.strengths(self.memory)
        return self.table.look_up(rows, weights, limit)

    def witness(self, moment: Moment, row: int, fewest: int) -> int:
        """The row of the trail that speaks most for `row`, at least `fewest` people behind it; -1 where none does."""
        rows, weights = moment.trail.strengths(self.memory)
        table = self.table
        return int(_witness(table.starts, table.rows, table.weights, self.people, rows, weights, row, fewest))


@compiled
def _witness(  # noqa: PLR0913 - a kernel takes its columns one by one
    starts: Ints, neighbours: Rows, votes: Floats, people: NDArray[np.uint16],
    rows: Rows, weights: Floats, row: int, fewest: int,
) -> int:  # fmt: skip
    best, witness = np.float32(0), -1
    for index in range(len(rows)):
        if rows[index] >= len(starts) - 1:
            continue
        for place in range(starts[rows[index]], starts[rows[index] + 1]):
            if neighbours[place] == row and (len(people) == 0 or people[place] >= fewest):
                vote = weights[index] * votes[place]
                if vote > best:
                    best, witness = vote, rows[index]
    return witness
