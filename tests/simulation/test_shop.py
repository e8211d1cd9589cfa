"""The demo shop as files that take the way of a user's files."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from endcap import app
from endcap.simulation import Guest, Written, showcase, write_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_shop(tmp_path_factory.mktemp("shop"), 1, date(2026, 11, 1))


def test_the_same_seed_and_end_give_the_same_bytes(shop: Written, demo: Path) -> None:
    """`demo` is as a rule of another process."""
    for path in (shop.catalog, shop.changes, shop.events, shop.catalog_mapping, shop.events_mapping):
        assert path.read_bytes() == (demo / path.name).read_bytes()


def test_three_different_people_are_shown(shop: Written) -> None:
    guests = showcase(shop)
    assert len({guest.visitor_id or guest.user_id for guest in guests}) == 3
    assert all(bool(guest.visitor_id) != bool(guest.user_id) for guest in guests)


def test_the_newcomer_has_seen_one_product_and_the_others_have_a_history(shop: Written) -> None:
    lines = pl.read_parquet(shop.events).filter(pl.col("event") != "view_item_list")

    def known(guest: Guest) -> int:
        column, value = ("user_id", guest.user_id) if guest.user_id else ("visitor_id", guest.visitor_id)
        return lines.filter(pl.col(column) == value).height

    outdoor, parent, newcomer = showcase(shop)
    assert known(newcomer) == 1
    assert known(outdoor) >= 12
    assert known(parent) >= 8


def test_the_files_are_imported_with_nothing_left_over(shop: Written, tmp_path: Path) -> None:
    app.initialise(tmp_path / "shop", "EUR", "UTC")
    opened = app.open_shop(tmp_path / "shop", {})
    items, later = (
        app.import_catalog(opened, path, shop.catalog_mapping, lambda done, of: None)
        for path in (shop.catalog, shop.changes)
    )
    lines = app.import_events(opened, shop.events, shop.events_mapping, lambda done, of: None)
    assert (items.fresh, items.quarantined, items.left_out) == (shop.items, 0, 0)
    assert later.fresh > 1_000
    assert (later.quarantined, later.left_out, later.new_items) == (0, 0, 0)
    assert (lines.fresh, lines.quarantined, lines.left_out) == (shop.lines, 0, 0)
    assert lines.new_items == 0
