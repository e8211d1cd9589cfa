"""The one consumer of the log: rows and changes into the catalog, events into lake, shopper states and shelf.

Each projection knows how far it has come and takes up from there: catalog and lake by an offset committed to the log,
both idempotent; the shelf by its checkpoint; a shopper by its own offset. So a crash between any two loses and doubles
nothing. Knows no file formats and no clock.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Final, NamedTuple, Self

import numpy as np
import pyarrow as pa

from endcap.backends.db import Catalog, Recorded
from endcap.backends.kv import KV
from endcap.backends.log import Log, Record, bodies
from endcap.backends.tables import INTERACTIONS, Tables
from endcap.domain.arrays import Ints
from endcap.domain.catalog import Assignment, Change
from endcap.domain.events import Event
from endcap.domain.lines import TEXTS, Coded, Lines
from endcap.domain.people import Link
from endcap.errors import BackendUnavailable
from endcap.ingest import Ports
from endcap.ingest.checkpoint import pack_shelf, unpack_shelf
from endcap.state import NEWCOMER, Shelf, Shopper, joined
from endcap.state.crowd import Crowd, fold_crowd

RANGE: Final = 200_000
"""Records read, and lines of the lake written, in one go."""

SHELF_KEY: Final = b"shelf"
SHOPPER_PREFIX: Final = b"shopper:"
LINKED_PREFIX: Final = b"linked:"
"""Before a visitor's key: the key of the user whose state that visitor's events are folded into."""
FOLDED: Final = (SHELF_KEY, SHOPPER_PREFIX, LINKED_PREFIX)
"""The prefixes of all that is folded from the log into kv."""

CATALOG, LAKE = "catalog", "lake"


class Batch(NamedTuple):
    """Consecutive records up to the offset `last`: the lines of the events, and all else with its offset, in order."""

    last: int
    others: list[tuple[int, bodies.Noun]]
    lines: Lines

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Decode `records`."""
        events: list[Event] = []
        at: list[int] = []
        others: list[tuple[int, bodies.Noun]] = []
        for offset, entry in records:
            noun = bodies.unpack(entry.kind, entry.version, entry.body)
            if isinstance(noun, Event):
                events.append(noun)
                at.append(offset)
            else:
                others.append((offset, noun))
        return cls(records[-1].offset if records else 0, others, Lines.of(events, at))

    def others_after(self, offset: int) -> list[tuple[int, bodies.Noun]]:
        """What is no event, above `offset`."""
        return self.others[bisect_right(self.others, offset, key=itemgetter(0)) :]


def project(shop: Ports, report: Callable[[int], None] | None = None) -> int:
    """Bring catalog, lake, shoppers and shelf to the end of the log and return it; `report` gets offsets on the way.

    Where a server projects, its answers have waited for it, and nothing is left to do.
    """
    if not shop.projects:
        return shop.log.end("events")
    done = min(shop.log.committed(CATALOG), shop.log.committed(LAKE), shop.shelf.offset)
    while records := shop.log.read("events", done, RANGE):
        take_in(shop, Batch.of(records))
        done = records[-1].offset
        if report:
            report(done)
    return done


def take_in(shop: Ports, batch: Batch, *, keep: bool = True) -> None:
    """Bring catalog, lake, shoppers and shelf to the end of `batch`, which follows what they all hold already.

    Without `keep` the checkpoint is left to the caller; a crash before it folds the same records again.
    """
    if not shop.projects:
        return
    _fold_catalog(shop.log, shop.catalog, batch)
    _fold_lake(shop.log, shop.tables, batch)
    _fold_state(shop.kv, shop.shelf, batch)
    if shop.texts is not None:
        changes = [(offset, noun) for offset, noun in batch.others if isinstance(noun, Change)]
        shop.texts.apply_all(changes, batch.last)
    if keep:
        checkpoint(shop.kv, shop.shelf)


def rebuild_state(shop: Ports) -> None:
    """Forget all shoppers and the shelf, and fold them again from the log alone, into `shop.kv`."""
    shop.kv.delete_prefix(SHOPPER_PREFIX)
    shop.kv.delete_prefix(LINKED_PREFIX)
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
    _fold_state(kv, shelf, Batch.of(records))


def fold_shelf(shelf: Shelf, records: Sequence[Record]) -> None:
    """Fold `records`, in log order, into `shelf` alone."""
    batch = Batch.of(records)
    _fold_shelf(shelf, batch, batch.lines.take(~batch.lines.bot))


def lake_lines(records: Sequence[Record]) -> pa.Table:
    """The lines of the events among `records` as the lake will keep them (schema INTERACTIONS)."""
    return _interactions(Batch.of(records).lines)


def _fold_catalog(log: Log, catalog: Catalog, batch: Batch) -> None:
    done = log.committed(CATALOG)
    if done >= batch.last:
        return
    placed = batch.others_after(done)
    assignments = [noun for _, noun in placed if isinstance(noun, Assignment)]
    changes = [Recorded(offset, noun) for offset, noun in placed if isinstance(noun, Change)]
    if assignments:
        catalog.assign(assignments)
    if changes:
        catalog.record(changes)
    log.commit(CATALOG, batch.last)


def _fold_lake(log: Log, tables: Tables, batch: Batch) -> None:
    """One range of the lake from what was committed last: the lake replaces one that a crash left without a commit."""
    done = log.committed(LAKE)
    if done >= batch.last:
        return
    lines = batch.lines.after(done)
    if len(lines):
        tables.write(_interactions(lines), done + 1, batch.last)
    log.commit(LAKE, batch.last)


