"""What the demo shop's shoppers did, as the exports that shops have: GA4 to BigQuery, Measurement Protocol, Segment."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from endcap.domain.instants import iso

NOISE = ("page_view", "session_start", "user_engagement")
SEGMENT = {
    "view_item_list": "Product List Viewed",
    "view_item": "Product Viewed",
    "select_item": "Product Clicked",
    "add_to_wishlist": "Product Added to Wishlist",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "purchase": "Order Completed",
    "refund": "Order Refunded",
}


class Action(NamedTuple):
    """One event with all its items; `time` ms UTC, `session` a number of its visitor's."""

    name: str
    time: int
    visitor: str
    user: str
    session: int
    order: str
    region: str
    items: list[dict[str, Any]]


def actions(events: Path) -> Iterator[Action]:
    """The events of the demo shop's export in their order, each with all its lines."""
    frame = pl.read_parquet(events).with_columns(time=pl.col("time").dt.epoch("ms"))
    sessions: dict[str, int] = {}
    together = groupby(frame.iter_rows(named=True), key=lambda line: line["event_id"])
    for place, (_, lines) in enumerate(together):
        line, *rest = lines
        session = sessions.setdefault(line["session_id"], 1_700_000_000 + place) if line["session_id"] else 0
        items = [
            {"item_id": each["item_id"], "quantity": each["quantity"], "price": each["price"]} for each in [line, *rest]
        ]
        yield Action(
            line["event"], line["time"], line["visitor_id"], line["user_id"], session, line["transaction_id"],
            line["region"], items,
        )  # fmt: skip


def exported(action: Action) -> dict[str, Any]:
    """One row of GA4's export to BigQuery."""
    params = [{"key": "currency", "value": {"string_value": "EUR", "int_value": None}}]
    if action.session:
        params.append({"key": "ga_session_id", "value": {"string_value": None, "int_value": action.session}})
    return {
        "event_date": "20260801",
        "event_timestamp": action.time * 1000,
        "event_name": action.name,
        "event_params": params,
        "user_id": action.user or None,
        "user_pseudo_id": action.visitor,
        "geo": {"country": action.region, "city": "(not set)"},
        "ecommerce": {"transaction_id": action.order or "(not set)"},
        "items": action.items,
    }


def noise(action: Action, place: int) -> dict[str, Any]:
    """A row that every export has and no recommender reads."""
    return {**exported(action), "event_name": NOISE[place % len(NOISE)], "items": []}


def write_export(events: Path, path: Path) -> None:
    """GA4's export to BigQuery as JSON lines, in which BigQuery writes integers as text, or as Parquet."""
    rows = [row for place, action in enumerate(actions(events)) for row in (noise(action, place), exported(action))]
    if path.suffix == ".parquet":
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
        return
    for row in rows:
        row["event_timestamp"] = str(row["event_timestamp"])
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def write_bodies(events: Path, path: Path) -> None:
    """Bodies of the Measurement Protocol, one a line."""
    bodies = [
        {
            "client_id": action.visitor,
            **({"user_id": action.user} if action.user else {}),
            "timestamp_micros": action.time * 1000,
            "user_location": {"country_id": action.region},
            "events": [
                {"name": "page_view", "params": {"page_location": "https://shop.example/"}},
                {
                    "name": action.name,
                    "params": {
                        "currency": "EUR",
                        "items": action.items,
                        **({"session_id": str(action.session)} if action.session else {}),
                        **({"transaction_id": action.order} if action.order else {}),
                    },
                },
            ],
        }
        for action in actions(events)
    ]
    path.write_text("\n".join(map(json.dumps, bodies)), encoding="utf-8")


def write_segment(events: Path, path: Path) -> None:
    """A log of Segment's calls, with page calls among them."""
    calls: list[dict[str, Any]] = []
    for place, action in enumerate(actions(events)):
        products = [{"product_id": item["item_id"], **item} for item in action.items]
        several = action.name in {"purchase", "refund", "view_item_list"}
        session = {"sessionId": f"{action.visitor}.{action.session}"} if action.session else {}
        call = {
            "anonymousId": action.visitor,
            **({"userId": action.user} if action.user else {}),
            "timestamp": iso(action.time),
            "context": {**session, "userAgent": "Mozilla/5.0", "location": {"country": action.region}},
        }
        calls.append({**call, "type": "page", "messageId": f"p{place}", "properties": {"path": "/"}})
        said = {"products": products, "order_id": action.order} if several else products[0]
        track = {"type": "track", "event": SEGMENT[action.name], "messageId": f"m{place}"}
        calls.append({**call, **track, "properties": {"currency": "EUR", **said}})
    path.write_text("\n".join(map(json.dumps, calls)), encoding="utf-8")


def write_flat(events: Path, path: Path) -> None:
    """GA4's export flattened to one row an item, as a CSV."""
    rows = [
        {
            "event_name": action.name,
            "event_timestamp": action.time * 1000,
            "user_pseudo_id": action.visitor,
            "user_id": action.user,
            "ga_session_id": action.session or None,
            "transaction_id": action.order,
            "country": action.region,
            "currency": "EUR",
            **item,
        }
        for action in actions(events)
        for item in action.items
    ]
    pl.DataFrame(rows, infer_schema_length=None).write_csv(path)
