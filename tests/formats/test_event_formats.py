"""Exports of events as they come: each format without a mapping gives the interactions that the mapped file gives."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import clickstreams
from endcap.backends.db.sqlalchemy_catalog import SqlCatalog
from endcap.backends.kv.memory import MemoryKV
from endcap.backends.log import bodies
from endcap.backends.log.sqlite import SqliteLog
from endcap.backends.tables import Window
from endcap.backends.tables.duckdb_lake import DuckLake
from endcap.domain.events import Event, Kind
from endcap.domain.ids import keyed_hash
from endcap.errors import InvalidFeed
from endcap.formats.files import open_table
from endcap.formats.recognise import opened
from endcap.ingest import Ports, Summary
from endcap.ingest.builtin import events_mapping
from endcap.ingest.events import import_events
from endcap.ingest.fold import open_shelf
from endcap.ingest.mapping import EventsMapping, read_mapping

NOW = 1_800_000_000_000
SECRET = bytes(32)


@contextmanager
def shop_in(folder: Path) -> Iterator[Ports]:
    folder.mkdir()
    log, kv = SqliteLog(folder / "log.sqlite"), MemoryKV(folder / "state.sqlite", lambda: NOW)
    catalog = SqlCatalog(f"sqlite:///{folder}/catalog.sqlite")
    lake = DuckLake(folder / "lake")
    yield Ports(log, kv, catalog, lake, open_shelf(kv), SECRET, folder / "quarantine", "EUR", "UTC")
    catalog.close()
    log.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Ports]:
    with shop_in(tmp_path / "shop") as ports:
        yield ports


@pytest.fixture(scope="module")
def first(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of the demo shop's first days."""
    path = tmp_path_factory.mktemp("first") / "events.parquet"
    pl.read_parquet(demo / "events.parquet").head(2_000).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def mapped(demo: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    with shop_in(tmp_path_factory.mktemp("mapped") / "shop") as shop:
        import_events(shop, open_table(first), read_mapping(demo / "events.toml", EventsMapping), NOW)
        return interactions(shop)


def interactions(shop: Ports) -> list[tuple[Any, ...]]:
    """All lines in the order of the log, sessions and orders by the place where they first come."""
    lines = shop.tables.interactions(Window()).to_pylist()
    sessions: dict[int, int] = {0: 0}
    keys = shop.catalog.keys()
    return [
        (
            line["time"], line["shopper"], line["kind"], keys[line["row"]].id, line["quantity"],
            line["price"], line["region"], sessions.setdefault(line["session"], len(sessions)), line["basket"],
        )
        for line in lines
    ]  # fmt: skip


def imported(shop: Ports, path: Path) -> Summary:
    name, table = opened(path, "events")
    return import_events(shop, table, events_mapping(table), NOW)._replace(format=name)


def told(shop: Ports) -> list[Event]:
    records = shop.log.read("events", 0, 10**6)
    return [bodies.unpack("event", entry.version, entry.body) for _, entry in records if entry.kind == "event"]


@pytest.mark.parametrize(
    ("write", "name", "format_"),
    [
        (clickstreams.write_export, "export.jsonl", "GA4 export to BigQuery"),
        (clickstreams.write_export, "export.parquet", "GA4 export to BigQuery"),
        (clickstreams.write_flat, "flat.csv", "GA4 export to BigQuery, a row an item"),
        (clickstreams.write_bodies, "bodies.jsonl", "GA4 Measurement Protocol"),
        (clickstreams.write_segment, "segment.jsonl", "Segment e-commerce calls"),
    ],
)
def test_each_export_of_the_demo_shop_gives_the_same_interactions(
    shop: Ports,
    tmp_path: Path,
    first: Path,
    mapped: list[tuple[Any, ...]],
    write: Callable[[Path, Path], None],
    name: str,
    format_: str,
) -> None:
    path = tmp_path / name
    write(first, path)
    summary = imported(shop, path)
    assert (summary.format, summary.quarantined, summary.fresh) == (format_, 0, len(mapped))
    assert interactions(shop) == mapped
    end = shop.log.end("events")
    assert imported(shop, path).fresh == 0
    assert shop.log.end("events") == end
    if path.suffix == ".jsonl":
        packed = path.with_name(name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert imported(shop, packed).known == summary.fresh


def ga4(name: str = "view_item", **more: Any) -> dict[str, Any]:
    params = [{"key": "ga_session_id", "value": {"int_value": 7}}, *more.pop("params", [])]
    row = {"event_name": name, "event_timestamp": "1700000000123456", "user_pseudo_id": "v1", "event_params": params}
    return {**row, "items": [{"item_id": "A"}], **more}


def written(path: Path, *values: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, values)), encoding="utf-8")
    return path


