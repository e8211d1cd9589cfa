"""Events from files: what becomes of each row, and that nothing is doubled, lost or told of a person."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl
import pytest

from endcap.backends.log import Record, bodies
from endcap.backends.tables import Window
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import ItemKey, keyed_hash, keyed_number
from endcap.errors import InvalidFeed
from endcap.formats import files
from endcap.formats.files import open_table
from endcap.ingest import Ports, Summary
from endcap.ingest.catalog import import_catalog
from endcap.ingest.events import import_events
from endcap.ingest.loader import Digests, Loader, event_key
from endcap.ingest.mapping import CatalogMapping, EventsMapping, read_mapping
from endcap.state import Shopper

Write = Callable[[str, str], Path]
OpenShop = Callable[..., AbstractContextManager[Ports]]

MAPPING = """
kind = "events"
keep = "code IS NULL OR code != 'POST'"
[types]
qty = "number"
price = "number"
[fields]
name = "CASE WHEN qty < 0 THEN 'refund' ELSE 'purchase' END"
time = "at"
item_id = "code"
user_id = "customer"
session_id = "invoice"
transaction_id = "invoice"
quantity = "abs(qty)"
price = "price"
region = "country"
"""
HEADER = "invoice,code,customer,at,qty,price,country\n"


def imported(shop: Ports, write: Write, rows: str, now: int, mapping: str = MAPPING) -> Summary:
    path = write("events.toml", mapping)
    return import_events(shop, open_table(write("orders.csv", HEADER + rows)), read_mapping(path, EventsMapping), now)


def events(shop: Ports) -> list[Event]:
    records = shop.log.read("events", 0, 1_000_000)
    return [bodies.unpack("event", entry.version, entry.body) for _, entry in records if entry.kind == "event"]


def test_a_row_becomes_an_event_of_hashed_people(shop: Ports, written: Write, now: int) -> None:
    summary = imported(shop, written, "i1,85123A,cust-7,2011-10-01 08:26,-6,2.55,France\n", now)
    assert summary == Summary(1, fresh=1, new_items=1)
    assert events(shop) == [
        Event(
            Kind.REFUND,
            1317457560000,
            now,
            keyed_hash(shop.secret, "user", "cust-7"),
            (Line(0, 6, 255),),
            keyed_number(shop.secret, "session", "i1"),
            keyed_number(shop.secret, "basket", "i1"),
            False,
            "France",
        )
    ]
    assert shop.catalog.keys() == [ItemKey("item", "85123A")]
    assert not shop.shelf.listed[0]
    lines = shop.tables.interactions(Window()).to_pylist()
    assert [(line["row"], line["quantity"], line["price"], line["region"]) for line in lines] == [(0, 6, 255, "France")]
    (state,) = shop.kv.get_many([b"shopper:" + keyed_hash(shop.secret, "user", "cust-7")])
    assert state


def test_rows_without_customer_are_guests_of_one_session(shop: Ports, written: Write, now: int) -> None:
    rows = "i1,A,,2011-10-01,1,1,UK\ni1,B,,2011-10-01,1,1,UK\ni2,A,,2011-10-01,1,1,UK\n"
    imported(shop, written, rows, now)
    first, second, third = events(shop)
    assert first.guest
    assert first.shopper == second.shopper == keyed_hash(shop.secret, "session", "i1")
    assert third.shopper == keyed_hash(shop.secret, "session", "i2")


def test_rows_of_nobody_do_not_fit(shop: Ports, written: Write, now: int) -> None:
    summary = imported(shop, written, ",A,,2011-10-01,1,1,UK\ni1,A,,2011-10-01,1,1,UK\n", now)
    assert (summary.quarantined, summary.fresh) == (1, 1)


def test_two_equal_rows_are_two_events_and_the_same_file_adds_none(shop: Ports, written: Write, now: int) -> None:
    rows = "i1,A,c,2011-10-01,1,1,UK\n" * 3 + "i1,B,c,2011-10-01,1,1,UK\n"
    assert imported(shop, written, rows, now) == Summary(4, fresh=4, new_items=2)
    end = shop.log.end("events")
    assert imported(shop, written, rows, now + 60_000) == Summary(4, known=4)
    assert shop.log.end("events") == end


def test_a_grown_file_adds_its_new_rows_only(shop: Ports, written: Write, now: int) -> None:
    rows = "i1,A,c,2011-10-01,1,1,UK\n" * 2
    imported(shop, written, rows, now)
    more = imported(shop, written, rows + "i1,A,c,2011-10-01,1,1,UK\ni2,A,c,2011-10-02,1,1,UK\n", now)
    assert (more.known, more.fresh) == (2, 2)


def test_equal_rows_are_counted_across_batches(shop: Ports, tmp_path: Path, written: Write, now: int) -> None:
    count = 66_000
    frame = pl.DataFrame({"code": ["A", *["B"] * (count - 2), "A"], "who": "w", "at": 1_300_000_000_000})
    later = pl.when(pl.col("code") == "B").then(pl.int_range(pl.len())).otherwise(0)
    frame = frame.with_columns(at=pl.col("at") + later)
    frame.write_parquet(tmp_path / "events.parquet")
    read = read_mapping(written("m.toml", VIEWS), EventsMapping)
    assert import_events(shop, open_table(tmp_path / "events.parquet"), read, now).fresh == count
    assert import_events(shop, open_table(tmp_path / "events.parquet"), read, now).known == count


def test_an_event_id_says_which_event_it_is(shop: Ports, written: Write, now: int) -> None:
    mapping = MAPPING + 'event_id = "invoice"\n'
    imported(shop, written, "i1,A,c,2011-10-01,1,1,UK\n", now, mapping)
    again = imported(shop, written, "i1,B,d,2011-10-02,2,1,UK\n", now, mapping)
    assert (again.known, again.fresh) == (1, 0)
    assert event_key(shop.secret, "i1") in {entry.key for _, entry in shop.log.read("events", 0, 10)}


def test_misfits_are_put_away_with_row_field_value_and_reason(shop: Ports, written: Write, now: int) -> None:
    rows = (
        "i1,A,secret-1,2011-10-01,1,1,UK\n"
        "i1,POST,secret-1,2011-10-01,1,1,UK\n"
        "i1,A,secret-1,yesterday,1,1,UK\n"
        "i1,A,secret-1,2011-10-01,one,1,UK\n"
        "i1,A,secret-1\n"
        "i1,,secret-1,2011-10-01,1,1,UK\n"
        "i1,A,secret-1,2011-10-01,1.5,1,UK\n"
        "i1,A,secret-1,2011-10-01,1,-1,UK\n"
        "i1,A,secret-1,2150-01-01,1,1,UK\n"
        ",A,,2011-10-01,1,1,UK\n"
    )
    summary = imported(shop, written, rows, now)
    assert (summary.rows, summary.left_out, summary.quarantined, summary.fresh) == (10, 1, 8, 1)
    assert summary.quarantine is not None
    assert summary.quarantine.parent == shop.quarantine
    text = summary.quarantine.read_text(encoding="utf-8")
    misfits = [json.loads(line) for line in text.splitlines()]
    assert sorted((misfit["row"], misfit["field"], misfit["value"]) for misfit in misfits) == [
        (3, "time", "yesterday"),
        (4, "types.qty", "one"),
        (5, "", "(withheld)"),
        (6, "item_id", None),
        (7, "quantity", "1.5"),
        (8, "price", "-1"),
        (9, "time", "2150-01-01"),
        (10, "user_id", "(withheld)"),
    ]
    assert all(misfit["reason"] for misfit in misfits)


def test_no_file_of_the_shop_holds_the_id_of_a_person(
    tmp_path: Path, open_shop: OpenShop, written: Write, now: int
) -> None:
    rows = "inv-4711,A,cust-4711,2011-10-01,1,1,UK\ninv-4711,A,cust-4711,never,1,1,UK\ninv-4711,A,cust-4711\n"
    with open_shop(tmp_path / "shop") as shop:
        assert imported(shop, written, rows, now).quarantined == 2
    files = [path for path in (tmp_path / "shop").rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if b"4711" in path.read_bytes()]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("code", "cdoe"), "unknown column 'cdoe'; did you mean code?"),
        (('"at"', '"bought"'), "unknown column 'bought'; known are at, code, country"),
        (("abs(qty)", "abs(country)"), "abs() takes a number"),
        (("code IS NULL OR code != 'POST'", "qty + 1"), "keep is a number"),
        (("qty =", "qyt ="), "types.qyt is no column"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_is_refused(
    shop: Ports, written: Write, now: int, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(InvalidFeed, match=r"events\.toml") as error:
        imported(shop, written, "i1,A,c,2011-10-01,1,1,UK\n", now, MAPPING.replace(*change))
    assert says in str(error.value)
    assert not shop.log.end("events")


def test_a_file_of_which_no_row_fits_is_refused(shop: Ports, written: Write, now: int) -> None:
    with pytest.raises(InvalidFeed, match=r"no row of .*orders\.csv fits; 2 are in .*time 'x' of row 1 is not a time"):
        imported(shop, written, "i1,A,c,x,1,1,UK\n" * 2, now)
    assert not shop.log.end("events")


def test_another_currency_is_refused(shop: Ports, written: Write, now: int) -> None:
    with pytest.raises(InvalidFeed, match="currency is EUR, and the shop's is GBP"):
        imported(shop, written, "i1,A,c,2011-10-01,1,1,UK\n", now, 'currency = "EUR"\n' + MAPPING)


def test_nothing_but_the_keys_depends_on_the_secret(
    tmp_path: Path, open_shop: OpenShop, written: Write, now: int
) -> None:
    rows = "".join(f"i{n % 7},{n % 5},c{n % 3},2011-10-{n % 9 + 1:02},1,{n},UK\n" for n in range(60))
    told = []
    for secret in (b"a" * 32, b"b" * 32):
        with open_shop(tmp_path / secret.decode(), secret) as shop:
            imported(shop, written, rows, now)
            lines = shop.tables.interactions(Window())
            people = [line["shopper"] for line in lines.to_pylist()]
            first = [people.index(person) for person in people]
            told.append((shop.catalog.keys(), lines.drop_columns(["shopper", "session", "basket"]), first))
    assert told[0] == told[1]


VIEWS = """
kind = "events"
[fields]
name = "'view_item'"
time = "CAST(at AS time)"
item_id = "code"
visitor_id = "who"
"""
CHILD = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from conftest import NOW, opened
from endcap.formats import files
from endcap.formats.files import open_table
from endcap.ingest.catalog import import_catalog
from endcap.ingest.events import import_events
from endcap.ingest.mapping import CatalogMapping, EventsMapping, read_mapping

files.BATCH = {batch}
with opened(Path({folder!r})) as shop:
    mapping = read_mapping(Path({mapping!r}), EventsMapping)
    import_events(shop, open_table(Path({events!r})), mapping, NOW, lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize("ids", ["", 'event_id = "n"'])
def test_an_import_killed_halfway_goes_on_where_it_was(
    tmp_path: Path, open_shop: OpenShop, written: Write, now: int, ids: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, batch, file, mapping = 50_000, 1 << 14, tmp_path / "events.parquet", written("m.toml", VIEWS + ids)
    frame = pl.DataFrame({"n": pl.int_range(count, eager=True)}).select(
        "n",
        at=1_300_000_000_000 + pl.col("n") // 2 * 1_000,
        code=pl.col("n") // 14_000 * 7919 % 5_000,
        who=pl.col("n") // 10 * 31 % 900,
    )
    if not ids:
        frame = frame.with_columns(at=pl.lit(1_300_000_000_000))
    frame.write_parquet(file)
    places = {"tests": Path(__file__).parent, "folder": tmp_path / "killed", "mapping": mapping, "events": file}
    monkeypatch.setattr(files, "BATCH", batch)
    script = CHILD.format(batch=batch, **{name: str(place) for name, place in places.items()})
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        durable = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
    loaded: list[int] = []
    load = Loader.load

    def counted(self: Loader, rows: pl.DataFrame, appended: Callable[[Digests], None]) -> None:
        loaded.append(len(rows))
        load(self, rows, appended)

    monkeypatch.setattr(Loader, "load", counted)
    told: list[tuple[list[Record], list[bytes | None], object]] = []
    for folder in ("killed", "calm"):
        with open_shop(tmp_path / folder) as shop:
            loaded.clear()
            summary = import_events(shop, open_table(file), read_mapping(mapping, EventsMapping), now)
            assert summary.fresh + summary.known == summary.rows == count
            assert sum(loaded) <= count - (durable if folder == "killed" else 0) + count // 20
            people = [b"shopper:" + keyed_hash(shop.secret, "visitor", str(n)) for n in range(900)]
            state = shop.kv.get_many([*people, b"shelf"])
            told.append((shop.log.read("events", 0, 10**6), state, shop.tables.interactions(Window())))
            assert not list(shop.quarantine.glob("*"))
    assert told[0] == told[1]


def test_a_finished_import_needs_no_journal_to_add_nothing(shop: Ports, written: Write, now: int) -> None:
    rows = "i1,A,c,2011-10-01,1,1,UK\n" * 3 + "i1,A,c,x,1,1,UK\n"
    imported(shop, written, rows, now)
    assert [path.suffix for path in shop.quarantine.iterdir()] == [".jsonl"]
    assert imported(shop, written, rows, now).fresh == 0


def test_rows_of_one_event_id_are_lines_of_one_event_and_a_row_delivered_twice_counts_once(
    shop: Ports, written: Write, now: int
) -> None:
    rows = (
        "i1,A,c,2011-10-01,1,1,UK\ni1,B,c,2011-10-01,2,1,UK\ni1,A,c,2011-10-01,1,1,UK\n"
        "i2,A,c,2011-10-01,1,1,UK\ni3,A,d,2011-10-02,1,1,UK\n"
    )
    summary = imported(shop, written, rows, now, MAPPING + 'event_id = "invoice"\n')
    assert [[line.quantity for line in event.lines] for event in events(shop)] == [[1, 2], [1], [1]]
    assert (summary.fresh, summary.known) == (4, 1)
    lines = shop.tables.interactions(Window()).to_pylist()
    assert [(line["row"], line["line"]) for line in lines] == [(0, 0), (1, 1), (0, 0), (0, 0)]


def test_names_that_are_no_event_of_ours_are_left_out_and_counted(shop: Ports, written: Write, now: int) -> None:
    mapping = MAPPING.replace("'refund' ELSE 'purchase'", "'page_view' ELSE 'purchase'")
    summary = imported(shop, written, "i1,A,c,2011-10-01,-1,1,UK\n,,,x,-1,,\ni1,A,c,2011-10-01,1,1,UK\n", now, mapping)
    assert (summary.rows, summary.fresh, summary.quarantined, summary.beside) == (3, 1, 0, {"page_view": 2})


def test_a_refund_takes_its_purchase_back(shop: Ports, written: Write, now: int) -> None:
    imported(shop, written, "i1,A,c,2011-10-01,1,1,UK\ni1,A,c,2011-10-02,-1,1,UK\n", now)
    (packed,) = shop.kv.get_many([b"shopper:" + keyed_hash(shop.secret, "user", "c")])
    assert packed is not None
    assert Shopper.unpacked(packed).purchases["count"].tolist() == [0]


TOLD = """
kind = "events"
[types]
ms = "number"
[fields]
name = "name"
time = "at"
item_id = "code"
visitor_id = "who"
device = "device"
referrer = "came"
search_term = "sought"
engagement_time_msec = "ms"
"""


def test_of_circumstances_only_kinds_and_known_words_are_kept(shop: Ports, written: Write, now: int) -> None:
    feed = written("feed.csv", "id,title\nA,Two-person tent\n")
    catalog = written("catalog.toml", 'kind = "catalog"\n[fields]\nid = "id"\ntitle = "title"\n')
    import_catalog(shop, open_table(feed), read_mapping(catalog, CatalogMapping), now)
    rows = "name,at,code,who,device,came,sought,ms\n"
    rows += "view_item,2011-10-01,A,v,Mobile,https://www.google.de/search?q=ann,TENT ann@example.org,9500\n"
    rows += "leave_item,2011-10-02,A,v,fridge,,,-1\n"
    path = open_table(written("told.csv", rows))
    assert import_events(shop, path, read_mapping(written("told.toml", TOLD), EventsMapping), now).quarantined == 1
    (event,) = events(shop)
    assert (event.device, event.referrer, event.terms, event.dwell) == ("mobile", "search_engine", "tent", 9)
    (line,) = shop.tables.interactions(Window()).to_pylist()
    names = ("device", "referrer", "terms", "dwell", "scrolled")
    assert [line[name] for name in names] == ["mobile", "search_engine", "tent", 9, 0]
    for file in shop.quarantine.parent.rglob("*"):
        assert not file.is_file() or b"example.org" not in file.read_bytes()
