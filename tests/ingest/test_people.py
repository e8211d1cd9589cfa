"""People in files: logins link, devices change hands, and the erased do not come back with an old file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from endcap import app
from endcap.backends.log import bodies
from endcap.cli import app as cli
from endcap.domain.ids import NOBODY, keyed_hash
from endcap.domain.people import Link, visitor_key
from endcap.errors import BackendUnavailable
from endcap.formats import event_rows
from endcap.formats.files import open_table
from endcap.formats.recognise import opened
from endcap.ingest import Ports, Summary
from endcap.ingest.builtin import events_mapping
from endcap.ingest.events import import_events
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.ingest.loader import Loader
from endcap.ingest.mapping import EventsMapping, read_mapping
from endcap.privacy import Stores, find_person, finish, open_identities, tombstone, tombstone_entry
from endcap.state import Shopper

MAPPING = """
kind = "events"
[fields]
name = "name"
time = "at"
item_id = "item"
user_id = "user"
visitor_id = "visitor"
"""
HEADER = "name,at,item,user,visitor\n"
ROWS = [
    "view_item,2023-10-01 08:00,A,,cookie",
    "purchase,2023-10-01 08:05,B,ann,cookie",
    "view_item,2023-10-01 08:10,C,,cookie",
    "view_item,2023-10-01 09:00,D,ben,cookie",
    "view_item,2023-10-01 09:05,E,,cookie",
    "view_item,2023-10-01 09:10,F,,other",
]
SIGNED = [
    "view_item,2023-10-01 08:00,A,,cookie",
    "login,2023-10-01 08:05,,ann,cookie",
    "view_item,2023-10-01 08:10,B,,cookie",
    "logout,2023-10-01 08:20,,ann,cookie",
    "view_item,2023-10-01 08:25,C,,cookie",
    "login,2023-10-01 08:30,,ben,cookie",
    "purchase,2023-10-01 08:35,D,,cookie",
    "logout,2023-10-01 08:40,,,cookie",
    "view_item,2023-10-01 08:45,E,,cookie",
]


@pytest.fixture
def read(shop: Ports, written: Callable[[str, str], Path], now: int) -> Callable[[list[str]], Summary]:
    def read_rows(rows: list[str]) -> Summary:
        mapping = read_mapping(written("events.toml", MAPPING), EventsMapping)
        return import_events(shop, open_table(written("events.csv", HEADER + "\n".join(rows) + "\n")), mapping, now)

    return read_rows


def links(shop: Ports) -> list[Link]:
    return [bodies.unpack("link", entry.version, entry.body) for _, entry in shop.log.of_kind("events", "link")]


def seen(shop: Ports, key: bytes) -> list[str]:
    """The items in a person's state."""
    (packed,) = shop.kv.get_many([SHOPPER_PREFIX + key])
    items = shop.catalog.keys()
    return [] if packed is None else sorted(items[row].id for row in Shopper.unpacked(packed).recent.row.tolist())


