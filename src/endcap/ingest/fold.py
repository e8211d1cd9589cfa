"""The one consumer of the log: rows and changes into the catalog, events into lake, shopper states and shelf.

Each projection knows how far it has come and takes up from there: catalog and lake by an offset committed to the log,
both idempotent; the shelf by its checkpoint; a shopper by its own offset. So a crash between any two loses and doubles
nothing. Knows no file formats and no clock.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, cast

import numpy as np
import pyarrow as pa

from endcap.backends.db import Catalog, Recorded
from endcap.backends.kv import KV
from endcap.backends.log import Log, Record, RecordKind, bodies
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


def project(shop: Ports, report: Callable[[int], None] = lambda offset: None) -> int:
    """Bring catalog, lake, shoppers and shelf to the end of the log; its last offset. `report` gets those on the way."""
    done = min(shop.log.committed(CATALOG), shop.log.committed(LAKE), shop.shelf.offset)
    while records := shop.log.read("events", done, RANGE):
        fold_catalog(shop.log, shop.catalog, records)
        fold_lake(shop.log, shop.tables, records)
        fold_events(shop.kv, shop.shelf, records)
        checkpoint(shop.kv, shop.shelf)
        done = records[-1].offset
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


def fold_catalog(log: Log, catalog: Catalog, records: Sequence[Record]) -> None:
    """Project the rows and changes among `records`, which follow on each other, and commit."""
    fresh = _after(records, log.committed(CATALOG))
    if not fresh:
        return
    assignments = [cast("Assignment", noun) for _, noun in _nouns(fresh, "row")]
    changes = [Recorded(offset, cast("Change", noun)) for offset, noun in _nouns(fresh, "change")]
    if assignments:
        catalog.assign(assignments)
    if changes:
        catalog.record(changes)
    log.commit(CATALOG, fresh[-1].offset)


def fold_lake(log: Log, tables: Tables, records: Sequence[Record]) -> None:
    """Write the events among `records`, which follow on each other, as one range of the lake, and commit."""
    fresh = _after(records, log.committed(LAKE))
    if not fresh:
        return
    events = [(offset, cast("Event", noun)) for offset, noun in _nouns(fresh, "event")]
    if events:
        tables.write(
            interactions([offset for offset, _ in events], [event for _, event in events]),
            fresh[0].offset,
            fresh[-1].offset,
        )
    log.commit(LAKE, fresh[-1].offset)


def fold_events(kv: KV, shelf: Shelf, records: Sequence[Record]) -> None:
    """Fold `records`, in log order, into the shoppers in `kv` and into `shelf`; those folded before change nothing.

    The serving process calls this with what it has just appended, and `checkpoint` from time to time.
    """
    events = [(offset, cast("Event", noun)) for offset, noun in _nouns(records, "event")]
    if events:
        _fold_shoppers(kv, np.array([offset for offset, _ in events], np.int64), [event for _, event in events])
    _fold_shelf(shelf, _after(records, shelf.offset))


def _after(records: Sequence[Record], offset: int) -> Sequence[Record]:
    if not records or records[0].offset > offset:
        return records
    return [record for record in records if record.offset > offset]


def _nouns(records: Sequence[Record], kind: RecordKind) -> Iterator[tuple[int, bodies.Noun]]:
    for offset, entry in records:
        if entry.kind == kind:
            yield offset, bodies.unpack(kind, entry.version, entry.body)


def _fold_shelf(shelf: Shelf, records: Sequence[Record]) -> None:
    for kind, run in groupby(records, key=lambda record: record.entry.kind):
        among = list(run)
        nouns = [noun for _, noun in _nouns(among, kind)]
        if kind == "event":
            shelf.observe(Events.of(cast("list[Event]", nouns)))
        for noun in nouns:
            if isinstance(noun, Assignment):
                shelf.reserve(noun.row + 1)
            elif isinstance(noun, Change):
                shelf.apply(noun)
        shelf.offset = among[-1].offset


def _fold_shoppers(kv: KV, offsets: Ints, events: Sequence[Event]) -> None:
    """Each person's events at once, in any order of persons: no result depends on another person's."""
    codes: dict[bytes, int] = {}
    person = np.array([codes.setdefault(event.shopper, len(codes)) for event in events], np.int32)
    lines = _line_index(events)
    columns = Events.of(events)
    order = np.argsort(person[lines], kind="stable")
    borders = np.searchsorted(person[lines][order], np.arange(len(codes) + 1))
    keys = [SHOPPER_PREFIX + shopper for shopper in codes]
    folded: dict[bytes, bytes] = {}
    for code, (key, packed) in enumerate(zip(keys, kv.get_many(keys), strict=True)):
        before = NEWCOMER if packed is None else Shopper.unpacked(packed)
        among = order[borders[code] : borders[code + 1]]
        among = among[offsets[lines[among]] > before.offset]
        if len(among):
            after = _fold_person(before, columns.take(among), events, lines[among], int(offsets[lines[among]].max()))
            folded[key] = after.packed()
    kv.set_many(folded)


def _fold_person(shopper: Shopper, columns: Events, events: Sequence[Event], index: Rows, offset: int) -> Shopper:
    """`fold` in two parts where the latest lines name no region: a region counts at the time of its own line."""
    placed = [
        (events[line].time, events[line].region)
        for line in index.tolist()
        if events[line].region and events[line].kind != Kind.IMPRESSION
    ]
    latest, region = max(placed, default=(-1, ""))
    known = columns.time <= latest
    if known.all() or not known.any():
        return fold(shopper, columns, offset, region)
    return fold(fold(shopper, columns.take(known), offset, region), columns.take(~known), offset)


def _line_index(events: Sequence[Event]) -> Rows:
    """int32 [lines]: the index of the event that each line belongs to."""
    return np.repeat(np.arange(len(events), dtype=np.int32), [len(event.lines) for event in events])


def interactions(offsets: Sequence[int], events: Sequence[Event]) -> pa.Table:
    """The lines of `events`, which stand at `offsets`, as the lake keeps them."""
    index = _line_index(events)
    lines = [line for event in events for line in event.lines]
    starts = np.searchsorted(index, index)
    columns = {
        "offset": np.array(offsets, np.int64)[index],
        "line": (np.arange(len(index)) - starts).astype(np.int32),
        "time": np.array([event.time for event in events], np.int64)[index],
        "shopper": _repeated([event.shopper for event in events], pa.binary(16), index),
        "guest": pa.array(np.array([event.guest for event in events], np.bool_)[index]),
        "session": np.array([event.session for event in events], np.int64)[index],
        "basket": np.array([event.basket for event in events], np.int64)[index],
        "kind": np.array([event.kind for event in events], np.uint8)[index],
        "row": np.array([line.row for line in lines], np.int32),
        "quantity": np.array([line.quantity for line in lines], np.int32),
        "price": np.array([line.price for line in lines], np.int64),
        "region": _repeated([event.region for event in events], pa.string(), index).dictionary_encode(),
        "placement": _repeated([event.placement for event in events], pa.string(), index).dictionary_encode(),
        "recommendation_id": _repeated([event.recommendation_id for event in events], pa.string(), index),
    }
    return pa.Table.from_pydict(columns, schema=INTERACTIONS)


def _repeated(values: Sequence[object], type_: pa.DataType, index: Rows) -> pa.Array:
    return pa.array(values, type_).take(pa.array(index))
