"""Items and records taken in over HTTP, and calls that come again."""

import asyncio
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from endcap import app
from endcap.access import OtherBody, Repeats
from endcap.backends.log.bodies import pack
from endcap.domain.catalog import Change
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import ItemKey
from endcap.ingest.rows import RowBook
from endcap.privacy import Identities
from endcap.serving.edge import Edge, WrongFields
from endcap.serving.goods import CatalogItemCall, change
from endcap.state import NEVER, Shelf
from servers import Server

LINK = "a link of http or https, or a path, without spaces and control characters"
AT = 1_780_000_000_000
NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def edge() -> Edge:
    return Edge(b"s" * 32, "EUR", "Europe/Berlin", RowBook([ItemKey("item", "A")]), Shelf(), Identities(b"s" * 32))


def test_an_item_under_merchant_names_becomes_a_change(edge: Edge) -> None:
    call = CatalogItemCall(
        "B", title="<b>Mug</b> &amp; cup", link="https://shop.example/b", item_group_id="G", brand="Arda",
        product_type="Home > Kitchen", google_product_category="Home & Garden", price="12.99 EUR", sale_price=9.5,
        sale_price_effective_date="2026-11-27T00:00/2026-11-30T23:59+01:00", availability="in stock", quantity=4,
        cost_of_goods_sold="EUR 5", color="red", custom_label_0="winter",
    )  # fmt: skip
    assert change(call, edge, AT) == Change(
        1, AT, group=2, listed=True, price=1299, sale_price=950, sale_start=1_795_734_000_000,
        sale_end=1_796_079_540_000, stock=4, brand="Arda", category=("Home", "Kitchen"), cost=500,
        text={"title": "Mug & cup", "link": "https://shop.example/b", "color": "red", "custom_label_0": "winter"},
    )  # fmt: skip


@pytest.mark.parametrize("link", [" https://x.example/b?c=d:e#f ", "HTTP://x", "/b", "b.html", "//x.example/b:c", ""])
def test_a_link_to_a_page_is_kept_without_the_spaces_around_it(edge: Edge, link: str) -> None:
    assert change(CatalogItemCall("A", link=link), edge, AT).text == {"link": link.strip()}


def test_what_is_not_given_stays_and_what_is_empty_is_cleared(edge: Edge) -> None:
    assert change(CatalogItemCall("A"), edge, AT) == Change(0, AT, listed=True)
    cleared = CatalogItemCall("A", title="", brand="", item_group_id="", price="", product_type="")
    assert change(cleared, edge, AT) == Change(
        0, AT, group=0, listed=True, price=-1, sale_price=-1, sale_start=0, sale_end=0, brand="", category=(),
        text={"title": ""},
    )  # fmt: skip


def test_a_price_ends_a_sale_and_a_sale_without_a_window_holds_at_once(edge: Edge) -> None:
    plain, sale = change(CatalogItemCall("A", price=5), edge, AT), change(CatalogItemCall("A", sale_price=4), edge, AT)
    assert (plain.price, plain.sale_price, plain.sale_start, plain.sale_end) == (500, -1, 0, 0)
    assert (sale.price, sale.sale_price, sale.sale_start, sale.sale_end) == (None, 400, 0, NEVER)


def test_a_price_in_another_currency_is_unknown_and_what_is_out_of_stock_has_none(edge: Edge) -> None:
    assert change(CatalogItemCall("A", price="12.99 USD"), edge, AT).price == -1
    assert change(CatalogItemCall("A", availability="out of stock", quantity=7), edge, AT).stock == 0
    assert change(CatalogItemCall("A", availability="preorder"), edge, AT).stock == -1