def test_rows_with_both_ids_link_and_a_visitor_alone_is_whoever_had_the_device_then(
    shop: Ports, read: Callable[[list[str]], Summary]
) -> None:
    assert read(ROWS) == Summary(6, fresh=6, new_items=6)
    ann, ben = keyed_hash(shop.secret, "user", "ann"), keyed_hash(shop.secret, "user", "ben")
    assert [(link.generation, link.user) for link in links(shop)] == [(0, ann), (1, ben)]
    assert [seen(shop, ann), seen(shop, ben)] == [["A", "B", "C"], ["D", "E"]]
    assert seen(shop, visitor_key(shop.secret, "cookie")) == []
    assert seen(shop, visitor_key(shop.secret, "other")) == ["F"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_same_rows_again_in_any_cut_and_order_link_and_add_nothing(
    shop: Ports, read: Callable[[list[str]], Summary], size: int
) -> None:
    for start in range(0, len(ROWS), size):
        read(ROWS[start : start + size])
    known, people = links(shop), shop.log.end("events")
    assert len(known) == 2
    assert read(ROWS[::-1]) == Summary(6, known=6)
    assert (links(shop), shop.log.end("events")) == (known, people)


def erase_ann(shop: Ports, now: int) -> None:
    people = open_identities(shop.secret, shop.log)
    person = find_person(people, shop.secret, shop.log, ("ann", ""))
    shop.log.append("events", [tombstone_entry(tombstone(people, person, now))])
    finish(Stores(shop.log, shop.kv, shop.tables.forget, ()))


def test_an_erased_person_s_rows_in_another_old_file_are_not_taken_in(
    shop: Ports, read: Callable[[list[str]], Summary], now: int
) -> None:
    read(ROWS)
    erase_ann(shop, now)
    ann = keyed_hash(shop.secret, "user", "ann")
    other = [
        "view_item,2023-10-01 08:01,A,,cookie",
        "view_item,2023-10-02 08:00,B,ann,",
        "view_item,2023-10-01 08:20,C,ann,cookie",
    ]
    assert read([*other, "view_item,2023-10-01 09:07,C,,cookie"]) == Summary(4, fresh=1, known=3)
    assert shop.log.person("events", ann) == shop.log.person("events", visitor_key(shop.secret, "cookie")) == []
    assert seen(shop, keyed_hash(shop.secret, "user", "ben")) == ["C", "D", "E"]


def test_a_device_that_an_old_file_alone_ties_to_an_erased_person_brings_nothing_of_them_back(
    tmp_path: Path, written: Callable[[str, str], Path]
) -> None:
    folder = tmp_path / "shop"
    app.initialise(folder, "EUR", "UTC")
    shop, mapping = app.open_shop(folder, {}), written("events.toml", MAPPING)

    def read(name: str, rows: list[str]) -> Summary:
        file = written(name, HEADER + "\n".join(rows) + "\n")
        return app.import_events(shop, file, mapping, lambda done, rows: None)

    read("first.csv", ["purchase,2023-09-30 08:00,A,ann,"])
    assert CliRunner().invoke(cli, ["erase", "--user", "ann", "--shop", str(folder)]).exit_code == 0
    old = [
        "view_item,2023-10-01 08:00,A,,tablet",
        "view_item,2023-10-01 08:05,B,ann,tablet",
        "view_item,2023-10-01 08:10,C,,tablet",
        "logout,2023-10-01 08:20,,,tablet",
        "view_item,2023-10-01 08:25,D,,tablet",
        "view_item,2023-10-01 08:30,E,ben,tablet",
        "view_item,2023-10-01 08:35,F,,phone",
    ]
    for fresh, known in ((3, 3), (0, 6)):
        summary = read("old.csv", old)
        assert (summary.fresh, summary.known, summary.signals, summary.quarantined) == (fresh, known, 1, 0)
    with app.importing(shop) as ports:
        ann, tablet = keyed_hash(ports.secret, "user", "ann"), visitor_key(ports.secret, "tablet")
        assert ports.log.person("events", ann) == ports.log.person("events", tablet) == []
        assert ann not in {link.user for link in links(ports)}
        assert [seen(ports, keyed_hash(ports.secret, "user", "ben")), seen(ports, tablet)] == [["D", "E"], []]
        assert seen(ports, visitor_key(ports.secret, "phone")) == ["F"]


def signed(shop: Ports) -> dict[str, list[str]]:
    """Whose state holds which items, after SIGNED."""
    ann, ben = keyed_hash(shop.secret, "user", "ann"), keyed_hash(shop.secret, "user", "ben")
    assert [(link.generation, link.user) for link in links(shop)] == [(0, ann), (1, NOBODY), (1, ben), (2, NOBODY)]
    keys = {"ann": ann, "ben": ben} | {f"#{n}": visitor_key(shop.secret, "cookie", n) for n in range(3)}
    return {name: seen(shop, key) for name, key in keys.items()}


WHOSE = {"ann": ["A", "B"], "ben": ["C", "D"], "#0": [], "#1": [], "#2": ["E"]}


@pytest.mark.parametrize("rows", [SIGNED, SIGNED[::-1]])
def test_logins_link_and_logouts_begin_a_new_person_at_their_own_times(
    shop: Ports, read: Callable[[list[str]], Summary], rows: list[str]
) -> None:
    assert read(rows) == Summary(9, fresh=5, new_items=5, signals=4)
    assert signed(shop) == WHOSE


@pytest.mark.parametrize("size", [1, 2, 4])
def test_logins_and_logouts_again_in_any_cut_and_order_change_nothing(
    shop: Ports, read: Callable[[list[str]], Summary], size: int
) -> None:
    for start in range(0, len(SIGNED), size):
        read(SIGNED[start : start + size])
    end = shop.log.end("events")
    assert signed(shop) == WHOSE
    assert read(SIGNED) == read(SIGNED[::-1]) == Summary(9, known=5, signals=4)
    assert shop.log.end("events") == end


def test_rows_of_one_second_count_in_the_order_of_the_file(shop: Ports, read: Callable[[list[str]], Summary]) -> None:
    at = "2023-10-01 08:00:00"
    read([f"login,{at},,ann,cookie", f"logout,{at},,,cookie", "view_item,2023-10-01 08:00:01,A,,cookie"])
    assert seen(shop, visitor_key(shop.secret, "cookie", 1)) == ["A"]
    read([f"logout,{at},,,tablet", f"view_item,{at},B,,tablet", "login,2023-10-01 08:00:01,,ben,tablet"])
    assert seen(shop, visitor_key(shop.secret, "tablet")) == ["B"]


def test_logins_alone_are_worth_a_file_and_those_without_both_ids_are_left_out_by_name(
    shop: Ports, read: Callable[[list[str]], Summary]
) -> None:
    at = "2023-10-01 08:05"
    rows = [
        f"login,{at},,ann,cookie",
        f"login,{at},,ann,",
        f"login,{at},,,cookie",
        f"logout,{at},,ann,",
        "login,x,,a,b",
    ]
    summary = read(rows)
    assert summary._replace(quarantine=None) == Summary(5, quarantined=1, beside={"login": 2, "logout": 1}, signals=1)
    assert [link.user for link in links(shop)] == [keyed_hash(shop.secret, "user", "ann")]
    assert shop.log.end("events") == 1


def test_a_login_that_shares_its_event_with_items_is_no_line_of_it(
    shop: Ports, written: Callable[[str, str], Path], now: int
) -> None:
    text = "id,qty,name,at,item,user,visitor\n" + "".join(
        f"{row}\n"
        for row in (
            "e0,1,view_item,2023-10-01 08:00,A,,other",
            "e1,0,login,2023-10-01 08:05,,ann,cookie",
            "e1,2,purchase,2023-10-01 08:05,B,,cookie",
            "e1,3,purchase,2023-10-01 08:05,C,,cookie",
            "e1,0,login,2023-10-01 08:05,,ann,cookie",
        )
    )
    mapping = read_mapping(written("m.toml", MAPPING + 'event = "id"\nquantity = "qty"\n'), EventsMapping)
    summary = import_events(shop, open_table(written("events.csv", text)), mapping, now)
    assert summary == Summary(5, fresh=3, new_items=3, signals=2)
    entries = [entry for _, entry in shop.log.read("events", 0, 100) if entry.kind == "event"]
    lines = [bodies.unpack("event", entry.version, entry.body).lines for entry in entries]
    assert [[line.quantity for line in each] for each in lines] == [[1], [2, 3]]
    assert seen(shop, keyed_hash(shop.secret, "user", "ann")) == ["B", "C"]


def exported(kind: str, row: str) -> dict[str, Any]:
    """`row` as one line of an export."""
    name, time, item, user, visitor = row.split(",")
    micros = 1_696_147_200_000_000 + (int(time[11:13]) * 60 + int(time[14:]) - 480) * 60_000_000
    items = [{"item_id": item}] if item else []
    ids: dict[str, Any] = {"user_id": user or None}
    if kind == "own":
        own = {"name": name, "time": time.replace(" ", "T") + ":00Z", "visitor_id": visitor, **ids}
        return own | ({"items": items} if items else {})
    if kind == "ga4":
        ids |= {"user_pseudo_id": visitor, "event_name": name, "event_timestamp": micros}
        return {**ids, "event_params": [], "items": items}
    if kind == "bodies":
        params = {"items": items} if items else {}
        return {"client_id": visitor, **ids, "timestamp_micros": micros, "events": [{"name": name, "params": params}]}
    call = {"anonymousId": visitor, "userId": user or None, "timestamp": micros // 1000}
    if name == "login":
        return {"type": "identify", "traits": {}, **call}
    event = {"view_item": "Product Viewed", "purchase": "Order Completed", "logout": "Signed Out"}[name]
    return {"type": "track", "event": event, "properties": {"products": [{"product_id": item}] if item else []}, **call}


def exports(written: Callable[[str, str], Path], kind: str, rows: list[str]) -> Path:
    return written(f"{kind}.jsonl", "".join(json.dumps(exported(kind, row)) + "\n" for row in rows))


@pytest.mark.parametrize("kind", ["own", "ga4", "bodies", "segment"])
def test_each_export_says_who_logs_in_and_out(
    shop: Ports, written: Callable[[str, str], Path], now: int, kind: str
) -> None:
    rows = [*SIGNED[1:], SIGNED[0]]
    for _ in range(2):
        name, table = opened(exports(written, kind, rows), "events")
        summary = import_events(shop, table, events_mapping(table), now)
        assert (name, summary.rows, summary.fresh + summary.known, summary.signals) == (name, 9, 5, 4)
        assert signed(shop) == WHOSE


@pytest.mark.parametrize("broken", range(1, 6))
def test_an_import_that_was_broken_off_goes_on_with_who_is_who(
    shop: Ports, written: Callable[[str, str], Path], now: int, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    monkeypatch.setattr(event_rows, "BATCH", 2)
    file = exports(written, "own", SIGNED)
    append, calls = Loader._append, list[int]()

    def breaking(self: Loader, block: Any) -> None:
        calls.append(1)
        if len(calls) == broken:
            raise BackendUnavailable("the disk is full")
        append(self, block)

    monkeypatch.setattr(Loader, "_append", breaking)
    with pytest.raises(BackendUnavailable):
        import_events(shop, (table := opened(file, "events").table), events_mapping(table), now)
    summary = import_events(shop, (table := opened(file, "events").table), events_mapping(table), now)
    assert summary == Summary(9, fresh=5, new_items=5, signals=4)
    assert signed(shop) == WHOSE


def test_a_login_of_someone_erased_since_is_counted_and_links_nobody(
    shop: Ports, read: Callable[[list[str]], Summary], now: int
) -> None:
    read(ROWS)
    erase_ann(shop, now)
    end = shop.log.end("events")
    old = [
        "login,2023-10-01 08:01,,ann,tablet",
        "login,2023-10-01 08:02,,ann,cookie",
        "view_item,2023-10-01 08:03,A,ann,",
    ]
    assert read(old) == Summary(3, known=1, signals=2)
    assert shop.log.end("events") == end
