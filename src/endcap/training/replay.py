"""History replayed as requests: what was known then and what the shopper did next, as cases and as examples."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, Ints, Rows
from endcap.domain.events import Kind
from endcap.domain.instants import DAY, SECOND, SESSION_IDLE
from endcap.domain.requests import Request
from endcap.pipeline import Candidates, candidates
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shopper, State, fold
from endcap.training.corpus import Shop
from endcap.training.history import History

Protocol: TypeAlias = Literal["next-basket", "time-split", "next-item", "leave-one-out", "rerank"]
"""How cases are cut; the first two by time, the others, for data sets, by sequence (`endcap.training.folds`)."""

PLACEMENT = "home"
WANTED = 100
_EXAMPLE_SEED: Final = 0xE0DCA9
_LAST_KINDS: Final = np.array([Kind.CLICK, Kind.CHECKOUT, Kind.PURCHASE], np.uint8)
"""The last kind of event that stands for each of ACTIONS."""
_LONG: Final = 512
"""So many lines are folded each time; and later ones than the last so many do not enter a seed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request as it could have been made, and what it should have shown.

    `state` is all that was known at `request.at`; its shelf moves on with the next case. `targets` int32 are the
    distinct groups wanted, `bought` those this shopper bought before (next basket) or touched before (time split; in
    folds, those of the targets alone). `actions` uint8 [targets] are ACTIONS, counted from 1: what the shopper did.
    `opened` is when the targets were shown, or touched where no list showed them (ms UTC; time split alone).
    """

    id: str
    request: Request
    state: State
    targets: Rows
    actions: NDArray[np.uint8]
    bought: Rows
    opened: int = 0


class Basket(NamedTuple):
    """The lines int64 of one basket, whose time is that of its earliest line."""

    time: int
    lines: Ints


def next_baskets(history: History, shop: Shop, at: int, until: int | None = None) -> Iterator[Case]:
    """For every shopper with a purchase before `at`: the first basket on or after it (and before `until`).

    Every request is made at `at`, so that nothing after it, the time of the basket included, can be known. Guests are
    no cases. Two baskets of one minute: the one that came first into the log.
    """
    shop.advance(at)
    found = [case for shopper in range(len(history.keys)) if (case := _next_basket(history, shop, shopper, at, until))]
    yield from sorted(found, key=lambda case: (case.state.shopper.first, case.request.seed))


def _next_basket(history: History, shop: Shop, shopper: int, at: int, until: int | None) -> Case | None:
    lines = history.lines(shopper)
    bought = history.kind[lines] == Kind.PURCHASE
    before = history.time[lines] < at
    if history.guest[shopper] or not (bought & before).any():
        return None
    basket = _first_basket(history, lines, bought, at)
    if basket is None or (until is not None and basket.time >= until):
        return None
    known = slice(lines.start, lines.start + int(before.sum()))
    owned = np.unique(history.group[lines][bought & before])
    return _case(
        history,
        shop,
        Seen(shopper, known, at, shopper_at(history, known)),
        (basket.lines, action_of(history.kind[basket.lines])),
        owned,
    )


def _first_basket(history: History, lines: slice, bought: Bools, at: int) -> Basket | None:
    index = np.arange(lines.start, lines.stop)[bought]
    key = np.where(history.basket[index] != 0, history.basket[index], -history.time[index])
    _, place = np.unique(key, return_inverse=True)
    times = np.full(int(place.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    offsets = times.copy()
    np.minimum.at(times, place, history.time[index])
    np.minimum.at(offsets, place, history.offset[index])
    later = np.flatnonzero(times >= at)
    if not len(later):
        return None
    first = later[np.lexsort((offsets[later], times[later]))[0]]
    return Basket(int(times[first]), index[place == first])


class Wants(NamedTuple):
    """The first time in a visit that somebody touched a group, as equal-long columns int64 [n].

    `line` is that of the first touch, `opening` the first line of the event that a request for it comes before: the
    last list in this visit that showed the group until then, else the touch itself. `action` uint8 is the one nearest
    to a purchase by which the group was touched in this visit.
    """

    line: Ints
    opening: Ints
    action: NDArray[np.uint8]


def wants(history: History, until: int | None) -> Wants:
    """What was wanted for the first time in each visit before `until` (None: ever), in the order of the openings.

    What is on the screen needs no guess: neither the page that a click opens, nor the cart after the page, nor what a
    shopper comes back to; and of a list that was shown, what was known before it was.
    """
    order = np.lexsort((history.group, history.session))
    session, group, kind = history.session[order], history.group[order], history.kind[order]
    begins = np.r_[True, (session[1:] != session[:-1]) | (group[1:] != group[:-1])][: len(order)]
    touched = history.weight[order] > 0
    if until is not None:
        touched &= history.time[order] < until
    places = np.flatnonzero(touched)
    visits, which = np.unique(np.cumsum(begins)[places] - 1, return_index=True)
    first, starts = places[which], np.flatnonzero(begins)
    shown = np.maximum.accumulate(np.where(kind == Kind.IMPRESSION, np.arange(len(order)), -1))[first]
    opened = np.where(shown >= starts[visits], shown, first)
    actions = np.where(touched, action_of(kind), np.uint8(0))
    best = np.maximum.reduceat(actions, starts)[visits] if len(starts) else actions
    line, opening = order[first], event_of(history)[order[opened]]
    by_opening = np.lexsort((line, opening))
    return Wants(line[by_opening], opening[by_opening], best[by_opening])


def event_of(history: History) -> Ints:
    """int64 [n]: the first line of each line's event; lines of one shopper at one time are one event."""
    begins = np.r_[True, (np.diff(history.shopper) != 0) | (np.diff(history.time) != 0)][: len(history)]
    return np.asarray(np.maximum.accumulate(np.where(begins, np.arange(len(history)), 0)))


