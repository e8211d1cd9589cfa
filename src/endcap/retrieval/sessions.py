"""Session neighbours: sessions like this one, and what else was in them (VMIS-kNN and VSTAN family)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import Table, best
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class SessionIndex:
    """Bare sessions, without ids or times.

    `items` lists the distinct rows of each session in the order in which they were last touched, oldest session first;
    `sessions` lists, for every row, the latest sessions that hold it (capped); `idf` float32 [rows].
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
class SessionConfig:
    """How sessions are found and how they vote.

    The `neighbours` most similar count. A session's similarity is divided by its size^`size_power` and halves every
    `half_life` of the index (a share of its sessions). Items `d` places from the newest match count `decay`^(d - 1),
    times `backward` where they stand before it; the matched item itself counts `again`. A vote is multiplied by the
    item's idf^`idf_power`.
    """

    neighbours: int
    size_power: float
    idf_power: float
    half_life: float
    decay: float
    backward: float
    again: float


@dataclass(frozen=True, slots=True)
class SessionNeighbours:
    """The sessions with the largest overlap with the trail vote for their items.

    Similarity is the sum over shared rows of memory times idf (Ludewig & Jannach 2018, VSKNN; Kersbergen et al. 2022,
    VMIS-kNN: an index with a recency cap); votes fall with the distance to the match, and sessions with their age (Garg
    et al. 2019, STAN).

    Of the sessions 0 1 2 and 3 0 4, the second is the later; what follows row 0 counts whole, what came before half:

    >>> from endcap.state import NEWCOMER, Shelf, observe
    >>> shelf = Shelf()
    >>> shelf.reserve(9)
    >>> request = Request("product", at=0, seed=1, k=10, anchors=np.array([0], np.int32))
    >>> moment = observe(request, NEWCOMER, shelf)
    >>> items = Table(np.array([0, 3, 6]), np.array([0, 1, 2, 3, 0, 4], np.int32), np.ones(6, np.float32))
    >>> held = Table(np.array([0, 2, 3, 4, 5, 6]), np.array([1, 0, 0, 0, 1, 1], np.int32), np.ones(6, np.float32))
    >>> index = SessionIndex(items, held, idf=np.ones(5, np.float32))
    >>> config = SessionConfig(9, size_power=0, idf_power=0, half_life=0.5, decay=0.5, backward=0.5, again=0)
    >>> near = Memory(step_decay=0.5, half_life_days=3, most=8)
    >>> SessionNeighbours("sessions", index, near, config).propose(request, moment, limit=9)
    Proposal(rows=array([4, 1, 3, 2], dtype=int32), votes=array([1.  , 0.5 , 0.5 , 0.25], dtype=float32))
    """

    name: str
    index: SessionIndex
    memory: Memory
    config: SessionConfig

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Votes of the nearest sessions."""
        rows, weights = moment.trail.strengths(self.memory)
        known = rows < len(self.index.idf)
        if not known.all():
            rows, weights = rows[known], weights[known]
        index, config = self.index, self.config
        sessions, overlap = index.sessions.sums(rows, weights * index.idf[rows])
        similarity = _similarity(sessions, overlap, index.items.starts, config.size_power, config.half_life)
        nearest = best(sessions, similarity, config.neighbours)
        found, votes = _votes(
            nearest.rows, nearest.votes, index.items.starts, index.items.rows, rows, index.idf,
            config.decay, config.backward, config.again, config.idf_power,
        )  # fmt: skip
        return best(found, votes, limit)


@compiled
def _similarity(sessions: Rows, overlap: Floats, starts: Ints, size_power: float, half_life: float) -> Floats:
    similarity = np.empty(len(sessions), np.float32)
    rate = np.log(0.5) / (half_life * max(len(starts) - 1, 1))
    for place in range(len(sessions)):
        session = sessions[place]
        fresh = overlap[place] * np.exp(rate * (len(starts) - 2 - session))
        if size_power:
            fresh *= (starts[session + 1] - starts[session]) ** -size_power
        similarity[place] = fresh
    return similarity


@compiled
def _votes(  # noqa: C901, PLR0912, PLR0913 - a kernel takes its columns one by one, in one loop
    sessions: Rows, similarity: Floats, starts: Ints, items: Rows, trail: Rows, idf: Floats,
    decay: float, backward: float, again: float, idf_power: float,
) -> tuple[Rows, Floats]:  # fmt: skip
    touched, longest = 0, 1
    for session in sessions:
        touched += starts[session + 1] - starts[session]
        longest = max(longest, starts[session + 1] - starts[session])
    by_distance = decay ** np.arange(longest)
    capacity = 16
    while capacity < 2 * touched:
        capacity *= 2
    slots, sums = np.full(capacity, np.int32(-1), np.int32), np.zeros(capacity, np.float32)
    found = np.empty(touched, np.int32)
    size = 0
    for number in range(len(sessions)):
        begin, end = starts[sessions[number]], starts[sessions[number] + 1]
        match = -1
        for row in trail:
            for place in range(begin, end):
                if items[place] == row:
                    match = place
                    break
            if match >= 0:
                break
        for place in range(begin, end):
            if place == match:
                value = again
            elif place > match:
                value = by_distance[place - match - 1]
            else:
                value = backward * by_distance[match - place - 1]
            if value <= 0:
                continue
            row = items[place]
            slot = (np.int64(row) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != -1 and slots[slot] != row:
                slot = (slot + 1) & (capacity - 1)
            if slots[slot] == -1:
                slots[slot] = row
                found[size] = slot
                size += 1
            sums[slot] += similarity[number] * np.float32(value)
    found = found[:size]
    rows, votes = slots[found], sums[found]
    if idf_power:
        for place in range(size):
            votes[place] *= idf[rows[place]] ** np.float32(idf_power)
    return rows, votes
