"""What the sources said: votes raw, relative to the source's best, and as ranks; how many agree."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Moment


@dataclass(frozen=True, slots=True)
class Votes:
    """Per source `vote` as given, `share` of the source's best vote in the pool, `rank` from 0; then the counts."""

    sources: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Three columns a source, the number of sources voting and the best rank among them."""
        kinds = ("vote", "share", "rank")
        return (*(f"{kind}_{source}" for kind in kinds for source in self.sources), "sources_voting", "best_rank")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Votes of sources that the pool does not have are unknown."""
        if not len(pool):
            return np.empty((len(self.names), 0), np.float32)
        index = [pool.sources.index(source) for source in self.sources]
        votes, ranks = pool.votes[index], pool.ranks[index]
        known = ~np.isnan(votes)
        best = np.where(known, votes, 0).max(axis=1, keepdims=True)
        share = votes / np.where(best > 0, best, 1)
        agreeing = known.sum(axis=0, dtype=np.float32)[None]
        nearest = np.where(known, ranks, np.inf).min(axis=0)[None]
        nearest[np.isinf(nearest)] = np.nan
        return np.concatenate([votes, share, ranks, agreeing, nearest], dtype=np.float32)