@pytest.mark.parametrize(
    ("call", "field", "expected"),
    [
        (CatalogItemCall("A", price="-1"), "price", "a price from 0 below 10^15 minor units"),
        (CatalogItemCall("A", price="NaN"), "price", "a price from 0 below 10^15 minor units"),
        (CatalogItemCall("A", price="1e308"), "price", "a price from 0 below 10^15 minor units"),
        (CatalogItemCall("A", price="free"), "price", "a price from 0 below 10^15 minor units"),
        (
            CatalogItemCall("A", sale_price="1.299,00"), "sale_price",
            "a price that is not ambiguous: a comma may part thousands or decimals",
        ),
        (CatalogItemCall("A", price="5 XYZ"), "price", "a currency of ISO 4217, such as EUR"),
        (CatalogItemCall("A", link="javascript:alert(1)"), "link", LINK),
        (CatalogItemCall("A", link=" javascript:alert(1)"), "link", LINK),
        (CatalogItemCall("A", link="java\tscript:alert(1)"), "link", LINK),
        (CatalogItemCall("A", link="\x01javascript:alert(1)"), "link", LINK),
        (CatalogItemCall("A", image_link="https://shop.example/a\nb"), "image_link", LINK),
        (CatalogItemCall("A", title="a\0b"), "title", "text without NUL characters"),
        (CatalogItemCall("A", brand="a\0b"), "brand", "text without NUL characters"),
        (CatalogItemCall("A", product_type="a > \0b"), "product_type", "text without NUL characters"),
        (
            CatalogItemCall("A", availability="soon"), "availability",
            "one of in_stock, limited_availability, preorder, backorder, out_of_stock",
        ),
        (
            CatalogItemCall("A", sale_price=1, sale_price_effective_date="now/then"), "sale_price_effective_date",
            "two ISO 8601 times parted by /",
        ),
    ],
)  # fmt: skip
def test_a_wrong_item_is_told_what_is_expected(edge: Edge, call: CatalogItemCall, field: str, expected: str) -> None:
    with pytest.raises(WrongFields) as caught:
        change(call, edge, AT)
    assert [(error.field, error.expected) for error in caught.value.errors] == [(field, expected)]


def test_an_item_that_is_put_shows_in_the_next_answer(server: Server) -> None:
    item = {"id": "SKU-3", "title": "Renamed", "price": "7.77 EUR", "brand": "Nova", "custom_label_0": "new"}
    answer = server.http.put("/v1/catalog/items", json={"items": [item, {"id": "X", "colour": "red"}]})
    assert answer.json() == {
        "accepted": 1,
        "problems": [
            {
                "index": 1,
                "errors": [
                    {
                        "field": "colour",
                        "given": "red",
                        "expected": "a field of this body",
                        "remedy": "did you mean color?",
                    }
                ],
            }
        ],
    }
    items = server.post("/v1/recommendations", placement="home", filter="custom_label_0 = 'new'", k=5)["items"]
    assert [
        (each["id"], each["fields"]["title"], each["fields"]["price"], each["fields"]["brand"]) for each in items
    ] == [("SKU-3", "Renamed", "7.77", "Nova")]
    assert server.http.put("/v1/catalog/items", json={"items": [item] * 1_001}).status_code == 422


def test_records_of_an_import_get_rows_offsets_and_are_known_at_once(server: Server) -> None:
    def post(**body: object) -> tuple[int, dict[str, list[int]]]:
        answer = server.http.post(
            "/v1/admin/records", content=msgspec.msgpack.encode(body), headers={"Content-Type": "application/msgpack"}
        )
        packed = answer.headers["content-type"] == "application/msgpack"
        return answer.status_code, msgspec.msgpack.decode(answer.content) if packed else answer.json()

    status, given = post(rows=[("item", "IMPORTED"), ("item", "SKU-1"), ("group", "SKU-1")])
    assert (status, given["rows"][1], len(set(given["rows"]))) == (200, 1, 3)
    row = given["rows"][0]
    told = pack(Change(row, NOW_MS, listed=True, price=100, stock=5, brand="Imported"))
    entries = [("change", b"key-of-it", b"", NOW_MS, told, 1)]
    assert post(entries=entries)[1]["fresh"] == [True]
    assert post(entries=entries)[1]["fresh"] == [False]
    assert server.http.patch("/v1/catalog/offers", json={"offers": [{"id": "IMPORTED", "stock": 1}]}).json()["accepted"]
    beyond = pack(Change(row + 100, NOW_MS, listed=True))
    strange = pack(Event(Kind.VIEW, NOW_MS, NOW_MS, b"x" * 16, (Line(row + 100, 1, 0),)))
    for kind, body in (("change", beyond), ("event", strange)):
        status, problem = post(entries=[(kind, b"", b"", NOW_MS, body, 1)])
        assert (status, "ask for the row first" in str(problem)) == (422, True)
    assert post(entries=[("change", b"", b"", NOW_MS, b"\xc1", 1)])[0] == 422
    assert post(entries=[("decision", b"", b"", NOW_MS, told, 1)])[0] == 422
    answer = server.http.post("/v1/admin/records", content=b"\xc1", headers={"Content-Type": "application/msgpack"})
    assert answer.status_code == 422


