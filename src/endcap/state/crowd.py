"""`fold` for many shoppers at once, packed in and out: what an import of a million lines needs. The same result."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Ints, Rows, compiled
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY
from endcap.state.shopper import (
    LOOKS,
    NEVER,
    PURCHASE,
    PURCHASE_DAYS,
    PURCHASED,
    RECENT,
    Shopper,
    looks_of,
    settle,
    touches,
)

_DAYS: Final = 1 << 16


class Crowd(NamedTuple):
    """Lines of several people: `person` int32 [n] are places in a list of shoppers, `offset` int64 [n].

    `region` int32 [n] indexes `regions`, of which the empty one says nothing. Lines of one person are in the order of
    the log.
    """

    person: Rows
    events: Events
    offset: Ints
    region: Rows
    regions: Sequence[str]

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Crowd":
        """The lines that `index` selects."""
        return self._replace(
            person=self.person[index],
            events=self.events.take(index),
            offset=self.offset[index],
            region=self.region[index],
        )


def fold_crowd(shoppers: Sequence[Shopper], crowd: Crowd) -> dict[int, Shopper]:
    """Those of `shoppers` that change, by place, each as `fold` gives it; a region counts at its own line's time.

    Lines at or below a shopper's offset were folded before; impressions leave no trace.
    """
    known = np.array([shopper.offset for shopper in shoppers], np.int64)
    crowd = crowd.take((crowd.offset > known[crowd.person]) & (crowd.events.kind != Kind.IMPRESSION))
    if not len(crowd.person):
        return {}
    crowd = crowd.take(np.argsort(crowd.person, kind="stable"))
    people, starts = np.unique(crowd.person, return_index=True)
    before = [shoppers[person] for person in people.tolist()]
    owner = np.repeat(np.arange(len(people)), np.diff(np.r_[starts, len(crowd.person)]))
    touched = crowd.events.kind != Kind.LEAVE
    done, whose = crowd.events.take(touched), owner[touched]
    firsts = np.full(len(people), NEVER)
    np.minimum.at(firsts, whose, done.time)
    figures = zip(
        people.tolist(),
        before,
        _recent(before, done, whose),
        _purchases(before, done, whose),
        _days(before, done, whose),
        np.bincount(whose, minlength=len(people)).tolist(),
        firsts.tolist(),
        np.maximum.reduceat(crowd.offset, starts).tolist(),
        _looks(before, crowd.events, owner),
        strict=True,
    )
    moved = _moved(crowd)
    folded = {}
    for person, shopper, recent, bought, days, lines, first, offset, looks in figures:
        at, region = max((shopper.region_at, shopper.region), moved.get(person, (-1, "")))
        folded[person] = Shopper(
            recent, bought, days, shopper.lines + lines, min(shopper.first, first), region, at, offset, looks
        )
    return folded


def _looks(before: Sequence[Shopper], events: Events, owner: Ints) -> Iterator[NDArray[np.void]]:
    """The latest distinct looks of each person, old and new, in order."""
    lines, new = looks_of(events)
    old = [shopper.looks for shopper in before]
    both = np.concatenate([*old, new])
    person = np.r_[np.repeat(np.arange(len(old)), [len(each) for each in old]), owner[lines]].astype(np.int64)
    order = np.lexsort((*(both[name] for name in reversed(new.dtype.names or ())), person))
    both, person = both[order], person[order]
    distinct = np.r_[True, (both[1:] != both[:-1]) | (person[1:] != person[:-1])][: len(both)]
    both, person = both[distinct], person[distinct]
    ends = np.cumsum(np.bincount(person, minlength=len(old)))
    kept = ends[person] - np.arange(len(person)) <= LOOKS
    both, person = both[kept], person[kept]
    borders = np.searchsorted(person, np.arange(len(old) + 1)).tolist()
    return (both[start:end].copy() for start, end in pairwise(borders))


def _recent(before: Sequence[Shopper], events: Events, owner: Ints) -> Iterator[Events]:
    """The latest lines of each person, old and new, by time and content."""
    old = [shopper.recent for shopper in before]
    sizes = np.array([len(each) for each in old])
    person = np.r_[np.repeat(np.arange(len(old)), sizes), owner]
    parts = [each for each in old if len(each)] + [events]
    both = Events.joined(parts)
    order = np.lexsort((both.session, both.row, both.kind, both.time, person))
    ends = np.cumsum(np.bincount(person, minlength=len(old)))
    kept = order[ends[person[order]] - np.arange(len(order)) <= RECENT]
    both, person = touches(both.take(kept)), person[kept]
    borders = np.searchsorted(person, np.arange(len(old) + 1)).tolist()
    return (both.take(slice(start, end)) for start, end in pairwise(borders))


def _days(before: Sequence[Shopper], events: Events, owner: Ints) -> Iterator[NDArray[np.uint16]]:
    """The latest distinct days on which each person bought, newest first."""
    bought = events.kind == Kind.PURCHASE
    known = np.repeat(np.arange(len(before)), [len(shopper.days) for shopper in before])
    person = np.r_[known, owner[bought]].astype(np.int64)
    day = np.concatenate([*(shopper.days for shopper in before), events.time[bought] // DAY]).astype(np.int64)
    newest = np.unique(person * _DAYS + (_DAYS - 1 - day))
    person, days = newest // _DAYS, (_DAYS - 1 - newest % _DAYS).astype(np.uint16)
    borders = np.searchsorted(person, np.arange(len(before) + 1)).tolist()
    return (days[start : min(end, start + PURCHASE_DAYS)] for start, end in pairwise(borders))


def _purchases(before: Sequence[Shopper], events: Events, owner: Ints) -> Iterator[NDArray[np.void]]:
    counted = (events.kind == Kind.PURCHASE) | (events.kind == Kind.REFUND)
    person = owner[counted]
    rows, time = events.row[counted], events.time[counted]
    day = np.where(events.kind[counted] == Kind.PURCHASE, time // DAY, 0)
    sizes = np.array([len(shopper.purchases) for shopper in before], np.int64)
    lines = np.searchsorted(person, np.arange(len(before) + 1)).astype(np.int64)
    room = np.minimum(sizes + np.diff(lines), PURCHASED)
    places = np.r_[0, np.cumsum(room)]
    settled = np.zeros(places[-1], PURCHASE)
    for start, shopper in zip(places[:-1].tolist(), before, strict=True):
        settled[start : start + len(shopper.purchases)] = shopper.purchases
    _settle_all(settled, places, sizes, lines, rows, day)
    return (
        settled[start : start + size]
        for start, size in zip(places[:-1].tolist(), sizes.tolist(), strict=True)
    )  # fmt: skip


@compiled
def _settle_all(  # noqa: PLR0913 - a kernel takes columns
    settled: NDArray[np.void], places: Ints, sizes: Ints, lines: Ints, rows: Rows, days: Ints
) -> None:
    known = np.zeros(PURCHASED + 1, PURCHASE)
    for person in range(len(sizes)):
        start, end = lines[person], lines[person + 1]
        if start == end:
            continue
        first, size = places[person], sizes[person]
        for index in range(size):
            known[index] = settled[first + index]
        size = settle(known, size, rows[start:end], days[start:end])
        for index in range(size):
            settled[first + index] = known[index]
        sizes[person] = size


def _moved(crowd: Crowd) -> dict[int, tuple[int, str]]:
    """Of each person whose lines name a region, the time and region of the latest; of two, the last in the alphabet."""
    named = np.flatnonzero(np.array([bool(region) for region in crowd.regions], np.bool_)[crowd.region])
    rank = np.argsort(np.argsort(np.array([*crowd.regions, ""], object)))[crowd.region[named]]
    time, person = crowd.events.time[named], crowd.person[named]
    order = np.lexsort((rank, time, person))
    last = order[np.flatnonzero(np.diff(person[order], append=-1))]
    regions = (crowd.regions[region] for region in crowd.region[named[last]].tolist())
    return dict(zip(person[last].tolist(), zip(time[last].tolist(), regions, strict=True), strict=True))
