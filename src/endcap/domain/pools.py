"""What the sources propose, and the pool that is made of it."""

from dataclasses import dataclass
from typing import NamedTuple

from endcap.domain.arrays import Bools, Floats, Rows


class Proposal(NamedTuple):
    """Distinct group rows int32 [m] with positive votes float32 [m], best first, ties by the smaller row."""

    rows: Rows
    votes: Floats


@dataclass(frozen=True, slots=True)
class Pool:
    """Distinct group rows int32 [n]; votes and ranks (from 0) float32 [sources, n], NaN where a source says nothing."""

    rows: Rows
    sources: tuple[str, ...]
    votes: Floats
    ranks: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def kept(self, mask: Bools) -> "Pool":
        """The members where `mask` is true, in their order."""
        return Pool(self.rows[mask], self.sources, self.votes[:, mask], self.ranks[:, mask])