def misfits(summary: Summary) -> list[tuple[int, str]]:
    assert summary.quarantine is not None
    found = [json.loads(line) for line in summary.quarantine.read_text(encoding="utf-8").splitlines()]
    return [(misfit["row"], f"{misfit['field']} {misfit['reason']}".strip()) for misfit in found]


def test_a_list_that_was_shown_is_one_impression_with_its_items_in_order(shop: Ports, tmp_path: Path) -> None:
    listed = {"key": "item_list_id", "value": {"string_value": "home_new"}}
    shown = ga4("view_item_list", params=[listed], items=[{"item_id": item} for item in "CAB"])
    by_item = ga4("select_item", items=[{"item_id": "A", "item_list_id": "home_new"}])
    unfit = ga4("view_item_list", items=[{"item_id": "A", "item_list_id": "Our favourites!"}])
    imported(shop, written(tmp_path / "e.jsonl", shown, by_item, unfit))
    first, second, third = told(shop)
    assert (first.kind, first.placement, [line.row for line in first.lines]) == (Kind.IMPRESSION, "home_new", [0, 1, 2])
    assert [shop.catalog.keys()[row].id for row in range(3)] == ["C", "A", "B"]
    assert (second.placement, third.placement) == ("home_new", "")


def test_a_purchase_has_one_record_with_all_its_items(shop: Ports, tmp_path: Path) -> None:
    items = [{"item_id": "A", "quantity": 2, "price": 9.5}, {"item_id": "B", "price": 1}, {"item_id": "A"}]
    order = ga4("purchase", user_id="u1", ecommerce={"transaction_id": "T1"}, items=items)
    summary = imported(shop, written(tmp_path / "e.jsonl", order, order))
    both = told(shop)
    assert [[(line.row, line.quantity, line.price) for line in event.lines] for event in both] == [
        [(0, 2, 950), (1, 1, 100), (0, 1, -1)]
    ] * 2
    assert both[0].shopper == keyed_hash(SECRET, "user", "u1")
    assert (summary.rows, summary.fresh) == (6, 6)


def test_times_in_another_unit_are_read_by_their_size(shop: Ports, tmp_path: Path) -> None:
    stamps = [1_700_000_000, 1_700_000_000_123, "1700000000123456", 1_700_000_000_123_456_789]
    imported(shop, written(tmp_path / "e.jsonl", *(ga4(event_timestamp=stamp) for stamp in stamps)))
    assert [event.time for event in told(shop)] == [1_700_000_000_000, *[1_700_000_000_123] * 3]


def test_what_does_not_fit_is_put_away_with_exact_reasons(shop: Ports, tmp_path: Path) -> None:
    path = written(
        tmp_path / "e.jsonl",
        ga4(),
        ga4(event_timestamp="12"),
        ga4(event_timestamp=None),
        ga4(event_timestamp="1900000000123456"),
        ga4(event_timestamp="100000000123456"),
        ga4(items=[{"item_id": "A", "quantity": 0}, {"item_id": "B", "quantity": -1}, {"item_id": "C"}]),
        ga4(user_pseudo_id="v" * 10_000),
        ga4(user_pseudo_id="\ud800"),
        ga4(items=[]),
        ga4(items="A"),
        ga4(items=[{"item_id": "A", "price": "1e400"}]),
        ["no", "object"],
        ga4(event_timestamp="1e400"),
        ga4(event_timestamp="9" * 400),
        ga4(items=[{"item_id": "A"}] * 1_001),
    )
    with path.open("a", encoding="utf-8") as file:
        file.write('\n{"event_name": \n')
    summary = imported(shop, path)
    assert sorted(misfits(summary)) == [
        (2, "has the time 12, which is no number of microseconds since 1970"),
        (3, "time is missing"),
        (4, "time lies in the future of 2027-01-15T08:00:00.000Z"),
        (5, "time lies before 1995; a number counts milliseconds since 1970: multiply seconds by 1000"),
        (6, "quantity is not a whole number between 1 and 1,000,000; a refund has a positive quantity too"),
        (6, "quantity is not a whole number between 1 and 1,000,000; a refund has a positive quantity too"),
        (7, "visitor_id is longer than 256 characters"),
        (8, "is no JSON: JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 92)"),
        (9, "item_id is missing"),
        (10, "is not nested as this format has it"),
        (11, "price is not between 0 and 10,000,000,000,000"),
        (12, "is not nested as this format has it"),
        (13, "has the time 1e400, which is no number of microseconds since 1970"),
        (14, f"has the time {'9' * 40}, which is no number of microseconds since 1970"),
        (15, "has 1,001 items; expected at most 1,000 in one event"),
        (16, "is no JSON: Input data was truncated"),
    ]
    assert [len(event.lines) for event in told(shop)] == [1, 1]


