"""Who is no shopper: robots by their user agent, and visitors too fast or too wide to be people. Knows no log."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Millis, Rows
from endcap.domain.events import SILENT, Kind
from endcap.domain.instants import MINUTE

AGENTS: Final = r"(?i)bot\b|crawl|spider|slurp|headless|phantomjs|lighthouse|pingdom|uptime|python-requests|curl/|wget/"
"""What the user agents of machines say, as a regular expression."""

EVENTS_PER_MINUTE: Final = 60
ITEMS_PER_SESSION: Final = 500
_NOT_BROWSING: Final = (Kind.PURCHASE, Kind.REFUND, *SILENT)


def left_by_bots(  # noqa: PLR0913 - the columns of lines
    shopper: Rows, session: Rows | Ints, time: Millis, kind: NDArray[np.uint8], row: Rows, event: Ints
) -> Bools:
    """Which lines [n], sorted by shopper and time, come from a shopper who had given itself away by then.

    That is from the first instant on with more than 60 events in its minute of the clock, or 500 items in its session;
    `event` numbers the event of a line. It depends on nothing later, so that what is learned of a time does not either.
    Orders and lists shown do not count: an order of 200 lines may come as 200 events of one instant, and one page shows
    many lists.
    """
    browsing = ~np.isin(kind, _NOT_BROWSING)
    minute, other = time // MINUTE, _changes(shopper)
    instant: Ints = np.cumsum(other | _changes(time))
    events = _firsts(browsing, event)
    width = int(row.max(initial=0)) + 1
    items = _firsts(browsing, session.astype(np.int64) * width + row)
    hasty = _upto(events, other | _changes(minute), instant) > EVENTS_PER_MINUTE
    wide = _upto(items, _changes(session), instant) > ITEMS_PER_SESSION
    return _upto(hasty | wide, other, instant) > 0


def _changes(column: Rows | Ints) -> Bools:
    """Where a run of equal values begins."""
    changes: Bools = np.ones(len(column), np.bool_)
    changes[1:] = column[1:] != column[:-1]
    return changes


def _firsts(among: Bools, values: Ints) -> Bools:
    """The first line of each distinct value `among` the lines."""
    places = np.flatnonzero(among)
    firsts = np.zeros(len(among), np.bool_)
    firsts[places[np.unique(values[places], return_index=True)[1]]] = True
    return firsts


def _upto(counted: Bools, begins: Bools, instant: Ints) -> Ints:
    """int64 [n]: how many are `counted` since the last line that `begins` a run, to the end of the line's instant."""
    total: Ints = np.cumsum(counted)
    before: Ints = total - counted
    run = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
    ends = np.searchsorted(instant, instant, side="right") - 1
    return total[ends] - before[run]
