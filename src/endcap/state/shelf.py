"""The shelf: live price, stock, listing, attributes, age and daily interactions per row, updated in place by one owner.

Every field keeps when it was told last, so changes give the same shelf in whatever order they arrive; of two of one
instant the one that came later counts. Only the numbers that stand for names depend on the order.
"""

from bisect import insort
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Millis, Rows, compiled
from endcap.domain.catalog import Change
from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY

TREND_DAYS: Final = 32
NEVER: Final = np.iinfo(np.int64).max

FIELDS: Final = (
    "group", "listed", "price", "sale_price", "sale_start", "sale_end", "stock", "category", "brand",
)  # fmt: skip
"""What a change may tell, in the order of `told`."""
_TOLD: Final = attrgetter(*FIELDS)

ATTRIBUTES: Final = frozenset(
    "color size material pattern gender age_group condition "
    "custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4".split()
)
"""The texts of a change that filters may ask for."""

_SHOWN: Final = {"price": -1, "sale_price": -1, "sale_start": 0, "sale_end": 0, "category": 0, "brand": 0}
"""What a group's row shows of a variant, and what it shows without one."""

_FEW: Final = 64
"""Changes that are sooner applied one by one."""

_TREND_WEIGHTS: Final = np.zeros(16, np.int32)
_TREND_WEIGHTS[[Kind.VIEW, Kind.CLICK, Kind.WISH, Kind.CART, Kind.CHECKOUT, Kind.PURCHASE]] = 1, 1, 2, 3, 3, 5

Name = TypeVar("Name", str, tuple[str, ...])


