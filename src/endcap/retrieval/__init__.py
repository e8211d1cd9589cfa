"""Candidate sources, one file each: every one looks things up, none scans the catalog or knows the others."""

from typing import NamedTuple, Protocol

from endcap.domain.arrays import Floats, Rows
from endcap.domain.requests import Request
from endcap.state import Moment


class Proposal(NamedTuple):
    """Distinct group rows int32 [m] with positive votes float32 [m], best first, ties by the smaller row."""

    rows: Rows
    votes: Floats


class Source(Protocol):
    """Proposes items with its own votes; one that knows nothing proposes nothing."""

    @property
    def name(self) -> str:
        """The name under which quotas, votes and features are kept."""

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """At most `limit` proposals. Pure: equal arguments give equal bytes."""
