"""What is popular in the categories that a visit may turn to next."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.features.journeys import Journeys
from endcap.retrieval.tables import Table
from endcap.state import Moment


@dataclass(frozen=True, slots=True)
class Onward:
    """Items of the `most` likeliest categories by `journeys`; `table` lists by category code what is popular there."""

    name: str
    journeys: Journeys
    table: Table
    most: int

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Popularity within the category times its chance; nothing for somebody of whom nothing is known."""
        turns = self.journeys.turns(moment)
        if not len(turns):
            return self.table.first(0, 0)
        likeliest: Rows = np.argsort(-turns, kind="stable")[: self.most].astype(np.int32)
        return self.table.look_up(likeliest, turns[likeliest], limit)

    def turns(self, moment: Moment, rows: Rows) -> Floats:
        """How likely the category of each of `rows` is the next one, float32 [n]; empty where nothing is known.

        By the codes that were learned: a shelf numbers categories in the order in which it hears of them.
        """
        turns = self.journeys.turns(moment)
        return turns[self.journeys.codes(rows)] if len(turns) else turns
