"""All that was known: pure folds of what happened, whatever the order in which it arrived.

Knows what was done, bought, priced and stocked. Does not know features or sources, so that any snapshot serves any
state. A `Shopper` is a value; the `Shelf` is a set of arrays that one owner updates in place and the core only reads.
"""

from dataclasses import dataclass

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
