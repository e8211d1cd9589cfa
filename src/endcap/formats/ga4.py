"""Google Analytics 4: bodies of the Measurement Protocol, and rows of the export to BigQuery, nested or flat.

Knows https://developers.google.com/analytics/devguides/collection/protocol/ga4 and
https://support.google.com/analytics/answer/7029846; does not know which events matter.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from endcap.formats import Format, Sample, Table
from endcap.formats.event_rows import EventFile, Row, instant, placement, text, with_items
from endcap.formats.files import open_any

_EXPORT: Final = (
    "event_name", "event_timestamp", "event_params", "user_id", "user_pseudo_id", "items", "ecommerce", "geo",
    "device",
)  # fmt: skip
_USUAL: Final = "microseconds"


def _export_rows(event: str, value: Mapping[str, Any], clocks: Counter[str]) -> Iterable[Row]:
    """One row of the export to BigQuery; the session's number is one of its visitor's."""
    params = dict(_params(value.get("event_params") or ()))
    ecommerce, geo = value.get("ecommerce") or {}, value.get("geo") or {}
    visitor, session = text(value.get("user_pseudo_id")), text(params.get("ga_session_id"))
    row = Row(
        event,
        text(value.get("event_name")),
        instant(value.get("event_timestamp"), _USUAL, clocks),
        user_id=text(value.get("user_id")),
        visitor_id=visitor,
        session_id=f"{visitor}.{session}" if visitor and session else None,
        transaction_id=text(ecommerce.get("transaction_id")) or text(params.get("transaction_id")),
        event_id=text(params.get("event_id")),
        currency=text(params.get("currency")),
        region=text(geo.get("country")),
        placement=placement(params.get("item_list_id")),
        recommendation_id=text(params.get("recommendation_id")),
        device=text((value.get("device") or {}).get("category")),
        **_told(params),
    )
    return with_items(row, value.get("items"), _item)


def _params(params: Any) -> Iterator[tuple[str, Any]]:
    for param in params:
        value = param.get("value") or {}
        yield param["key"], next((each for each in value.values() if each is not None), None)


def _told(params: Mapping[str, Any]) -> dict[str, str | None]:
    """What led there. GA4's engagement is that of the page before, and its scroll events name no item."""
    return {"referrer": text(params.get("page_referrer")), "search_term": text(params.get("search_term"))}


def _item(event: Row, item: Mapping[str, Any]) -> Row:
    listed = event.placement or placement(item.get("item_list_id"))
    price = text(item.get("price"))
    return event._replace(
        item_id=text(item.get("item_id")) or text(item.get("id")),
        quantity=text(item.get("quantity")),
        price=price,
        placement=listed,
        currency=event.currency or text(item.get("currency")),
    )


def _body_rows(number: str, value: Mapping[str, Any], clocks: Counter[str]) -> Iterable[Row]:
    """The events of one body, each with the body's ids and, unless it has its own, its time."""
    visitor = text(value.get("client_id")) or text(value.get("app_instance_id"))
    country = text((value.get("user_location") or {}).get("country_id"))
    rows: list[Row] = []
    for place, event in enumerate(value["events"]):
        params = event.get("params") or {}
        session = text(params.get("session_id")) or text(params.get("ga_session_id"))
        at = event.get("timestamp_micros") or params.get("timestamp_micros") or value.get("timestamp_micros")
        row = Row(
            f"{number}.{place}",
            text(event.get("name")),
            instant(at, _USUAL, clocks),
            user_id=text(value.get("user_id")),
            visitor_id=visitor,
            session_id=f"{visitor}.{session}" if visitor and session else session,
            transaction_id=text(params.get("transaction_id")),
            event_id=text(params.get("event_id")),
            currency=text(params.get("currency")),
            region=country,
            placement=placement(params.get("item_list_id")),
            recommendation_id=text(params.get("recommendation_id")),
            user_agent=text(value.get("user_agent")),
            device=text((value.get("device") or {}).get("category")),
            **_told(params),
        )
        rows += with_items(row, params.get("items"), _item)
    return rows


FLAT: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("event_name",),
    "visitor_id": ("user_pseudo_id",),
    "user_id": ("user_id",),
    "session_id": ("ga_session_id", "session_id"),
    "transaction_id": ("transaction_id", "ecommerce_transaction_id", "ecommerce.transaction_id"),
    "event_id": ("event_id",),
    "item_id": ("item_id", "items_item_id", "items.item_id"),
    "quantity": ("quantity", "items_quantity", "items.quantity"),
    "price": ("price", "items_price", "items.price"),
    "currency": ("currency",),
    "region": ("country", "geo_country", "geo.country"),
    "placement": ("item_list_id", "items_item_list_id", "items.item_list_id"),
    "device": ("device_category", "device.category"),
    "referrer": ("page_referrer",),
    "search_term": ("search_term",),
}
"""What the columns of an export flattened to one row an item are called, by field; `event_timestamp` is the time."""


def _flat(sample: Sample) -> bool:
    names = set(sample.columns) | set(_first(sample))
    return {"event_name", "event_timestamp"} <= names and bool(names & set(FLAT["item_id"]))


def _first(sample: Sample) -> Mapping[str, Any]:
    return sample.objects[0] if sample.objects else {}


def _nested(sample: Sample) -> bool:
    names = set(sample.columns) | set(_first(sample))
    return {"event_name", "event_timestamp"} <= names and bool(names & {"event_params", "items"})


def _nested_table(sample: Sample) -> Table:
    return EventFile(sample.source, _export_rows, _EXPORT if sample.container == "parquet" else ())


def _bodies(sample: Sample) -> bool:
    return isinstance(_first(sample).get("events"), list) and bool(
        {"client_id", "app_instance_id"} & set(_first(sample))
    )


FORMATS: Final = (
    Format("GA4 export to BigQuery", _nested, _nested_table),
    Format("GA4 export to BigQuery, a row an item", _flat, lambda sample: open_any(sample.source, sample.separator)),
    Format("GA4 Measurement Protocol", _bodies, lambda sample: EventFile(sample.source, _body_rows)),
)
