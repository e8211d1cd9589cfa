"""The whole recommender on one screen: rank() · arrange() · recommend(), pure functions of recorded inputs.

Serving, shadow, replay, evaluation and ranker training all call these. Nothing here, or below, reads a clock, draws
a random number but from `Philox(request.seed)`, or does any I/O.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from endcap import slate
from endcap.domain.arrays import NO_ROWS, Bools, Floats, Ints, Rows
from endcap.domain.decisions import Decision, Evidence, Recovered
from endcap.domain.placements import Placement
from endcap.domain.pools import Pool, Proposal
from endcap.domain.requests import Dropped, Offsets, Request, Shown
from endcap.policy import Policy
from endcap.ranking.blend import mixed
from endcap.retrieval.journeys import Onward
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.pool import leading, pool_among, pool_of, pool_of_found
from endcap.retrieval.search import SEARCH
from endcap.snapshot import Snapshot
from endcap.state import Moment, State

POOLS_OF_K: Final = 4
"""A filter that leaves fewer than so many times k of the pool is asked of more than the pool."""

FEW_TOUCHES: Final = 10
"""A new arrival with fewer interactions on the shelf has not had its chance yet."""

UNSHOWN_SAMPLE: Final = 3
"""How many members of the pool that were not shown have their features recorded as well."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be shown, before it is scored: the admitted pool and its features float32 [width, n]."""

    request: Request
    moment: Moment
    offsets: Offsets
    pool: Pool
    features: Floats
    dropped: tuple[Dropped, ...]
    recovered: Recovered = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scored candidates: `rows` int32 [n] best first, ties by the smaller row, and their `scores` float32 [n].

    `order` int64 [n] gives their places in the pool.
    """

    candidates: Candidates
    order: Ints
    rows: Rows
    scores: Floats


def candidates(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Candidates:
    """What the sources propose, or the request names, and the rules admit, with its features."""
    placement = policy.placement(request.placement)
    moment = state.moment(request)
    proposed, recovered = _pool(request, moment, snapshot, placement)
    pool, dropped = slate.admit(placement, request, moment, proposed)
    fit = slate.fit(placement, request, moment)
    given = request.query or len(request.candidates)
    if fit is not None and len(pool) < POOLS_OF_K * request.k and not given:
        deeper = pool_of(snapshot.sources, placement, request, moment, fit)
        pool, dropped = slate.admit(placement, request, moment, deeper)
    features = snapshot.features.matrix(request, moment, pool)
    offsets = Offsets(state.shopper.offset, state.shelf.offset)
    return Candidates(request, moment, offsets, pool, features, dropped, recovered)


def _pool(request: Request, moment: Moment, snapshot: Snapshot, placement: Placement) -> tuple[Pool, Recovered]:
    if request.query:
        return _searched(request, moment, snapshot, placement)
    if not len(request.candidates):
        return pool_of(snapshot.sources, placement, request, moment), ""
    groups = np.unique(moment.shelf.group[request.candidates])
    return pool_among(snapshot.sources, groups, request, moment), ""


def _searched(request: Request, moment: Moment, snapshot: Snapshot, placement: Placement) -> tuple[Pool, Recovered]:
    """What the query finds; where it finds nothing, what the sources propose, of the category that is nearest to it."""
    if snapshot.search is None:
        return pool_of(snapshot.sources, placement, request, moment), "popular"
    found = snapshot.search.find(request.query, moment.shelf)
    if len(found.rows):
        limit = placement.quotas.get(SEARCH, placement.quota)
        places = leading(found.rows, limit, slate.fit(placement, request, moment))
        proposal = Proposal(found.rows[places], found.votes[places])
        return pool_of_found(SEARCH, proposal, snapshot.sources, request, moment), found.recovered
    category = snapshot.search.category(request.query, moment.shelf)

    def inside(rows: Rows) -> Bools:
        return np.equal(moment.shelf.category[rows], category)

    pool = pool_of(snapshot.sources, placement, request, moment, inside if category else None)
    return (pool.kept(inside(pool.rows)) if category else pool), "popular"


def rank(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Ranking:
    """The candidates in the ranker's order."""
    return scored(candidates(request, state, snapshot, policy), snapshot, policy)


def scored(found: Candidates, snapshot: Snapshot, policy: Policy) -> Ranking:
    """`found` in the ranker's order."""
    scores = snapshot.ranker.score(found.features)
    if SEARCH in found.pool.sources:
        said = found.pool.votes[found.pool.sources.index(SEARCH)]
        scores = mixed(said, scores, policy.placement(found.request.placement).personal)
    order = np.lexsort((found.pool.rows, -scores))
    return Ranking(found, order, found.pool.rows[order], scores[order])


