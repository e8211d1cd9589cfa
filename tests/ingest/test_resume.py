"""An import that was broken off, wherever that was, and given again says and stores what an unbroken one does."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from endcap.backends.log.sqlite import SqliteLog
from endcap.formats import files
from endcap.formats.files import open_table
from endcap.ingest import Ports, Summary
from endcap.ingest.checkpoint import Journal
from endcap.ingest.events import FAR, STRANGE, import_events
from endcap.ingest.mapping import EventsMapping, read_mapping
from endcap.ingest.quarantine import Quarantine

OpenShop = Callable[..., AbstractContextManager[Ports]]
MAPPING = """
kind = "events"
keep = "name != 'test'"
[fields]
name = "name"
time = "CAST(at AS time)"
item_id = "item"
user_id = "user"
visitor_id = "visitor"
event_id = "id"
quantity = "quantity"
price = "price"
currency = "currency"
user_agent = "agent"
"""
COUNT = 200


class Killed(BaseException):
    """Stands for the end of the process."""


def rows() -> pl.DataFrame:
    """Events of three rows with everything between them that a file may hold, some of it at every end of a batch."""
    told: list[dict[str, Any]] = []
    for n in range(COUNT):
        event = n // 3
        row = {
            "name": "purchase",
            "at": 1_300_000_000_000 + event * 60_000,
            "item": f"i{n % 37}",
            "user": f"u{event % 9}",
        }
        row |= {"visitor": f"v{event % 5}", "id": f"e{event}" if event % 4 else None, "quantity": n % 2 + 1}
        row |= {
            "price": 5.0,
            "currency": "USD" if n % 13 == 0 else "GBP",
            "agent": "Googlebot" if event % 11 == 0 else "",
        }
        told.append(row)
        if n % 5 == 0:
            told.append(row | {"quantity": 0})
        if n % 7 == 0:
            told.append(row | {"name": "test"})
        if n % 6 == 0:
            told.append(row | {"name": "page_view"})
        if n % 8 == 0:
            told.append(row)
        if n % 10 == 0:
            told.append(row | {"name": "login", "item": None, "id": None})
        if n % 23 == 0:
            told.append(row | {"at": 1_200_000_000_000})
        if n % 17 == 0:
            told.append(told[n // 2] | {"quantity": 9})
        if n % 19 == 0:
            told.append(told[n // 2])
    return pl.DataFrame(told)


@pytest.fixture
def imported(tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[Ports], Summary]:
    monkeypatch.setattr(files, "BATCH", 40)
    rows().write_parquet(tmp_path / "events.parquet")
    (tmp_path / "events.toml").write_text(MAPPING)
    mapping = read_mapping(tmp_path / "events.toml", EventsMapping)
    return lambda shop: import_events(shop, open_table(tmp_path / "events.parquet"), mapping, now)


def told(shop: Ports, summary: Summary) -> tuple[object, ...]:
    """All that an import says and leaves."""
    assert summary.quarantine is not None
    kept = summary.quarantine.read_text(encoding="utf-8")
    assert [path.name for path in shop.quarantine.iterdir()] == [summary.quarantine.name]
    return summary._replace(quarantine=None), kept, shop.log.read("events", 0, 10**6), shop.catalog.keys()


@pytest.fixture
def unbroken(tmp_path: Path, open_shop: OpenShop, imported: Callable[[Ports], Summary]) -> Iterator[tuple[object, ...]]:
    with open_shop(tmp_path / "unbroken") as shop:
        yield told(shop, imported(shop))


def test_the_file_holds_all_that_is_counted(unbroken: tuple[Summary, ...]) -> None:
    summary = unbroken[0]
    counted = summary.fresh + summary.known + summary.left_out + summary.quarantined + summary.signals
    assert summary.rows == counted + sum(summary.beside.values())
    assert min(summary.known, summary.left_out, summary.signals, summary.bots, summary.currencies["USD"]) > 0
    assert {reason in str(unbroken[1]) for reason in (FAR, STRANGE, "is not a whole number")} == {True}


@pytest.mark.parametrize(
    ("place", "name", "times", "after"),
    [
        (Journal, "note", 1, True),
        (Journal, "note", 3, False),
        (Journal, "note", 4, True),
        (SqliteLog, "append", 1, False),
        (SqliteLog, "append", 1, True),
        (SqliteLog, "append", 6, True),
        (Quarantine, "finish", 1, True),
    ],
)
def test_an_import_broken_off_anywhere_and_given_again_says_what_an_unbroken_one_does(
    tmp_path: Path,
    open_shop: OpenShop,
    imported: Callable[[Ports], Summary],
    unbroken: tuple[object, ...],
    place: type,
    name: str,
    times: int,
    after: bool,
) -> None:
    whole, calls = getattr(place, name), list[int]()

    def breaking(self: Any, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == times and not after:
            raise Killed
        told = whole(self, *given)
        if len(calls) == times and after:
            raise Killed
        return told

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(place, name, breaking)
        with open_shop(tmp_path / "shop") as shop, pytest.raises(Killed):
            imported(shop)
    with open_shop(tmp_path / "shop") as shop:
        assert told(shop, imported(shop)) == unbroken


def test_rows_of_an_event_id_far_from_its_others_are_put_away_by_number_and_never_silently(
    shop: Ports, tmp_path: Path, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BATCH", 3)
    (tmp_path / "events.toml").write_text(MAPPING)
    mapping = read_mapping(tmp_path / "events.toml", EventsMapping)
    row = {"name": "purchase", "at": 1_300_000_000_000, "item": "a", "user": "u", "visitor": "v", "id": "e1"}
    row |= {"quantity": 1, "price": 5.0, "currency": "GBP", "agent": ""}
    other = [row | {"id": f"o{n}"} for n in range(4)]
    late = [row | {"item": "b"}, row, row | {"at": 1_300_000_000_001}]
    pl.DataFrame([row, row | {"item": "c"}, *other, *late, other[0] | {"id": "o9"}]).write_parquet(
        tmp_path / "e.parquet"
    )
    for fresh, known in ((7, 1), (0, 8)):
        summary = import_events(shop, open_table(tmp_path / "e.parquet"), mapping, now)
        assert (summary.rows, summary.fresh, summary.known, summary.quarantined) == (10, fresh, known, 2)
        assert summary.quarantine is not None
        misfits = [json.loads(line) for line in summary.quarantine.read_text(encoding="utf-8").splitlines()]
        assert misfits == [
            {"row": 7, "field": "event_id", "value": "(withheld)", "reason": FAR},
            {"row": 9, "field": "event_id", "value": "(withheld)", "reason": STRANGE},
        ]
