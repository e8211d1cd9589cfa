"""What every catalog keeps to; an adapter is one line in ADAPTERS."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endcap.backends.db import Catalog, Recorded
from endcap.backends.db.sqlalchemy_catalog import SqlCatalog
from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKey
from endcap.errors import BackendUnavailable

Open = Callable[[], Catalog]
ADAPTERS: dict[str, Callable[[Path], Catalog]] = {
    "sqlite": lambda folder: SqlCatalog(f"sqlite:///{folder / 'catalog.sqlite'}"),
}

ASSIGNMENTS = [Assignment(row, ItemKey("item", f"id {row}")) for row in range(5)]
FULL = Change(
    3, 10, group=4, listed=True, price=1299, sale_price=999, sale_start=5, sale_end=2**62, stock=-1, brand="Ünsal",
    category=("Home", "Kitchen & Bar"), text={"title": "茶碗 'bowl'", "color": ""},
)  # fmt: skip


@pytest.fixture(params=list(ADAPTERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    catalogs: list[Catalog] = []

    def open_catalog() -> Catalog:
        catalogs.append(ADAPTERS[request.param](tmp_path))
        return catalogs[-1]

    yield open_catalog
    for catalog in catalogs:
        catalog.close()


@pytest.fixture
def catalog(opened: Open) -> Catalog:
    return opened()


def test_an_empty_catalog_has_no_rows_and_no_changes(catalog: Catalog) -> None:
    catalog.assign([])
    catalog.record([])
    assert catalog.keys() == []
    assert list(catalog.changes()) == []


def test_a_key_stands_at_the_index_of_its_row_after_reopening_too(opened: Open) -> None:
    catalog = opened()
    catalog.assign([ASSIGNMENTS[2], ASSIGNMENTS[0], ASSIGNMENTS[1]])
    catalog.close()
    assert opened().keys() == [assignment.key for assignment in ASSIGNMENTS[:3]]


def test_two_who_write_the_same_at_the_same_time_both_succeed(opened: Open) -> None:
    """A thread of an import that was broken off may still write when the next one begins."""
    start = Barrier(2, timeout=20)

    def write(catalog: Catalog) -> None:
        for first in range(0, 2_000, 100):
            start.wait()
            catalog.assign([Assignment(row, ItemKey("item", f"id {row}")) for row in range(first, first + 100)])
            catalog.record([Recorded(row + 1, FULL) for row in range(first, first + 100)])

    catalogs = opened(), opened()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, catalogs))
    assert len(catalogs[0].keys()) == len(list(catalogs[0].changes())) == 2_000


def test_assigning_again_changes_nothing(catalog: Catalog) -> None:
    catalog.assign(ASSIGNMENTS[:3])
    catalog.assign(ASSIGNMENTS)
    catalog.assign(ASSIGNMENTS[1:4])
    assert catalog.keys() == [assignment.key for assignment in ASSIGNMENTS]


def test_an_item_and_a_group_of_one_id_are_two_rows(catalog: Catalog) -> None:
    catalog.assign([Assignment(0, ItemKey("item", "7")), Assignment(1, ItemKey("group", "7"))])
    assert catalog.keys() == [("item", "7"), ("group", "7")]


@pytest.mark.parametrize(
    "conflict",
    [
        Assignment(1, ItemKey("item", "other")),
        Assignment(1, ItemKey("group", "id 1")),
        Assignment(9, ItemKey("item", "id 1")),
    ],
    ids=["a row for another id", "a row for another kind", "a key for another row"],
)
def test_a_contradiction_is_refused_and_nothing_of_the_call_is_stored(catalog: Catalog, conflict: Assignment) -> None:
    catalog.assign(ASSIGNMENTS[:2])
    with pytest.raises(BackendUnavailable, match="rebuilt from the log"):
        catalog.assign([ASSIGNMENTS[2], conflict])
    assert catalog.keys() == [assignment.key for assignment in ASSIGNMENTS[:2]]


def test_a_row_missing_between_is_an_error(catalog: Catalog) -> None:
    catalog.assign([ASSIGNMENTS[0], ASSIGNMENTS[2]])
    with pytest.raises(BackendUnavailable, match="lacks row 1"):
        catalog.keys()


def test_a_change_comes_back_equal_after_reopening(opened: Open) -> None:
    catalog = opened()
    catalog.record([Recorded(2**40, FULL), Recorded(7, Change(0, 0))])
    catalog.close()
    assert list(opened().changes()) == [Recorded(7, Change(0, 0)), Recorded(2**40, FULL)]


def test_recording_an_offset_again_changes_nothing(catalog: Catalog) -> None:
    catalog.record([Recorded(1, FULL), Recorded(3, Change(1, 1))])
    catalog.record([Recorded(1, Change(9, 9)), Recorded(2, Change(2, 2)), Recorded(3, Change(9, 9))])
    assert list(catalog.changes()) == [Recorded(1, FULL), Recorded(2, Change(2, 2)), Recorded(3, Change(1, 1))]


def test_changes_before_an_instant_leave_out_those_at_it(catalog: Catalog) -> None:
    catalog.record([Recorded(1, Change(0, 30)), Recorded(2, Change(0, 10)), Recorded(3, Change(0, 20))])
    assert [recorded.offset for recorded in catalog.changes(30)] == [2, 3]
    assert [recorded.offset for recorded in catalog.changes(10)] == []
    assert [recorded.offset for recorded in catalog.changes()] == [1, 2, 3]


def test_many_changes_stream_whole_while_more_are_recorded(catalog: Catalog) -> None:
    catalog.record([Recorded(offset, Change(0, offset % 7)) for offset in range(1, 25_001)])
    found: list[int] = []
    for recorded in catalog.changes(before=5):
        if len(found) % 5_000 == 0:
            catalog.record([Recorded(30_000 + len(found), Change(1, 0))])
        found.append(recorded.offset)
    assert found == [offset for offset in range(1, 25_001) if offset % 7 < 5]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.dictionaries(st.integers(1, 40), st.integers(0, 9), max_size=8), max_size=6))
def test_any_batches_give_the_first_change_of_each_offset(opened: Open, batches: list[dict[int, int]]) -> None:
    catalog = opened()
    stored = {recorded.offset: recorded.change.at for recorded in catalog.changes()}
    for batch in batches:
        catalog.record([Recorded(offset, Change(0, at)) for offset, at in batch.items()])
        stored = batch | stored
    assert [(recorded.offset, recorded.change.at) for recorded in catalog.changes()] == sorted(stored.items())
    catalog.close()
