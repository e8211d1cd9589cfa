"""The one consumer of the log: rows and changes into the catalog, events into lake, shopper states and shelf.

Each projection knows how far it has come and takes up from there: catalog and lake by an offset committed to the log,
both idempotent; the shelf by its checkpoint; a shopper by its own offset. So a crash between any two loses and doubles
nothing. Knows no file formats and no clock.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from endcap.backends.db import Catalog, Recorded
from endcap.backends.kv import KV
from endcap.backends.log import Log, Record, bodies
from endcap.backends.tables import INTERACTIONS, Tables
from endcap.domain.arrays import Ints, Rows
from endcap.domain.catalog import Assignment, Change
from endcap.domain.events import Event, Events, Kind
from endcap.errors import BackendUnavailable
from endcap.ingest import Ports
from endcap.ingest.checkpoint import pack_shelf, unpack_shelf
from endcap.state import NEWCOMER, Shelf, Shopper, fold

RANGE: Final = 200_000
"""Records read, and lines of the lake written, in one go."""

SHELF_KEY: Final = b"shelf"
SHOPPER_PREFIX: Final = b"shopper:"
CATALOG, LAKE = "catalog", "lake"


class _Lines(NamedTuple):
    """The lines of some events: `offset` int64 [lines], `owner` int32 [lines] the place of each in `events`."""

    events: list[Event]
    owner: Rows
    offset: Ints
    columns: Events

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """The lines that `index` selects; `events` stay as they are."""
        return self._replace(owner=self.owner[index], offset=self.offset[index], columns=self.columns.take(index))

    def after(self, offset: int) -> Self:
        """The lines of records above `offset`."""
        return self.take(slice(int(np.searchsorted(self.offset, offset, side="right")), None))

    def each(self, attribute: str, dtype: DTypeLike) -> NDArray[Any]:
        """[lines]: an attribute of the events."""
        return np.array([getattr(event, attribute) for event in self.events], dtype)[self.owner]


class _Batch(NamedTuple):
    """Consecutive records, decoded: `offsets` and `nouns` in log order, and the lines of the events among them."""

    offsets: list[int]
    nouns: list[bodies.Noun]
    lines: _Lines

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Decode `records`."""
        offsets = [record.offset for record in records]
        nouns = [bodies.unpack(entry.kind, entry.version, entry.body) for _, entry in records]
        events = [noun for noun in nouns if isinstance(noun, Event)]
        owner = np.repeat(np.arange(len(events), dtype=np.int32), [len(event.lines) for event in events])
        at = np.array(
            [offset for offset, noun in zip(offsets, nouns, strict=True) if isinstance(noun, Event)], np.int64
        )
        time = np.array([event.time for event in events], np.int64)[owner]
        kind = np.array([event.kind for event in events], np.uint8)[owner]
        session = np.array([event.session for event in events], np.int64)[owner]
        row = np.array([line.row for event in events for line in event.lines], np.int32)
        return cls(offsets, nouns, _Lines(events, owner, at[owner], Events(time, row, kind, session)))

    def first_after(self, offset: int) -> int:
        """The index of the first record above `offset`."""
        return bisect_right(self.offsets, offset)


def project(shop: Ports, report: Callable[[int], None] | None = None) -> int:
    """Bring catalog, lake, shoppers and shelf to the end of the log and return it; `report` gets offsets on the way."""
    done = min(shop.log.committed(CATALOG), shop.log.committed(LAKE), shop.shelf.offset)
    while records := shop.log.read("events", done, RANGE):
        batch = _Batch.of(records)
        _fold_catalog(shop.log, shop.catalog, batch)
        _fold_lake(shop.log, shop.tables, batch)
        _fold_state(shop.kv, shop.shelf, batch)
        checkpoint(shop.kv, shop.shelf)
        done = records[-1].offset
        if report:
            report(done)
    return done


def rebuild_state(shop: Ports) -> None:
    """Forget all shoppers and the shelf, and fold them again from the log alone, into `shop.kv`."""
    shop.kv.delete_prefix(SHOPPER_PREFIX)
    shelf = Shelf()
    while records := shop.log.read("events", shelf.offset, RANGE):
        fold_events(shop.kv, shelf, records)
    checkpoint(shop.kv, shelf)


def open_shelf(kv: KV) -> Shelf:
    """The shelf of the last checkpoint, empty at first; `fold_events` brings it from its offset to the log's end."""
    (packed,) = kv.get_many([SHELF_KEY])
    return Shelf() if packed is None else unpack_shelf(packed)


def checkpoint(kv: KV, shelf: Shelf) -> None:
    """Keep the shelf with the shoppers folded so far, atomically."""
    kv.set_many({SHELF_KEY: pack_shelf(shelf)})
    kv.save()


def fold_events(kv: KV, shelf: Shelf, records: Sequence[Record]) -> None:
    """Fold `records`, in log order, into the shoppers in `kv` and into `shelf`; those folded before change nothing.

    The serving process calls this with what it has just appended, and `checkpoint` from time to time.
    """
    _fold_state(kv, shelf, _Batch.of(records))


def lake_lines(records: Sequence[Record]) -> pa.Table:
    """The lines of the events among `records` as the lake will keep them (schema INTERACTIONS)."""
    return _interactions(_Batch.of(records).lines)


