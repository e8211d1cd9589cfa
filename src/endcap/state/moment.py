"""The moment: the state as one request sees it, on groups, trimmed to its time, its own session folded in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Floats, Ints, Millis, Rows, compiled
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY, SECOND, SESSION_IDLE
from endcap.domain.requests import Request
from endcap.state.shelf import Shelf
from endcap.state.shopper import NEWCOMER, Shopper, fold, settled

T = TypeVar("T")
Worked: TypeAlias = dict[tuple[int, object], tuple[object, Any]]
"""What was worked out, by the id of what did it and a detail, with that itself."""

TRAIL: Final = 64
FAINTEST: Final = np.float32(1e-30)
"""What counts least of all that a shopper touched, however long ago: no weight is 0, and sums stay normal numbers."""


@dataclass(frozen=True, slots=True)
class Memory:
    """How much a touched row counts: `step_decay` a step back, halved in `half_life_days`, the `most` newest only."""

    step_decay: float
    half_life_days: float
    most: int


@dataclass(frozen=True, slots=True)
class Trail:
    """Distinct group rows that the shopper touched, at most 64: the request's anchors, then newest first.

    `steps` int32: distinct times between now and the last touch, 0 for the newest (all lines of one basket share a
    step); `days` float32 since the last touch; `here` is true for anchors and the current session.
    """

    rows: Rows
    steps: Rows
    days: Floats
    here: Bools
    _kept: dict[Memory, tuple[Rows, Floats]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def strengths(self, memory: Memory) -> tuple[Rows, Floats]:
        """The rows that `memory` keeps, and their weights float32 in (0, 1]."""
        if memory not in self._kept:
            kept = slice(0, memory.most)
            steps, days = self.steps[kept], self.days[kept]
            weights = _strengths(steps, days, memory.step_decay, memory.half_life_days)
            self._kept[memory] = self.rows[kept], weights
        return self._kept[memory]


@compiled
def _strengths(steps: Rows, days: Floats, step_decay: float, half_life_days: float) -> Floats:
    weights = np.empty(len(steps), np.float32)
    for place in range(len(steps)):
        weight = step_decay ** steps[place] * 0.5 ** (days[place] / half_life_days)
        weights[place] = max(weight, FAINTEST)
    return weights


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known at `at`: `recent` lines on groups by time, `session` the index where the current one begins.

    `purchases` (dtype PURCHASE) are on groups, sorted by row; `purchase_days` newest first, none after `at`; `lines`
    and `first` count everything known. `looks` (LOOK) are on groups, by time. `worked` keeps what was worked out of it.
    """

    at: int
    shelf: Shelf
    region: str
    recent: Events
    session: int
    trail: Trail
    purchases: NDArray[np.void]
    purchase_days: NDArray[np.uint16]
    lines: int
    first: int
    touched: Rows
    looks: NDArray[np.void]
    worked: Worked = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, by: object, detail: object, work: Callable[[], T]) -> T:
        """What `work` gives, which `by` does in the way `detail`: done for the first who asks, and nobody alters it."""
        kept = self.worked.get((id(by), detail))
        if kept is None:  # with `by` itself, so that nothing else takes its id
            kept = self.worked[id(by), detail] = by, work()
        return kept[1]


