"""All that was known: pure folds of what happened, whatever the order in which it arrived.

Knows what was done, bought, priced and stocked. Does not know features or sources, so that any snapshot serves any
state. A `Shopper` is a value; the `Shelf` is a set of arrays that one owner updates in place and the core only reads.
"""

from dataclasses import dataclass, field, fields

from endcap.domain.requests import Request
from endcap.state.moment import FAINTEST, Memory, Moment, Trail, observe
from endcap.state.shelf import ATTRIBUTES, TREND_DAYS, Names, Shelf
from endcap.state.shopper import NEVER, NEWCOMER, PURCHASE, Shopper, fold, joined

__all__ = [
    "ATTRIBUTES",
    "FAINTEST",
    "NEVER",
    "NEWCOMER",
    "PURCHASE",
    "TREND_DAYS",
    "KeptState",
    "Memory",
    "Moment",
    "Names",
    "Shelf",
    "Shopper",
    "State",
    "Trail",
    "fold",
    "joined",
    "observe",
]


@dataclass(frozen=True, slots=True)
class State:
    """All that was known when a request came: one person's events, and the shelf."""

    shopper: Shopper
    shelf: Shelf

    def moment(self, request: Request) -> Moment:
        """What `request` sees of it."""
        return observe(request, self.shopper, self.shelf)


@dataclass(frozen=True, slots=True)
class KeptState(State):
    """A state that keeps what was seen of it, for requests that see the same: lists of a page, or of two rankers."""

    _kept: dict[tuple[object, ...], Moment] = field(default_factory=dict, init=False, repr=False, compare=False)

    def moment(self, request: Request) -> Moment:
        """The same object, with all that was worked out of it, as long as nothing that it depends on is another."""
        session, shelf = request.session, self.shelf
        sent = [getattr(session, column.name).tobytes() for column in fields(session)] if len(session) else []
        seen = request.at, request.consent, request.region, request.anchors.tobytes(), shelf.offset, *sent
        if seen not in self._kept:
            self._kept[seen] = observe(request, self.shopper, self.shelf)
        return self._kept[seen]
