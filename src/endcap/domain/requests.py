"""One call for a slate, and what came of it. Both are recorded, and replay needs nothing else of the caller."""

from dataclasses import dataclass, field

from endcap.domain.arrays import NO_ROWS, Rows
from endcap.domain.events import NO_EVENTS, Events
from endcap.domain.ids import NOBODY


@dataclass(frozen=True, slots=True)
class Request:
    """One call for a slate, resolved to rows.

    `at` is ms UTC, the only clock; `seed` the only randomness. `anchors` are the page's item, or the cart.
    `session` holds events that the caller sent along. `shown` is what the page shows already, `filter` the text of an
    expression that `slate.check_filter` accepted (empty: none), whose amounts have as many `decimals` as the shop's
    currency. Where there are `candidates`, they alone are ranked, whatever the sources propose. Without `consent`
    nothing stored about the shopper is read.
    """

    placement: str
    at: int
    seed: int
    k: int
    shopper: bytes = NOBODY
    anchors: Rows = field(default_factory=lambda: NO_ROWS)
    session: Events = field(default_factory=lambda: NO_EVENTS)
    exclude: Rows = field(default_factory=lambda: NO_ROWS)
    shown: Rows = field(default_factory=lambda: NO_ROWS)
    candidates: Rows = field(default_factory=lambda: NO_ROWS)
    filter: str = ""
    decimals: int = 2
    region: str = ""
    device: str = ""
    locale: str = ""
    referrer: str = ""
    consent: bool = True


@dataclass(frozen=True, slots=True)
class Offsets:
    """The log offsets up to which the shopper's and the shelf's records had been folded."""

    shopper: int
    shelf: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is shown: a code, and the row it relates to (-1 where none)."""

    code: str
    anchor: int = -1


@dataclass(frozen=True, slots=True)
class Shown:
    """One place of a slate. `propensity` is P(item at this position) under the policy that logged it."""

    row: int
    score: float
    position: int
    propensity: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were in the pool and may not be shown, with the name of the rule that says so."""

    rule: str
    rows: Rows
