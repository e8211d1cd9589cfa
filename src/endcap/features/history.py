"""What this shopper did with the item before: purchases and their rhythm, touches in session and history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Millis, Rows, compiled
from endcap.domain.instants import DAY
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Moment


@dataclass(frozen=True, slots=True)
class OwnPurchases:
    """How often and when the shopper bought the item, and how due it is."""

    @property
    def names(self) -> tuple[str, ...]:
        """NaN for items never bought."""
        return (
            "own_count", "own_days_since", "own_days_before_last", "own_interval_days", "own_due",
            "own_baskets_since", "own_basket_share", "own_first_days",
        )  # fmt: skip

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Looked up in the purchases, which are sorted by row."""
        columns = np.full((len(self.names), len(pool)), np.nan, np.float32)
        owned = moment.purchases[moment.purchases["last"] > 0]
        if not len(owned):
            return columns
        place = np.minimum(np.searchsorted(owned["row"], pool.rows), len(owned) - 1)
        members = np.flatnonzero(owned["row"][place] == pool.rows)
        mine = owned[place[members]]
        today = request.at / DAY
        last, previous, first, count = (
            mine[name].astype(np.float64) for name in ("last", "previous", "first", "count")
        )
        interval = np.where(last > first, (last - first) / np.maximum(count - 1, 1), np.nan)
        days = moment.purchase_days[::-1].astype(np.int64)
        columns[:, members] = (
            count,
            today - last,
            np.where(previous > 0, last - previous, np.nan),
            interval,
            (today - last) / interval,
            len(days) - np.searchsorted(days, last, "right"),
            count / np.maximum(len(days) - np.searchsorted(days, first), 1),
            today - first,
        )
        return columns


@dataclass(frozen=True, slots=True)
class Touches:
    """How often, how strongly and how long ago the shopper touched the item of late and in the current session."""

    @property
    def names(self) -> tuple[str, ...]:
        """NaN for items not among the recent lines."""
        return ("touches", "touches_here", "touch_steps", "touch_days", "touch_strongest")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Counted over the recent lines, at most 48."""
        recent = moment.recent
        return _touches(pool.rows, recent.row, recent.time, recent.kind, moment.session, request.at)


@compiled
def _touches(  # noqa: PLR0913 - a kernel takes its columns one by one
    pool: Rows, row: Rows, time: Millis, kind: NDArray[np.uint8], session: int, at: int
) -> Floats:
    columns = np.full((5, len(pool)), np.nan, np.float32)
    for line in range(len(row)):
        steps = 0
        for later in range(line + 1, len(row)):
            if time[later] != time[later - 1]:
                steps += 1
        for index in range(len(pool)):
            if pool[index] == row[line]:
                if np.isnan(columns[0, index]):
                    columns[0, index], columns[1, index], columns[4, index] = 0, 0, 0
                columns[0, index] += 1
                columns[1, index] += line >= session
                columns[2, index] = steps
                columns[3, index] = (at - time[line]) / DAY
                columns[4, index] = max(columns[4, index], kind[line])
    return columns
