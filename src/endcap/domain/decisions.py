"""What was decided for one request, complete enough to be replayed, explained and learned from."""

from dataclasses import dataclass

from endcap.domain.arrays import Floats
from endcap.domain.requests import Dropped, Offsets, Request, Shown


@dataclass(frozen=True, slots=True)
class Evidence:
    """The votes and feature values of the shown items, in slate order; NaN where nothing was known.

    `votes` is float32 [sources, shown], `features` float32 [width, shown]; the names are the rows' names.
    """

    sources: tuple[str, ...]
    votes: Floats
    names: tuple[str, ...]
    features: Floats


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request: slate, what was dropped and why, and all that it depended on.

    `rung` is the level of the degradation ladder that answered (R0 full); `degraded` the codes of what was missing.
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
