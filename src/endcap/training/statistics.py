"""Item statistics and short lists: popularity by window, region, category and season, and what is new."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, Ints, Millis, Rows
from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.features.items import WEEK, YEAR_DAYS, ItemStatistics
from endcap.retrieval.tables import Table, table_of
from endcap.state import NEVER
from endcap.training.history import History

WEEKS: Final = 66
LIST_LENGTH: Final = 300
NEW_DAYS: Final = 60
_FEWEST_BUYERS: Final = 5


def fit_statistics(history: History, rows: int, at: int) -> ItemStatistics:
    """Counts of `history` per group up to `at`; see `ItemStatistics`."""
    weight, group = history.weight, history.group
    age_days = (at - history.time) / DAY
    weekly = np.zeros((WEEKS, rows), np.float32)
    week = WEEKS - 1 - (at - 1 - history.time) // WEEK
    inside = week >= 0
    np.add.at(weekly, (week[inside], group[inside]), weight[inside])
    buyers, again = _buyers(history, rows)
    return ItemStatistics(
        at=at,
        recent30=_sums(group, weight * (age_days <= 30), rows),
        recent90=_sums(group, weight * (age_days <= 90), rows),
        total=_sums(group, weight, rows),
        buyers=buyers,
        again=again,
        revisited=_revisited(history, rows),
        weekly=np.minimum(weekly, 65_535).astype(np.uint16),
    )


def _buyers(history: History, rows: int) -> tuple[Floats, Floats]:
    bought = (history.kind == Kind.PURCHASE) & ~history.guest[history.shopper]
    day = history.time[bought] // DAY
    first = int(day.min()) if len(day) else 0
    span = int(day.max()) - first + 1 if len(day) else 1
    pair = history.group[bought].astype(np.int64) * len(history.keys) + history.shopper[bought]
    visited = np.unique(pair * span + (day - first)) // span
    pairs, times = np.unique(visited, return_counts=True)
    group = pairs // max(len(history.keys), 1)
    buyers = np.bincount(group, minlength=rows).astype(np.float32)
    returned = np.bincount(group, weights=times > 1, minlength=rows)
    enough = buyers >= _FEWEST_BUYERS
    return buyers, np.where(enough, returned / np.maximum(buyers, 1), np.nan).astype(np.float32)


def _revisited(history: History, rows: int) -> Floats:
    counted = history.weight > 0
    group, session = history.group[counted].astype(np.int64), history.session[counted].astype(np.int64)
    held, times = np.unique(session * rows + group, return_counts=True)
    sessions = np.bincount(held % max(rows, 1), minlength=rows)
    extra = np.bincount(held % max(rows, 1), weights=times - 1, minlength=rows)
    return (extra / np.maximum(sessions, 1)).astype(np.float32)


def _sums(group: Rows, weight: NDArray[np.float32] | NDArray[np.float64], rows: int) -> Floats:
    return np.bincount(group, weights=weight, minlength=rows).astype(np.float32)


def popularity(history: History, rows: int, at: int, half_life_days: float) -> Table:
    """One list: interactions, halved every `half_life_days`."""
    return _list(_sums(history.group, _decayed(history, at, half_life_days), rows))


def season(statistics: ItemStatistics) -> Table:
    """One list: interactions in the ten weeks that followed this day a year ago; empty where history is shorter."""
    last = len(statistics.weekly) - 1 - YEAR_DAYS * DAY // WEEK
    following = statistics.weekly[last + 1 : last + 11].astype(np.float32)
    return _list(following.sum(axis=0))


def by_region(history: History, rows: int, at: int, half_life_days: float) -> Table:
    """A list for each of the history's regions; lines without a region are in none."""
    placed = np.array([bool(region) for region in history.regions], np.bool_)[history.region]
    weight = np.where(placed, _decayed(history, at, half_life_days), 0)
    return _lists(history.region, len(history.regions), history.group, weight, rows)


def by_category(history: History, category: Rows, at: int, half_life_days: float) -> Table:
    """A list for each category code; code 0 has none."""
    keys = category[history.group]
    known = keys > 0
    weight = _decayed(history, at, half_life_days)[known]
    most = int(category.max(initial=0)) + 1
    return _lists(keys[known], most, history.group[known], weight, len(category))


def arrivals(born: Millis, sellable: Bools, at: int) -> Table:
    """One list: what is sold and was first heard of in the last 60 days, newest first; what has no age is not new."""
    age_days = (at - np.where(born == NEVER, 0, born)) / DAY
    new = sellable & (born != NEVER) & (age_days >= 0) & (age_days < NEW_DAYS)
    return _list(np.where(new, 1 - age_days / NEW_DAYS, 0).astype(np.float32))


def _decayed(history: History, at: int, half_life_days: float) -> NDArray[np.float64]:
    return np.asarray(history.weight * 0.5 ** ((at - history.time) / DAY / half_life_days))


def _list(votes: Floats) -> Table:
    rows = np.flatnonzero(votes > 0)
    return table_of(np.zeros(len(rows), np.int64), rows.astype(np.int32), votes[rows], 1, LIST_LENGTH)


def _lists(keys: Rows, length: int, group: Rows, weight: NDArray[np.float64], rows: int) -> Table:
    pairs, place = np.unique(keys.astype(np.int64) * rows + group, return_inverse=True)
    votes = np.bincount(place, weights=weight, minlength=len(pairs)).astype(np.float32)
    found: Ints = pairs // rows
    return table_of(found, (pairs % rows).astype(np.int32), votes, length, LIST_LENGTH)
