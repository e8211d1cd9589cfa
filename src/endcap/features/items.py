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
SEASON_WEEKS: Final = 10
SOON_WEEKS: Final = 4


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """Counts per row, fitted up to `at` (ms UTC), each shopper's lines weighing the same.

    `recent30`, `recent90`, `total` float32 [rows] interactions of the last 30 and 90 days and of all time; `buyers`
    float32 [rows] distinct shoppers; `again` float32 [rows] share of them who came back to the item, NaN under 5 of
    them; `revisited` float32 [rows] further touches of the item in a session that holds it; `weekly` uint16
    [weeks, rows] interactions by week, the last row ending at `at`.
    """

    at: int
    recent30: Floats
    recent90: Floats
    total: Floats
    buyers: Floats
    again: Floats
    revisited: Floats
    weekly: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """Popularity at training, live trend from the shelf, the same weeks of last year, age, price.

    Counts are raw: trees split a count and its logarithm alike.
    """

    statistics: ItemStatistics

    @property
    def names(self) -> tuple[str, ...]:
        """NaN where nothing is known; `live_rise` is never unknown."""
        return (
            "recent30", "recent90", "total", "buyers", "again", "rising", "revisited",
            "season_4_weeks", "season_10_weeks", "season_rise",
            "live_1_day", "live_7_days", "live_28_days", "live_rise",
            "age_days", "price", "on_sale",
        )  # fmt: skip

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Rows beyond the snapshot have live trends, and the statistics of an item that nobody had touched."""
        learned, shelf, rows = self.statistics, moment.shelf, pool.rows
        columns = np.full((len(self.names), len(rows)), np.nan, np.float32)
        counts = (learned.recent30, learned.recent90, learned.total, learned.buyers, learned.again, learned.revisited)
        _learned(columns, rows, *counts, *self._season(request.at))
        _live(columns, rows, shelf.daily, shelf.day, request.at // DAY)
        price, born = shelf.prices(rows, request.at), shelf.born[rows]
        columns[14] = np.where(born == NEVER, np.nan, np.maximum(request.at - born, 0) / DAY)
        columns[15] = np.where(price > 0, price, np.nan)
        columns[16] = price < shelf.price[rows]
        return columns

    def _season(self, at: int) -> tuple[NDArray[np.uint16], int]:
        """The weeks, and the one a year before `at` (the next ten are asked for); -1 where history is shorter."""
        weekly = self.statistics.weekly
        first = len(weekly) - (self.statistics.at - (at - YEAR_DAYS * DAY)) // WEEK
        return weekly, first if 0 <= first <= len(weekly) - SEASON_WEEKS else -1


@compiled
def _learned(  # noqa: PLR0913 - a kernel takes its columns one by one
    columns: Floats, rows: Rows, recent30: Floats, recent90: Floats, total: Floats, buyers: Floats, again: Floats,
    revisited: Floats, weekly: NDArray[np.uint16], first: int,
) -> None:  # fmt: skip
    for place in range(len(rows)):
        row = rows[place]
        if row >= len(total):
            columns[0:4, place], columns[5, place] = 0, 1
            continue
        columns[0, place], columns[1, place], columns[2, place] = recent30[row], recent90[row], total[row]
        columns[3, place], columns[4, place], columns[6, place] = buyers[row], again[row], revisited[row]
        columns[5, place] = (recent30[row] + 1) / (recent90[row] / 3 + 1)
        if first >= 0:
            soon, season = 0, 0
            for week in range(SEASON_WEEKS):
                season += weekly[first + week, row]
                if week < SOON_WEEKS:
                    soon += weekly[first + week, row]
            columns[7, place], columns[8, place] = soon, season
            columns[9, place] = (soon + 1) / (season * SOON_WEEKS / SEASON_WEEKS + 1)


@compiled
def _live(columns: Floats, rows: Rows, daily: NDArray[np.int32], day: int, today: int) -> None:
    newest, oldest = min(today, day), max(today - 27, day - TREND_DAYS + 1, 0)
    for place in range(len(rows)):
        row, of_day, of_week, of_month = rows[place], 0, 0, 0
        for passed in range(oldest, newest + 1):
            count = daily[passed % TREND_DAYS, row]
            of_month += count
            if passed > today - 7:
                of_week += count
            if passed == today:
                of_day += count
        columns[10, place], columns[11, place], columns[12, place] = of_day, of_week, of_month
        columns[13, place] = (of_week + 1) / (of_month / 4 + 1)