def _fold_catalog(log: Log, catalog: Catalog, batch: _Batch) -> None:
    fresh = batch.first_after(log.committed(CATALOG))
    if fresh == len(batch.offsets):
        return
    placed = list(zip(batch.offsets[fresh:], batch.nouns[fresh:], strict=True))
    assignments = [noun for _, noun in placed if isinstance(noun, Assignment)]
    changes = [Recorded(offset, noun) for offset, noun in placed if isinstance(noun, Change)]
    if assignments:
        catalog.assign(assignments)
    if changes:
        catalog.record(changes)
    log.commit(CATALOG, batch.offsets[-1])


def _fold_lake(log: Log, tables: Tables, batch: _Batch) -> None:
    """One range of the lake from what was committed last: the lake replaces one that a crash left without a commit."""
    fresh = batch.first_after(log.committed(LAKE))
    if fresh == len(batch.offsets):
        return
    lines = batch.lines.after(batch.offsets[fresh] - 1)
    if len(lines.owner):
        tables.write(_interactions(lines), batch.offsets[fresh], batch.offsets[-1])
    log.commit(LAKE, batch.offsets[-1])


def _fold_state(kv: KV, shelf: Shelf, batch: _Batch) -> None:
    _fold_shoppers(kv, batch.lines)
    fresh = batch.first_after(shelf.offset)
    lines = batch.lines.after(shelf.offset)
    for kind, run in groupby(range(fresh, len(batch.nouns)), key=lambda place: type(batch.nouns[place])):
        places = list(run)
        if kind is Event:
            borders = np.searchsorted(lines.offset, [batch.offsets[places[0]], batch.offsets[places[-1]] + 1])
            shelf.observe(lines.columns.take(slice(*borders.tolist())))
        else:
            _shelve(shelf, batch.nouns[places[0] : places[-1] + 1])
        shelf.offset = batch.offsets[places[-1]]


def _shelve(shelf: Shelf, nouns: Sequence[bodies.Noun]) -> None:
    for noun in nouns:
        if isinstance(noun, Assignment):
            shelf.reserve(noun.row + 1)
        elif isinstance(noun, Change):
            shelf.apply(noun)


def _fold_shoppers(kv: KV, lines: _Lines) -> None:
    """Each person's lines at once; no result depends on another person's, nor on the order of persons."""
    codes: dict[bytes, int] = {}
    person = np.array([codes.setdefault(event.shopper, len(codes)) for event in lines.events], np.int32)[lines.owner]
    order = np.argsort(person, kind="stable")
    borders = np.searchsorted(person[order], np.arange(len(codes) + 1))
    keys = [SHOPPER_PREFIX + shopper for shopper in codes]
    folded: dict[bytes, bytes] = {}
    for code, (key, packed) in enumerate(zip(keys, kv.get_many(keys), strict=True)):
        before = _shopper(packed)
        among = order[borders[code] : borders[code + 1]]
        among = among[lines.offset[among] > before.offset]
        if len(among):
            folded[key] = _fold_person(before, lines, among).packed()
    kv.set_many(folded)


def _shopper(packed: bytes | None) -> Shopper:
    try:
        return NEWCOMER if packed is None else Shopper.unpacked(packed)
    except ValueError as error:
        raise BackendUnavailable(
            f"shopper state cannot be read: {error}; delete state.sqlite and start again: it is rebuilt from the log"
        ) from None


def _fold_person(shopper: Shopper, lines: _Lines, among: NDArray[np.intp]) -> Shopper:
    """`fold` in two parts where the latest lines name no region: a region counts at the time of its own line."""
    columns = lines.columns.take(among)
    offset = int(lines.offset[among].max())
    events = [lines.events[index] for index in lines.owner[among].tolist()]
    placed = [(event.time, event.region) for event in events if event.region and event.kind != Kind.IMPRESSION]
    latest, region = max(placed, default=(-1, ""))
    known = columns.time <= latest
    if known.all() or not known.any():
        return fold(shopper, columns, offset, region)
    return fold(fold(shopper, columns.take(known), offset, region), columns.take(~known), offset)


def _interactions(lines: _Lines) -> pa.Table:
    """`lines` as the lake keeps them."""
    owner = lines.owner
    number = np.arange(len(owner)) - np.searchsorted(owner, owner)
    each = [lines.events[place].lines[line] for place, line in zip(owner.tolist(), number.tolist(), strict=True)]
    columns = {
        "offset": lines.offset,
        "line": number.astype(np.int32),
        "time": lines.columns.time,
        "shopper": _repeated([event.shopper for event in lines.events], pa.binary(16), owner),
        "guest": pa.array(lines.each("guest", np.bool_)),
        "session": lines.columns.session,
        "basket": lines.each("basket", np.int64),
        "kind": lines.columns.kind,
        "row": lines.columns.row,
        "quantity": np.array([line.quantity for line in each], np.int32),
        "price": np.array([line.price for line in each], np.int64),
        "region": _repeated([event.region for event in lines.events], pa.string(), owner).dictionary_encode(),
        "placement": _repeated([event.placement for event in lines.events], pa.string(), owner).dictionary_encode(),
        "recommendation_id": _repeated([event.recommendation_id for event in lines.events], pa.string(), owner),
    }
    return pa.Table.from_pydict(columns, schema=INTERACTIONS)


def _repeated(values: Sequence[object], type_: pa.DataType, index: Rows) -> pa.Array:
    return pa.array(values, type_).take(pa.array(index))
