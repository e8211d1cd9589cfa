"""The fold: every projection from the log alone, in any order of arrival, across crashes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endcap.backends.kv.memory import MemoryKV
from endcap.backends.log import Entry, Record, bodies
from endcap.backends.log.sqlite import SqliteLog
from endcap.backends.tables import Window
from endcap.domain.catalog import Assignment, Change
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, HOUR
from endcap.domain.people import Link
from endcap.errors import BackendUnavailable
from endcap.ingest import Ports
from endcap.ingest.checkpoint import FORMAT, pack_shelf, unpack_shelf
from endcap.ingest.fold import checkpoint, fold_events, lake_lines, open_shelf, project, rebuild_state
from endcap.ingest.rows import assignment_entry
from endcap.state import Shelf, Shopper

OpenShop = Callable[..., AbstractContextManager[Ports]]
START = 15_000 * DAY
PEOPLE = [bytes([n]) * 16 for n in range(1, 4)]

EVENTS = st.builds(
    Event,
    kind=st.sampled_from(Kind),
    time=st.integers(0, 90 * 24).map(lambda hours: START + hours * HOUR),
    received=st.just(START),
    shopper=st.sampled_from(PEOPLE),
    lines=st.lists(st.builds(Line, st.integers(0, 9), st.integers(1, 3), st.integers(-1, 500)), max_size=3).map(tuple),
    session=st.integers(0, 3),
    region=st.sampled_from(["", "France", "UK"]),
)


def entry(event: Event) -> Entry:
    return Entry("event", b"", event.shopper, event.time, bodies.pack(event))


def change_entry(change: Change) -> Entry:
    return Entry("change", b"", b"", change.at, bodies.pack(change))


CHANGES = [
    Change(
        0, 0, listed=True, price=500, brand="Acme", category=("Home", "Kitchen"), text={"title": "Mug", "color": "blue"}
    ),
    Change(1, 0, group=2, listed=True, price=700, stock=3),
    Change(1, START + DAY, price=650),
    Change(0, START, stock=0),
]


def filled(shop: Ports, events: list[Event]) -> None:
    """Rows, changes and events, those last in several appends."""
    keys = [ItemKey("item", "a"), ItemKey("item", "b"), ItemKey("group", "g")]
    shop.log.append("events", [assignment_entry(Assignment(row, key), 0) for row, key in enumerate(keys)])
    shop.log.append("events", [change_entry(change) for change in CHANGES[:2]])
    third = len(events) // 3
    for some in (events[:third], events[third : 2 * third]):
        shop.log.append("events", [entry(event) for event in some])
    shop.log.append("events", [change_entry(change) for change in CHANGES[2:]])
    shop.log.append("events", [entry(event) for event in events[2 * third :]])


def some_events(count: int) -> list[Event]:
    rng = np.random.default_rng(7)
    return [
        Event(
            Kind(int(rng.integers(1, 10))),
            START + int(rng.integers(0, 60 * DAY)),
            START,
            PEOPLE[int(rng.integers(0, 3))],
            tuple(Line(int(rng.integers(0, 40)), 1, 100) for _ in range(int(rng.integers(1, 3)))),
            session=int(rng.integers(0, 5)),
            region=("", "France", "UK")[int(rng.integers(0, 3))],
        )
        for _ in range(count)
    ]


def state(shop: Ports) -> list[bytes | None]:
    return shop.kv.get_many([b"shelf", *(b"shopper:" + person for person in PEOPLE)])


def people(kv: MemoryKV) -> list[bytes | None]:
    """The shoppers but for their offsets, which tell the order of arrival."""
    packed = kv.get_many([b"shopper:" + person for person in PEOPLE])
    return [None if some is None else replace(Shopper.unpacked(some), offset=0).packed() for some in packed]


def folded(events: list[Event], sizes: list[int]) -> tuple[list[bytes | None], bytes]:
    """The shoppers and the shelf after `events`, through a log, in batches of `sizes`, one by one after those."""
    with TemporaryDirectory() as folder, closing(SqliteLog(Path(folder) / "log.sqlite")) as log:
        log.append("events", [entry(event) for event in events])
        kv, shelf = MemoryKV(Path(folder) / "state.sqlite", lambda: 0), Shelf()
        for size in [*sizes, *[1] * len(events)]:
            fold_events(kv, shelf, log.read("events", shelf.offset, size))
        checkpoint(kv, shelf)
        return people(MemoryKV(Path(folder) / "state.sqlite", lambda: 0)), pack_shelf(shelf)


@settings(max_examples=30)
@given(
    st.lists(EVENTS, max_size=25),
    st.lists(st.integers(2, 25), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_order_of_arrival_and_batches_make_no_difference(events: list[Event], sizes: list[int], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert folded(shuffled, sizes) == folded(events, [])


DEVICE, VISITOR, USER = b"d" * 16, PEOPLE[0], PEOPLE[1]


def link_entry(visitor: bytes = VISITOR, user: bytes = USER) -> Entry:
    link = Link(DEVICE, 0, visitor, user, START)
    return Entry("link", b"", link.person, link.at, bodies.pack(link))


def folded_shoppers(entries: list[Entry], sizes: list[int], saved: int | None = None) -> list[bytes | None]:
    """The shoppers after `entries`, in batches of `sizes`, then one by one.

    `saved`: the process stops after that many batches, with the shoppers of then and the shelf of the batch before.
    """
    with TemporaryDirectory() as folder, closing(SqliteLog(Path(folder) / "log.sqlite")) as log:
        log.append("events", entries)
        kv, shelf = MemoryKV(Path(folder) / "state.sqlite", lambda: 0), Shelf()
        before = pack_shelf(shelf)
        for number in count():
            records = log.read("events", shelf.offset, sizes[number] if number < len(sizes) else 1)
            fold_events(kv, shelf, records)
            if number == saved:
                kv.save()
                kv, shelf = MemoryKV(Path(folder) / "state.sqlite", lambda: 0), unpack_shelf(before)
            elif not records:
                break
            before = pack_shelf(shelf) if number + 1 != saved else before
        assert kv.get_many([b"shopper:" + VISITOR]) == [None]
        return kv.get_many([b"shopper:" + person for person in PEOPLE[1:]])


@settings(max_examples=30)
@given(
    st.lists(EVENTS, max_size=12),
    st.lists(EVENTS, max_size=12),
    st.lists(st.integers(1, 9), max_size=6),
    st.integers(0, 12),
)
def test_a_link_gives_the_visitor_s_events_to_the_user_wherever_batches_and_crashes_fall(
    before: list[Event], after: list[Event], sizes: list[int], saved: int
) -> None:
    def as_user(event: Event) -> Event:
        return replace(event, shopper=USER) if event.shopper == VISITOR else event

    linked = [*map(entry, before), link_entry(), *map(entry, after)]
    plain = [*[entry(as_user(event)) for event in before], link_entry(PEOPLE[0], PEOPLE[1])]
    plain += [entry(as_user(event)) for event in after]
    found = folded_shoppers(linked, sizes)
    assert found == folded_shoppers(plain, [])
    assert found == folded_shoppers(linked, sizes, saved)


def test_a_rebuild_with_links_equals_the_live_state_byte_for_byte(shop: Ports) -> None:
    events = some_events(90)
    filled(shop, events[:60])
    shop.log.append("events", [link_entry(), link_entry(PEOPLE[2])])
    shop.log.append("events", [entry(event) for event in events[60:]])
    for record in shop.log.read("events", 0, 1000):
        fold_events(shop.kv, shop.shelf, [record])
    checkpoint(shop.kv, shop.shelf)
    live = [*state(shop), *shop.kv.get_many([b"linked:" + person for person in PEOPLE])]
    assert [each is None for each in live] == [False, True, False, True, False, True, False]
    shop.kv.set_many({b"linked:gone": b"left over"})
    rebuild_state(shop)
    assert [*state(shop), *shop.kv.get_many([b"linked:" + person for person in PEOPLE])] == live
    assert shop.kv.get_many([b"linked:gone"]) == [None]


def test_a_region_counts_at_the_time_of_its_own_line() -> None:
    told = Event(Kind.VIEW, START, START, PEOPLE[0], (Line(3),), region="France")
    silent = replace(told, time=START + DAY, region="")
    moved = replace(told, time=START + HOUR, region="UK")
    shown = replace(told, kind=Kind.IMPRESSION, time=START + 2 * DAY, region="Spain")
    assert folded([shown, silent, told, moved], [4]) == folded([told, silent, shown, moved], [])


def test_an_early_refund_and_a_late_purchase_settle() -> None:
    bought = Event(Kind.PURCHASE, START, START, PEOPLE[0], (Line(3),))
    refund = replace(bought, kind=Kind.REFUND, time=START + DAY)
    late = replace(bought, kind=Kind.VIEW, time=START + 50 * DAY)
    assert folded([refund, late, bought], []) == folded([bought, refund, late], [2])


def test_records_folded_again_change_nothing(shop: Ports) -> None:
    filled(shop, some_events(90))
    project(shop)
    before = state(shop)
    fold_events(shop.kv, shop.shelf, shop.log.read("events", 0, 1000))
    checkpoint(shop.kv, shop.shelf)
    assert state(shop) == before


def test_a_rebuild_from_the_log_equals_the_live_state_byte_for_byte(shop: Ports) -> None:
    filled(shop, some_events(300))
    for record in shop.log.read("events", 0, 1000):
        fold_events(shop.kv, shop.shelf, [record])
    checkpoint(shop.kv, shop.shelf)
    live = state(shop)
    assert all(live)
    shop.kv.set_many({b"shopper:" + PEOPLE[0]: b"spoilt", b"shopper:gone": b"left over"})
    rebuild_state(shop)
    assert state(shop) == live
    assert shop.kv.get_many([b"shopper:gone"]) == [None]


def test_the_projections_hold_all_that_the_log_holds(shop: Ports) -> None:
    events = some_events(30)
    filled(shop, events)
    assert project(shop) == shop.log.end("events") == 37
    rows = shop.catalog.keys()
    assert [key.id for key in rows] == ["a", "b", "g"]
    assert [change for _, change in shop.catalog.changes()] == CHANGES
    lines = shop.tables.interactions(Window()).to_pylist()
    assert [(line["time"], line["row"], line["kind"], line["region"]) for line in lines] == [
        (event.time, line.row, event.kind, event.region) for event in events for line in event.lines
    ]
    assert [line["line"] for line in lines] == [n for event in events for n in range(len(event.lines))]
    assert (shop.shelf.price[1], shop.shelf.stock[0], shop.shelf.group[1], len(shop.shelf)) == (650, 0, 2, 40)


def _lake_without_commit(shop: Ports, records: list[Record]) -> None:
    shop.tables.write(lake_lines(records), records[0].offset, records[-1].offset)


def _shoppers_without_shelf(shop: Ports, records: list[Record]) -> None:
    fold_events(shop.kv, open_shelf(shop.kv), records)
    shop.kv.save()


def _all_but_the_state(shop: Ports, records: list[Record]) -> None:
    project(replace(shop, kv=MemoryKV(None, lambda: 0), shelf=Shelf()))


@pytest.mark.parametrize("crash", [_lake_without_commit, _shoppers_without_shelf, _all_but_the_state])
def test_a_crash_between_two_projections_loses_and_doubles_nothing(
    tmp_path: Path, open_shop: OpenShop, crash: Callable[[Ports, list[Record]], None]
) -> None:
    told = []
    for folder in ("calm", "crashed"):
        with open_shop(tmp_path / folder) as shop:
            filled(shop, some_events(60))
            if folder == "crashed":
                crash(shop, shop.log.read("events", 0, 1000))
        with open_shop(tmp_path / folder) as shop:
            shop.log.append("events", [entry(event) for event in some_events(20)])
            project(shop)
            told.append((state(shop), shop.tables.interactions(Window()), list(shop.catalog.changes())))
    assert told[0] == told[1]


def test_a_checkpoint_restores_every_column(shop: Ports) -> None:
    filled(shop, some_events(40))
    project(shop)
    restored = unpack_shelf(pack_shelf(shop.shelf))
    assert vars(restored).keys() == vars(shop.shelf).keys()
    for name, value in vars(shop.shelf).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(getattr(restored, name)[..., : len(restored)], value[..., : len(shop.shelf)]), name
    for name in ("offset", "day"):
        assert getattr(restored, name) == getattr(shop.shelf, name), name
    assert pack_shelf(restored) == pack_shelf(shop.shelf)
    assert restored.attributes["color"].names.values == ["", "blue"]
    assert restored.brands.code("Acme") == shop.shelf.brands.code("Acme") == 1


def test_a_checkpoint_of_an_older_format_is_folded_again_from_the_log(shop: Ports) -> None:
    filled(shop, some_events(40))
    project(shop)
    expected = pack_shelf(shop.shelf)
    shop.kv.set_many({b"shelf": msgspec.msgpack.encode({"format": 2, "offset": 40, "columns": {"price": b""}})})
    older = open_shelf(shop.kv)
    assert (older.offset, len(older)) == (0, 0)
    people_before = people(cast("MemoryKV", shop.kv))
    project(replace(shop, shelf=older))
    assert pack_shelf(older) == expected
    assert people(cast("MemoryKV", shop.kv)) == people_before


def test_a_checkpoint_of_a_later_format_is_refused(shop: Ports) -> None:
    shop.kv.set_many({b"shelf": msgspec.msgpack.encode({"format": FORMAT + 1})})
    with pytest.raises(BackendUnavailable, match=f"format {FORMAT + 1}, this release reads {FORMAT}"):
        open_shelf(shop.kv)


def test_a_damaged_checkpoint_is_refused(shop: Ports) -> None:
    shop.kv.set_many({b"shelf": pack_shelf(shop.shelf)[:-3]})
    with pytest.raises(BackendUnavailable, match="rebuild"):
        open_shelf(shop.kv)
