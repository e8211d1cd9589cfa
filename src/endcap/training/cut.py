"""Where to cut a history into what is learned from and what is asked: by the shape of the data and what it can fill."""

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from endcap.domain.events import Kind
from endcap.domain.instants import DAY, HOUR, SECOND, parse_day
from endcap.errors import GateRefused
from endcap.training.corpus import Corpus
from endcap.training.history import History
from endcap.training.profile import profile_of
from endcap.training.replay import Protocol, wants

ENOUGH: Final = 1_000
LARGEST_SHARE: Final = 0.2
_DAYS: Final[dict[Protocol, tuple[int, ...]]] = {
    "next-basket": (28, 42, 56, 84, 112, 168),
    "time-split": (1, 2, 3, 5, 7, 14, 28),
}


class Cut(NamedTuple):
    """A protocol, the instant (ms UTC) and its text in the shop's time zone, and how many cases lie after it."""

    protocol: Protocol
    at: int
    text: str
    cases: int


def cut_of(corpus: Corpus, timezone: str) -> Cut:
    """The latest cut with at least 1,000 cases after it; where no cut in the last fifth has, the one with the most.

    Next baskets where the data has the shape of orders, next items otherwise. Cuts lie at midnights in `timezone`,
    unless the history is too short for one.

    Raises: GateRefused where there is no line to learn from.
    """
    history = corpus.history()
    if not (history.weight > 0).any():
        raise GateRefused("there is no view, click, cart or purchase to learn from; import events first")
    start, end = int(history.time.min()), int(history.time.max()) + 1
    protocol: Protocol = "next-basket" if profile_of(history, end).shape == "baskets" else "time-split"
    fifth = int((end - start) * LARGEST_SHARE)
    lengths = sorted({*(days * DAY for days in _DAYS[protocol] if days * DAY <= fifth), fifth})
    found = [_counted(history, protocol, end - length, timezone) for length in lengths]
    return next((cut for cut in found if cut.cases >= ENOUGH), max(found, key=lambda cut: cut.cases))


def _counted(history: History, protocol: Protocol, at: int, timezone: str) -> Cut:
    """The cut at the midnight, or the full hour or second, at or before `at` that is after the history's beginning."""
    zone, first = ZoneInfo(timezone), int(history.time.min())
    text = datetime.fromtimestamp(at // SECOND, zone).date().isoformat()
    moment = parse_day(text, timezone)
    if moment <= first:
        steps = (at // step * step for step in (HOUR, SECOND))
        moment = next((step for step in steps if step > first), at)
        text = datetime.fromtimestamp(moment / SECOND, zone).replace(tzinfo=None).isoformat()
        moment = parse_day(text, timezone)
    count = baskets_after if protocol == "next-basket" else items_after
    return Cut(protocol, moment, text, count(history, moment))


def baskets_after(history: History, at: int) -> int:
    """Shoppers with a purchase before `at` and one on or after it; guests are none."""
    bought = history.kind == Kind.PURCHASE
    before, after = (np.unique(history.shopper[bought & side]) for side in (history.time < at, history.time >= at))
    both = np.intersect1d(before, after)
    return int((~history.guest[both]).sum())


def items_after(history: History, at: int) -> int:
    """Requests on or after `at` with something to guess that have an earlier event of the same shopper."""
    opening = np.unique(wants(history, None).opening)
    later = opening > history.starts[history.shopper[opening]]
    return int((later & (history.time[opening] >= at)).sum())
