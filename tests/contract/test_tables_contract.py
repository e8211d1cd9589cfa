"""What every lake keeps to; an adapter is one line in ADAPTERS."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endcap.backends.tables import INTERACTIONS, Tables, Window
from endcap.backends.tables.duckdb_lake import DuckLake
from endcap.domain.instants import DAY

ADAPTERS: dict[str, Callable[[Path], Tables]] = {
    "duckdb": lambda folder: DuckLake(folder / "lake"),
}


@pytest.fixture(params=list(ADAPTERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Tables]:
    return lambda name="one": ADAPTERS[request.param](tmp_path / name)


@pytest.fixture
def lake(opened: Callable[..., Tables]) -> Tables:
    return opened()


def lines(offsets: list[int], times: list[int]) -> pa.Table:
    """One line per offset, two for every third; all other columns follow from the offset."""
    rows = [
        {
            "offset": offset, "line": line, "time": time, "shopper": b"%016d" % offset, "guest": offset % 2 == 0,
            "bot": offset % 3 == 0, "session": -offset, "basket": 2**62 + offset, "kind": offset % 9 + 1,
            "row": offset * 3, "quantity": line + 1, "price": -1, "region": ["", "DE", "ÅX"][offset % 3],
            "placement": "home", "recommendation_id": f"r{offset}", "device": "mobile", "referrer": "other",
            "terms": "red tent", "dwell": offset % 7, "scrolled": offset % 3,
        }
        for offset, time in zip(offsets, times, strict=True)
        for line in range(1 + (offset % 3 == 0))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=INTERACTIONS)


def test_an_empty_lake_gives_an_empty_table_of_the_schema(lake: Tables) -> None:
    assert lake.interactions(Window()).schema.equals(INTERACTIONS, check_metadata=True)
    assert lake.interactions(Window()).num_rows == 0


def test_lines_come_back_as_they_were_written_with_their_types(opened: Callable[..., Tables]) -> None:
    written = lines([1, 2, 3, 4], [0, 5 * DAY, DAY - 1, 3 * DAY])
    opened().write(written, 1, 4)
    found = opened().interactions(Window())
    assert found.schema.equals(INTERACTIONS, check_metadata=True)
    assert found.to_pylist() == written.to_pylist()


def test_lines_come_by_offset_and_line_over_all_days_and_ranges(lake: Tables) -> None:
    lake.write(lines([12, 9, 10], [0, 3 * DAY, 0]), 9, 12)
    lake.write(lines([3, 1], [2 * DAY, 0]), 1, 3)
    found = lake.interactions(Window())
    assert list(zip(found["offset"].to_pylist(), found["line"].to_pylist(), strict=True)) == [
        (1, 0), (3, 0), (3, 1), (9, 0), (9, 1), (10, 0), (12, 0), (12, 1),
    ]  # fmt: skip


def test_the_same_range_again_changes_nothing(opened: Callable[..., Tables]) -> None:
    written = lines([1, 2, 5], [0, 2 * DAY, 0])
    lake = opened()
    lake.write(written, 1, 5)
    lake.write(written, 1, 5)
    opened().write(written, 1, 5)
    assert lake.interactions(Window()).to_pylist() == written.to_pylist()


def test_a_range_read_in_other_steps_after_a_crash_doubles_nothing(opened: Callable[..., Tables]) -> None:
    """The consumer wrote 1..3 and 4..5, stopped before its commit, and reads again: 1..4 now, then 5..6."""
    times = [0, DAY, 2 * DAY, 0, DAY, 5 * DAY]
    written = lines([1, 2, 3, 4, 5, 6], times)
    first = opened()
    first.write(lines([1, 2, 3], times[:3]), 1, 3)
    first.write(lines([4, 5], times[3:5]), 4, 5)
    again = opened()
    again.write(lines([1, 2, 3, 4], times[:4]), 1, 4)
    again.write(lines([5, 6], times[4:]), 5, 6)
    assert again.interactions(Window()).to_pylist() == written.to_pylist()


def test_a_range_without_lines_is_written_as_nothing(lake: Tables) -> None:
    lake.write(INTERACTIONS.empty_table(), 1, 100)
    assert lake.interactions(Window()).num_rows == 0


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(), [1, 2, 3, 4, 5]),
        (Window(DAY), [3, 4, 5]),
        (Window(None, DAY), [1, 2]),
        (Window(DAY - 1, DAY + 1), [2, 3]),
        (Window(DAY + 1, 2 * DAY), [4]),
        (Window(DAY, 2 * DAY - 1), [3]),
        (Window(2 * DAY, 2 * DAY), []),
        (Window(100 * DAY), []),
    ],
)
def test_a_window_holds_its_start_and_not_its_end(lake: Tables, window: Window, expected: list[int]) -> None:
    lake.write(lines([1, 2, 3, 4, 5], [-DAY, DAY - 1, DAY, 2 * DAY - 1, 2 * DAY]), 1, 5)
    assert sorted(set(lake.interactions(window)["offset"].to_pylist())) == expected


def test_people_are_forgotten_up_to_an_offset_and_others_stay(opened: Callable[..., Tables]) -> None:
    lake = opened()
    lake.write(lines([1, 2, 3], [0, DAY, DAY]), 1, 3)
    lake.write(lines([4, 5], [0, 0]), 4, 5)
    gone = [b"%016d" % offset for offset in (2, 3, 5)]
    assert lake.forget(gone, 4) == 3
    assert lake.forget(gone, 4) == 0
    assert lake.interactions(Window())["offset"].to_pylist() == [1, 4, 5]
    assert opened().interactions(Window(DAY)).schema.equals(INTERACTIONS, check_metadata=True)
    lake.write(lines([6], [0]), 6, 6)
    assert opened().interactions(Window())["offset"].to_pylist() == [1, 4, 5, 6, 6]


def test_whoever_reads_while_people_are_forgotten_finds_them_whole_or_gone(opened: Callable[..., Tables]) -> None:
    lake = opened()
    for start in range(1, 200, 20):
        lake.write(lines(list(range(start, start + 20)), [0] * 20), start, start + 19)
    whole = len(lake.interactions(Window()))
    with ThreadPoolExecutor(1) as pool:
        reads = pool.submit(lambda: [len(opened().interactions(Window())) for _ in range(12)])
        for offset in range(1, 200, 13):
            assert lake.forget([b"%016d" % offset], 200) == 1 + (offset % 3 == 0)
        counts = reads.result()
    assert counts == sorted(counts, reverse=True)
    assert whole >= counts[0] >= counts[-1] >= len(lake.interactions(Window()))


def test_lines_of_another_schema_or_range_are_refused(lake: Tables) -> None:
    written = lines([1, 2], [0, 0])
    with pytest.raises(ValueError, match="expected INTERACTIONS"):
        lake.write(written.drop_columns(["price"]), 1, 2)
    with pytest.raises(ValueError, match="records 1 to 2 were given as 2 to 3"):
        lake.write(written, 2, 3)
    assert lake.interactions(Window()).num_rows == 0


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.integers(-3, 3), min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11)), data=st.data())
def test_however_the_log_is_cut_into_ranges_the_lines_are_the_same(
    opened: Callable[..., Tables], days: list[int], cuts: set[int], data: st.DataObject
) -> None:
    offsets = np.arange(1, len(days) + 1).tolist()
    borders = sorted({0, len(days), *(cut for cut in cuts if cut < len(days))})
    ranges = list(pairwise(borders))
    lake = opened("any")
    for start, end in ranges + data.draw(st.lists(st.sampled_from(ranges), max_size=3)):
        lake.write(lines(offsets[start:end], [day * DAY for day in days[start:end]]), start + 1, end)
    expected = lines(offsets, [day * DAY for day in days]).to_pylist()
    assert [line for line in lake.interactions(Window()).to_pylist() if line["offset"] <= len(days)][
        : len(expected)
    ] == expected
