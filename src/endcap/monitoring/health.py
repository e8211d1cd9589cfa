"""How complete and how plausible a shop's data is: one pass over catalog and events, all of it columns.

Knows lines of events, catalog changes and what went into quarantine; nothing of training, so that it also tells why
there may be nothing to train on. The words for what each gap costs are in `gaps`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from endcap.backends.db import Recorded
from endcap.domain.arrays import Bools, Ints
from endcap.domain.events import KINDS, Kind
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, HOUR, MINUTE, SECOND, iso
from endcap.monitoring.goods import ATTRIBUTES, Goods, goods_of
from endcap.monitoring.traffic import Lines, bot_lines, counted_distinct, distinct_pairs, lines_of, preceded

STEPS: Final = (1, 2, 6, 21, 101)
"""Where the classes of a distribution begin, after that of 0."""
LATE: Final = 5 * MINUTE
LONG_AGO: Final = 788_918_400_000
"""1995-01-01, before which no shop sold over the web."""
NAMED: Final = 5
_NAMES: Final = {int(kind): name for name, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `all`."""

    count: int
    all: int

    @property
    def value(self) -> float:
        """The fraction, 0 of nothing."""
        return self.count / self.all if self.all else 0.0


@dataclass(frozen=True, slots=True)
class Class:
    """One class of a distribution, such as `2-5`, and how many fall into it."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Missing:
    """An attribute: listed items without it, and lines of events at these among those at listed items."""

    attribute: str
    items: Share
    lines: Share


@dataclass(frozen=True, slots=True)
class CatalogHealth:
    """Items of feeds are listed or unlisted; stubs are known from events alone.

    `traded` are listed items with an event. `activity` classes the listed items by their lines of events.
    """

    items: int
    listed: int
    unlisted: int
    stubs: int
    groups: int
    variants: int
    sellable: int
    traded: Share
    missing: tuple[Missing, ...]
    activity: tuple[Class, ...]


@dataclass(frozen=True, slots=True)
class TrafficHealth:
    """Events by kind, and the time they span: days (UTC) from first to last, `quiet_days` of them without an event."""

    events: int
    lines: int
    kinds: Mapping[str, int]
    first: str
    last: str
    days: int
    quiet_days: int
    longest_pause_days: int
    longest_pause_from: str


@dataclass(frozen=True, slots=True)
class PeopleHealth:
    """Shoppers with an id and guests (one session each); classes by events a shopper and by lines a session."""

    shoppers: int
    guests: int
    returning: Share
    activity: tuple[Class, ...]
    sessions: int
    session_lengths: tuple[Class, ...]
    one_item_sessions: Share
    orders: int
    lines_per_order: float
    shoppers_with_two_orders: int
    bots: int
    bot_lines: Share


@dataclass(frozen=True, slots=True)
class Stub:
    """An item id that events name and no feed does."""

    id: str
    lines: int


@dataclass(frozen=True, slots=True)
class JoinHealth:
    """Lines whose item a feed told of; `nearly` are lines that would join but for case, spaces or leading zeros."""

    lines: Share
    nearly: Share
    stubs: tuple[Stub, ...]


@dataclass(frozen=True, slots=True)
class PlausibilityHealth:
    """Clocks and prices.

    `resolution` is the coarsest step that all times keep; `one_time_of_day` the lines at the most frequent time of day;
    `burst` the lines of the most frequent instant; `price_ratio` the median of an order line's price over its item's,
    None where none can be compared.
    """

    future: int
    long_ago: int
    resolution: str
    one_time_of_day: Share
    burst: Share
    currency: str
    priced_orders: Share
    price_ratio: float | None
    refunds_matched: Share
    purchases_viewed: Share
    quarantined: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Health:
    """Everything found, by subject."""

    catalog: CatalogHealth
    traffic: TrafficHealth
    people: PeopleHealth
    join: JoinHealth
    plausibility: PlausibilityHealth


class Surroundings(NamedTuple):
    """What files and clock tell: the present (ms UTC), the shop's currency, rows in quarantine by reason."""

    now: int
    currency: str
    quarantined: Mapping[str, int]


