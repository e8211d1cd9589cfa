"""What was decided for one request, complete enough to be replayed, explained and learned from."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from endcap.domain.arrays import Floats, Rows
from endcap.domain.requests import Dropped, Offsets, Request, Shown

Recovered: TypeAlias = Literal["", "spelling", "words", "meaning", "popular"]
"""What a search without a match for all its words found instead."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Votes and feature values of the shown items in slate order, then of a seeded sample of the rest of the pool.

    `rows` int32 [n]; `votes` float32 [sources, n], `features` float32 [width, n], NaN where nothing was known; the
    names are those of their rows.
    """

    rows: Rows
    sources: tuple[str, ...]
    votes: Floats
    names: tuple[str, ...]
    features: Floats


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request: slate, what was dropped and why, and all that it depended on.

    `rung` is the level of the degradation ladder that answered (R0 full); `degraded` the codes of what was missing.
    `recovered` says by what a search found something where nothing has all its words as they were typed.
    """

    request: Request
    offsets: Offsets
    snapshot: str
    policy: str
    rung: str
    degraded: tuple[str, ...]
    slate: tuple[Shown, ...]
    dropped: tuple[Dropped, ...]
    pool_size: int
    short_because: str
    evidence: Evidence
    recovered: Recovered = ""
