"""Refresh: a new item is in the lists within a minute, without training and by itself; a newer training stays."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from endcap import app
from endcap.backends.log import Entry
from endcap.backends.log.bodies import pack
from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKey
from endcap.errors import GateRefused
from endcap.ingest.fold import project
from servers import Server

Start = Callable[..., Server]
NEW: dict[str, object] = {
    "id": "SKU-NEW", "title": "Garden thing 999", "link": "https://shop.example/new", "price": "9.99 EUR",
    "availability": "in_stock", "brand": "Brook", "product_type": "Home > Garden", "color": "green",
}  # fmt: skip


def put(server: Server, *items: dict[str, object]) -> None:
    answer = server.http.put("/v1/catalog/items", json={"items": list(items)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == len(items), answer.text


def within(seconds: float, found: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def lists(server: Server) -> dict[str, list[str]]:
    return {
        "cold visitor": server.listed(placement="home", visitor_id="v-never-seen", k=10),
        "beside its kind": server.listed(placement="product", anchors=["SKU-4"], k=10),
        "asked for": server.listed(placement="home", visitor_id="v-never-seen", k=10, filter="color = 'green'"),
    }


def refreshes(server: Server) -> dict[str, int]:
    found = re.findall(r'endcap_refreshes_total{outcome="(\w+)"} (\d+)', server.http.get("/metrics").text)
    return {outcome: int(count) for outcome, count in found}


def test_a_new_item_is_in_every_list_where_it_fits_within_a_minute_by_itself(shop: Path, start: Start) -> None:
    server = start(shop, refresh_after_s=1, snapshot_poll_ms=100)
    before = server.post("/v1/recommendations", placement="home", k=1)["versions"]["snapshot"]
    assert not any("SKU-NEW" in listed for listed in lists(server).values())
    put(server, NEW)
    assert within(60, lambda: all("SKU-NEW" in listed for listed in lists(server).values())), lists(server)
    after = server.post("/v1/recommendations", placement="home", k=1)["versions"]["snapshot"]
    assert after != before
    assert app.open_shop(shop, {}).registry().versions("snapshot") == [before, after]
    assert within(20, lambda: refreshes(server) == {"done": 1})
    server.stop()


def test_prices_and_stocks_start_no_refresh_and_a_new_item_is_found_at_the_next_start(shop: Path, start: Start) -> None:
    server = start(shop, refresh_after_s=0)
    put(server, NEW)
    server.stop()
    server = start(shop, refresh_after_s=1, snapshot_poll_ms=100)
    assert within(60, lambda: "SKU-NEW" in server.listed(placement="product", anchors=["SKU-4"], k=10))
    server.post_offers([{"id": "SKU-4", "price": "1.00", "stock": 3}])
    assert within(20, lambda: refreshes(server) == {"done": 1})
    time.sleep(3)
    assert refreshes(server) == {"done": 1}
    server.stop()


def test_a_refresh_that_fails_is_logged_and_counted(shop: Path, start: Start) -> None:
    server = start(shop, refresh_after_s=1)
    (shop / "keys" / "signing.key").unlink()
    put(server, NEW)
    assert within(60, lambda: refreshes(server) == {"failed": 1})
    log = server.stop()
    assert "refresh_failed" in log
    assert "the key" in log


def add_item(shop: app.Shop) -> None:
    """A new item, through log and fold."""
    now = app.now_ms()
    with app.importing(shop) as ports:
        row = len(ports.catalog.keys())
        key = ItemKey("item", f"NEW-{row}")
        change = Change(row, now, listed=True, category=("Toys",), text={"title": f"Toys thing {row}"})
        ports.log.append(
            "events",
            [
                Entry("row", f"row:{row}".encode(), b"", now, pack(Assignment(row, key))),
                Entry("change", f"new:{row}".encode(), b"", now, pack(change)),
            ],
        )
        project(ports)


def test_a_refresh_links_what_was_learned_and_names_its_parent(shop: Path) -> None:
    opened = app.open_shop(shop, {})
    assert app.refresh(opened, lambda _: None) is None
    add_item(opened)
    parent = opened.registry().current("snapshot")
    assert parent is not None
    priority = os.nice(0)
    version = app.refresh(opened, lambda _: None)
    assert os.nice(0) == priority
    assert version is not None
    assert opened.registry().current("snapshot") == version
    files = [opened.registry().fetch("snapshot", each) for each in (parent, version)]
    linked: list[Path] = []
    written: list[Path] = []
    for path in files[1].glob("*.npy"):
        (linked if path.stat().st_nlink > 1 else written).append(path)
    assert len(linked) > 2 * len(written)
    with_new = app.open_floor(opened, readonly=True)
    assert with_new.current().parent == parent
    assert app.refresh(opened, lambda _: None) is None


def test_a_training_that_came_first_is_not_overwritten(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = app.open_shop(shop, {})
    add_item(opened)
    trained: list[str] = []

    def train_first(stage: str) -> None:
        if stage.startswith("adding") and not trained:
            trained.append(app.train(opened, lambda _: None))

    with pytest.raises(GateRefused, match="was replaced meanwhile; run `endcap refresh` again"):
        app.refresh(opened, train_first)
    assert opened.registry().current("snapshot") == trained[0]


def test_the_command_says_what_it_did(shop: Path) -> None:

    def run() -> str:
        command = [sys.executable, "-m", "endcap", "refresh", "--shop", str(shop)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert run() == "the current snapshot knows all of the catalog already.\n"
    add_item(app.open_shop(shop, {}))
    assert "is published and current; a running server takes it within seconds." in run()