def examine(
    interactions: pa.Table, keys: Sequence[ItemKey], changes: Iterable[Recorded], around: Surroundings
) -> Health:
    """The health of a shop with these lines (schema INTERACTIONS), rows and catalog changes."""
    goods, lines = goods_of(keys, changes), lines_of(interactions)
    return Health(
        catalog=_catalog(goods, lines),
        traffic=_traffic(lines),
        people=_people(lines),
        join=_join(goods, lines),
        plausibility=_plausibility(goods, lines, around),
    )


def to_json(health: Health) -> bytes:
    """The findings as indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(health)) + b"\n"


def _catalog(goods: Goods, lines: Lines) -> CatalogHealth:
    rows = len(goods)
    met = np.bincount(lines.row, minlength=rows)[:rows]
    listed, at_listed = goods.listed, int(met[goods.listed].sum())
    missing = []
    for name in ATTRIBUTES:
        without = listed & ~goods.has[name]
        shares = Share(int(without.sum()), int(listed.sum())), Share(int(met[without].sum()), at_listed)
        missing.append(Missing(name, *shares))
    members = goods.item & (goods.group != np.arange(rows))
    return CatalogHealth(
        items=int(goods.known.sum()),
        listed=int(listed.sum()),
        unlisted=int((goods.known & ~listed).sum()),
        stubs=int((goods.item & ~goods.known).sum()),
        groups=len(np.unique(goods.group[members])),
        variants=int(members.sum()),
        sellable=int(goods.sellable.sum()),
        traded=Share(int((met[listed] > 0).sum()), int(listed.sum())),
        missing=tuple(missing),
        activity=classes(met[listed]),
    )


def _traffic(lines: Lines) -> TrafficHealth:
    kinds, counts = np.unique(lines.kind[lines.begins], return_counts=True)
    days = np.unique(lines.time // DAY)
    span = int(days[-1] - days[0]) + 1 if len(days) else 0
    pauses = np.diff(days) - 1
    longest = int(pauses.argmax()) if len(pauses) and pauses.max() > 0 else -1
    return TrafficHealth(
        events=int(lines.begins.sum()),
        lines=len(lines),
        kinds={_NAMES.get(kind, f"kind {kind}"): n for kind, n in zip(kinds.tolist(), counts.tolist(), strict=True)},
        first=iso(int(lines.time.min())) if len(lines) else "",
        last=iso(int(lines.time.max())) if len(lines) else "",
        days=span,
        quiet_days=span - len(days),
        longest_pause_days=int(pauses[longest]) if longest >= 0 else 0,
        longest_pause_from=iso(int(days[longest] + 1) * DAY)[:10] if longest >= 0 else "",
    )


def _people(lines: Lines) -> PeopleHealth:
    begins = lines.begins
    events = np.bincount(lines.shopper[begins])
    days = counted_distinct(lines.shopper.astype(np.int64), lines.time // DAY)
    firsts = np.r_[True, lines.shopper[1:] != lines.shopper[:-1]][: len(lines)]
    guests = int(lines.guest[firsts].sum())
    known = int(firsts.sum()) - guests
    items = counted_distinct(lines.session, lines.row.astype(np.int64))
    bought = lines.of(Kind.PURCHASE)
    order = np.where(lines.basket[bought] != 0, lines.basket[bought], -lines.time[bought])
    buyers = distinct_pairs(lines.shopper[bought].astype(np.int64), order)[0]
    per_shopper = np.unique(buyers, return_counts=True)[1]
    bots = bot_lines(lines)
    return PeopleHealth(
        shoppers=known,
        guests=guests,
        returning=Share(int((days > 1).sum()), known + guests),
        activity=classes(events),
        sessions=len(items),
        session_lengths=classes(np.bincount(lines.session)),
        one_item_sessions=Share(int((items == 1).sum()), len(items)),
        orders=len(buyers),
        lines_per_order=round(int(bought.sum()) / len(buyers), 2) if len(buyers) else 0.0,
        shoppers_with_two_orders=int((per_shopper > 1).sum()),
        bots=len(np.unique(lines.shopper[bots])),
        bot_lines=Share(int(bots.sum()), len(lines)),
    )


def _join(goods: Goods, lines: Lines) -> JoinHealth:
    met = np.bincount(lines.row, minlength=len(goods))[: len(goods)]
    stubs = np.flatnonzero(goods.item & ~goods.known & (met > 0))
    order = stubs[np.lexsort((stubs, -met[stubs]))]
    told = {_plain(goods.keys[row].id) for row in np.flatnonzero(goods.known).tolist()}
    nearly = [row for row in stubs.tolist() if _plain(goods.keys[row].id) in told]
    return JoinHealth(
        lines=Share(int(met[goods.known].sum()), len(lines)),
        nearly=Share(int(met[nearly].sum()), len(lines)),
        stubs=tuple(Stub(goods.keys[row].id, int(met[row])) for row in order[:NAMED].tolist()),
    )


def _plain(item: str) -> str:
    return item.strip().casefold().lstrip("0")


def _plausibility(goods: Goods, lines: Lines, around: Surroundings) -> PlausibilityHealth:
    bought = lines.of(Kind.PURCHASE)
    priced = bought & (lines.price >= 0)
    comparable = priced & (goods.price[lines.row] > 0) if len(goods) else priced
    ratio = lines.price[comparable] / goods.price[lines.row[comparable]]
    clock, instants = _most_frequent(lines.time % DAY), _most_frequent(lines.time)
    return PlausibilityHealth(
        future=int((lines.time > around.now + LATE).sum()),
        long_ago=int((lines.time < LONG_AGO).sum()),
        resolution=_resolution(lines.time),
        one_time_of_day=Share(clock, len(lines)),
        burst=Share(instants, len(lines)),
        currency=around.currency,
        priced_orders=Share(int(priced.sum()), int(bought.sum())),
        price_ratio=round(float(np.median(ratio)), 4) if len(ratio) else None,
        refunds_matched=Share(*preceded(lines, Kind.REFUND, Kind.PURCHASE)),
        purchases_viewed=Share(*preceded(lines, Kind.PURCHASE, Kind.VIEW)),
        quarantined=dict(sorted(around.quarantined.items(), key=lambda entry: (-entry[1], entry[0]))),
    )


def _most_frequent(values: Ints) -> int:
    return int(np.unique(values, return_counts=True)[1].max(initial=0))


def _resolution(times: Ints) -> str:
    if not len(times):
        return ""
    steps = {"day": DAY, "hour": HOUR, "minute": MINUTE, "second": SECOND}
    clocks = len(np.unique(times % DAY)) == 1
    return "day" if clocks else next((name for name, step in steps.items() if not (times % step).any()), "millisecond")


def classes(counts: Ints | Bools) -> tuple[Class, ...]:
    """How many of `counts` are 0, 1, 2-5, 6-20, 21-100 and more; without the class of 0 where nobody falls into it.

    >>> [(c.label, c.count) for c in classes(np.array([1, 3, 4, 500]))]
    [('1', 1), ('2-5', 2), ('6-20', 0), ('21-100', 0), ('101+', 1)]
    """
    borders = [*STEPS, np.iinfo(np.int64).max]
    found = [Class("0", int((counts == 0).sum()))] if (counts == 0).any() else []
    for low, high in pairwise(borders):
        label = f"{low}+" if low == STEPS[-1] else f"{low}" if high == low + 1 else f"{low}-{high - 1}"
        found.append(Class(label, int(((counts >= low) & (counts < high)).sum())))
    return tuple(found)
