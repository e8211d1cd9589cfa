"""Catalogs from files: what a feed changes, what transactions tell, and that a second import changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from endcap.backends.log import Entry, bodies
from endcap.domain.catalog import Change
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, HOUR
from endcap.errors import InvalidFeed
from endcap.ingest import Ports, Summary
from endcap.ingest.catalog import Terms, import_catalog
from endcap.ingest.fold import project
from endcap.ingest.mapping import CatalogMapping, read_mapping
from endcap.state import NEVER

Write = Callable[[str, str], Path]

FEED = """
kind = "catalog"
[fields]
id = "id"
item_group_id = "item_group_id"
title = "title"
brand = "brand"
category = "product_type"
price = "price"
sale_price = "sale_price"
sale_start = "sale_start"
availability = "availability"
stock = "quantity"
[text]
color = "color"
"""
HEADER = "id,item_group_id,title,brand,product_type,price,sale_price,sale_start,availability,quantity,color\n"
FORCED = Terms(force=True)
SALES = """
kind = "catalog"
derived = true
[types]
price = "number"
[fields]
id = "code"
time = "at"
title = "title"
price = "price"
"""


def imported(shop: Ports, write: Write, mapping: str, text: str, now: int, terms: Terms = FORCED) -> Summary:
    read = read_mapping(write("catalog.toml", mapping), CatalogMapping)
    return import_catalog(shop, write("feed.csv", text), read, now, terms=terms)


def changes(shop: Ports) -> list[Change]:
    return [change for _, change in shop.catalog.changes()]


def test_an_item_takes_all_that_the_feed_says_since_ever(shop: Ports, written: Write, now: int) -> None:
    rows = "a,g,Mug,Acme,Home > Kitchen,9.99,7.50,2011-10-01,in stock,3,red\nb,,Cup,,,5,,,out_of_stock,9,\n"
    assert imported(shop, written, FEED, HEADER + rows, now) == Summary(2, fresh=2, new_items=2)
    assert shop.catalog.keys() == [ItemKey("item", "a"), ItemKey("item", "b"), ItemKey("group", "g")]
    assert changes(shop) == [
        Change(
            0, 0, group=2, listed=True, price=999, sale_price=750, sale_start=15_248 * DAY, sale_end=NEVER, stock=3,
            brand="Acme", category=("Home", "Kitchen"), text={"title": "Mug", "color": "red"},
        ),
        Change(1, 0, listed=True, price=500, stock=0, text={"title": "Cup"}),
    ]  # fmt: skip
    assert shop.shelf.listed[:2].all()


def test_the_same_feed_again_changes_nothing(shop: Ports, written: Write, now: int) -> None:
    rows = "a,g,Mug,Acme,Home > Kitchen,9.99,7.50,2011-10-01,in stock,3,red\nb,,Cup,,,5,,,out_of_stock,9,\n"
    imported(shop, written, FEED, HEADER + rows, now)
    end = shop.log.end("events")
    assert imported(shop, written, FEED, HEADER + rows, now + DAY) == Summary(2, known=2)
    assert shop.log.end("events") == end


def test_a_later_feed_tells_only_what_differs_and_prices_may_return(shop: Ports, written: Write, now: int) -> None:
    for day, price in enumerate(["9.99", "8.00", "9.99", ""]):
        row = f"a,,Mug,Acme,,{price},,,in_stock,3,{'red' if day < 2 else ''}\n"
        assert imported(shop, written, FEED, HEADER + row, now + day * DAY).fresh == 1
    assert changes(shop)[1:] == [
        Change(0, now + DAY, price=800),
        Change(0, now + 2 * DAY, price=999, text={"color": ""}),
        Change(0, now + 3 * DAY, price=-1),
    ]
    assert shop.shelf.price[0] == -1


def test_an_item_that_a_later_feed_lists_first_is_born_then(shop: Ports, written: Write, now: int) -> None:
    imported(shop, written, FEED, HEADER + "a,a,Mug,,,1,,,in_stock,,\n", now)
    imported(shop, written, FEED, HEADER + "a,a,Mug,,,1,,,in_stock,,\nb,a,Cup,,,1,,,in_stock,,\n", now)
    assert [(change.row, change.at) for change in changes(shop)] == [(0, 0), (2, now)]


def test_misfits_of_a_feed_are_put_away(shop: Ports, written: Write, now: int) -> None:
    rows = (
        "a,,Mug,,,1,,,in_stock,,\n,,Cup,,,1,,,in_stock,,\nb,,Pot,,,1 pound,,,in_stock,,\n"
        "c,,Pan,,,1,,,maybe,,\na,,Jug,,,2,,,in_stock,,\nd,,Jar,,,-2,,,in_stock,,\n"
    )
    summary = imported(shop, written, FEED, HEADER + rows, now)
    assert (summary.rows, summary.fresh, summary.quarantined, summary.repeated) == (6, 1, 4, 1)
    assert summary.quarantine is not None
    misfits = map(json.loads, summary.quarantine.read_text(encoding="utf-8").splitlines())
    assert sorted((misfit["row"], misfit["field"], misfit["value"]) for misfit in misfits) == [
        (1, "id", "a"),
        (2, "id", None),
        (3, "price", "1 pound"),
        (4, "availability", "maybe"),
        (6, "price", "-2"),
    ]


def test_a_feed_with_times_is_a_history(shop: Ports, written: Write, now: int) -> None:
    mapping = 'kind = "catalog"\n[fields]\nid = "id"\ntime = "at"\nprice = "price"\n'
    text = "id,at,price\na,2011-01-02,2\na,2011-01-01,1\nb,2011-01-01,1\n"
    for expected in (Summary(3, fresh=3, new_items=2), Summary(3, known=3)):
        assert imported(shop, written, mapping, text, now) == expected
    assert shop.shelf.price[:2].tolist() == [200, 100]


def test_transactions_tell_titles_and_the_last_price_of_each_day(shop: Ports, written: Write, now: int) -> None:
    at = "2011-01-0"
    text = (
        "code,at,title,price\n"
        f"a,{at}2 10:00,Mug,2\n"
        f"a,{at}1 10:00,,1\n"
        f"a,{at}1 12:00,Mug,1.5\n"
        f"a,{at}1 15:00,Mug,1.25\n"
        f"a,{at}3 10:00,Mug ,2\n"
        f"a,{at}3 11:00,Big mug,0\n"
        f"b,{at}1 11:00,Cup,3\n"
        f"b,{at}1 11:00,Cup,4\n"
    )
    assert imported(shop, written, SALES, text, now) == Summary(8, fresh=6, new_items=2)
    first = 14_975 * DAY
    assert changes(shop) == [
        Change(0, first + 10 * HOUR, listed=True, price=100),
        Change(1, first + 11 * HOUR, listed=True, price=400, text={"title": "Cup"}),
        Change(0, first + 12 * HOUR, text={"title": "Mug"}),
        Change(0, first + 15 * HOUR, price=125),
        Change(0, first + DAY + 10 * HOUR, price=200),
        Change(0, first + 2 * DAY + 11 * HOUR, text={"title": "Big mug"}),
    ]
    again = imported(shop, written, SALES, text, now + DAY)
    assert (again.fresh, again.known) == (0, 6)


def test_the_order_of_transactions_in_a_file_makes_no_difference(
    tmp_path: Path, shop: Ports, written: Write, now: int
) -> None:
    rows = pl.DataFrame({"n": pl.int_range(400, eager=True)}).select(
        code=(pl.col("n") % 7).cast(pl.String),
        at=(pl.col("n") * 5 * HOUR + 15_000 * DAY).cast(pl.Datetime("ms")),
        title=pl.concat_str(pl.lit("title "), pl.col("n") // 100),
        price=1.0 + pl.col("n") % 11,
    )
    mapping = read_mapping(written("catalog.toml", SALES), CatalogMapping)
    told = []
    for name, frame in (("sorted", rows), ("shuffled", rows.sample(fraction=1, shuffle=True, seed=3))):
        frame.write_parquet(tmp_path / f"{name}.parquet")
        told.append(import_catalog(shop, tmp_path / f"{name}.parquet", mapping, now))
    assert told[0].fresh > 100
    assert (told[1].fresh, told[1].known) == (0, told[0].fresh)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('price = "price"', 'price = "prise"'), "did you mean price?"),
        (('id = "id"', ""), "fields.id is missing"),
        (('color = "color"', 'title = "color"'), "belongs under [fields]"),
        (("[fields]", "derived = true\n[fields]"), "a derived catalog needs fields.time"),
        (('kind = "catalog"', 'kind = "events"'), "kind = 'catalog' is needed"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    shop: Ports, written: Write, now: int, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(InvalidFeed) as error:
        imported(shop, written, FEED.replace(*change), HEADER + "a,,Mug,,,1,,,in_stock,,\n", now)
    assert says in str(error.value)
    assert "catalog.toml" in str(error.value)


def patch(shop: Ports, change: Change) -> None:
    shop.log.append("events", [Entry("change", b"", b"", change.at, bodies.pack(change))])
    project(shop)


def test_a_patch_between_two_feeds_is_undone_by_the_feed(shop: Ports, written: Write, now: int) -> None:
    feed = HEADER + "a,,Mug,,,1,,,in_stock,,\n"
    imported(shop, written, FEED, feed, now)
    patch(shop, Change(0, now + DAY, price=77))
    assert imported(shop, written, FEED, feed, now + 2 * DAY).fresh == 1
    assert changes(shop)[-1] == Change(0, now + 2 * DAY, price=100)


def test_a_change_that_came_late_is_not_what_the_feed_is_compared_with(shop: Ports, written: Write, now: int) -> None:
    imported(shop, written, FEED, HEADER + "a,,Mug,,,1,,,in_stock,,\n", now)
    patch(shop, Change(0, now + DAY, price=77))
    patch(shop, Change(0, now, price=66))
    assert shop.shelf.price[0] == 77
    assert imported(shop, written, FEED, HEADER + "a,,Mug,,,.77,,,in_stock,,\n", now + 2 * DAY).known == 1
