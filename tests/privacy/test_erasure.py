"""Erasure and export, end to end: nothing of the person stays anywhere, nothing comes back, nobody else is touched."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endcap import app
from endcap.backends.kv.memory import MemoryKV
from endcap.backends.log.bodies import unpack
from endcap.backends.log.sqlite import SqliteLog
from endcap.backends.tables import Window
from endcap.backends.tables.duckdb_lake import DuckLake
from endcap.domain.ids import keyed_hash
from endcap.domain.people import forgotten, visitor_key
from endcap.errors import BackendUnavailable, InvalidRequest
from endcap.ingest.fold import SHELF_KEY, SHOPPER_PREFIX, project
from endcap.privacy import find_person, open_identities, tombstone, tombstone_entry
from endcap.releases import SEALED
from endcap.retrieval.sessions import SessionNeighbours
from servers import serving

CANARY, COOKIE = "canary-ann@example.org", "canary-cookie-7f3a"


def keys(shop: Path) -> list[bytes]:
    """Every key of the person: the user's, and two generations of the device."""
    secret = app.open_shop(shop, {}).secret()
    return [keyed_hash(secret, "user", CANARY), visitor_key(secret, COOKIE), visitor_key(secret, COOKIE, 2)]


def history(now: int) -> list[dict[str, object]]:
    """Ann browses, logs in, buys and logs out; Ben uses the device; Ann logs in again. Oldest first."""

    def did(name: str, ago_minutes: int, *skus: int, **who: str) -> dict[str, object]:
        items = [{"item_id": f"SKU-{sku}", "price": "5.00"} for sku in skus]
        return {"name": name, "time": now - ago_minutes * 60_000, "items": items, "session_id": "s", **who}

    ann, ben = {"visitor_id": COOKIE, "user_id": CANARY}, {"visitor_id": COOKIE, "user_id": "ben"}
    return [
        did("view_item", 90, 1, visitor_id=COOKIE),
        did("view_item", 89, 4, visitor_id=COOKIE),
        did("login", 88, **ann),
        did("purchase", 87, 1, 4, visitor_id=COOKIE, transaction_id="canary-order-1"),
        did("logout", 86, visitor_id=COOKIE),
        did("view_item", 70, 2, **ben),
        did("view_item", 69, 5, visitor_id=COOKIE),
        did("logout", 68, **ben),
        did("view_item", 60, 7, **ann),
        did("view_item", 59, 10, visitor_id=COOKIE),
    ]


def visit(shop: Path) -> None:
    """Ann's and Ben's history goes through a server, with lists, into log, lake, state and a snapshot."""
    with serving(shop) as server:
        told = history(app.now_ms())
        assert server.post("/v1/events", events=told)["accepted"] == len(told)
        server.post("/v1/recommendations", placement="home", visitor_id=COOKIE, k=4)
        server.post("/v1/recommendations", placement="home", user_id=CANARY, k=4)
        server.post("/v1/recommendations", placement="home", user_id="ben", k=4)
        errors = server.stop()
    assert CANARY not in errors
    assert COOKIE not in errors
    (shop.parent / "told.json").write_text(json.dumps(told))
    with app.importing(app.open_shop(shop, {})) as ports:
        project(ports)
    app.train(app.open_shop(shop, {}), lambda _: None)


