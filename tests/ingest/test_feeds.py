"""Feeds as they come: every format of one catalog gives the same shop; what each column becomes, and what is held."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pytest

from endcap.domain.catalog import Change
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY
from endcap.errors import InvalidFeed
from endcap.formats.rates import read_rates
from endcap.ingest import Ports, Summary
from endcap.ingest.catalog import Terms
from endcap.ingest.checkpoint import pack_shelf
from endcap.ingest.fold import project, rebuild_state
from endcap.state import NEVER
from feeds import demo_feed, take, write_atom, write_csv, write_json_ld, write_rss, write_tsv

Write: TypeAlias = Callable[[str, str], Path]
OpenShop: TypeAlias = Callable[..., object]
FULL = Terms(mode="full")
FORCED = Terms(force=True)


def changes(shop: Ports) -> list[Change]:
    return [change for _, change in shop.catalog.changes()]


def misfits(summary: Summary) -> list[dict[str, object]]:
    assert summary.quarantine is not None
    return [json.loads(line) for line in summary.quarantine.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def feed(demo: Path) -> pl.DataFrame:
    return demo_feed(demo, items=400)


WRITERS = {
    "Google Merchant TSV": write_tsv,
    "Google Merchant CSV": write_csv,
    "Google Merchant RSS": write_rss,
    "Google Merchant Atom": write_atom,
    "schema.org JSON-LD": write_json_ld,
}


def plainly(shop: Ports) -> dict[str, dict[str, object]]:
    """What the catalog says of each item, by id."""
    keys = shop.catalog.keys()
    told: dict[str, dict[str, object]] = {}
    for change in changes(shop):
        said = {name: getattr(change, name) for name in ("listed", "price", "stock", "brand", "category", "cost")}
        said |= change.text | {"group": None if change.group is None else keys[change.group]}
        told.setdefault(keys[change.row].id, {}).update({n: v for n, v in said.items() if v is not None})
    return told


def test_every_format_of_one_catalog_gives_the_same_shop(
    tmp_path: Path, feed: pl.DataFrame, open_shop: Callable[..., object], now: int
) -> None:
    told = {}
    for number, (name, write) in enumerate(WRITERS.items()):
        with open_shop(tmp_path / f"shop{number}", currency="EUR") as shop:  # type: ignore[attr-defined]
            summary = take(shop, write(feed, tmp_path / f"feed{number}"), now)
            assert (summary.format, summary.rows, summary.fresh) == (name, 400, 400)
            assert summary.quarantined == summary.unconverted == 0
            told[name] = plainly(shop)
    first = told["Google Merchant TSV"]
    assert len(first) == 400
    assert first[feed["id"][0]]["price"] == int(feed["price"][0].split()[0].replace(".", ""))
    for name in WRITERS:
        assert told[name] == first, name


@pytest.mark.parametrize("name", ["Google Merchant TSV", "Google Merchant RSS", "schema.org JSON-LD"])
def test_a_packed_feed_is_read_like_an_unpacked_one(
    tmp_path: Path, feed: pl.DataFrame, shop: Ports, now: int, name: str
) -> None:
    path = WRITERS[name](feed, tmp_path / "plain")
    packed = tmp_path / "feed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()[:1000]) + gzip.compress(path.read_bytes()[1000:]))
    assert take(shop, packed, now, FORCED).rows == 400
    assert take(shop, path, now).known == 400


FULL_HEADER = (
    "id\ttitle\tprice\tsale price\tsale_price_effective_date\tavailability\tcost_of_goods_sold\t"
    "google_product_category\tcustom_label_0\tadditional_image_link\tg:color\tcondition\n"
)
FULL_ROW = (
    "a\tMug\t12.99 EUR\tEUR 9.5\t2026-01-01T00:00+0100/2026-02-01T00:00+0100\tout of stock\t4 EUR\tHome > Kitchen\t"
    "summer\thttps://s.example/2.jpg,https://s.example/3.jpg\tred\tnew\n"
)


def test_a_row_of_a_merchant_feed_becomes_an_item(
    tmp_path: Path, open_shop: Callable[..., object], written: Write, now: int
) -> None:
    with open_shop(tmp_path / "shop", currency="EUR") as shop:  # type: ignore[attr-defined]
        assert take(shop, written("feed.txt", FULL_HEADER + FULL_ROW), now).fresh == 1
        assert changes(shop) == [
            Change(
                0, 0, listed=True, price=1299, sale_price=950, sale_start=1_767_222_000_000, sale_end=1_769_900_400_000,
                stock=0, cost=400, category=("Home", "Kitchen"),
                text={
                    "title": "Mug", "google_product_category": "Home > Kitchen", "custom_label_0": "summer",
                    "additional_image_link": "https://s.example/2.jpg,https://s.example/3.jpg", "color": "red",
                    "condition": "new",
                },
            )
        ]  # fmt: skip


def test_the_own_path_of_a_shop_goes_before_googles(shop: Ports, written: Write, now: int) -> None:
    text = "id,title,product_type,google_product_category\na,Mug,Kitchen > Mugs,Home\nb,Cup,,Home > Cups\n"
    take(shop, written("feed.csv", text), now)
    assert [change.category for change in changes(shop)] == [("Kitchen", "Mugs"), ("Home", "Cups")]


def test_a_price_without_a_sales_price_ends_the_sale(shop: Ports, written: Write, now: int) -> None:
    take(shop, written("one.csv", "id,title,price,sale_price\na,Mug,9,8\n"), now)
    take(shop, written("two.csv", "id,title,price\na,Mug,9\n"), now + DAY)
    assert changes(shop)[1] == Change(0, now + DAY, sale_price=-1, sale_end=0)
    assert changes(shop)[0].sale_end == NEVER


def test_objects_with_merchant_names_are_a_feed(shop: Ports, written: Write, now: int) -> None:
    lines = [
        {"offerId": "a", "title": "Mug", "price": {"value": "9.99", "currency": "GBP"}, "productTypes": ["A > B", "C"]},
        {"id": "b", "attributes": {"title": "Cup", "price": {"amountMicros": "5500000", "currencyCode": "GBP"}}},
    ]
    path = written("feed.jsonl", "\n".join(map(json.dumps, lines)))
    assert take(shop, path, now).format == "JSON with Merchant names"
    assert [(change.price, change.category, change.text["title"]) for change in changes(shop)] == [
        (999, ("A", "B"), "Mug"),
        (550, None, "Cup"),
    ]
    array = written("feed.json", json.dumps({"products": lines}, indent=1))
    assert take(shop, array, now) == Summary(2, known=2, format="JSON with Merchant names")


def test_parquet_with_merchant_names_is_a_feed(tmp_path: Path, shop: Ports, now: int) -> None:
    images = [["x", "y"], []]
    frame = pl.DataFrame(
        {"Id": ["a", "b"], "title": ["Mug", "Cup"], "price": [9.99, float("nan")], "additional_image_links": images}
    )
    frame.write_parquet(tmp_path / "feed.parquet")
    assert take(shop, tmp_path / "feed.parquet", now).format == "Parquet with Merchant names"
    assert changes(shop) == [
        Change(0, 0, listed=True, price=999, text={"title": "Mug", "additional_image_link": "x,y"}),
        Change(1, 0, listed=True, text={"title": "Cup"}),
    ]


PRODUCT_GROUP = {
    "@context": "https://schema.org/",
    "@type": "ProductGroup",
    "productGroupID": "44E01",
    "name": "Coat",
    "brand": {"@type": "Brand", "name": "Good"},
    "hasVariant": [
        {
            "@type": "Product", "sku": "44E01-M", "name": "Coat, M", "size": "M", "image": ["https://s.example/1.jpg", "https://s.example/2.jpg"],
            "offers": {
                "@type": "Offer", "availability": "OutOfStock",
                "priceSpecification": [
                    {"priceType": "https://schema.org/ListPrice", "price": 50, "priceCurrency": "GBP"},
                    {"@type": "UnitPriceSpecification", "price": 39.99, "priceCurrency": "GBP"},
                ],
            },
        },
        {"@type": ["Product", "Thing"], "sku": "44E01-L", "name": "Coat, L", "offers": [{"price": "45", "availability": "http://schema.org/InStock"}]},
    ],
}  # fmt: skip


def test_a_product_group_gives_its_variants(shop: Ports, written: Write, now: int) -> None:
    assert take(shop, written("feed.json", json.dumps([PRODUCT_GROUP], indent=2)), now).rows == 2
    medium, large = changes(shop)
    assert (medium.price, medium.sale_price, medium.stock, medium.brand, medium.group) == (5000, 3999, 0, "Good", 2)
    assert medium.text == {
        "title": "Coat, M", "size": "M", "image_link": "https://s.example/1.jpg",
        "additional_image_link": "https://s.example/2.jpg",
    }  # fmt: skip
    assert (large.price, large.stock, large.group) == (4500, None, 2)
    assert shop.catalog.keys()[2] == ItemKey("group", "44E01")


def test_products_stand_in_lines_arrays_lists_and_documents(shop: Ports, written: Write, now: int) -> None:
    product = {"@context": "https://schema.org", "@type": "Product"}
    mug, cup = (product | {"sku": sku, "name": sku} for sku in ("mug", "cup"))
    listed = {"@type": "ItemList", "itemListElement": [{"item": mug}, {"item": cup}]}
    shapes = {
        "lines": f"{json.dumps(mug)}\n{json.dumps(cup)}\n",
        "array": json.dumps([mug, cup]),
        "graph": json.dumps({"@context": "https://schema.org", "@graph": [mug, cup]}, indent=4),
        "document": json.dumps({"@context": "https://schema.org"} | listed),
    }  # fmt: skip
    for name, text in shapes.items():
        summary = take(shop, written(f"{name}.json", text), now)
        assert (name, summary.rows, summary.quarantined) == (name, 2, 0)
    assert [change.text["title"] for change in changes(shop)] == ["mug", "cup"]


def items(count: int, price: int = 1) -> str:
    return "id,title,price\n" + "".join(f"i{number},Mug {number},{price}\n" for number in range(count))


def test_a_full_feed_takes_what_it_lacks_off_sale_and_deletes_nothing(shop: Ports, written: Write, now: int) -> None:
    take(shop, written("a.csv", items(10)), now, FULL)
    assert take(shop, written("b.csv", items(8)), now + DAY).delisted == 0
    assert take(shop, written("c.csv", items(8)), now + 2 * DAY, FULL) == Summary(
        8, known=8, delisted=2, format="Google Merchant CSV"
    )
    assert changes(shop)[10:] == [Change(row, now + 2 * DAY, listed=False) for row in (8, 9)]
    assert shop.shelf.listed[:10].tolist() == [True] * 8 + [False] * 2
    assert take(shop, written("d.csv", items(9)), now + 3 * DAY, FULL).fresh == 1
    assert shop.shelf.listed[:10].tolist() == [True] * 9 + [False]


def test_an_item_whose_row_does_not_fit_is_not_missing(shop: Ports, written: Write, now: int) -> None:
    take(shop, written("a.csv", items(4)), now)
    summary = take(shop, written("b.csv", items(3) + "i3,Mug,free\n"), now + DAY, FULL)
    assert (summary.quarantined, summary.delisted) == (1, 0)
    assert shop.shelf.listed[:4].all()


def test_too_many_items_gone_are_held(shop: Ports, written: Write, now: int) -> None:
    take(shop, written("a.csv", items(10)), now, FULL)
    end = shop.log.end("events")
    with pytest.raises(InvalidFeed) as held:
        take(shop, written("b.csv", items(6) + "new,Mug,1\n"), now + DAY, FULL)
    assert str(held.value) == (
        "the import is held, and nothing was written: 4 of 10 listed items would go (40%; more than 30% is most likely "
        "a broken file); look at the file, and import it with --force if it is right"
    )
    assert shop.log.end("events") == end
    assert take(shop, written("c.csv", items(7)), now + DAY, FULL).delisted == 3
    assert take(shop, written("d.csv", items(1)), now + 2 * DAY, Terms("full", force=True)).delisted == 6


def test_too_many_prices_moved_are_held(shop: Ports, written: Write, now: int) -> None:
    take(shop, written("a.csv", items(10)), now)
    end = shop.log.end("events")
    with pytest.raises(InvalidFeed) as held:
        take(shop, written("b.csv", items(6, price=2)), now + DAY)
    assert str(held.value) == (
        "the import is held, and nothing was written: 6 of 10 prices known would change (60%; more than 50% is most "
        "likely a broken file); look at the file, and import it with --force if it is right"
    )
    assert shop.log.end("events") == end
    assert take(shop, written("c.csv", items(5, price=2)), now + DAY).fresh == 5
    assert take(shop, written("d.csv", items(10, price=3)), now + 2 * DAY, FORCED).fresh == 10


def test_of_rows_with_one_id_the_last_counts_and_the_others_are_named(shop: Ports, written: Write, now: int) -> None:
    text = "id,title\na,Mug\nb,Cup\na,Jug\na,Pot\n"
    summary = take(shop, written("feed.csv", text), now)
    assert (summary.rows, summary.repeated, summary.fresh, summary.quarantined) == (4, 2, 2, 0)
    assert sorted(change.text["title"] for change in changes(shop)) == ["Cup", "Pot"]
    assert misfits(summary) == [
        {"row": 1, "field": "id", "value": "a", "reason": "stands again in row 4, which counts"},
        {"row": 3, "field": "id", "value": "a", "reason": "stands again in row 4, which counts"},
    ]


def test_prices_in_other_currencies_are_kept_as_given_and_unknown_without_a_rate(
    shop: Ports, written: Write, now: int
) -> None:
    text = "id,title,price\na,Mug,10.00 USD\nb,Cup,5 GBP\n"
    summary = take(shop, written("feed.csv", text), now)
    assert summary.unconverted == 1
    assert changes(shop) == [
        Change(0, 0, listed=True, text={"title": "Mug", "price": "10.00 USD"}),
        Change(1, 0, listed=True, price=500, text={"title": "Cup"}),
    ]
    rates = read_rates(written("rates.csv", "currency,rate,date\nUSD,0.5,2020-01-01\nUSD,0.755,2023-11-01\n"), "GBP")
    summary = take(shop, written("feed.csv", text), now + DAY, Terms(rates=rates))
    assert (summary.unconverted, summary.fresh) == (0, 1)
    assert changes(shop)[2] == Change(0, now + DAY, price=755)
    take(shop, written("feed.csv", "id,title,price\na,Mug,7.55\n"), now + 2 * DAY)
    assert changes(shop)[3] == Change(0, now + 2 * DAY, text={"price": ""})


def test_titles_are_stored_as_plain_text(shop: Ports, written: Write, now: int) -> None:
    title = "<b>Mug</b> &amp; cup<script>alert('x')</script> 5 &lt; 6"
    take(shop, written("feed.tsv", f"id\ttitle\tdescription\na\t{title}\t<p onclick=x()>One<br/>two</p>\n"), now)
    assert changes(shop)[0].text == {"title": "Mug & cup 5 < 6", "description": "One two"}


def test_a_rebuild_from_the_log_gives_the_shelf_that_the_import_left(
    tmp_path: Path, feed: pl.DataFrame, shop: Ports, open_shop: Callable[..., object], now: int
) -> None:
    take(shop, write_tsv(feed, tmp_path / "feed.tsv"), now, FORCED)
    before = pack_shelf(shop.shelf)
    project(shop)
    assert pack_shelf(shop.shelf) == before
    rebuild_state(shop)
    assert shop.kv.get_many([b"shelf"])[0] == before


def test_an_item_of_a_later_feed_is_new_and_those_of_the_first_are_not(shop: Ports, written: Write, now: int) -> None:
    head, chair = "id\ttitle\tprice\tavailability\n", "A\tChair\t5.00 GBP\tin stock\n"
    take(shop, written("first.tsv", head + chair), now)
    take(shop, written("second.tsv", head + chair + "B\tTable\t9.00 GBP\tin stock\n"), now + DAY)
    assert shop.shelf.born[:2].tolist() == [NEVER, now + DAY]


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("u.jsonl", '{"id":"a","title":"Mug","price":"12"}\n'),
        ("u.xml", "<rss><channel><item><id>a</id><title>Mug</title><price>12</price></item></channel></rss>"),
        (
            "u.json",
            '{"@type":"Product","@context":"https://schema.org","sku":"a","name":"Mug","offers":{"price":"12"}}',
        ),
        ("u.csv", "id,title,price\na,Mug,12\n"),
    ],
)
def test_attributes_that_no_record_of_a_file_has_stay_as_they_were(
    shop: Ports, written: Write, now: int, name: str, update: str
) -> None:
    full = {"id": "a", "title": "Mug", "price": "9", "brand": "Good", "product_type": "Home > Mugs", "quantity": "0"}
    full |= {"item_group_id": "g", "color": "red", "availability": "out of stock", "cost_of_goods_sold": "4"}
    full |= {"sale_price": "8", "sale_price_effective_date": "2026-01-01/2026-02-01"}
    take(shop, written("full.jsonl", json.dumps(full)), now)
    take(shop, written(name, update), now + DAY, FORCED)
    assert changes(shop)[1:] == [Change(0, now + DAY, price=1200, sale_price=-1, sale_start=0, sale_end=0)]


@pytest.mark.parametrize(
    "update",
    [
        '{"id":"a","title":"Mug"}\n{"id":"b","title":"Cup","availability":"in_stock","quantity":3}\n',
        '{"id":"a","title":"Mug","availability":null}\n{"id":"b","title":"Cup","availability":"in_stock","quantity":3}\n',
        "id,title,availability,quantity\na,Mug,,\nb,Cup,in_stock,3\n",
    ],
)
def test_a_row_without_availability_and_quantity_leaves_the_stock_as_it_was(
    shop: Ports, written: Write, now: int, update: str
) -> None:
    take(shop, written("one.csv", "id,title,availability\na,Mug,out of stock\nb,Cup,out of stock\n"), now)
    take(shop, written("two", update), now + DAY)
    assert changes(shop)[2:] == [Change(1, now + DAY, stock=3)]


def test_an_attribute_that_is_null_or_absent_beside_others_that_have_it_is_cleared(
    shop: Ports, written: Write, now: int
) -> None:
    rows = [{"id": item, "title": "Mug", "brand": "Good", "color": "red"} for item in "ab"]
    take(shop, written("one.jsonl", "\n".join(map(json.dumps, rows))), now)
    news = [{"id": "a", "title": "Mug", "brand": "Better", "color": None}, {"id": "b", "title": "Mug"}]
    take(shop, written("two.jsonl", "\n".join(map(json.dumps, news))), now + DAY)
    assert changes(shop)[2:] == [
        Change(0, now + DAY, brand="Better", text={"color": ""}),
        Change(1, now + DAY, brand="", text={"color": ""}),
    ]


@pytest.mark.parametrize("torn", ["i3\n", ",Mug,1\n"])
def test_a_full_feed_with_rows_that_name_no_item_takes_nothing_off_sale(
    shop: Ports, written: Write, now: int, torn: str
) -> None:
    take(shop, written("a.csv", items(5)), now)
    summary = take(shop, written("b.csv", items(4) + torn), now + DAY, FULL)
    assert (summary.quarantined, summary.delisted) == (1, 0)
    assert misfits(summary)[-1] == {
        "row": 0, "field": "id", "value": None,
        "reason": "of 1 rows cannot be read, so that no item was taken off sale",
    }  # fmt: skip
    assert take(shop, written("c.csv", items(4) + torn), now + DAY, Terms("full", force=True)).delisted == 1


@pytest.mark.parametrize(
    "begin", ['{"items":[', '{"products":[', '{"@context":"https://schema.org","@graph":[', '{"@context":{},"@graph":[']
)
def test_a_document_a_line_is_read_to_its_last_line(shop: Ports, written: Write, now: int, begin: str) -> None:
    line = begin + '{"@type":"Product","sku":"%s","name":"Mug","price":1}], "more": 1}\n'
    summary = take(shop, written("feed.jsonl", "".join(line % item for item in "abc")), now)
    assert (summary.rows, summary.fresh, summary.quarantined) == (3, 3, 0)


def test_a_second_array_of_a_document_counts_too(shop: Ports, written: Write, now: int) -> None:
    mug, cup, jug = ({"id": item, "title": "Mug", "price": 1} for item in "abc")
    document = {"items": [mug], "total": {"items": 3}, "products": [cup, jug]}
    for number, indent in enumerate((None, 2)):
        assert take(shop, written(f"{number}.json", json.dumps(document, indent=indent)), now).rows == 3
