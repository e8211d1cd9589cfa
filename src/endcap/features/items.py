"""What is known of the items themselves: popularity in windows, trend, season, age, price."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Rows, compiled
from endcap.domain.instants import DAY
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import NEVER, TREND_DAYS, Moment

YEAR_DAYS: Final = 365
WEEK: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """Counts per row, fitted up to `at` (ms UTC), each shopper's lines weighing the same.

    `recent30`, `recent90`, `total` float32 [rows] interactions of the last 30 and 90 days and of all time; `buyers`
    float32 [rows] distinct shoppers; `again` float32 [rows] share of them who came back to the item, NaN under 5 of
    them; `weekly` uint16 [weeks, rows] interactions by week, the last row ending at `at`.
    """

    at: int
    recent30: Floats
    recent90: Floats
    total: Floats
    buyers: Floats
    again: Floats
    weekly: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """Popularity at training, live trend from the shelf, the same weeks of last year, age, price."""

    statistics: ItemStatistics

    @property
    def names(self) -> tuple[str, ...]:
        """Counts as logarithms, so that trees of any library split them alike."""
        return (
            "log_recent30", "log_recent90", "log_total", "log_buyers", "again", "rising",
            "season_4_weeks", "season_10_weeks", "season_rise",
            "live_1_day", "live_7_days", "live_28_days", "live_rise",
            "age_days", "log_price", "on_sale",
        )  # fmt: skip

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Rows beyond the snapshot have NaN statistics and live trends."""
        statistics, shelf, rows = self.statistics, moment.shelf, pool.rows
        at = request.at
        recent30, recent90, total, buyers, again = (
            looked_up(column, rows)
            for column in (
                statistics.recent30,
                statistics.recent90,
                statistics.total,
                statistics.buyers,
                statistics.again,
            )
        )
        soon, season = self._season(rows, at)
        live = _live(shelf.daily, shelf.day, rows, at // DAY)
        price = shelf.prices(rows, at)
        born = shelf.born[rows]
        age = np.where(born == NEVER, np.nan, (at - born) / DAY)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack(
                [
                    np.log1p(recent30), np.log1p(recent90), np.log1p(total), np.log1p(buyers), again,
                    (recent30 + 1) / (recent90 / 3 + 1),
                    np.log1p(soon), np.log1p(season), (soon + 1) / (season / 2.5 + 1),
                    *np.log1p(live), (live[1] + 1) / (live[2] / 4 + 1),
                    np.maximum(age, 0), np.where(price > 0, np.log(price), np.nan), (price < shelf.price[rows]) * 1.0,
                ],
                dtype=np.float32,
            )  # fmt: skip

    def _season(self, rows: Rows, at: int) -> tuple[Floats, Floats]:
        """Interactions in the 4 and 10 weeks that followed this day a year ago; NaN where history is shorter."""
        weekly = self.statistics.weekly
        last = len(weekly) - 1 - (self.statistics.at - (at - YEAR_DAYS * DAY)) // WEEK
        known = rows < weekly.shape[1]
        unknown = np.full(len(rows), np.nan, np.float32)
        if last + 1 < 0 or last + 11 > len(weekly):
            return unknown, unknown
        following = np.take(weekly[last + 1 : last + 11], np.where(known, rows, 0), axis=1)
        soon, season = following[:4].sum(axis=0, dtype=np.float32), following.sum(axis=0, dtype=np.float32)
        return np.where(known, soon, np.nan), np.where(known, season, np.nan)


def looked_up(column: Floats, rows: Rows) -> Floats:
    """float32 [n] `column[rows]`, NaN beyond its end."""
    if not len(column):
        return np.full(len(rows), np.nan, np.float32)
    known = rows < len(column)
    if known.all():
        return column[rows]
    return np.where(known, column[np.where(known, rows, 0)], np.float32(np.nan))


@compiled
def _live(daily: NDArray[np.int32], day: int, rows: Rows, today: int) -> NDArray[np.float64]:
    sums = np.zeros((3, len(rows)), np.float64)
    for back in range(28):
        passed = today - back
        if passed > day or passed <= day - TREND_DAYS or passed < 0:
            continue
        column = daily[passed % TREND_DAYS]
        for index in range(len(rows)):
            count = column[rows[index]]
            sums[2, index] += count
            if back < 7:
                sums[1, index] += count
            if back < 1:
                sums[0, index] += count
    return sums
