"""The plain methods that a shop may run today, as layers to be compared with: also bought, also viewed, buy again.

Each is ranked by the same pipeline under the same rules as the hybrid, falls back to bestsellers where it knows
nothing, and is plain on purpose: counts of what went together, without decay, damping or learning.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, Ints
from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.features import FeatureSet
from endcap.features.votes import Votes
from endcap.ranking.blend import Blend
from endcap.retrieval import Source
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.popularity import Shortlist
from endcap.retrieval.tables import Table, best
from endcap.snapshot import Snapshot
from endcap.state import Memory, Moment
from endcap.training.corpus import Corpus
from endcap.training.fit import Layer
from endcap.training.history import History
from endcap.training.pairs import PairConfig, fit_pairs, sequences
from endcap.training.profile import BASKETS, SESSIONS
from endcap.training.replay import Protocol
from endcap.training.statistics import popularity

_COUNTS: Final = PairConfig(
    window=10**6, reach=1_000, decay=1.0, backward=1.0, half_life_days=10**9, size_power=0.0,
    popularity_power=0.0, shrinkage=1, most=100,
)  # fmt: skip
"""Every pair within one order or session counts one."""
_LAST_ORDER: Final = Memory(step_decay=0.0, half_life_days=10**6, most=64)
_FALLBACK: Final = 1e-4
"""Bestsellers decide between equals and come after everything that the method itself proposes."""


@dataclass(frozen=True, slots=True)
class Frequent:
    """What the shopper bought most often, of two bought equally often the later one."""

    name: str

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Rows with at least one purchase that was not refunded."""
        owned = moment.purchases[(moment.purchases["count"] > 0) & (moment.purchases["last"] > 0)]
        since = np.maximum(moment.at / DAY - owned["last"].astype(np.float64), 0)
        votes: NDArray[np.float32] = (owned["count"] + 1 / (2 + since)).astype(np.float32)
        return best(owned["row"].astype(np.int32), votes, limit)


def plain_layers(corpus: Corpus, split: int, protocol: Protocol, like: Snapshot) -> tuple[Layer, ...]:
    """The plain methods on what lies before `split`, as snapshots that differ from `like` in what they learned.

    For next baskets: also bought from the last order, and buy again. For next items: also bought and also viewed from
    the latest items of the visit, remembered as the product's own sources remember them.
    """
    history = corpus.history(split, people_at=split, groups_at=split)
    rows = len(corpus.keys)
    bought = (history.kind == Kind.PURCHASE) & (history.weight > 0)
    orders = _together(history, bought, np.where(history.basket != 0, history.basket, history.session), rows)
    if protocol == "next-basket":
        sources: list[Source] = [_neighbours("also bought", orders, _LAST_ORDER), Frequent("buy again")]
        half_life = BASKETS.popularity_half_life
    else:
        visits = _together(history, history.weight > 0, history.session.astype(np.int64), rows)
        pairs = {"also bought": orders, "also viewed": visits}
        sources = [_neighbours(name, table, SESSIONS.near) for name, table in pairs.items() if len(table.rows)]
        half_life = SESSIONS.popularity_half_life
    bestsellers = Shortlist("popularity", popularity(history, rows, split, half_life))
    return tuple(Layer(source.name, _layer(like, source, bestsellers)) for source in sources)


def _neighbours(name: str, table: Table, memory: Memory) -> Neighbours:
    return Neighbours(name, table, np.empty(0, np.uint16), memory)


def _together(history: History, counted: Bools, unit: Ints, rows: int) -> Table:
    """Per item the 100 that share most of the shopper's `unit`s with it; an item counts once a unit."""
    shopper, units, group = (column[counted].astype(np.int64) for column in (history.shopper, unit, history.group))
    order = np.lexsort((group, units, shopper))
    shopper, units, group = shopper[order], units[order], group[order]
    fresh = np.r_[True, (np.diff(shopper) != 0) | (np.diff(units) != 0) | (np.diff(group) != 0)][: len(group)]
    shopper, units, group = shopper[fresh], units[fresh], group[fresh].astype(np.int32)
    sequence = np.cumsum(np.r_[True, (np.diff(shopper) != 0) | (np.diff(units) != 0)][: len(group)]).astype(np.int32)
    lines = sequences(group, np.zeros(len(group), np.int64), sequence, shopper.astype(np.int32), 0)
    return fit_pairs(lines, rows, _COUNTS)[0]


def _layer(like: Snapshot, source: Source, bestsellers: Shortlist) -> Snapshot:
    votes = Votes((source.name, bestsellers.name))
    weights: Floats = np.zeros(len(votes.names), np.float32)
    weights[votes.names.index(f"share_{source.name}")] = 1.0
    weights[votes.names.index(f"share_{bestsellers.name}")] = _FALLBACK
    blend = Blend(votes.names, weights)
    return replace(like, sources=(source, bestsellers), features=FeatureSet((votes,)), ranker=blend, blend=blend)