class Names(Generic[Name]):
    """Values numbered in the order in which they came; number 0 is `none`.

    >>> brands = Names("", ["", "Acme"])
    >>> brands.code("Brook"), brands.code("Acme"), brands.values
    (2, 1, ['', 'Acme', 'Brook'])
    """

    def __init__(self, none: Name, values: list[Name] | None = None) -> None:
        self.values: list[Name] = values or [none]
        self._codes: dict[Name, int] = {value: code for code, value in enumerate(self.values)}

    def code(self, value: Name) -> int:
        """The number of `value`, a new one where it has none."""
        code: int = self._codes.setdefault(value, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code


class Attribute:
    """One text attribute of all rows: `codes` int32 into `names`, 0 none; `told` int64 ms, -1 never."""

    def __init__(self, capacity: int) -> None:
        self.names = Names("")
        self.codes: Rows = np.zeros(capacity, np.int32)
        self.told: Millis = np.full(capacity, -1, np.int64)

    def grown(self, capacity: int) -> None:
        """Make room for rows up to `capacity`."""
        more = capacity - len(self.codes)
        self.codes = np.concatenate([self.codes, np.zeros(more, np.int32)])
        self.told = np.concatenate([self.told, np.full(more, -1, np.int64)])


class Shelf:
    """Live columns per row: price, stock, listing, group, category, brand, age, and interactions by day.

    `price`, `sale_price` int64 minor units, -1 unknown; `stock` int32, -1 unknown; `group` int32 (a row without a group
    is its own); `available` is what may be sold: a listed row not known to be out of stock, a group with such a
    variant; `category` and `brand` int32 codes into `categories` and `brands`, 0 is none; `attributes` those of
    ATTRIBUTES that occur; `born` int64 ms, NEVER unknown; `told` int64 [FIELDS, rows] ms, -1 never; `changed` int64 the
    latest change; `emptied` int64 ms, when the stock was last told to be 0, -1 never; `daily` int32 [32, rows], ring of
    weighted interactions of the days up to `day`. A group's row shows its variant that changed last, its `face` int32
    (of equals the larger row, -1 none); its variants begin with `first` int32 and go on with their `following` int32,
    in order of row, -1 none. `offset` is the log offset folded last. Rows beyond `len` do not exist yet.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.day = 0
        self.categories: Names[tuple[str, ...]] = Names(())
        self.brands = Names("")
        self.attributes: dict[str, Attribute] = {}
        self._size = 0
        self._columns(0)

    def __len__(self) -> int:
        return self._size

    def _columns(self, capacity: int) -> None:
        self.group: Rows = np.arange(capacity, dtype=np.int32)
        self.listed: Bools = np.zeros(capacity, np.bool_)
        self.available: Bools = np.zeros(capacity, np.bool_)
        self.price: Ints = np.full(capacity, -1, np.int64)
        self.sale_price: Ints = np.full(capacity, -1, np.int64)
        self.sale_start: Millis = np.zeros(capacity, np.int64)
        self.sale_end: Millis = np.zeros(capacity, np.int64)
        self.stock: Rows = np.full(capacity, -1, np.int32)
        self.category: Rows = np.zeros(capacity, np.int32)
        self.brand: Rows = np.zeros(capacity, np.int32)
        self.born: Millis = np.full(capacity, NEVER, np.int64)
        self.changed: Millis = np.full(capacity, -1, np.int64)
        self.emptied: Millis = np.full(capacity, -1, np.int64)
        self.told: Millis = np.full((len(FIELDS), capacity), -1, np.int64)
        self.face: Rows = np.full(capacity, -1, np.int32)
        self.first: Rows = np.full(capacity, -1, np.int32)
        self.following: Rows = np.full(capacity, -1, np.int32)
        self.daily: NDArray[np.int32] = np.zeros((capacity, TREND_DAYS), np.int32).T  # the days of a row lie together

    def reserve(self, size: int) -> None:
        """Let rows 0..size-1 exist, unlisted until a change lists them."""
        if size > len(self.group):
            old = {name: getattr(self, name) for name in self.names()}
            self._columns(max(size, 5 * len(self.group) // 4, 1024))
            for name, column in old.items():
                getattr(self, name)[..., : self._size] = column[..., : self._size]
            for attribute in self.attributes.values():
                attribute.grown(len(self.group))
        self._size = max(self._size, size)

    @staticmethod
    def names() -> tuple[str, ...]:
        """The columns, in the order in which a checkpoint stores them."""
        return (
            "group", "listed", "available", "price", "sale_price", "sale_start", "sale_end",
            "stock", "category", "brand", "born", "changed", "emptied", "told",
            "face", "first", "following", "daily",
        )  # fmt: skip

    def apply(self, change: Change) -> None:
        """Take in one catalog change; what is known of a field from later on stays."""
        row, at = change.row, change.at
        self.reserve(row + 1)
        if 0 < at < self.born[row]:
            self.born[row] = at
        former = int(self.group[row])
        for place, (name, told) in enumerate(zip(FIELDS, self.told[:, row].tolist(), strict=True)):
            value = getattr(change, name)
            if value is not None and at >= told:
                self.told[place, row] = at
                (getattr(self, name)[row],) = self._column(name, [value])
        for name, text in change.text.items():
            if name in ATTRIBUTES:
                self._describe(row, at, name, text)
        self.changed[row] = max(self.changed[row], at)
        if change.stock == 0:
            self.emptied[row] = max(self.emptied[row], at)
        self.available[row] = self.listed[row] and self.stock[row] != 0
        group = int(self.group[row])
        if former not in (row, group):
            self._leave(former, row)
        if group != row:
            self._join(group, row, former)

    def apply_all(self, changes: Sequence[Change]) -> None:
        """The same as `apply` of each in turn, by columns where they are many and each is of another row."""
        rows = np.array([change.row for change in changes], np.int32)
        if len(rows) < _FEW or len(np.unique(rows)) < len(rows):
            for change in changes:
                self.apply(change)
            return
        self.reserve(int(rows.max()) + 1)
        at = np.array([change.at for change in changes], np.int64)
        self.born[rows] = np.where(at > 0, np.minimum(self.born[rows], at), self.born[rows])
        former = self.group[rows]
        for place, (name, values) in enumerate(zip(FIELDS, zip(*map(_TOLD, changes), strict=True), strict=True)):
            given = np.array([value is not None for value in values], np.bool_)
            new = np.flatnonzero(given & (at >= self.told[place, rows]))
            self.told[place, rows[new]] = at[new]
            getattr(self, name)[rows[new]] = self._column(name, [values[index] for index in new.tolist()])
        for change in changes:
            for name in ATTRIBUTES.intersection(change.text):
                self._describe(change.row, change.at, name, change.text[name])
        self.changed[rows] = np.maximum(self.changed[rows], at)
        empty = np.array([change.stock == 0 for change in changes], np.bool_)
        self.emptied[rows[empty]] = np.maximum(self.emptied[rows[empty]], at[empty])
        self.available[rows] = self.listed[rows] & (self.stock[rows] != 0)
        self._regroup(rows, former)

    def _regroup(self, rows: Rows, former: Rows) -> None:
        """Bring the groups up to date of `rows` that were told something; `former` are their groups before."""
        for row, group in zip(rows.tolist(), former.tolist(), strict=True):
            if group not in (row, self.group[row]):
                self._leave(group, row)
        joined = rows[self.group[rows] != rows]
        if not len(joined):
            return
        before = former[self.group[rows] != rows]
        self.reserve(int(self.group[joined].max()) + 1)
        groups = self.group[joined]
        members: dict[int, list[int]] = {}
        for row, group, old in zip(joined.tolist(), groups.tolist(), before.tolist(), strict=True):
            variants = members.get(group)
            if variants is None:
                variants = members[group] = self.variants(group)
            if old != group:
                insort(variants, row)
        sizes = np.array([len(variants) for variants in members.values()], np.int64)
        of = np.repeat(np.array(list(members), np.int32), sizes)
        each = np.array([row for variants in members.values() for row in variants], np.int32)
        ends = np.cumsum(sizes) - 1
        self.first[of[ends]] = each[ends - sizes + 1]
        self.following[each[:-1]] = each[1:]
        self.following[each[ends]] = -1
        np.minimum.at(self.born, of, self.born[each])
        self.available[of[ends]] = np.logical_or.reduceat(self.available[each], ends - sizes + 1)
        order = np.lexsort((each, self.changed[each], of))
        last = order[np.flatnonzero(np.append(np.diff(of[order]) != 0, True))]
        self.face[of[last]] = each[last]
        for name in _SHOWN:
            column = getattr(self, name)
            column[of[last]] = column[each[last]]

    def _column(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """`values` of a field as its column holds them."""
        names = self.brands if name == "brand" else self.categories if name == "category" else None
        return values if names is None else [names.code(value) for value in values]

    def _describe(self, row: int, at: int, name: str, text: str) -> None:
        if name not in self.attributes:
            self.attributes[name] = Attribute(len(self.group))
        attribute = self.attributes[name]
        if at >= attribute.told[row]:
            attribute.told[row], attribute.codes[row] = at, attribute.names.code(text)

    def _leave(self, group: int, row: int) -> None:
        self._link(group, [variant for variant in self.variants(group) if variant != row])
        variants = self.variants(group)
        self.available[group] = self.available[variants].any()
        self.born[group] = self.born[variants].min(initial=NEVER)
        if not variants:
            self.face[group] = -1
            for name, nothing in _SHOWN.items():
                getattr(self, name)[group] = nothing
        elif self.face[group] == row:
            self.face[group] = max(variants, key=lambda variant: (self.changed[variant], variant))
            self._show(group)

    def _join(self, group: int, row: int, former: int) -> None:
        self.reserve(group + 1)
        if former != group:
            self._link(group, sorted([*self.variants(group), row]))
        self.born[group] = min(self.born[group], self.born[row])
        self.available[group] = self.available[row] or self.available[self.variants(group)].any()
        face = int(self.face[group])
        if face < 0 or (self.changed[row], row) >= (self.changed[face], face):
            self.face[group] = row
            self._show(group)

    def _link(self, group: int, variants: list[int]) -> None:
        self.first[group] = variants[0] if variants else -1
        self.following[variants] = [*variants[1:], -1][: len(variants)]

    def _show(self, group: int) -> None:
        face = self.face[group]
        for name in _SHOWN:
            column = getattr(self, name)
            column[group] = column[face]

    def variants(self, group: int) -> list[int]:
        """The rows of `group`, ascending; none for a row that is no group."""
        variants, variant = [], int(self.first[group])
        while variant >= 0:
            variants.append(variant)
            variant = int(self.following[variant])
        return variants

    def sold_as(self, rows: Rows) -> tuple[Rows, Rows]:
        """What may be shown for `rows`: their variants int32 [m], or themselves, and the place in `rows` of each."""
        return _sold_as(rows, self.first, self.following)

    def observe(self, events: Events) -> None:
        """Count `events`, each on its group, into the ring of days; those older than the ring are left out."""
        if not len(events):
            return
        self.reserve(int(events.row.max()) + 1)
        row = self.group[events.row]
        np.minimum.at(self.born, events.row, events.time)
        np.minimum.at(self.born, row, events.time)
        days = events.time // DAY
        self._advance(int(days.max()))
        kept = days > self.day - TREND_DAYS
        np.add.at(self.daily, (days[kept] % TREND_DAYS, row[kept]), _TREND_WEIGHTS[events.kind[kept]])

    def forget(self, events: Events) -> None:
        """Take `events` out of the ring of days again; when a row was first heard of stays."""
        row, days = self.group[events.row], events.time // DAY
        kept = (days > self.day - TREND_DAYS) & (days <= self.day)
        places = days[kept] % TREND_DAYS, row[kept]
        np.subtract.at(self.daily, places, _TREND_WEIGHTS[events.kind[kept]])
        self.daily[places] = np.maximum(self.daily[places], 0)

    def _advance(self, day: int) -> None:
        for passed in range(max(self.day + 1, day - TREND_DAYS + 1), day + 1):
            self.daily[passed % TREND_DAYS] = 0
        self.day = max(self.day, day)

    def prices(self, rows: Rows, at: int) -> Ints:
        """int64 [n] minor units that a shopper pays for `rows` at `at`; -1 unknown. A sale holds inside its window."""
        return _prices(rows, at, self.price, self.sale_price, self.sale_start, self.sale_end)


@compiled
def _prices(  # noqa: PLR0913 - a kernel takes its columns one by one
    rows: Rows, at: int, price: Ints, sale_price: Ints, sale_start: Millis, sale_end: Millis
) -> Ints:
    paid = np.empty(len(rows), np.int64)
    for place in range(len(rows)):
        row = rows[place]
        on_sale = sale_price[row] >= 0 and sale_start[row] <= at < sale_end[row]
        paid[place] = sale_price[row] if on_sale else price[row]
    return paid


@compiled
def _sold_as(rows: Rows, first: Rows, following: Rows) -> tuple[Rows, Rows]:
    size = 0
    for row in rows:
        variant = first[row]
        size += variant < 0
        while variant >= 0:
            size, variant = size + 1, following[variant]
    members, owners = np.empty(size, np.int32), np.empty(size, np.int32)
    size = 0
    for place in range(len(rows)):
        variant = first[rows[place]]
        if variant < 0:
            members[size], owners[size] = rows[place], place
            size += 1
        while variant >= 0:
            members[size], owners[size] = variant, place
            size, variant = size + 1, following[variant]
    return members, owners