def test_the_items_of_one_call_that_nobody_knows_are_bounded(server: Server) -> None:
    """Every new id is a row for ever, and a publishable key stands in every page."""
    views = [
        {
            "name": "view_item_list",
            "time": NOW_MS,
            "visitor_id": "flood",
            "items": [{"item_id": f"{part}-{number}"} for number in range(200)],
        }
        for part in ("a", "b", "c", "d", "e", "f", "a")
    ]
    answer = server.post("/v1/events", events=views)
    assert answer["results"] == [*["accepted"] * 5, "refused", "accepted"]
    assert answer["problems"][0]["errors"] == [
        {
            "field": "items",
            "given": "a list with 200 unknown items",
            "expected": "at most 1,000 items a call that the shop does not know",
            "remedy": "import the catalog first, or send fewer",
        }
    ]


def test_a_call_that_comes_again_is_answered_as_before(server: Server) -> None:
    event = {"name": "view_item", "time": NOW_MS, "visitor_id": "again", "items": [{"item_id": "SKU-1"}]}
    same = {"Idempotency-Key": "order-17"}
    first = server.http.post("/v1/events", json={"events": [event]}, headers=same)
    again = server.http.post("/v1/events", json={"events": [event]}, headers=same)
    assert first.json()["results"] == again.json()["results"] == ["accepted"]
    assert server.http.post("/v1/events", json={"events": [event]}).json()["results"] == ["duplicate"]
    other = server.http.post("/v1/events", json={"events": [event, event]}, headers=same)
    assert (other.status_code, other.json()["detail"]) == (
        409, "this Idempotency-Key came before with another body; send a new key with a new body"
    )  # fmt: skip
    long = server.http.post("/v1/events", json={"events": [event]}, headers={"Idempotency-Key": "k" * 256})
    assert (long.status_code, long.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_copies_that_come_together_run_once_and_a_failure_is_not_kept() -> None:
    ran: list[int] = []
    now = [0.0]

    async def live() -> None:
        repeats = Repeats(lambda: now[0])

        async def answer() -> bytes:
            ran.append(1)
            await asyncio.sleep(0.01)
            return b"%d" % len(ran)

        async def failing() -> bytes:
            raise ConnectionError

        copies = await asyncio.gather(*(repeats.once(("k", "a"), b"body", answer) for _ in range(64)))
        assert (set(copies), len(ran)) == ({b"1"}, 1)
        with pytest.raises(OtherBody):
            await repeats.once(("k", "a"), b"other", answer)
        with pytest.raises(ConnectionError):
            await repeats.once(("k", "b"), b"body", failing)
        assert await repeats.once(("k", "b"), b"body", answer) == b"2"
        assert await repeats.once(("other key", "a"), b"body", answer) == b"3"
        now[0] = 24 * 3_600.0 - 1
        assert await repeats.once(("k", "a"), b"body", answer) == b"1"
        now[0] += 2
        assert await repeats.once(("k", "a"), b"other", answer) == b"4"

    asyncio.run(live())


def test_what_was_put_is_rebuilt_from_the_log(shop: Path) -> None:
    with closing(app.open_floor(app.open_shop(shop, {}))) as floor:
        told = change(CatalogItemCall("SKU-5", price="1.11", color="teal"), floor.edge, NOW_MS)
        assert (told.row, told.price, told.text) == (5, 111, {"color": "teal"})
