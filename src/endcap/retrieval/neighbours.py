"""Sources that look up the neighbours of what the shopper touched last, each with its own decay."""

from dataclasses import dataclass

from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import Table
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Items near those of the trail: what is "near" is what the table was fitted on.

    `people` uint16, beside the table's rows, counts the distinct shoppers behind a neighbour; empty where none are behind it.
    """

    name: str
    table: Table
    memory: Memory
    people: NDArray[np.uint16]

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Sum over the trail of memory times neighbour weight."""
        rows, weights = moment.trail.strengths(self.memory)
        return self.table.look_up(rows, weights, limit)

    def witness(self, moment: Moment, row: int, fewest: int) -> int:
        """The row of the trail that speaks most for `row`, with at least `fewest` people behind it; -1 where none does."""
        rows, weights = moment.trail.strengths(self.memory)
        best, witness = 0.0, -1
        for touched, weight in zip(rows.tolist(), weights.tolist(), strict=True):
            if touched >= len(self.table):
                continue
            begin, end = self.table.starts[touched], self.table.starts[touched + 1]
            place = begin + np.flatnonzero(self.table.rows[begin:end] == row)
            if len(place) and (not len(self.people) or self.people[place[0]] >= fewest):
                vote = weight * float(self.table.weights[place[0]])
                best, witness = max((best, witness), (vote, touched), key=lambda pair: pair[0])
        return witness
