"""Session neighbours: sessions like this one, and what else was in them (VMIS-kNN family)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import Table, best
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class SessionIndex:
    """Bare sessions, without ids or times.

    `items` lists the distinct rows of each session, oldest session first; `sessions` lists, for every row, the latest
    sessions that hold it (capped); `idf` float32 [rows].
    """

    items: Table
    sessions: Table
    idf: Floats

    def without(self, numbers: Rows) -> "SessionIndex":
        """This index with the sessions `numbers` int32 never found; what they taught of frequencies stays."""
        held = self.sessions
        kept = ~np.isin(held.rows, numbers)
        starts = np.r_[0, np.cumsum(kept)][held.starts].astype(np.int64)
        columns = starts, held.rows[kept], held.weights[kept]
        for column in columns:
            column.flags.writeable = False
        return SessionIndex(self.items, Table(*columns), self.idf)


class SessionPeople(NamedTuple):
    """Whose each session of an index is: `shopper` int32 [sessions] indexes `keys`; read at log offset `offset`.

    No part of an index or a snapshot: it is sealed beside them, for erasures alone.
    """

    offset: int
    keys: tuple[bytes, ...]
    shopper: Rows


@dataclass(frozen=True, slots=True)
class SessionNeighbours:
    """The `neighbours` sessions with the largest overlap with the trail vote for their items.

    Similarity is the sum over shared rows of memory times idf, divided by the neighbour's size^`size_power`; an item's
    vote is the sum of the similarities of the sessions that hold it, times its idf^`idf_power` (Ludewig & Jannach 2018,
    VSKNN; Kersbergen et al. 2022, VMIS-kNN: an index with a recency cap).
    """

    name: str
    index: SessionIndex
    memory: Memory
    neighbours: int
    size_power: float
    idf_power: float

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Votes of the nearest sessions."""
        rows, weights = moment.trail.strengths(self.memory)
        known = rows < len(self.index.idf)
        rows = rows[known]
        sessions, overlap = self.index.sessions.sums(rows, weights[known] * self.index.idf[rows])
        starts = self.index.items.starts
        size = (starts[sessions + 1] - starts[sessions]).astype(np.float32)
        nearest = best(sessions, (overlap / size**self.size_power).astype(np.float32), self.neighbours)
        found, votes = self.index.items.sums(nearest.rows, nearest.votes)
        return best(found, (votes * self.index.idf[found] ** self.idf_power).astype(np.float32), limit)
