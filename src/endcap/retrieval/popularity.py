"""Short lists: what sells everywhere, in a region, in a category, at this time of year, and what is new."""

from dataclasses import dataclass

from endcap.domain.arrays import Rows
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import Table
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Shortlist:
    """One list for everybody: popularity of a window, or new arrivals."""

    name: str
    table: Table

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """The list's best."""
        return self.table.first(0, limit)


@dataclass(frozen=True, slots=True)
class RegionPopularity:
    """What sells in the shopper's region; `regions` names the keys of the table."""

    name: str
    table: Table
    regions: tuple[str, ...]

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """The list of the request's region, else of the shopper's latest one."""
        if not moment.region or moment.region not in self.regions:
            return self.table.first(0, 0)
        return self.table.first(self.regions.index(moment.region), limit)


@dataclass(frozen=True, slots=True)
class CategoryPopularity:
    """What sells in the categories of the trail; `category` int32 [rows] gives the table's key of a row, 0 none."""

    name: str
    table: Table
    category: Rows
    memory: Memory

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Sum over the trail of memory times popularity within the row's category."""
        rows, weights = moment.trail.strengths(self.memory)
        known = rows < len(self.category)
        keys = self.category[rows[known]]
        return self.table.look_up(keys[keys > 0], weights[known][keys > 0], limit)
