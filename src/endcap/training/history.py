"""History as training sees it: columns by shopper and time, in an order that depends on content alone.

Neither the shop's key nor log offsets decide any order, so two shops with the same events learn the same bytes, and
a shop without a person learns what it would have learned had that person never come.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Millis, Rows
from endcap.domain.bots import left_by_bots
from endcap.domain.circumstances import DEVICES, REFERRERS
from endcap.domain.events import Events, Kind
from endcap.domain.instants import SESSION_IDLE

WEIGHTS: Final = np.zeros(16, np.float32)
WEIGHTS[[Kind.VIEW, Kind.CLICK, Kind.WISH, Kind.CART, Kind.CHECKOUT, Kind.PURCHASE]] = 1, 1, 1, 1, 1, 1
"""What a line counts for popularity and neighbours; impressions, removals and refunds count nothing."""

_NO_LINKS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
_OF_LINES: Final = (
    "time", "kind", "row", "group", "quantity", "price", "basket", "given_session", "offset", "region",
    "device", "referrer", "terms", "dwell", "scrolled", "shopper", "session",
)  # fmt: skip
_CONTENT: Final = ("time", "kind", "row", "quantity", "price", "region")


@dataclass(frozen=True, slots=True)
class History:
    """Lines of events as columns [n], sorted by shopper, time and content.

    `shopper` int32 indexes `keys` (hashed keys) and `guest`; shoppers are numbered by their first event, then by a
    digest of what they did. `group` int32 is the row's group. `session` int32 numbers sessions upwards. `basket` int64
    and `offset` are as in the lake. `region` int32 indexes `regions`, `terms` int32 `searches`; `device` and `referrer`
    are counted from 1 in DEVICES and REFERRERS, 0 untold. `dwell` and `scrolled` are as in `Event`.
    """

    time: Millis
    kind: NDArray[np.uint8]
    row: Rows
    group: Rows
    quantity: Rows
    price: Ints
    basket: Ints
    given_session: Ints
    offset: Ints
    region: Rows
    device: NDArray[np.uint8]
    referrer: NDArray[np.uint8]
    terms: Rows
    dwell: NDArray[np.uint16]
    scrolled: NDArray[np.uint8]
    shopper: Rows
    session: Rows
    starts: Ints
    keys: tuple[bytes, ...]
    guest: Bools
    regions: tuple[str, ...]
    searches: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.time)

    def lines(self, shopper: int) -> slice:
        """The lines of one shopper."""
        return slice(int(self.starts[shopper]), int(self.starts[shopper + 1]))

    def events(self, index: slice | Ints) -> Events:
        """The lines of `index` as `state.fold` takes them."""
        return Events(
            self.time[index], self.row[index], self.kind[index], self.given_session[index],
            self.dwell[index], self.scrolled[index],
        )  # fmt: skip

    def where(self, kept: Bools) -> "History":
        """The lines `kept` bool [n] alone; people and sessions keep their numbers."""
        columns = {name: getattr(self, name)[kept] for name in _OF_LINES}
        return replace(self, **columns, starts=np.r_[0, np.cumsum(kept)][self.starts].astype(np.int64))

    @property
    def weight(self) -> NDArray[np.float32]:
        """float32 [n] of `WEIGHTS`."""
        return WEIGHTS[self.kind]


def read_history(
    interactions: pa.Table,
    group: Rows,
    before: int | None = None,
    users: Mapping[bytes, bytes] = _NO_LINKS,
    as_filed: bool = False,
) -> History:
    """The lines of `interactions` (INTERACTIONS) before `before` that no bot left; `group` int32 [rows] maps rows.

    `users` maps the keys of visitors to those of the users who they are. With `as_filed` nobody is a bot, people are in
    the order of their keys, and lines with two session numbers are two sessions, however soon the second begins.
    """
    table = interactions.filter(pa.compute.invert(interactions["bot"]))
    if before is not None:
        table = table.filter(pa.compute.less(table["time"], before))
    encoded = pa.chunked_array([table["shopper"].combine_chunks()]).dictionary_encode().combine_chunks()
    regions, region = _coded(table["region"])
    searches, terms = _coded(table["terms"])
    plain = (*_CONTENT[:-1], "basket", "session", "offset", "guest", "dwell", "scrolled")
    columns = {name: _column(table, name) for name in plain}
    columns |= {"region": region, "terms": terms}
    columns |= {name: _among(known, table[name]) for name, known in (("device", DEVICES), ("referrer", REFERRERS))}
    keys, person = _people(encoded.dictionary.to_pylist(), users)
    columns["shopper"] = person[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)]
    order = np.lexsort(tuple(columns[name] for name in reversed(("shopper", *_CONTENT))))
    columns = {name: column[order] for name, column in columns.items()}
    if not as_filed:
        people = ~_bots(columns)
        columns = {name: column[people] for name, column in columns.items()}
    starts = np.searchsorted(columns["shopper"], np.arange(len(keys) + 1))
    numbered = np.argsort(np.array(keys, "S16")) if as_filed else _by_content(columns, starts)
    history = _ordered(columns, starts, numbered, (keys, regions, searches), group)
    return replace(history, session=_sessions(history.shopper, history.time, history.given_session, as_filed))


def _bots(columns: Mapping[str, NDArray[Any]]) -> Bools:
    shopper, time = columns["shopper"], columns["time"]
    session = _sessions(shopper, time, columns["session"])
    return left_by_bots(shopper, session, time, columns["kind"], columns["row"], columns["offset"])


def _people(keys: list[bytes], users: Mapping[bytes, bytes]) -> tuple[list[bytes], Rows]:
    """The distinct people behind `keys`, and int32 [keys] which of them each is."""
    numbers: dict[bytes, int] = {}
    person = [numbers.setdefault(users.get(key, key), len(numbers)) for key in keys]
    return list(numbers), np.array(person, np.int32)


def _by_content(columns: Mapping[str, NDArray[Any]], starts: Ints) -> Ints:
    """The people in the order of their first event, then of a digest of what they did."""
    content = np.ascontiguousarray(np.stack([columns[name].astype(np.int64) for name in _CONTENT], axis=1))
    firsts = columns["time"][starts[:-1]]
    digests = [hashlib.blake2b(content[a:b].tobytes(), digest_size=8).digest() for a, b in pairwise(starts)]
    return np.lexsort((np.array(digests, "S8") if digests else np.empty(0, "S8"), firsts))


def _ordered(
    columns: dict[str, NDArray[Any]],
    starts: Ints,
    numbered: Ints,
    names: tuple[list[bytes], tuple[str, ...], tuple[str, ...]],
    group: Rows,
) -> History:
    keys, regions, searches = names
    lengths = np.diff(starts)[numbered]
    index = np.repeat(starts[:-1][numbered] - np.r_[0, np.cumsum(lengths)[:-1]], lengths) + np.arange(lengths.sum())
    columns = {name: column[index] for name, column in columns.items()}
    shopper = np.repeat(np.arange(len(keys), dtype=np.int32), lengths)
    row = columns["row"].astype(np.int32)
    return History(
        time=columns["time"],
        kind=columns["kind"],
        row=row,
        group=group[row],
        quantity=columns["quantity"],
        price=columns["price"],
        basket=columns["basket"],
        given_session=columns["session"],
        offset=columns["offset"],
        **{name: columns[name] for name in ("region", "device", "referrer", "terms", "dwell", "scrolled")},
        shopper=shopper,
        session=np.zeros(len(shopper), np.int32),
        starts=np.r_[0, np.cumsum(lengths)].astype(np.int64),
        keys=tuple(keys[number] for number in numbered),
        guest=columns["guest"][np.r_[0, np.cumsum(lengths)[:-1]]] if len(keys) else np.empty(0, np.bool_),
        regions=regions,
        searches=searches,
    )


def _sessions(shopper: Rows, time: Millis, given: Ints, as_filed: bool = False) -> Rows:
    """Sessions end with the shopper, or after 30 minutes idle unless both sides carry the same session number."""
    sessions = np.zeros(len(time), np.int32)
    both = (given[1:] != 0) & (given[:-1] != 0)
    same = both & (given[1:] == given[:-1])
    ends = (shopper[1:] != shopper[:-1]) | ((np.diff(time) > SESSION_IDLE) & ~same) | (both & ~same & as_filed)
    np.cumsum(ends, out=sessions[1:])
    return sessions


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table[name].combine_chunks().to_numpy(zero_copy_only=False))


def _among(known: tuple[str, ...], column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """The place of each text in `known`, from 1, 0 for others."""
    names, codes = _coded(column)
    places = np.array([known.index(name) + 1 if name in known else 0 for name in names] or [0], np.uint8)
    return places[codes]


def _coded(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Rows]:
    """Distinct values in alphabetical order, and the column as indexes into them."""
    encoded = column.cast(pa.string()).combine_chunks().fill_null("").dictionary_encode()
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.empty(len(values), np.int32)
    rank[order] = np.arange(len(values), dtype=np.int32)
    codes: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    names = tuple(values[place] for place in order)
    return names, rank[codes] if names else np.zeros(len(codes), np.int32)
