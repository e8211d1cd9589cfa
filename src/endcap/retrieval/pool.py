"""The pool: the union of what the sources propose, with every source's vote for every member."""

from collections.abc import Callable, Sequence

import numpy as np

from endcap.domain.arrays import Bools, Floats, Ints, Rows, compiled
from endcap.domain.placements import Placement
from endcap.domain.pools import Pool, Proposal
from endcap.domain.requests import Request
from endcap.retrieval import Source
from endcap.state import Moment

_IN_ORDER: Ints = np.empty(0, np.int64)
HEARD = 300
"""How many proposals of a source are looked at; the votes of those beyond its quota count for members of the pool."""
REACH = 1_000
"""How many are looked at where only some items may be members."""


Fit = Callable[[Rows], Bools]
"""Which [n] of some group rows a request may show."""


def pool_of(
    sources: Sequence[Source], placement: Placement, request: Request, moment: Moment, fit: Fit | None = None
) -> Pool:
    """The first proposals of each source, as many as the placement's quota says, in the order of the sources.

    With `fit`, a source goes on beyond its quota with proposals that fit, until it has a quota of them.
    """
    limits = np.array([placement.quotas.get(source.name, placement.quota) for source in sources], np.int64)
    proposals = [
        proposed(source, request, moment, max(REACH if fit and limit else HEARD, limit))
        for source, limit in zip(sources, limits.tolist(), strict=True)
    ]
    names = tuple(source.name for source in sources)
    return merged(names, proposals, limits, fit)


def proposed(source: Source, request: Request, moment: Moment, limit: int) -> Proposal:
    """What `source` proposes at `moment`, whichever list it is for."""
    return moment.once(source, limit, lambda: source.propose(request, moment, limit))


def pool_among(sources: Sequence[Source], rows: Rows, request: Request, moment: Moment) -> Pool:
    """Exactly the distinct group `rows`, in their order, with the votes of the sources that propose them."""
    pool = pool_of_found("", Proposal(rows, np.ones(len(rows), np.float32)), sources, request, moment)
    return Pool(pool.rows, pool.sources[1:], pool.votes[1:], pool.ranks[1:])


def pool_of_found(name: str, found: Proposal, sources: Sequence[Source], request: Request, moment: Moment) -> Pool:
    """Exactly what is `found`, in its order, with its votes under `name` and those of the sources that propose it."""
    proposals = [found, *(proposed(source, request, moment, REACH) for source in sources)]
    limits = np.zeros(len(proposals), np.int64)
    limits[0] = len(found.rows)
    return merged((name, *(source.name for source in sources)), proposals, limits)


def leading(rows: Rows, limit: int, fit: Fit | None) -> Ints:
    """Places int64 in `rows` of the first `limit`, and of those after them that fit until there is a limit of these."""
    places = np.arange(len(rows))
    if fit is None:
        return places[:limit]
    fits = fit(rows)
    reached = np.searchsorted(np.cumsum(fits), limit) + 1
    return places[(places < limit) | (fits & (places < reached))]


def merged(names: tuple[str, ...], proposals: Sequence[Proposal], limits: Ints, fit: Fit | None = None) -> Pool:
    """One pool of `proposals`, `limits[s]` of each source, or with `fit` so many that fit; see `Pool`."""
    starts = np.zeros(len(proposals) + 1, np.int64)
    np.cumsum([len(proposal.rows) for proposal in proposals], out=starts[1:])
    if not starts[-1]:
        empty = np.empty((len(names), 0), np.float32)
        return Pool(np.empty(0, np.int32), names, empty, empty)
    rows = np.concatenate([proposal.rows for proposal in proposals])
    votes = np.concatenate([proposal.votes for proposal in proposals])
    places = _IN_ORDER
    if fit is not None:
        proposing = np.repeat(limits > 0, np.diff(starts))
        fits = np.ones(len(rows), np.bool_)  # of the others only the votes are asked
        fits[proposing] = fit(rows[proposing])
        kept, begins, limits = _fitting(starts, limits, fits)
        places = kept - np.repeat(starts[:-1], np.diff(begins))
        rows, votes, starts = rows[kept], votes[kept], begins
    members, table, ranks = _union(rows, votes, starts, limits, places)
    return Pool(members, names, table, ranks)


@compiled
def _fitting(starts: Ints, limits: Ints, fits: Bools) -> tuple[Ints, Ints, Ints]:
    """Places of proposals that fit or are within the quota, where each source begins, and how many it may give."""
    kept, size = np.empty(len(fits), np.int64), 0
    begins, reached = np.zeros(len(starts), np.int64), np.zeros(len(limits), np.int64)
    for source in range(len(limits)):
        fitting = 0
        for place in range(starts[source], starts[source + 1]):
            if not fits[place] and place - starts[source] >= limits[source]:
                continue
            kept[size] = place
            size += 1
            fitting += fits[place]
            if fitting <= limits[source]:
                reached[source] = size - begins[source]
        begins[source + 1] = size
    return kept[:size].copy(), begins, reached


@compiled
def _union(rows: Rows, votes: Floats, starts: Ints, limits: Ints, places: Ints) -> tuple[Rows, Floats, Floats]:
    capacity = 16
    while capacity < 2 * len(rows):
        capacity *= 2
    slots, members = np.full(capacity, -1, np.int32), np.empty(capacity, np.int32)
    found = np.empty(len(rows), np.int32)
    size = 0
    for source in range(len(limits)):
        for place in range(starts[source], min(starts[source] + limits[source], starts[source + 1])):
            slot = (np.int64(rows[place]) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != -1 and slots[slot] != rows[place]:
                slot = (slot + 1) & (capacity - 1)
            if slots[slot] == -1:
                slots[slot], members[slot], found[size] = rows[place], size, rows[place]
                size += 1
    table = np.full((len(limits), size), np.nan, np.float32)
    ranks = np.full((len(limits), size), np.nan, np.float32)
    for source in range(len(limits)):
        for place in range(starts[source], starts[source + 1]):
            slot = (np.int64(rows[place]) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != -1 and slots[slot] != rows[place]:
                slot = (slot + 1) & (capacity - 1)
            if slots[slot] != -1:
                table[source, members[slot]] = votes[place]
                ranks[source, members[slot]] = places[place] if len(places) else place - starts[source]
    return found[:size].copy(), table, ranks
