"""What the shopper touched of late, to come back to."""

from dataclasses import dataclass

from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import best
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Recent:
    """The trail itself: in a session, one in three or four next items was there before."""

    name: str
    memory: Memory

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """The rows of the trail by how fresh they are."""
        return best(*moment.trail.strengths(self.memory), limit)
