"""Item statistics and short lists: popularity by window, region, category and season, what is new; looks at pages."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, Ints, Millis, Rows, compiled
from endcap.domain.events import Kind
from endcap.domain.instants import DAY, SECOND
from endcap.features.items import WEEK, YEAR_DAYS, ItemStatistics
from endcap.features.journeys import Journeys
from endcap.features.looks import Closeness, Looks
from endcap.retrieval.tables import Table, table_of
from endcap.state import NEVER, Memory
from endcap.training.history import History

WEEKS: Final = 66
LIST_LENGTH: Final = 300
NEW_DAYS: Final = 60
_FEWEST_BUYERS: Final = 5
_EVEN: Final = 5.0
"""So many turns of a visit that went as if by chance stand beside those that were seen."""
_CATEGORIES: Final = 8
"""So many categories before a turn, of this visit and of earlier ones, have a part in it."""
_LOOK_PRIOR: Final = 4.0
"""So many usual looks stand beside those at an item."""
_LEAST_SPREAD: Final = 0.1


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


def fit_journeys(history: History, category: Rows, memory: Memory) -> Journeys:
    """Which categories visits turn to, after which others of the visit and of earlier ones.

    `category` int32 [rows] are the codes of rows. A visit turns to a category when it first touches it. A lift is the
    count of turns over the one expected, both with `_EVEN` more: towards 1 for few.
    """
    counted = history.weight > 0
    counted &= category[history.group] > 0
    columns = category[history.group[counted]], history.session[counted], history.shopper[counted]
    code, session, shopper = (column.astype(np.int64) for column in columns)
    size = int(category.max(initial=0)) + 1
    _, turns = np.unique(session * size + code, return_index=True)
    turns.sort()
    code, session, shopper = code[turns], session[turns], shopper[turns]
    share = np.bincount(code, minlength=size) + 1.0
    share = np.log(share / share.sum()).astype(np.float32)
    begins = np.r_[np.flatnonzero(np.diff(session, prepend=-1)), len(session)]
    earlier = _earlier(code, shopper, begins)
    within, across = _first_counts(code, begins, earlier, size)
    lifts = _log_lifts(within, _by_chance(within))
    besides = _log_lifts(*_further_counts(code, begins, earlier, share, lifts))
    return Journeys(category, share, lifts, _log_lifts(across, _by_chance(across)), besides, memory)


def _by_chance(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is expected of `counts` if nothing depended on anything."""
    expected: NDArray[np.float64] = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / max(counts.sum(), 1.0)
    return expected


def _log_lifts(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> Floats:
    lifts: Floats = np.log((counts + _EVEN) / (expected + _EVEN)).astype(np.float32)
    return lifts


@compiled
def _earlier(code: Ints, shopper: Ints, begins: Ints) -> Ints:
    """The last `_CATEGORIES` categories of the same shopper's visits before each, int64 [visits, 8]; -1 beyond them."""
    found, latest = np.full((len(begins) - 1, _CATEGORIES), -1), np.full(_CATEGORIES, -1)
    for visit in range(len(begins) - 1):
        if visit > 0 and shopper[begins[visit]] != shopper[begins[visit] - 1]:
            latest[:] = -1
        found[visit] = latest
        for at in range(begins[visit], begins[visit + 1]):
            place = 0
            while place < _CATEGORIES - 1 and latest[place] != code[at]:
                place += 1
            latest[1 : place + 1] = latest[:place].copy()
            latest[0] = code[at]
    return found


@compiled
def _first_counts(
    code: Ints, begins: Ints, earlier: Ints, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turns after each category of the same visit, and first turns of a visit after each of earlier ones."""
    within, across = np.zeros((size, size)), np.zeros((size, size))
    for visit in range(len(begins) - 1):
        first = begins[visit]
        for other in earlier[visit]:
            if other >= 0:
                across[other, code[first]] += 1
        for at in range(first, begins[visit + 1]):
            for place in range(max(first, at - _CATEGORIES), at):
                within[code[place], code[at]] += 1
    return within, across


@compiled
def _further_counts(
    code: Ints, begins: Ints, earlier: Ints, share: Floats, within: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Later turns of a visit after each category of earlier ones, and how many `share` and `within` make expect."""
    size = len(share)
    counts, expected = np.zeros((size, size)), np.zeros((size, size))
    for visit in range(len(begins) - 1):
        first = begins[visit]
        for at in range(first + 1, begins[visit + 1] if earlier[visit, 0] >= 0 else first):
            mean, oldest = np.zeros(size, np.float64), max(first, at - _CATEGORIES)
            for place in range(oldest, at):
                mean += within[code[place]]
            chance = np.exp(share + mean / (at - oldest))
            chance[0] = 0
            chance[code[first:at]] = 0
            chance /= max(chance.sum(), 1e-12)
            for other in earlier[visit]:
                if other >= 0:
                    counts[other, code[at]] += 1
                    expected[other] += chance
    return counts, expected


def fit_looks(history: History, vectors: Floats, at: int) -> list[Looks]:
    """How closely pages were looked at by `at`, if told; `vectors` float32 [rows, d] say how alike items are."""
    told = ((history.dwell > 0) | (history.scrolled > 0)) & (history.time + history.dwell * np.int64(SECOND) <= at)
    if not told.any():
        return []
    dwell, scrolled = history.dwell[told], history.scrolled[told]
    closeness = Closeness(_usual(np.log(dwell[dwell > 0].astype(np.float64))), _usual(scrolled[scrolled > 0]))
    close, group = closeness.of(dwell, scrolled), history.group[told]
    times = np.bincount(group, minlength=len(vectors))
    total = np.bincount(group, weights=close, minlength=len(vectors))
    usual = np.where(times > 0, total / (times + _LOOK_PRIOR), np.nan)
    return [Looks(closeness, usual.astype(np.float32), vectors)]


def _usual(values: NDArray[np.float64] | NDArray[np.uint8]) -> tuple[float, float]:
    return (float(values.mean()), max(float(values.std()), _LEAST_SPREAD)) if len(values) else (0.0, 1.0)