def _fold_state(kv: KV, shelf: Shelf, batch: Batch) -> None:
    lines = batch.lines.take(~batch.lines.bot)
    _fold_shoppers(kv, lines, [(offset, noun) for offset, noun in batch.others if isinstance(noun, Link) and noun.user])
    _fold_shelf(shelf, batch, lines)


def _fold_shelf(shelf: Shelf, batch: Batch, lines: Lines) -> None:
    lines = lines.after(shelf.offset)
    seen = 0
    offsets, changes = lines.offset.tolist(), list[Change]()
    for offset, noun in batch.others_after(shelf.offset):
        until = bisect_left(offsets, offset, seen)
        if until > seen:
            shelf.apply_all(changes)
            shelf.observe(lines.columns.take(slice(seen, until)))
            seen, changes = until, []
        if isinstance(noun, Assignment):
            shelf.reserve(noun.row + 1)
        elif isinstance(noun, Change):
            changes.append(noun)
    shelf.apply_all(changes)
    shelf.observe(lines.columns.take(slice(seen, None)))
    shelf.offset = max(shelf.offset, batch.last)


def _fold_shoppers(kv: KV, lines: Lines, links: Sequence[tuple[int, Link]]) -> None:
    """Each person's lines at once; no result depends on another person's, nor on the order of persons.

    A linked visitor's lines go to the user, and what was folded for the visitor before joins the user's state.
    """
    keys = list(dict.fromkeys([*lines.shopper.values, *(link.shopper for _, link in links)]))
    users = _users(kv, keys, links)
    people = list(dict.fromkeys(users))
    before = _shoppers(kv, people)
    person = {user: place for place, user in enumerate(people)}
    places = np.array([person[user] for user in users], np.int32)
    known = np.array([shopper.offset for shopper in before], np.int64)[places]
    since = _joins(kv, {key: code for code, key in enumerate(keys)}, links, known)
    for code, (offset, visitor) in since.items():
        before[places[code]] = joined(before[places[code]], visitor, offset)
    grown = {places[code].item(): before[places[code]] for code in since}
    crowd = Crowd(
        places[lines.shopper.codes], lines.columns, lines.offset, lines.region.codes, lines.region.values
    ).take(lines.offset > known[lines.shopper.codes])
    # Which lines are new was decided above: a user's offset already counts the link, which may be after them.
    open_ = [replace(shopper, offset=-1) if place in grown else shopper for place, shopper in enumerate(before)]
    for place, shopper in fold_crowd(open_, crowd).items():
        last = before[place].offset
        grown[place] = shopper if shopper.offset >= last else replace(shopper, offset=last)
    folded = {SHOPPER_PREFIX + people[place]: shopper.packed() for place, shopper in grown.items()}
    for _, link in links:
        folded |= {SHOPPER_PREFIX + link.shopper: b"", LINKED_PREFIX + link.shopper: link.user}
    kv.set_many(folded)
    kv.delete_many([SHOPPER_PREFIX + link.shopper for _, link in links])


def _users(kv: KV, keys: Sequence[bytes], links: Sequence[tuple[int, Link]]) -> list[bytes]:
    """Whose state the events of each of `keys` belong to: the linked user's, else the key's own."""
    linked = {link.shopper: link.user for _, link in links}
    stored = kv.get_many([LINKED_PREFIX + key for key in keys])
    return [linked.get(key) or user or key for key, user in zip(keys, stored, strict=True)]


def _joins(
    kv: KV, codes: Mapping[bytes, int], links: Sequence[tuple[int, Link]], known: Ints
) -> dict[int, tuple[int, Shopper]]:
    """By a visitor's code: the offset of a link that no state holds yet, and the visitor's state.

    `known`, the offset up to which the lines of each code are folded, becomes the visitor's own there.
    """
    joins = {}
    for offset, link in links:
        code = codes[link.shopper]
        if code not in joins and offset > known[code]:
            (visitor,) = _shoppers(kv, [link.shopper])
            known[code] = visitor.offset
            joins[code] = offset, visitor
    return joins


def _shoppers(kv: KV, keys: Sequence[bytes]) -> list[Shopper]:
    return [_shopper(packed) for packed in kv.get_many([SHOPPER_PREFIX + key for key in keys])]


def _shopper(packed: bytes | None) -> Shopper:
    try:
        return Shopper.unpacked(packed) if packed else NEWCOMER
    except ValueError as error:
        raise BackendUnavailable(
            f"shopper state cannot be read: {error}; delete state.sqlite and start again: it is rebuilt from the log"
        ) from None


def _interactions(lines: Lines) -> pa.Table:
    """`lines` as the lake keeps them."""
    columns = {
        "offset": lines.offset,
        "line": lines.number,
        "time": lines.columns.time,
        "shopper": pa.array(lines.shopper.values, pa.binary(16)).take(pa.array(lines.shopper.codes)),
        "guest": pa.array(lines.guest),
        "bot": pa.array(lines.bot),
        "session": lines.columns.session,
        "basket": lines.basket,
        "kind": lines.columns.kind,
        "row": lines.columns.row,
        "quantity": lines.quantity.astype(np.int32),
        "price": lines.price,
        "dwell": lines.columns.dwell,
        "scrolled": lines.columns.scrolled,
        **{name: _words(getattr(lines, name)) for name in TEXTS},
    }
    columns["recommendation_id"] = columns["recommendation_id"].dictionary_decode()
    return pa.Table.from_pydict(columns, schema=INTERACTIONS)


def _words(column: Coded) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(column.codes), pa.array(column.values, pa.string()))
