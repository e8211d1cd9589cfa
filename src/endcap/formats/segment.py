"""Segment calls (https://segment.com/docs/connections/spec/ecommerce/v2/), and events as Endcap's own API takes them.

Knows the names of Segment's e-commerce events; does not know which of ours matter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from endcap.formats import Format, Sample, Table
from endcap.formats.event_rows import EventFile, Row, instant, placement, text, with_items
from endcap.formats.files import open_any

NAMES: Final = {
    "product list viewed": "view_item_list",
    "product clicked": "select_item",
    "product viewed": "view_item",
    "product added to wishlist": "add_to_wishlist",
    "product added": "add_to_cart",
    "wishlist product added to cart": "add_to_cart",
    "product removed": "remove_from_cart",
    "checkout started": "begin_checkout",
    "order completed": "purchase",
    "order refunded": "refund",
    "signed in": "login",
    "signed out": "logout",
}
"""Any other call keeps its own name, by which it is counted; `identify` says what a login says."""

_CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")


def _call_rows(event: str, value: Mapping[str, Any], clocks: Counter[str]) -> Iterable[Row]:
    said, context = value.get("properties") or {}, value.get("context") or {}
    at = value.get("timestamp") or value.get("originalTimestamp") or value.get("receivedAt")
    number = at if isinstance(at, int) or (isinstance(at, str) and at.isdigit()) else None
    row = Row(
        event,
        _name(value),
        instant(number, "milliseconds", clocks),
        None if number is not None else text(at),
        user_id=text(value.get("userId")),
        visitor_id=text(value.get("anonymousId")),
        session_id=text(context.get("sessionId")) or text(said.get("session_id")),
        transaction_id=text(said.get("order_id")),
        event_id=text(value.get("messageId")),
        currency=text(said.get("currency")),
        region=text((context.get("location") or {}).get("country")),
        placement=placement(said.get("list_id")),
        recommendation_id=text(said.get("recommendation_id")),
        user_agent=text(context.get("userAgent")),
        device=text((context.get("device") or {}).get("type")),
        referrer=text((context.get("page") or {}).get("referrer")),
        search_term=text(said.get("query")),
    )
    products = said.get("products") or ([said] if _id(said) else [])
    return with_items(row, products, _product)


def _name(value: Mapping[str, Any]) -> str | None:
    kind = text(value.get("type")) or "track"
    if kind != "track":
        return "login" if kind == "identify" else kind
    given = text(value.get("event"))
    return given and NAMES.get(given.lower().replace("_", " "), given)


def _id(product: Mapping[str, Any]) -> str | None:
    return text(product.get("product_id")) or text(product.get("sku")) or text(product.get("id"))


def _product(event: Row, product: Mapping[str, Any]) -> Row:
    return event._replace(
        item_id=_id(product), quantity=text(product.get("quantity")), price=text(product.get("price"))
    )


def _own_rows(event: str, value: Mapping[str, Any], clocks: Counter[str]) -> Iterable[Row]:
    at = value["time"]
    number = at if isinstance(at, int) or (isinstance(at, str) and at.isdigit()) else None
    row = Row(
        event,
        text(value["name"]),
        instant(number, "milliseconds", clocks),
        None if number is not None else text(at),
        placement=placement(value.get("placement")),
        referrer=text(value.get("page_referrer")),
        **{name: text(value.get(name)) for name in _OWN},
    )
    return with_items(row, value.get("items"), _own_item)


_OWN: Final = (
    "user_id", "visitor_id", "session_id", "transaction_id", "event_id", "currency", "recommendation_id", "user_agent",
    "region", "device", "search_term", "engagement_time_msec", "percent_scrolled",
)  # fmt: skip


def _own_item(event: Row, item: Mapping[str, Any]) -> Row:
    return event._replace(
        item_id=text(item.get("item_id")), quantity=text(item.get("quantity")), price=text(item.get("price"))
    )


def _first(sample: Sample) -> Mapping[str, Any]:
    return sample.objects[0] if sample.objects else {}


def _calls(sample: Sample) -> bool:
    first = _first(sample)
    return first.get("type") in _CALLS and bool({"anonymousId", "userId", "messageId"} & set(first))


def _own(sample: Sample) -> bool:
    return {"name", "time", "items"} <= set[str]().union(*sample.objects)


def _table(sample: Sample) -> Table:
    return open_any(sample.source, sample.separator)


def _own_table(sample: Sample) -> bool:
    return {"name", "time", "item_id"} <= set(sample.columns).union(*sample.objects)


FORMATS: Final = (
    Format("Segment e-commerce calls", _calls, lambda sample: EventFile(sample.source, _call_rows)),
    Format("events of Endcap's own API", _own, lambda sample: EventFile(sample.source, _own_rows)),
    Format("a table with the names of events' fields", _own_table, _table),
)
