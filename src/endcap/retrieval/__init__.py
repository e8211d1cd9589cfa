"""Candidate sources, one file each: every one looks things up, none scans the catalog or knows the others."""

from typing import Protocol

from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.state import Moment


class Source(Protocol):
    """Proposes items with its own votes; one that knows nothing proposes nothing."""

    @property
    def name(self) -> str:
        """The name under which quotas, votes and features are kept."""

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """At most `limit` proposals. Pure: equal moments and limits give equal bytes, whichever list asks."""
