"""History replayed as requests: what was known then, and what the shopper did next."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from endcap.domain.arrays import Bools, Ints, Rows
from endcap.domain.events import Kind
from endcap.domain.instants import SESSION_IDLE
from endcap.domain.requests import Request
from endcap.state import NEWCOMER, Shopper, State, fold
from endcap.training.corpus import Shop
from endcap.training.history import History

Protocol: TypeAlias = Literal["next-basket", "time-split", "next-item", "leave-one-out", "rerank"]
"""How cases are cut; the first two by time, the others, for data sets, by sequence (`endcap.training.folds`)."""

PLACEMENT = "home"
WANTED = 100


@dataclass(frozen=True, slots=True)
class Case:
    """One request as it could have been made, and what it should have shown.

    `state` is all that was known at `request.at`; its shelf moves on with the next case. `targets` int32 are the
    distinct groups wanted, `bought` those this shopper bought before (next basket) or touched before (time split).
    """

    id: str
    request: Request
    state: State
    targets: Rows
    bought: Rows


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
    return _case(history, shop, Seen(shopper, known, at), basket.lines, owned)


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


def next_items(
    history: History, shop: Shop, start: int, until: int | None, keep: Callable[[int], bool] = lambda _: True
) -> Iterator[Case]:
    """For every event in [start, until), from a shopper's second on: what was known just before it, in order of time.

    Within a session the request comes right after the event before, but not before `start`; a new session's first
    request comes as it begins.
    Lines of one time are one event. `keep` thins the cases out by their seed.
    """
    counted = history.weight > 0
    begins = np.r_[True, (history.shopper[1:] != history.shopper[:-1]) | (history.time[1:] != history.time[:-1])]
    event = np.flatnonzero(begins) if len(history) else np.empty(0, np.int64)
    ends = np.r_[event[1:], len(history)]
    first = history.starts[history.shopper[event]]
    inside = (history.time[event] >= start) & (event > first)
    if until is not None:
        inside &= history.time[event] < until
    event, ends, first = event[inside], ends[inside], first[inside]
    gap = history.time[event] - history.time[event - 1]
    at = np.where(gap <= SESSION_IDLE, np.maximum(history.time[event - 1] + 1, start), history.time[event])
    for place in np.argsort(at, kind="stable"):
        known = slice(int(first[place]), int(event[place]))
        wanted = np.arange(event[place], ends[place])[counted[event[place] : ends[place]]]
        if not len(wanted) or not keep(seed_of(history, known, int(at[place]))):
            continue
        shop.advance(int(at[place]))
        seen = Seen(int(history.shopper[event[place]]), known, int(at[place]))
        case = _case(history, shop, seen, wanted, np.unique(history.group[known]))
        yield replace(case, id=f"{case.id}:{known.stop - known.start}")


class Seen(NamedTuple):
    """The lines of one shopper that were known at `at`."""

    shopper: int
    known: slice
    at: int


def _case(history: History, shop: Shop, seen: Seen, wanted: Ints, bought: Rows) -> Case:
    key = history.keys[seen.shopper]
    return Case(
        id=key.hex(),
        request=Request(PLACEMENT, seen.at, seed_of(history, seen.known, seen.at), WANTED, shopper=key),
        state=State(shopper_at(history, seen.known), shop.shelf),
        targets=np.unique(history.group[wanted]),
        bought=bought,
    )


def shopper_at(history: History, known: slice, moved: int = 0) -> Shopper:
    """The fold of the lines `known` of one shopper, each `moved` ms back, the region that of the latest."""
    region = history.regions[history.region[known.stop - 1]]
    events = history.events(known)
    return fold(NEWCOMER, replace(events, time=events.time - moved) if moved else events, region=region)


def seed_of(history: History, known: slice, at: int) -> int:
    """A seed that depends on what was done and when, not on who did it."""
    content = np.stack([history.time[known], history.row[known], history.kind[known]]).astype(np.int64)
    digest = hashlib.blake2b(content.tobytes(), digest_size=7, salt=at.to_bytes(8, "big"))
    return int.from_bytes(digest.digest(), "big")
