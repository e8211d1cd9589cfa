"""What the shopper touched of late, to come back to."""

from dataclasses import dataclass

from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import best
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Recent:
    """The trail itself: in a session, one in three or four next items was there before.

    >>> import numpy as np
    >>> from endcap.state import NEWCOMER, Shelf, observe
    >>> shelf = Shelf()
    >>> shelf.reserve(9)
    >>> request = Request("product", at=0, seed=1, k=10, anchors=np.array([3, 7], np.int32))
    >>> moment = observe(request, NEWCOMER, shelf)
    >>> Recent("recent", Memory(step_decay=0.5, half_life_days=3, most=8)).propose(request, moment, limit=5).rows
    array([3, 7], dtype=int32)
    """

    name: str
    memory: Memory

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """The rows of the trail by how fresh they are."""
        return best(*moment.trail.strengths(self.memory), limit)