def test_segment_calls_keep_their_ids_and_repeated_deliveries_count_once(shop: Ports, tmp_path: Path) -> None:
    at: dict[str, Any] = {"anonymousId": "a1", "timestamp": "2023-11-14T22:13:20.123Z"}
    viewed = {
        **at,
        "type": "track",
        "event": "Product Viewed",
        "messageId": "m1",
        "properties": {"sku": "S1", "price": 3},
    }
    listed = {**at, "type": "track", "event": "Product List Viewed", "messageId": "m2"}
    listed["properties"] = {"list_id": "new", "products": [{"product_id": "P1"}, {"product_id": "P2"}]}
    refunded = {**at, "type": "track", "event": "order_refunded", "messageId": "m3", "userId": "u"}
    refunded["properties"] = {"order_id": "o1", "products": [{"product_id": "P1", "quantity": 1}]}
    page = {**at, "type": "page", "messageId": "m4", "name": "Home"}
    summary = imported(shop, written(tmp_path / "s.jsonl", viewed, listed, refunded, page, viewed))
    assert [(event.kind, event.placement, len(event.lines)) for event in told(shop)] == [
        (Kind.VIEW, "", 1),
        (Kind.IMPRESSION, "new", 2),
        (Kind.REFUND, "", 1),
    ]
    assert (summary.fresh, summary.known) == (4, 1)


def test_a_robot_is_known_by_its_user_agent_and_teaches_nothing(shop: Ports, tmp_path: Path) -> None:
    call: dict[str, Any] = {"type": "track", "event": "Product Viewed", "timestamp": "2023-11-14T22:13:20Z"}
    call |= {
        "properties": {"product_id": "P1"},
        "context": {"userAgent": "Googlebot/2.1 (+http://google.com/bot.html)"},
    }
    imported(shop, written(tmp_path / "s.jsonl", {**call, "anonymousId": "bot", "messageId": "1"}))
    assert [event.bot for event in told(shop)] == [True]
    assert shop.kv.get_many([b"shopper:" + keyed_hash(SECRET, "visitor", "bot")]) == [None]
    assert not shop.shelf.daily.any()
    assert [line["bot"] for line in shop.tables.interactions(Window()).to_pylist()] == [True]


def test_events_of_our_own_api_and_tables_with_its_names_need_no_mapping(shop: Ports, tmp_path: Path) -> None:
    event = {"name": "view_item", "time": "2023-11-14T22:13:20Z", "visitor_id": "v", "items": [{"item_id": "A"}]}
    imported(shop, written(tmp_path / "own.jsonl", event))
    table = tmp_path / "own.csv"
    table.write_text("name,time,visitor_id,item_id\nview_item,2023-11-14 22:13:21,v,A\n", encoding="utf-8")
    imported(shop, table)
    assert [later.time for later in told(shop)] == [1_700_000_000_000, 1_700_000_001_000]


def test_a_naive_time_is_meant_in_the_zone_of_the_shop(shop: Ports, tmp_path: Path) -> None:
    event = {"name": "view_item", "time": "2023-11-14T22:13:20", "visitor_id": "v", "items": [{"item_id": "A"}]}
    imported(replace(shop, timezone="Europe/Berlin"), written(tmp_path / "own.jsonl", event))
    assert [later.time for later in told(shop)] == [1_700_000_000_000 - 3_600_000]


def test_another_currency_leaves_the_price_unknown(shop: Ports, tmp_path: Path) -> None:
    dollars = {"key": "currency", "value": {"string_value": "USD"}}
    priced = ga4(items=[{"item_id": "A", "price": 5}])
    imported(shop, written(tmp_path / "e.jsonl", priced, {**priced, "event_params": [dollars]}))
    assert [event.lines[0].price for event in told(shop)] == [500, -1]


def test_a_file_of_no_known_format_is_refused_with_what_it_has(shop: Ports, tmp_path: Path) -> None:
    with pytest.raises(InvalidFeed) as error:
        imported(shop, written(tmp_path / "e.jsonl", {"foo": 1, "bar": 2}))
    assert "e.jsonl is in no format that is known for events (GA4 export to BigQuery, " in str(error.value)
    assert ": it has foo, bar; say what its columns mean with --map MAP.toml" in str(error.value)


def test_events_of_our_own_with_their_keys_in_order_are_events(shop: Ports, tmp_path: Path) -> None:
    event = {"items": [{"item_id": "A"}], "name": "view_item", "time": 1_700_000_000_000, "visitor_id": "v"}
    summary = imported(shop, written(tmp_path / "own.jsonl", event, event | {"time": 1_700_000_001_000}))
    assert (summary.format, summary.fresh) == ("events of Endcap's own API", 2)