def next_items(
    history: History, shop: Shop, start: int, until: int | None, keep: Callable[[int], bool] = lambda _: True
) -> Iterator[Case]:
    """For every opening of `wants` in [start, until), from a shopper's second event on: what was known just before it.

    In order of time. Within a session the request comes right after the event before, but not before `start`; a new
    session's first request comes as it begins. `keep` thins the cases out by their seed.
    """
    found, weighty = wants(history, until), history.weight > 0
    opening, begins = np.unique(found.opening, return_index=True)
    ends = np.r_[begins[1:], len(found.opening)]
    first = history.starts[history.shopper[opening]]
    inside = (history.time[opening] >= start) & (opening > first)
    opening, begins, ends, first = opening[inside], begins[inside], ends[inside], first[inside]
    folded = Folded(history)
    before, now = history.time[opening - 1], history.time[opening]
    at = np.where(now - before <= SESSION_IDLE, np.maximum(before + 1, start), now)
    for place in np.argsort(at, kind="stable"):
        known = slice(int(first[place]), int(opening[place]))
        if not keep(seed_of(history, known, int(at[place]))):
            continue
        shop.advance(int(at[place]))
        seen = Seen(int(history.shopper[opening[place]]), known, int(at[place]), folded.upto(known))
        wanted = slice(begins[place], ends[place])
        touched = np.unique(history.group[known][weighty[known]])
        case = _case(history, shop, seen, (found.line[wanted], found.action[wanted]), touched)
        yield replace(case, id=f"{case.id}:{known.stop - known.start}", opened=int(now[place]))


class Seen(NamedTuple):
    """The lines of one shopper that were known at `at`, and what they fold to."""

    shopper: int
    known: slice
    at: int
    folded: Shopper


def _case(history: History, shop: Shop, seen: Seen, wanted: tuple[Ints, NDArray[np.uint8]], bought: Rows) -> Case:
    """The case of the lines `wanted` and the action of each."""
    key, (lines, acted) = history.keys[seen.shopper], wanted
    targets, place = np.unique(history.group[lines], return_inverse=True)
    actions = np.zeros(len(targets), np.uint8)
    np.maximum.at(actions, place, acted)
    return Case(
        id=key.hex(),
        request=Request(PLACEMENT, seen.at, seed_of(history, seen.known, seen.at), WANTED, shopper=key),
        state=State(seen.folded, shop.shelf),
        targets=targets,
        actions=actions,
        bought=bought,
    )