@pytest.fixture(scope="module")
def lived_in(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop after `visit`, once for all tests; not to be changed."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("lived_in") / "shop"))
    visit(folder)
    return folder


@pytest.fixture
def visited(lived_in: Path, tmp_path: Path) -> Path:
    """A copy of the shop after `visit`."""
    return Path(shutil.copytree(lived_in, tmp_path / "visited"))


@pytest.fixture
def told(lived_in: Path) -> list[dict[str, object]]:
    """The events that `visit` posted."""
    events: list[dict[str, object]] = json.loads((lived_in.parent / "told.json").read_text())
    return events


def found(shop: Path, *sought: bytes) -> list[str]:
    """The files of the shop's folder that hold any of `sought`."""
    files = [path for path in sorted(shop.rglob("*")) if path.is_file()]
    return [str(path.relative_to(shop)) for path in files if any(each in path.read_bytes() for each in sought)]


def lake_people(shop: Path) -> set[bytes]:
    return set(app.open_shop(shop, {}).tables().interactions(Window())["shopper"].to_pylist())


def learned(shop: Path) -> dict[str, bytes]:
    """The learned files of the current snapshot."""
    opened = app.open_shop(shop, {})
    version = app.train(opened, lambda _: None)
    directory = opened.registry().fetch("snapshot", version)
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.npy"))}


def sessions(shop: Path) -> set[int]:
    """The session numbers that the current snapshot can find, as it serves."""
    with closing(app.open_floor(app.open_shop(shop, {}), readonly=True)) as floor:
        index = next(each.index for each in floor.current().sources if isinstance(each, SessionNeighbours))
    return set(index.sessions.rows.tolist())


def test_an_erased_person_is_in_no_file_and_the_next_training_never_saw_them(
    visited: Path, told: list[dict[str, object]], tmp_path: Path, start: Callable[..., Any]
) -> None:
    shop = visited
    never = Path(shutil.copytree(shop, tmp_path / "never"))
    assert found(shop, *keys(shop)) != []
    assert found(shop, CANARY.encode(), COOKIE.encode(), b"canary-order") == []
    whole, before = sessions(shop), lake_people(shop)
    opened = app.open_shop(shop, {})

    erased = app.erase(opened, app.Named(CANARY))

    assert (erased.records, erased.visitors) == (5 + 2 + 3, 2)
    assert found(shop, *keys(shop), CANARY.encode(), COOKIE.encode()) == []
    assert before - lake_people(shop) == set(keys(shop)) & before
    assert len(whole - sessions(shop)) == 1
    with closing(app.open_floor(opened, readonly=True)) as floor:
        ben = floor.people.shopper("ben", "")
        assert floor.ground.kv.get_many([SHOPPER_PREFIX + ben]) != [None]
        assert len(floor.ground.log.person("decisions", ben)) == 1
        assert floor.people.shopper("", COOKIE) not in [*keys(shop), ben]

    server = start(shop)
    again = server.post("/v1/events", events=told)
    assert (again["accepted"], again["duplicates"], len(again["problems"])) == (0, 4, 6)
    assert again["problems"][0]["errors"][0]["expected"] == "a time after this person's data was erased"
    server.stop()
    assert found(shop, *keys(shop)) == []
    assert learned(shop) == learned(without_them(never))


def without_them(shop: Path) -> Path:
    """The shop as it would be had the person never come: their records taken out of the log before anything read it."""
    people = keys(shop)
    with closing(SqliteLog(shop / "log.sqlite")) as log:
        log.forget(people, {"events": 2**62, "decisions": 2**62})
    shutil.rmtree(shop / "lake")
    (shop / "state.sqlite").unlink()
    for reset in ("catalog", "lake"):
        with closing(sqlite3.connect(shop / "log.sqlite")) as connection, connection:
            connection.execute("DELETE FROM consumers WHERE name = ?", (reset,))
    (shop / "catalog.sqlite").unlink()
    app.open_shop(shop, {}).catalog().close()
    return shop


def test_a_running_server_forgets_within_a_second_and_its_state_is_that_of_a_rebuild(
    visited: Path, start: Callable[..., Any]
) -> None:
    shop = visited
    whole = sessions(shop)
    server = start(shop)
    shown = server.post("/v1/recommendations", placement="home", visitor_id=COOKIE, k=4)
    known = server.listed(user_id=CANARY)
    assert known != server.listed(user_id="nobody")

    began = time.monotonic()
    answer = server.post("/v1/admin/erasures", user_id=CANARY)
    assert time.monotonic() - began < 5
    assert (answer["records"], answer["visitors"]) == (5 + 2 + 3 + 2, 2)

    assert server.http.get(f"/v1/decisions/{shown['recommendation_id']}").status_code == 404
    assert server.listed(user_id=CANARY) == server.listed(user_id="nobody") == server.listed(visitor_id=COOKIE)
    assert found(shop, *keys(shop)[1:]) == []
    view = {"name": "view_item", "time": app.now_ms(), "user_id": CANARY, "items": [{"item_id": "SKU-8"}]}
    assert server.post("/v1/events", events=[view])["accepted"] == 1
    server.stop()
    assert len(whole - sessions(shop)) == 1
    live = state_file(shop, keys(shop))
    (shop / "state.sqlite").unlink()
    with closing(app.open_floor(app.open_shop(shop, {}))):
        pass
    assert state_file(shop, keys(shop)) == live
    assert [packed is None for packed in live] == [False, True, True, False]


def state_file(shop: Path, people: list[bytes]) -> list[bytes | None]:
    """The person's states, and the shelf."""
    kv = MemoryKV(shop / "state.sqlite", lambda: 0)
    return kv.get_many([*(SHOPPER_PREFIX + key for key in people), SHELF_KEY])


class Cut(Exception):
    """The power goes."""


def cut(*_: object) -> int:
    raise Cut


CUTS = {"state": (DuckLake, "forget"), "lake": (SqliteLog, "forget"), "log": (SqliteLog, "_scrub")}


@pytest.mark.parametrize("step", ["nothing", "state", "lake", "log"])
def test_an_erasure_that_was_interrupted_is_finished_at_the_next_start(
    visited: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = visited
    opened = app.open_shop(shop, {})

    if step == "nothing":
        with closing(opened.log()) as log:
            people = open_identities(opened.secret(), log)
            person = find_person(people, opened.secret(), log, (CANARY, ""))
            log.append("events", [tombstone_entry(tombstone(people, person, app.now_ms()))])
    else:
        with monkeypatch.context() as planted:
            planted.setattr(*CUTS[step], cut)
            with pytest.raises(Cut):
                app.erase(opened, app.Named(CANARY))
    # What training reads beside the interrupted erasure leaves the person out already.
    assert not set(keys(shop)) & set(app.corpus(opened).interactions["shopper"].to_pylist())
    with closing(app.open_floor(opened)) as floor:
        assert floor.ground.log.person("events", keys(shop)[0]) == []
        ben = floor.people.shopper("ben", "")
        assert floor.ground.kv.get_many([SHOPPER_PREFIX + ben]) != [None]
    assert found(shop, *keys(shop)) == []


def test_a_visitor_s_erasure_takes_the_user_behind_it_but_no_other_s_generation(visited: Path) -> None:
    shop = visited
    opened = app.open_shop(shop, {})
    assert app.erase(opened, app.Named(visitor_id=COOKIE)).visitors == 2
    assert found(shop, *keys(shop)) == []
    with closing(opened.log(readonly=True)) as log:
        ben = keyed_hash(opened.secret(), "user", "ben")
        nouns = [unpack(entry.kind, entry.version, entry.body) for _, entry in log.person("events", ben)]
        assert len(nouns) == 3


def test_the_unknown_can_be_erased_too_so_that_older_rows_of_theirs_are_refused(
    shop: Path, start: Callable[..., Any]
) -> None:
    opened = app.open_shop(shop, {})
    assert app.erase(opened, app.Named("stranger"))[1:] == (0, 0, 0)
    server = start(shop)
    view = {"name": "view_item", "time": app.now_ms() - 60_000, "user_id": "stranger", "items": [{"item_id": "SKU-1"}]}
    assert len(server.post("/v1/events", events=[view])["problems"]) == 1
    server.stop()


def test_nobody_s_erasure_and_two_people_s_are_refused(shop: Path) -> None:
    for named in (app.Named(), app.Named("a", "b")):
        with pytest.raises(InvalidRequest, match="name one person: --user ID or --visitor ID, and not both"):
            app.erase(app.open_shop(shop, {}), named)


def test_an_export_holds_everything_of_the_person_and_nothing_of_anybody_else(
    visited: Path,
) -> None:
    shop = visited
    told = app.export(app.open_shop(shop, {}), app.Named(CANARY))
    assert [event["name"] for event in told["events"]] == [
        "view_item",
        "view_item",
        "purchase",
        "view_item",
        "view_item",
    ]
    assert [[item["item_id"] for item in event["items"]] for event in told["events"]] == [
        ["SKU-1"], ["SKU-4"], ["SKU-1", "SKU-4"], ["SKU-7"], ["SKU-10"],
    ]  # fmt: skip
    assert told["events"][2]["items"][0]["price"] == "5.00"
    assert told["events"][2]["order"] == 1
    assert len(told["logins"]) == 3
    assert len(told["lists_shown"]) == 2
    assert [bought["item_id"] for bought in told["profile"]["bought"]] == ["SKU-1", "SKU-4"]
    assert told["profile"]["lines"] == 6
    assert app.export(app.open_shop(shop, {}), app.Named("stranger"))["events"] == []
    text = json.dumps(told)
    assert "SKU-2" not in text.split('"lists_shown"')[0]


def test_beside_a_server_the_commands_go_through_it(visited: Path, start: Callable[..., Any], tmp_path: Path) -> None:
    shop = visited
    server = start(shop)
    command = [sys.executable, "-m", "endcap"]
    out = tmp_path / "told.json"
    named = ["--user", CANARY, "--shop", str(shop)]
    subprocess.run([*command, "export", *named, "--out", str(out)], check=True, capture_output=True, text=True)
    assert len(json.loads(out.read_text())["events"]) == 5
    done = subprocess.run([*command, "erase", *named], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("erased up to 20")
    assert "10 records of events and decisions, " in done.stdout
    assert done.stdout.endswith("2 visitors were this person.\n")
    assert server.listed(user_id=CANARY) == server.listed(user_id="nobody")
    server.stop()
    assert found(shop, *keys(shop)[1:]) == []


def test_a_snapshot_without_a_seal_serves_no_session_after_an_erasure(shop: Path) -> None:
    opened = app.open_shop(shop, {})
    version = opened.registry().current("snapshot", "current")
    assert version
    directory = opened.registry().fetch("snapshot", version)
    assert not any(key in (directory / SEALED).read_bytes() for key in (forgotten(visitor_key(opened.secret(), "v1")),))
    whole = sessions(shop)
    app.erase(opened, app.Named(visitor_id="v1"))
    assert 0 < len(whole - sessions(shop)) <= 3
    with closing(app.open_floor(opened, readonly=True)) as floor:
        snapshot = floor.ground.read_snapshot(version, floor.rows.keys())
        masked = snapshot.without_sessions(None)
        assert not any(len(each.index.sessions.rows) for each in masked.sources if isinstance(each, SessionNeighbours))
    assert np.isfinite(snapshot.alike).all()


def test_a_server_s_erasure_without_or_with_two_ids_is_refused(server: Any) -> None:
    for body in ({}, {"user_id": "a", "visitor_id": "b"}):
        for route in ("erasures", "exports"):
            answer = server.http.post(f"/v1/admin/{route}", json=body)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["expected"] == "either user_id or visitor_id"


def test_the_erasing_command_names_who_has_the_shop(shop: Path) -> None:
    opened = app.open_shop(shop, {})
    with closing(opened.log()), pytest.raises(BackendUnavailable, match="being written by another command"):
        app.erase(opened, app.Named("ann"))