def arrange(ranking: Ranking, snapshot: Snapshot, policy: Policy) -> Decision:
    """The slate of a ranking, with everything that it depended on."""
    found, request = ranking.candidates, ranking.candidates.request
    placement = policy.placement(request.placement)
    shelf = found.moment.shelf
    ways = _ways(snapshot, found.moment, placement, ranking.rows)
    arranged = slate.arranged(ranking.rows, ranking.scores, shelf, placement, request.k, ways)
    chosen = slate.renewed(arranged, _new(found)[ranking.order], placement.new_items)
    places, groups = ranking.order[chosen], ranking.rows[chosen]
    ranks, seen = found.pool.ranks[:, places], found.moment.trail.rows
    reasons = slate.reasons(found.pool.sources, ranks, groups, seen, _witness(snapshot, found.moment))
    rows, scores = slate.variants(placement, request, found.moment, groups), ranking.scores[chosen].tolist()
    shown = tuple(
        Shown(row, score, position, 1.0, reason)
        for position, (row, score, reason) in enumerate(zip(rows, scores, reasons, strict=True), 1)
    )
    return Decision(
        request=request,
        offsets=found.offsets,
        snapshot=snapshot.version,
        policy=policy.version,
        rung="R0",
        degraded=(),
        slate=shown,
        dropped=found.dropped + slate.capped(ranking.rows, arranged),
        pool_size=len(found.pool),
        short_because=slate.shortage(len(shown), request.k, found.dropped, arranged),
        evidence=_evidence(found, snapshot, places),
        recovered=found.recovered,
    )


def recommend(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Decision:
    """The slate for `request`, given all that was known."""
    return arrange(rank(request, state, snapshot, policy), snapshot, policy)


def _new(found: Candidates) -> Bools:
    """Which of the pool are new, touched by few, and fit: near what the shopper touched, where that is anything."""
    new = _voted(found.pool, "arrivals")
    new[new] = found.moment.shelf.daily[:, found.pool.rows[new]].sum(axis=0) < FEW_TOUCHES
    if len(found.moment.trail):
        new &= _voted(found.pool, "content") | _voted(found.pool, "content_rare") | _voted(found.pool, "words")
    return new


def _voted(pool: Pool, source: str) -> Bools:
    if source not in pool.sources:
        return np.zeros(len(pool), np.bool_)
    silent: Bools = np.isnan(pool.votes[pool.sources.index(source)])
    return ~silent


def matching(request: Request, state: State, snapshot: Snapshot, policy: Policy) -> Rows:
    """All that a search finds and the request admits: the group rows of which its list shows the best.

    None where it finds nothing and its list is of something else.
    """
    found = snapshot.search.find(request.query, state.shelf) if snapshot.search and request.query else None
    if found is None:
        return NO_ROWS
    rows = found.rows[: found.matches]
    fit = slate.fit(policy.placement(request.placement), request, state.moment(request))
    return rows if fit is None else rows[fit(rows)]


def _ways(snapshot: Snapshot, moment: Moment, placement: Placement, rows: Rows) -> slate.Ways:
    onward = next((source for source in snapshot.sources if isinstance(source, Onward)), None)
    turns = onward.turns(moment, rows) if onward and placement.breadth > 0 else np.empty(0, np.float32)
    return slate.Ways(snapshot.alike, turns)


def _witness(snapshot: Snapshot, moment: Moment) -> slate.Witness:
    neighbours = {source.name: source for source in snapshot.sources if isinstance(source, Neighbours)}

    def witness(source: str, row: int) -> int:
        return neighbours[source].witness(moment, row, slate.FEWEST_PEOPLE) if source in neighbours else -1

    return witness


def _evidence(found: Candidates, snapshot: Snapshot, places: Ints) -> Evidence:
    """Votes and features of what is shown, and of a seeded sample of the rest."""
    unshown = np.ones(len(found.pool), np.bool_)
    unshown[places] = False
    rest = np.flatnonzero(unshown)
    generator = np.random.Generator(np.random.Philox(found.request.seed))
    sample = generator.choice(len(rest), min(UNSHOWN_SAMPLE, len(rest)), replace=False, shuffle=False)
    logged = np.concatenate([places, rest[sample]])
    return Evidence(
        rows=found.pool.rows[logged],
        sources=found.pool.sources,
        votes=found.pool.votes[:, logged],
        names=snapshot.features.schema,
        features=found.features[:, logged],
    )
