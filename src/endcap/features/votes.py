"""What the sources said: votes raw, relative to the source's best, and as ranks; how many agree."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Ints, compiled
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
        index = np.array([pool.sources.index(source) for source in self.sources], np.int64)
        return _columns(index, pool.votes, pool.ranks)


@compiled
def _columns(index: Ints, votes: Floats, ranks: Floats) -> Floats:
    sources, members = len(index), votes.shape[1]
    columns = np.empty((3 * sources + 2, members), np.float32)
    agreeing, nearest = columns[3 * sources], columns[3 * sources + 1]
    agreeing[:], nearest[:] = 0, np.nan
    for place in range(sources):
        said, rank, best = votes[index[place]], ranks[index[place]], np.float32(0)
        for member in range(members):
            best = max(best, said[member])
        for member in range(members):
            columns[place, member], columns[2 * sources + place, member] = said[member], rank[member]
            columns[sources + place, member] = said[member] / best if best > 0 else said[member]
            if not np.isnan(said[member]):
                agreeing[member] += 1
                if not nearest[member] <= rank[member]:
                    nearest[member] = rank[member]
    return columns