def action_of(kind: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8: the place of each kind of event in ACTIONS, counted from 1, the later the nearer to a purchase."""
    found: NDArray[np.uint8] = np.searchsorted(_LAST_KINDS, kind).astype(np.uint8) + np.uint8(1)
    return found


def shopper_at(history: History, known: slice | Ints) -> Shopper:
    """The fold of the lines `known` of one shopper, the region that of the latest."""
    region = history.region[known]
    return fold(NEWCOMER, history.events(known), region=history.regions[region[-1]]) if len(region) else NEWCOMER


class Folded:
    """Shoppers of a history as they were known at one line after the other, without folding a long past each time."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._kept: dict[int, tuple[int, Shopper]] = {}

    def upto(self, known: slice | Ints) -> Shopper:
        """As `shopper_at`; fast where, of a shopper with many lines in a slice, later ones are asked for later."""
        if not isinstance(known, slice) or known.stop - known.start <= _LONG:
            return shopper_at(self._history, known)
        stop, shopper = self._kept.get(known.start, (known.start, NEWCOMER))
        if stop > known.stop:
            stop, shopper = known.start, NEWCOMER
        shopper = fold(shopper, self._history.events(slice(stop, known.stop)))
        self._kept[known.start] = known.stop, shopper
        region = self._history.regions[self._history.region[known.stop - 1]]
        if not region or not shopper.lines:
            return shopper
        return replace(shopper, region=region, region_at=int(shopper.recent.time[-1]))


def earlier(shopper: Shopper, days: int) -> Shopper:
    """`shopper` as if all had been `days` days earlier."""
    if not days or not shopper.lines:
        return shopper
    purchases = shopper.purchases.copy()
    for name in ("last", "previous", "first"):
        known = purchases[name] > 0
        purchases[name][known] = _back(purchases[name][known], days)
    looks = shopper.looks.copy()
    looks["at"] -= days * DAY // SECOND
    return replace(
        shopper,
        recent=replace(shopper.recent, time=shopper.recent.time - days * DAY),
        purchases=purchases,
        days=_back(shopper.days, days),
        first=shopper.first - days * DAY,
        region_at=shopper.region_at - days * DAY if shopper.region else 0,
        looks=looks,
    )


def _back(days: NDArray[np.uint16], by: int) -> NDArray[np.uint16]:
    return np.maximum(days.astype(np.int64) - by, 1).astype(np.uint16)


def seed_of(history: History, known: slice | Ints, at: int) -> int:
    """A seed that depends on what was done of late and when, not on who did it."""
    known = slice(max(known.start, known.stop - _LONG), known.stop) if isinstance(known, slice) else known[-_LONG:]
    content = np.stack([history.time[known], history.row[known], history.kind[known]]).astype(np.int64)
    digest = hashlib.blake2b(content.tobytes(), digest_size=7, salt=at.to_bytes(8, "big"))
    return int.from_bytes(digest.digest(), "big")


class Examples(NamedTuple):
    """`features` float32 [n, width], NaN unknown; `wanted` bool, `case` and `rows` int32, `at` int64 [n].

    `action` uint8 [n] is that by which a wanted item was taken, see `Case`, 0 for others. `stands_for` float32 [n] are
    the members of pools, those of cases without a hit included, that each example was drawn from.
    """

    features: Floats
    wanted: Bools
    case: Rows
    rows: Rows
    at: Ints
    action: NDArray[np.uint8]
    stands_for: Floats

    @classmethod
    def none(cls, width: int) -> Self:
        """No example."""
        nothing: Rows = np.empty(0, np.int32)
        features = np.empty((0, width), np.float32)
        return cls(
            features, nothing > 0, nothing, nothing, nothing.astype(np.int64), nothing.astype(np.uint8), features.sum(1)
        )

    @classmethod
    def joined(cls, parts: Iterable["Examples"]) -> Self:
        """The examples of `parts`, cases numbered through."""
        found = list(parts)
        sizes = [len(part.case) for part in found]
        first = np.cumsum([0, *(int(part.case.max(initial=-1)) + 1 for part in found)])[:-1]
        whole = cls._make(np.concatenate(column) for column in zip(*found, strict=True))
        return whole._replace(case=whole.case + np.repeat(first, sizes).astype(np.int32))

    def where(self, kept: Bools | Ints) -> Self:
        """The examples `kept` bool [n], or those at `kept` int64."""
        return type(self)._make(column[kept] for column in self)


def collect(cases: Iterable[Case], snapshot: Snapshot, policy: Policy, negatives: int) -> Examples:
    """The admitted pool of every case that holds a target: all targets, and at most `negatives` others.

    Which others is drawn from Philox of the case's seed, so no case depends on another.
    """
    parts, asked = [], 0
    for case in cases:
        asked += 1
        found = candidates(case.request, case.state, snapshot, policy)
        hits = np.isin(found.pool.rows, case.targets)
        if not hits.any():
            continue
        others = np.flatnonzero(~hits)
        generator = np.random.Generator(np.random.Philox(case.request.seed ^ _EXAMPLE_SEED))
        drawn = generator.choice(others, min(negatives, len(others)), replace=False)
        kept = np.concatenate([np.flatnonzero(hits), np.sort(drawn)])
        parts.append(_examples(case, found, kept, len(others) / max(len(drawn), 1)))
    if not parts:
        return Examples.none(len(snapshot.features.schema))
    whole = Examples.joined(parts)
    shares = np.where(whole.wanted, np.float32(1), whole.stands_for * np.float32(asked / len(parts)))
    return whole._replace(stands_for=shares)


def _examples(case: Case, found: Candidates, kept: Ints, others: float) -> Examples:
    """The members `kept` of what was found for `case`; an unwanted one stands for `others`."""
    rows = found.pool.rows[kept]
    place = np.searchsorted(case.targets, rows).clip(0, len(case.targets) - 1)
    wanted = case.targets[place] == rows
    return Examples(
        features=found.features[:, kept].T,
        wanted=wanted,
        case=np.zeros(len(kept), np.int32),
        rows=rows,
        at=np.full(len(kept), case.request.at, np.int64),
        action=np.where(wanted, case.actions[place], np.uint8(0)),
        stands_for=np.where(wanted, 1, others).astype(np.float32),
    )
