"""The one consumer of the log: rows and changes into the catalog, events into lake, shopper states and shelf.

Each projection knows how far it has come and takes up from there: catalog and lake by an offset committed to the log,
both idempotent; the shelf by its checkpoint; a shopper by its own offset. So a crash between any two loses and doubles
nothing. Knows no file formats and no clock.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from endcap.backends.db import Catalog, Recorded
from endcap.backends.kv import KV
from endcap.backends.log import Log, Record, bodies
from endcap.backends.tables import INTERACTIONS, Tables
from endcap.domain.arrays import Ints, Rows
from endcap.domain.catalog import Assignment, Change
from endcap.domain.events import Event, Events, Kind
from endcap.ingest import Ports
from endcap.ingest.checkpoint import pack_shelf, unpack_shelf
from endcap.state import NEWCOMER, Shelf, Shopper, fold

RANGE: Final = 200_000
"""Records read, and lines of the lake written, in one go."""

SHELF_KEY: Final = b"shelf"
SHOPPER_PREFIX: Final = b"shopper:"
CATALOG, LAKE = "catalog", "lake"


class _Noun(NamedTuple):
    offset: int
    noun: bodies.Noun


class _Lines(NamedTuple):
    """The lines of some events: `offset` int64 [lines] and `owner` int32 [lines], the place of each in `events`."""

    events: list[Event]
    owner: Rows
    offset: Ints
    columns: Events

    @classmethod
    def of(cls, nouns: Iterable[_Noun]) -> Self:
        placed = [(offset, noun) for offset, noun in nouns if isinstance(noun, Event)]
        events = [event for _, event in placed]
        index = np.repeat(np.arange(len(events), dtype=np.int32), [len(event.lines) for event in events])
        return cls(events, index, np.array([offset for offset, _ in placed], np.int64)[index], Events.of(events))


def project(shop: Ports, report: Callable[[int], None] | None = None) -> int:
    """Bring catalog, lake, shoppers and shelf to the end of the log and return it; `report` gets offsets on the way."""
    done = min(shop.log.committed(CATALOG), shop.log.committed(LAKE), shop.shelf.offset)
    while records := shop.log.read("events", done, RANGE):
        nouns = _nouns(records)
        _fold_catalog(shop.log, shop.catalog, nouns)
        _fold_lake(shop.log, shop.tables, nouns)
        _fold_state(shop.kv, shop.shelf, nouns)
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
    _fold_state(kv, shelf, _nouns(records))


def _nouns(records: Sequence[Record]) -> list[_Noun]:
    return [_Noun(offset, bodies.unpack(entry.kind, entry.version, entry.body)) for offset, entry in records]


def _after(nouns: list[_Noun], offset: int) -> list[_Noun]:
    return nouns if not nouns or nouns[0].offset > offset else [noun for noun in nouns if noun.offset > offset]


def _fold_catalog(log: Log, catalog: Catalog, nouns: list[_Noun]) -> None:
    fresh = _after(nouns, log.committed(CATALOG))
    if not fresh:
        return
    assignments = [noun for _, noun in fresh if isinstance(noun, Assignment)]
    changes = [Recorded(offset, noun) for offset, noun in fresh if isinstance(noun, Change)]
    if assignments:
        catalog.assign(assignments)
    if changes:
        catalog.record(changes)
    log.commit(CATALOG, fresh[-1].offset)


def _fold_lake(log: Log, tables: Tables, nouns: list[_Noun]) -> None:
    """One range of the lake from what was committed last: the lake replaces one that a crash left without a commit."""
    fresh = _after(nouns, log.committed(LAKE))
    if not fresh:
        return
    lines = _Lines.of(fresh)
    if lines.events:
        tables.write(_interactions(lines), fresh[0].offset, fresh[-1].offset)
    log.commit(LAKE, fresh[-1].offset)


def _fold_state(kv: KV, shelf: Shelf, nouns: list[_Noun]) -> None:
    _fold_shoppers(kv, _Lines.of(nouns))
    for kind, run in groupby(_after(nouns, shelf.offset), key=lambda noun: type(noun.noun)):
        among = list(run)
        if kind is Event:
            shelf.observe(_Lines.of(among).columns)
        for _, noun in among:
            if isinstance(noun, Assignment):
                shelf.reserve(noun.row + 1)
            elif isinstance(noun, Change):
                shelf.apply(noun)
        shelf.offset = among[-1].offset


def _fold_shoppers(kv: KV, lines: _Lines) -> None:
    """Each person's lines at once; no result depends on another person's, nor on the order of persons."""
    codes: dict[bytes, int] = {}
    person = np.array([codes.setdefault(event.shopper, len(codes)) for event in lines.events], np.int32)[lines.owner]
    order = np.argsort(person, kind="stable")
    borders = np.searchsorted(person[order], np.arange(len(codes) + 1))
    keys = [SHOPPER_PREFIX + shopper for shopper in codes]
    folded: dict[bytes, bytes] = {}
    for code, (key, packed) in enumerate(zip(keys, kv.get_many(keys), strict=True)):
        before = NEWCOMER if packed is None else Shopper.unpacked(packed)
        among = order[borders[code] : borders[code + 1]]
        among = among[lines.offset[among] > before.offset]
        if len(among):
            folded[key] = _fold_person(before, lines, among).packed()
    kv.set_many(folded)


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
    index, events = lines.owner, lines.events
    each = [line for event in events for line in event.lines]
    columns = {
        "offset": lines.offset,
        "line": (np.arange(len(index)) - np.searchsorted(index, index)).astype(np.int32),
        "time": lines.columns.time,
        "shopper": _repeated([event.shopper for event in events], pa.binary(16), index),
        "guest": pa.array(np.array([event.guest for event in events], np.bool_)[index]),
        "session": lines.columns.session,
        "basket": np.array([event.basket for event in events], np.int64)[index],
        "kind": lines.columns.kind,
        "row": lines.columns.row,
        "quantity": np.array([line.quantity for line in each], np.int32),
        "price": np.array([line.price for line in each], np.int64),
        "region": _repeated([event.region for event in events], pa.string(), index).dictionary_encode(),
        "placement": _repeated([event.placement for event in events], pa.string(), index).dictionary_encode(),
        "recommendation_id": _repeated([event.recommendation_id for event in events], pa.string(), index),
    }
    return pa.Table.from_pydict(columns, schema=INTERACTIONS)


def _repeated(values: Sequence[object], type_: pa.DataType, index: Rows) -> pa.Array:
    return pa.array(values, type_).take(pa.array(index))