def observe(request: Request, shopper: Shopper, shelf: Shelf) -> Moment:
    """The moment of `request`. Without consent only what the request brings along is known."""
    known = shopper if request.consent else NEWCOMER
    if len(request.session):
        known = fold(known, _unknown_yet(request.session, known.recent), region=request.region)
    recent = known.recent.take(slice(0, int(np.searchsorted(known.recent.time, request.at, "right"))))
    touched = recent.row[::-1]
    recent = Events(recent.time, shelf.group[recent.row], recent.kind, recent.session)
    purchases = _on_groups(known.purchases, shelf)
    session = session_start(recent.time, recent.session, request.at)
    today = min(request.at // DAY, np.iinfo(np.uint16).max)
    trail = _trail(
        shelf.group[request.anchors], recent.time, recent.row, recent.kind, session,
        *_newest_first(purchases), request.at, TRAIL,
    )  # fmt: skip
    return Moment(
        at=request.at,
        shelf=shelf,
        region=request.region or known.region,
        recent=recent,
        session=session,
        trail=Trail(*trail),
        purchases=purchases,
        purchase_days=known.days[known.days <= today],
        lines=known.lines,
        first=known.first,
        touched=touched,
        looks=_until(known.looks, shelf, request.at),
    )


def _until(told: NDArray[np.void], shelf: Shelf, at: int) -> NDArray[np.void]:
    """What was `told` by then, on groups."""
    if not len(told):
        return told
    known = told[: np.searchsorted(told["at"], at // SECOND, "right")].copy()
    known["row"] = shelf.group[known["row"]]
    return known


def _unknown_yet(sent: Events, recent: Events) -> Events:
    """The lines sent along that are not among the recent ones: callers may post an event and send it along as well."""
    same = (sent.time[:, None] == recent.time) & (sent.row[:, None] == recent.row) & (sent.kind[:, None] == recent.kind)
    return sent.take(~same.any(axis=1))


def _on_groups(purchases: NDArray[np.void], shelf: Shelf) -> NDArray[np.void]:
    if not len(purchases):
        return purchases
    group = shelf.group[purchases["row"]]
    if np.array_equal(group, purchases["row"]):
        return purchases
    days = np.concatenate([purchases["last"], purchases["previous"], purchases["first"]]).astype(np.int64)
    counts = np.concatenate([purchases["count"], np.zeros(2 * len(purchases), np.int64)])
    return settled(np.tile(group, 3), days, counts)


def _newest_first(purchases: NDArray[np.void]) -> tuple[Rows, NDArray[np.uint16]]:
    """The rows bought last and the days of that, as columns: a kernel is slow to recognise records."""
    rows, last = purchases["row"], purchases["last"]
    order = np.argsort(-last.astype(np.int32), kind="stable")[: min(TRAIL, np.count_nonzero(last))]
    return rows[order], last[order]


@compiled
def session_start(time: Millis, session: Ints, at: int) -> int:
    """Index of the first line of the session that is open at `at`; `len(time)` where none is.

    A session ends after 30 minutes without an event, unless both sides carry the same session number.
    """
    start = len(time)
    next_time, next_session = at, 0
    while start > 0:
        same = next_session != 0 and session[start - 1] == next_session
        if next_time - time[start - 1] > SESSION_IDLE and not same:
            break
        start -= 1
        next_time, next_session = time[start], session[start]
    return start


@compiled
def _trail(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    anchors: Rows, time: Millis, row: Rows, kind: NDArray[np.uint8], session: int,
    bought: Rows, bought_days: NDArray[np.uint16], at: int, limit: int,
) -> tuple[Rows, Rows, Floats, Bools]:  # fmt: skip
    rows, steps = np.empty(limit, np.int32), np.empty(limit, np.int32)
    days, here = np.empty(limit, np.float32), np.empty(limit, np.bool_)
    size, step, seen_time = 0, -1, np.int64(-1)
    if len(anchors):
        step = 0
    for anchor in anchors:
        if size < limit and not (rows[:size] == anchor).any():
            rows[size], steps[size], days[size], here[size] = anchor, 0, 0.0, True
            size += 1
    for index in range(len(time) - 1, -1, -1):
        if kind[index] == Kind.UNCART or kind[index] == Kind.REFUND:
            continue
        if time[index] != seen_time:
            seen_time = time[index]
            step += 1
        if size < limit and not (rows[:size] == row[index]).any():
            rows[size], steps[size], here[size] = row[index], step, index >= session
            days[size] = max(at - time[index], 0) / DAY
            size += 1
    seen_day = seen_time // DAY
    for index in range(len(bought)):
        day = np.int64(bought_days[index])
        if day < seen_day or seen_time < 0:
            if day != seen_day:
                step += 1
            seen_day = day
            seen_time = np.int64(0)
        if size < limit and day * DAY <= at and not (rows[:size] == bought[index]).any():
            rows[size], steps[size], here[size] = bought[index], max(step, 0), False
            days[size] = max(at / DAY - day, 0)
            size += 1
    return rows[:size], steps[:size], days[:size], here[:size]
