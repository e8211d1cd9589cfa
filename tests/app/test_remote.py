"""Imports beside a running server: through it, with its rows, folded by it, once; nothing written behind its back."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from endcap import app, ingest
from endcap.app.remote import CatalogWithTail, connected
from endcap.backends.log import Log
from endcap.backends.log.bodies import pack, unpack
from endcap.domain.catalog import Change
from endcap.domain.ids import ItemKey
from endcap.errors import BackendUnavailable, InvalidFeed
from endcap.ingest.fold import CATALOG
from endcap.serving.calls import RECORDS, RecordsAnswer, RecordsCall
from servers import Server, serving

CATALOG_MAP = """\
kind = "catalog"
[fields]
id = "sku"
title = "name"
price = "price"
stock = "stock"
item_group_id = "model"
[types]
price = "number"
stock = "number"
"""
EVENTS_MAP = """\
kind = "events"
[fields]
name = "event"
time = "at"
visitor_id = "who"
item_id = "sku"
[types]
at = "time"
"""
MANY = 6_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty items in ten groups, 400 events of twenty visitors about them and ten unknown items, and many events."""
    folder = tmp_path_factory.mktemp("files")
    items = [f"LAMP-{n},Lamp {n},{n}.50,5,MODEL-{n % 10}" for n in range(40)]
    (folder / "catalog.csv").write_text("\n".join(["sku,name,price,stock,model", *items, ""]))
    events = [
        f"{'purchase' if step == 4 else 'view_item'},2026-08-{1 + who:02}T{visit:02}:{step:02}:00Z,n{who},"
        f"LAMP-{(who * 3 + step * 2 + visit) % 50}"
        for who, visit, step in product(range(20), range(4), range(5))
    ]
    (folder / "events.csv").write_text("\n".join(["event,at,who,sku", *events, ""]))
    many = [
        f"view_item,2026-09-{1 + n % 28:02}T{n // 28 % 24:02}:{n % 60:02}:{n % 59:02}Z,m{n % 500},MANY-{n % 700}"
        for n in range(MANY)
    ]
    (folder / "many.csv").write_text("\n".join(["event,at,who,sku", *many, ""]))
    (folder / "catalog.toml").write_text(CATALOG_MAP)
    (folder / "events.toml").write_text(EVENTS_MAP)
    return folder


@pytest.fixture
def shop(plain: Path, tmp_path: Path) -> Path:
    """A copy of the tiny shop without a snapshot."""
    return Path(shutil.copytree(plain, tmp_path / "shop"))


@pytest.fixture
def server(shop: Path) -> Iterator[Server]:
    """Its server, which keeps what it folds in memory until it ends."""
    with serving(shop, wait=False, checkpoint_s=3_600) as running:
        _until(lambda: _served(shop))
        yield running


def _served(shop: Path) -> bool:
    """Whether a command would go through a server."""
    connection = connected(app.open_shop(shop, {}))
    if connection is not None:
        connection.close()
    return connection is not None


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _import(shop: Path, kind: str, file: Path) -> ingest.Summary:
    """As the command does it."""
    opened, mapping = app.open_shop(shop, {}), file.with_name("catalog.toml" if kind == "catalog" else "events.toml")
    import_file = app.import_catalog if kind == "catalog" else app.import_events
    return import_file(opened, file, mapping, lambda done, rows: None)


