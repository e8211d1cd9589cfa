"""The demo shop as files that take the way of a user's files."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl

from endcap import app
from endcap.simulation import Guest, Size, showcase, write_shop


def test_the_same_seed_and_end_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    here = write_shop(tmp_path / "here", 3, date(2026, 11, 1), Size(400, 4_000))
    words = ("simulate", "--seed", "3", "--end", "2026-11-01", "--items", "400", "--events", "4000")
    command = [sys.executable, "-m", "endcap", *words, "--out", str(tmp_path / "there")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    for path in (*here.feeds, here.events, here.catalog_mapping, here.events_mapping, tmp_path / "here" / "world.json"):
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()


def test_three_different_people_are_shown(demo: Path) -> None:
    guests = showcase(demo)
    assert len({guest.visitor_id or guest.user_id for guest in guests}) == 3
    assert all(bool(guest.visitor_id) != bool(guest.user_id) for guest in guests)


def test_the_newcomer_has_seen_one_product_and_the_others_have_a_history(demo: Path, lines: pl.DataFrame) -> None:
    acts = lines.filter(pl.col("event") != "view_item_list")

    def known(guest: Guest) -> int:
        column, value = ("user_id", guest.user_id) if guest.user_id else ("visitor_id", guest.visitor_id)
        return acts.filter(pl.col(column) == value).height

    outdoor, parent, newcomer = showcase(demo)
    assert known(newcomer) == 1
    assert known(outdoor) >= 12
    assert known(parent) >= 8


def test_the_files_are_imported_with_nothing_left_over(demo: Path, lines: pl.DataFrame, tmp_path: Path) -> None:
    app.initialise(tmp_path / "shop", "EUR", "UTC")
    opened = app.open_shop(tmp_path / "shop", {})
    items, later = (
        app.import_catalog(opened, demo / name, demo / "catalog.toml", lambda done, of: None)
        for name in ("catalog.csv", "changes.csv")
    )
    events = app.import_events(opened, demo / "events.parquet", demo / "events.toml", lambda done, of: None)
    assert (items.fresh, items.quarantined, items.left_out) == (5_000, 0, 0)
    assert later.fresh > 1_000
    assert (later.quarantined, later.left_out, later.new_items) == (0, 0, 0)
    assert (events.fresh, events.quarantined, events.left_out, events.new_items) == (lines.height, 0, 0, 0)
