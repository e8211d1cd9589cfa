"""Items as a caller gives them, under Merchant names, and how they become catalog changes.

The rules are those of feeds: what is absent stays as it was, an empty value clears one, a price without a sale's price
ends a sale, and a price in another currency than the shop's counts as unknown. Knows no clock and no log.
"""

import html
import re
from datetime import datetime
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from endcap.domain.catalog import Change
from endcap.domain.ids import ItemKey
from endcap.domain.instants import millis
from endcap.domain.links import EXPECTED, is_link
from endcap.domain.money import AMOUNT, CURRENCIES, price_units
from endcap.serving.calls import MAX_EVENTS, Id, Price
from endcap.serving.edge import Edge, WrongFields
from endcap.serving.problems import FieldProblem, shortened
from endcap.state import NEVER

Text: TypeAlias = Annotated[str, Meta(max_length=20_000)] | None
Short: TypeAlias = Annotated[str, Meta(max_length=256)] | None


class CatalogItemCall(Struct, frozen=True, forbid_unknown_fields=True):
    """One item under its Merchant names. What is not given stays as it was; an empty text clears one.

    Prices are decimal text with or without a currency, such as "12.99 EUR", or numbers in the shop's currency.
    """

    id: Id
    title: Text = None
    description: Text = None
    link: Text = None
    image_link: Text = None
    additional_image_link: Text = None
    item_group_id: Short = None
    brand: Short = None
    product_type: Annotated[str, Meta(max_length=20_000, description="a path such as Home > Kitchen")] | None = None
    google_product_category: Text = None
    price: Price | None = None
    sale_price: Price | None = None
    sale_price_effective_date: (
        Annotated[str, Meta(max_length=128, description="start/end, ISO 8601; without it a sale holds at once")] | None
    ) = None
    cost_of_goods_sold: Price | None = None
    availability: Annotated[str, Meta(max_length=64, description="in_stock, out_of_stock, preorder …")] | None = None
    quantity: Annotated[int, Meta(ge=-1, le=1_000_000_000, description="units; -1 is unknown and sells")] | None = None
    condition: Text = None
    age_group: Text = None
    gender: Text = None
    color: Text = None
    size: Text = None
    material: Text = None
    pattern: Text = None
    gtin: Text = None
    mpn: Text = None
    availability_date: Text = None
    custom_label_0: Text = None
    custom_label_1: Text = None
    custom_label_2: Text = None
    custom_label_3: Text = None
    custom_label_4: Text = None


class CatalogItemsCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /v1/catalog/items`, read one by one like events."""

    items: Annotated[list[msgspec.Raw], Meta(max_length=MAX_EVENTS)]


class CatalogItemsSchema(Struct):
    """Items of the catalog, at most 1,000 a call; an unknown id is a new item."""

    items: Annotated[list[CatalogItemCall], Meta(max_length=MAX_EVENTS)]


UNKNOWN: Final = -1
_PRICE: Final = re.compile(rf"(?:([A-Za-z]{{3}})\s*)?({AMOUNT})|({AMOUNT})\s*([A-Za-z]{{3}})")
_SELLING: Final = ("in_stock", "limited_availability", "preorder", "backorder")
_MARKUP: Final = re.compile(
    r"<script\b.*?(?:</script\s*>|$)|<style\b.*?(?:</style\s*>|$)|<!--.*?(?:-->|$)|</?[A-Za-z][^<>]*(?:>|$)|<[!?][^<>]*(?:>|$)",
    re.IGNORECASE | re.DOTALL,
)
_LINKS: Final = ("link", "image_link")
_FIELDS: Final = (
    "id item_group_id brand product_type google_product_category price sale_price sale_price_effective_date "
    "availability quantity cost_of_goods_sold"
).split()
_TEXTS: Final = tuple(name for name in CatalogItemCall.__struct_fields__ if name not in _FIELDS)


class _Window(NamedTuple):
    start: int
    end: int


def change(call: CatalogItemCall, edge: Edge, at: int) -> Change:
    """What `call` says about its item at `at`; an unknown item or group gets a row. Raises: WrongFields."""
    price, sale = _minor(call, "price", edge.currency), _minor(call, "sale_price", edge.currency)
    if price is not None and sale is None:
        sale = UNKNOWN
    window = _window(call.sale_price_effective_date, edge.timezone) if sale not in {None, UNKNOWN} else _Window(0, 0)
    path = call.product_type if call.product_type is not None else call.google_product_category
    for name in ("brand", "product_type", "google_product_category"):
        _check_nul(name, getattr(call, name))
    texts = {name: _text(call, name) for name in _TEXTS if getattr(call, name) is not None}
    row = edge.rows.ensure(ItemKey("item", call.id))
    group = None
    if call.item_group_id is not None:
        group = edge.rows.ensure(ItemKey("group", call.item_group_id)) if call.item_group_id else row
    return Change(
        row,
        at,
        group=group,
        listed=True,
        price=price,
        sale_price=sale,
        sale_start=None if sale is None else window.start,
        sale_end=None if sale is None else window.end,
        stock=_stock(call),
        brand=None if call.brand is None else _plain(call.brand),
        category=None if path is None else tuple(part for part in map(str.strip, _plain(path).split(">")) if part),
        text=texts,
        cost=_minor(call, "cost_of_goods_sold", edge.currency),
    )


def _minor(call: CatalogItemCall, field: str, currency: str) -> int | None:
    """Minor units, UNKNOWN where the price is empty or of another currency, None where it is not given."""
    given: str | float | None = getattr(call, field)
    if given is None:
        return None
    text = str(given).strip()
    if not text:
        return UNKNOWN
    if "," in text:
        remedy = "write 1299.00, with a point and no comma"
        raise _wrong(field, given, "a price that is not ambiguous: a comma may part thousands or decimals", remedy)
    found = _PRICE.fullmatch(text)
    named = ((found[1] or found[4] or currency).upper()) if found else ""
    if named and named not in CURRENCIES:
        raise _wrong(field, given, "a currency of ISO 4217, such as EUR", "correct the currency")
    try:
        minor = price_units((found[2] or found[3]) if found else "", currency)
    except ValueError:
        remedy = f"write a number such as 12.99, or one with its currency such as 12.99 {currency}"
        raise _wrong(field, given, "a price from 0 below 10^15 minor units", remedy) from None
    return minor if named == currency else UNKNOWN


def _stock(call: CatalogItemCall) -> int | None:
    if call.availability is not None and call.availability.strip():
        word = re.sub("[ -]", "_", call.availability.strip().lower())
        if word == "out_of_stock":
            return 0
        if word not in _SELLING:
            expected = f"one of {', '.join(_SELLING)}, out_of_stock"
            raise _wrong("availability", call.availability, expected, "correct the word")
        return UNKNOWN if call.quantity is None else call.quantity
    return call.quantity


def _window(text: str | None, timezone: str) -> _Window:
    """The sale's window: open on a side that is not given."""
    first, _, last = (text or "").partition("/")
    return _Window(_instant(first, timezone, 0), _instant(last, timezone, NEVER))


def _instant(text: str, timezone: str, absent: int) -> int:
    if not text.strip():
        return absent
    try:
        return max(0, millis(datetime.fromisoformat(text.strip()), timezone))
    except (ValueError, OverflowError):
        raise _wrong(
            "sale_price_effective_date", text, "two ISO 8601 times parted by /",
            "write it like 2026-11-27T00:00+01:00/2026-11-30T23:59+01:00",
        ) from None  # fmt: skip


def _text(call: CatalogItemCall, name: str) -> str:
    text: str = getattr(call, name)
    _check_nul(name, text)
    if name in _LINKS:
        link = text.strip()
        if not is_link(link):
            raise _wrong(name, text, EXPECTED, "correct the link")
        return link
    return _plain(text)


def _check_nul(name: str, text: str | None) -> None:
    if text is not None and "\0" in text:
        raise _wrong(name, text, "text without NUL characters", "leave them out")


def _plain(text: str) -> str:
    """`text` without markup.

    >>> _plain("<b>Mug</b> &amp; cup<script>alert(1)</script>")
    'Mug & cup'
    """
    if "&" in text:
        text = html.unescape(html.unescape(text))
    return " ".join(_MARKUP.sub(" ", text).split()) if "<" in text else text


def _wrong(field: str, given: object, expected: str, remedy: str) -> WrongFields:
    return WrongFields([FieldProblem(field, shortened(given), expected, remedy)])