def _command(shop: Path, file: Path) -> "subprocess.Popen[str]":
    words = ["import", "events", str(file), "--map", str(file.with_name("events.toml")), "--shop", str(shop)]
    return subprocess.Popen(
        [sys.executable, "-m", "endcap", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _log(shop: Path) -> Log:
    return app.open_shop(shop, {}).log(readonly=True)


def _stored(shop: Path) -> list[tuple[str, bytes | ItemKey]]:
    """Kind and key of every record that has a key, rows by their item; both importers give the same for a file."""
    with closing(_log(shop)) as log:
        others = [entry for _, entry in log.read("events", 0, 100_000) if entry.key and entry.kind != "row"]
    return sorted((entry.kind, entry.key) for entry in others) + sorted(("row", key) for key in _keys(shop))


def _keys(shop: Path) -> list[ItemKey]:
    """The item of each row by the log, which must give rows one after the other."""
    with closing(_log(shop)) as log:
        records = log.read("events", 0, 100_000)
    assigned = [unpack("row", entry.version, entry.body) for _, entry in records if entry.kind == "row"]
    assert [each.row for each in assigned] == list(range(len(assigned)))
    return [each.key for each in assigned]


def test_a_catalog_and_events_are_known_to_the_next_call_and_nothing_is_doubled(
    server: Server, shop: Path, files: Path
) -> None:
    first = _import(shop, "catalog", files / "catalog.csv")
    assert (first.fresh, first.known, first.new_items) == (40, 0, 40)
    assert first.through == str(server.http.base_url)
    assert server.post_offers([{"id": "LAMP-7", "price": "9.99"}]) == {"accepted": 1, "problems": []}
    told = _import(shop, "events", files / "events.csv")
    assert (told.fresh, told.known, told.new_items) == (400, 0, 10)
    again = _import(shop, "catalog", files / "catalog.csv")
    assert (again.fresh, again.known) == (1, 39), "the offer's price differs from the file's"
    again = _import(shop, "events", files / "events.csv")
    assert (again.fresh, again.known, again.new_items) == (0, 400, 0)
    server.stop()
    with closing(app.open_floor(app.open_shop(shop, {}), readonly=True)) as floor:
        assert list(floor.rows.keys()) == _keys(shop)
        assert floor.shelf.offset == floor.ground.log.end("events")


def test_through_a_server_or_without_one_the_same_is_stored(plain: Path, files: Path, tmp_path: Path) -> None:
    alone, beside = (Path(shutil.copytree(plain, tmp_path / name)) for name in ("alone", "beside"))
    with serving(beside, wait=False):
        _until(lambda: _served(beside))
        for shop in (alone, beside):
            _import(shop, "events", files / "events.csv")
    assert _stored(alone) == _stored(beside)
    assert set(_keys(alone)) == set(_keys(beside))


def test_logins_and_logouts_of_a_file_are_known_to_the_server(plain: Path, tmp_path: Path) -> None:
    at = "2026-08-01T10:{:02}:00Z"
    rows: list[dict[str, Any]] = [
        {"name": "login", "time": at.format(1), "visitor_id": "v3", "user_id": "ann"},
        {"name": "view_item", "time": at.format(2), "visitor_id": "v3", "items": [{"item_id": "LAMP-1"}]},
        {"name": "logout", "time": at.format(3), "visitor_id": "v3"},
        {"name": "view_item", "time": at.format(4), "visitor_id": "v3", "items": [{"item_id": "LAMP-2"}]},
    ]
    file = tmp_path / "own.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    alone, beside = (Path(shutil.copytree(plain, tmp_path / name)) for name in ("alone", "beside"))
    with serving(beside, wait=False) as server:
        _until(lambda: _served(beside))
        for shop in (alone, beside, beside):
            told = app.import_events(app.open_shop(shop, {}), file, None, lambda done, rows: None)
            assert (told.signals, told.fresh + told.known) == (2, 2)
        login = {**rows[0], "time": "2026-08-01T10:02:30Z"}
        answer = server.http.post("/v1/events", json={"events": [login, {**rows[2], "time": at.format(2)}]}).json()
        assert (answer["accepted"], answer["duplicates"]) == (0, 2), "the server knows both already"
    assert _stored(alone) == _stored(beside)
    assert [kind for kind, _ in _stored(beside)].count("link") == 2


def _owned(shop: Path) -> dict[Path, bytes]:
    """The files that belong to what keeps up with the log."""
    lake = (path for path in (shop / "lake").rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in (shop / "state.sqlite", shop / "catalog.sqlite", *lake)}


def test_an_import_writes_no_file_that_the_server_owns(server: Server, shop: Path, files: Path) -> None:
    before = _owned(shop)
    _import(shop, "catalog", files / "catalog.csv")
    _import(shop, "events", files / "events.csv")
    assert _owned(shop) == before
    with closing(_log(shop)) as log, closing(CatalogWithTail(app.open_shop(shop, {}).catalog(), log, CATALOG)) as seen:
        assert seen.keys() == _keys(shop)
        assert sum(change.text.get("title", "").startswith("Lamp") for _, change in seen.changes()) == 40


def test_live_events_may_name_new_items_meanwhile(server: Server, shop: Path, files: Path) -> None:
    ended = threading.Event()
    told: list[int] = []

    def shoppers() -> None:
        with httpx2.Client(base_url=server.http.base_url, headers=server.http.headers) as http:
            while not ended.is_set():
                item = {"item_id": f"MANY-{len(told) % 900}"}
                event = {"name": "view_item", "time": app.now_ms(), "visitor_id": "live", "items": [item]}
                told.append(http.post("/v1/events", json={"events": [event]}).json()["accepted"])

    live = threading.Thread(target=shoppers)
    live.start()
    try:
        summary = _import(shop, "events", files / "many.csv")
    finally:
        ended.set()
        live.join()
    assert (summary.fresh, summary.known) == (MANY, 0)
    assert sum(told) == len(told) > 0
    assert {key.id for key in _keys(shop)} >= {f"MANY-{n}" for n in range(700)}
    assert len(set(_keys(shop))) == len(_keys(shop))


def test_an_import_that_is_killed_midway_and_given_again_stores_all_of_it_once(
    server: Server, shop: Path, files: Path, plain: Path, tmp_path: Path
) -> None:
    with closing(_log(shop)) as log, _command(shop, files / "many.csv") as child:
        start = log.end("events")
        _until(lambda: log.end("events") > start + 1_500)
        child.send_signal(signal.SIGKILL)
        child.wait()
        killed_at = log.end("events") - start
    assert killed_at < MANY
    again = _import(shop, "events", files / "many.csv")
    assert (again.fresh, again.known, again.new_items) == (MANY, 0, 700)
    alone = Path(shutil.copytree(plain, tmp_path / "alone"))
    _import(alone, "events", files / "many.csv")
    assert _stored(shop) == _stored(alone)


def test_a_full_feed_through_a_server_takes_what_it_lacks_off_sale_and_is_held_like_any(
    server: Server, shop: Path, tmp_path: Path
) -> None:
    def full(items: int, force: bool = False) -> ingest.Summary:
        rows = [f"SKU-{n},Thing {n},{5 + 0.25 * n:.2f}\n" for n in range(items)]
        (tmp_path / "feed.csv").write_text("id,title,price\n" + "".join(rows))
        file, options = tmp_path / "feed.csv", app.Options(mode="full", force=force)
        return app.import_catalog(app.open_shop(shop, {}), file, None, lambda done, rows: None, options)

    def listed() -> set[str]:
        with app.importing(app.open_shop(shop, {})) as ports:
            return {key.id for key, on in zip(ports.catalog.keys(), ports.shelf.listed, strict=False) if on}

    summary = full(45)
    assert (summary.delisted, summary.new_items, summary.through) == (15, 0, str(server.http.base_url))
    assert listed() == {f"SKU-{n}" for n in range(45)}
    with pytest.raises(InvalidFeed, match=r"the import is held, .*: 25 of 45 listed items would go"):
        full(20)
    assert full(20, force=True).delisted == 25
    assert listed() == {f"SKU-{n}" for n in range(20)}
    assert full(60).delisted == 0
    assert len(_keys(shop)) == 60


def test_a_second_import_at_once_is_refused_by_the_name_of_the_first(server: Server, shop: Path, files: Path) -> None:
    with app.importing(app.open_shop(shop, {})), _command(shop, files / "events.csv") as second:
        _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"process {os.getpid()} (" in said
    assert said.endswith("is importing through the server already; wait for it or stop it\n")


def test_a_connection_that_the_server_closed_while_it_was_idle_is_made_anew(server: Server, shop: Path) -> None:
    """An import may read its file for longer than a server keeps an idle connection."""
    connection = connected(app.open_shop(shop, {}))
    assert connection is not None
    with closing(connection):
        time.sleep(6)
        connection.call("POST", RECORDS, msgspec.msgpack.encode(RecordsCall()))


def test_threads_of_an_import_share_the_connection_one_call_at_a_time(server: Server, shop: Path) -> None:
    connection = connected(app.open_shop(shop, {}))
    assert connection is not None
    keys = [[ItemKey("item", f"T-{number}-{each}") for each in range(3)] for number in range(40)]

    def rows(some: list[ItemKey]) -> list[int]:
        answer = connection.call("POST", RECORDS, msgspec.msgpack.encode(RecordsCall(rows=some)))
        return msgspec.msgpack.decode(answer, type=RecordsAnswer).rows

    with closing(connection), ThreadPoolExecutor(4) as pool:
        given = list(pool.map(rows, keys))
    log_rows = {key: row for row, key in enumerate(_keys(shop))}
    assert given == [[log_rows[key] for key in some] for some in keys]


def test_a_server_that_was_killed_is_not_asked(shop: Path, files: Path) -> None:
    with serving(shop, wait=False) as server:
        _until(lambda: _served(shop))
        server.process.kill()
        server.process.wait()
        assert (shop / "run" / "server.json").exists()
        assert not _served(shop)
        assert _import(shop, "events", files / "events.csv").through == ""


def test_where_no_server_but_another_command_writes_its_name_is_told(shop: Path, files: Path) -> None:
    with closing(app.open_shop(shop, {}).log()), pytest.raises(BackendUnavailable, match=rf"process {os.getpid()} \("):
        _import(shop, "events", files / "events.csv")


def test_what_could_not_be_folded_does_not_enter_the_log(server: Server) -> None:
    far = pack(Change(10**6, 0, price=1))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"entries": [["row", b"k", b"", 0, b"x", 1]]}, "a record of kind 'row' was sent"),
        ({"entries": [["event", b"k", b"", 0, b"x", 1]]}, "the body of a record of kind 'event' (1 bytes) is damaged"),
        ({"entries": [["change", b"k", b"", 0, far, 1]]}, "a record names row 1000000, but there are 60 rows"),
        ({"rows": [["brand", "x"]]}, "the body is no call of /v1/admin/records"),
    ]
    for call, says in wrong:
        body = msgspec.msgpack.encode(call)
        answer = server.http.post("/v1/admin/records", content=body, headers={"content-type": "application/msgpack"})
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(says)


def test_a_catalog_with_long_texts_passes_where_bodies_are_bounded(shop: Path, tmp_path: Path) -> None:
    rows = [f"LONG-{n},{'x' * 19_990} {n},{n}.50,5,MODEL-{n % 10}" for n in range(300)]
    (tmp_path / "long.csv").write_text("\n".join(["sku,name,price,stock,model", *rows, ""]))
    (tmp_path / "catalog.toml").write_text(CATALOG_MAP)
    with serving(shop, wait=False, checkpoint_s=3_600, max_body_bytes=100_000):
        _until(lambda: _served(shop))
        summary = _import(shop, "catalog", tmp_path / "long.csv")
    assert (summary.fresh, summary.through != "") == (300, True)
