import time
from typing import Any

import pytest

NOW_MS = time.time_ns() // 1_000_000
ITEMS = [{"item_id": "SKU-1"}]


def test_a_list_has_ids_reasons_fields_and_versions(server: Any) -> None:
    answer = server.post("/v1/recommendations", placement="home", visitor_id="v3", k=5)
    assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    first = answer["items"][0]
    number = int(first["id"].removeprefix("SKU-"))
    assert first["fields"] == {
        "title": f"Kitchen thing {number}",
        "price": f"{(500 + 25 * number) / 100:.2f}",
        "currency": "EUR",
        "brand": "Arda",
        "category": "Home > Kitchen",
        "link": f"https://shop.example/{number}",
    }
    assert first["reason"]["text"]
    assert (answer["rung"], answer["degraded"], answer["short_because"]) == ("R0", [], "")
    assert answer["versions"].keys() == {"snapshot", "policy"}
    assert len(answer["recommendation_id"]) >= 22


def test_an_event_changes_the_next_list(server: Any) -> None:
    before = server.listed(visitor_id="changing")
    answer = server.post(
        "/v1/events",
        events=[{"name": "add_to_cart", "time": NOW_MS, "visitor_id": "changing", "items": [{"item_id": "SKU-7"}]}],
    )
    assert answer == {"accepted": 1, "duplicates": 0, "problems": [], "results": ["accepted"]}
    after = server.listed(visitor_id="changing")
    assert before != after
    assert sum(int(item[4:]) % 3 == 1 for item in after[:5]) == 5


def test_an_event_that_comes_late_counts_at_its_own_time(server: Any) -> None:
    def view(visitor: str, item: str, at: int) -> dict[str, object]:
        return {"name": "view_item", "time": at, "visitor_id": visitor, "items": [{"item_id": item}]}

    day_ago = NOW_MS - 86_400_000
    for event in (view("late", "SKU-3", NOW_MS), view("late", "SKU-4", day_ago)):
        server.post("/v1/events", events=[event])
    for event in (view("in time", "SKU-4", day_ago), view("in time", "SKU-3", NOW_MS)):
        server.post("/v1/events", events=[event])
    assert server.listed(visitor_id="late") == server.listed(visitor_id="in time")
    assert server.listed(visitor_id="late") != server.listed(visitor_id="nobody yet")


def test_the_same_event_twice_is_one(server: Any) -> None:
    event = {
        "event_id": "e1",
        "name": "view_item",
        "time": NOW_MS,
        "visitor_id": "twice",
        "items": [{"item_id": "SKU-1"}],
    }
    assert server.post("/v1/events", events=[event])["accepted"] == 1
    again = server.post("/v1/events", events=[event, event])
    assert again == {"accepted": 0, "duplicates": 2, "problems": [], "results": ["duplicate", "duplicate"]}
    unnamed = {**event, "event_id": "", "visitor_id": "retrying"}
    assert server.post("/v1/events", events=[unnamed, unnamed])["accepted"] == 2
    assert server.post("/v1/events", events=[unnamed, unnamed])["duplicates"] == 2


def test_a_wrong_event_does_not_stop_the_others(server: Any) -> None:
    good = {"name": "view_item", "time": "2026-11-21T09:00:00Z", "visitor_id": "v", "items": [{"item_id": "SKU-1"}]}
    answer = server.post(
        "/v1/events", events=[{**good, "name": "veiw_item"}, good, {**good, "items": [{"item_id": 7}]}]
    )
    assert (answer["accepted"], answer["results"]) == (1, ["refused", "accepted", "refused"])
    assert answer["problems"] == [
        {
            "index": 0,
            "errors": [
                {
                    "field": "name",
                    "given": "veiw_item",
                    "expected": "one of view_item, select_item, add_to_wishlist, add_to_cart, remove_from_cart, "
                    "begin_checkout, purchase, refund, view_item_list, login, logout",
                    "remedy": "did you mean view_item?",
                }
            ],
        },
        {"index": 2, "errors": [{"field": "items[0].item_id", "given": 7, "expected": "str"}]},
    ]


def test_an_item_first_heard_of_in_an_event_gets_a_row_and_is_not_shown(server: Any) -> None:
    event = {"name": "view_item", "time": NOW_MS, "visitor_id": "pioneer", "items": [{"item_id": "UNHEARD-OF"}]}
    assert server.post("/v1/events", events=[event])["accepted"] == 1
    assert "UNHEARD-OF" not in server.listed(visitor_id="pioneer", anchors=["UNHEARD-OF"], k=200)


def test_a_price_shows_in_the_next_answer(server: Any) -> None:
    shown = server.post("/v1/recommendations", placement="home", visitor_id="v4", k=1)["items"][0]["id"]
    assert server.post_offers([{"id": shown, "price": "12.34"}]) == {"accepted": 1, "problems": []}
    priced = "price > 12.33 AND price < 12.35"  # of all, its price alone could let it fall behind a cap
    items = server.post("/v1/recommendations", placement="home", visitor_id="v4", k=60, filter=priced)["items"]
    assert [(item["id"], item["fields"]["price"]) for item in items] == [(shown, "12.34")]


def test_what_is_out_of_stock_disappears_and_comes_back(server: Any) -> None:
    shown = server.listed(visitor_id="v5")[0]
    server.post_offers([{"id": shown, "stock": 0}])
    assert shown not in server.listed(visitor_id="v5", k=200)
    server.post_offers([{"id": shown, "stock": 3}])
    assert shown in server.listed(visitor_id="v5", k=200)


def test_an_offer_of_an_unknown_item_is_named(server: Any) -> None:
    assert server.post_offers([{"id": "NOPE", "stock": 1}, {"id": "SKU-1"}]) == {
        "accepted": 0,
        "problems": [
            {
                "index": 0,
                "errors": [
                    {
                        "field": "id",
                        "given": "NOPE",
                        "expected": "the id of an item in the catalog",
                        "remedy": "import the item first",
                    }
                ],
            },
            {
                "index": 1,
                "errors": [
                    {
                        "field": "price",
                        "given": None,
                        "expected": "a price, a stock or both",
                        "remedy": "add price or stock",
                    }
                ],
            },
        ],
    }


def test_what_is_excluded_is_not_shown(server: Any) -> None:
    shown = server.listed(visitor_id="v6")
    assert not set(shown[:3]) & set(server.listed(visitor_id="v6", exclude=shown[:3], k=200))


def test_an_unknown_anchor_is_left_out_and_counted(server: Any) -> None:
    answer = server.post("/v1/recommendations", placement="product", anchors=["SKU-2", "GONE"], k=3)
    assert answer["degraded"] == ["unknown_anchors:1"]
    assert len(answer["items"]) == 3


def test_a_session_sent_along_guides_the_list_of_a_stranger(server: Any) -> None:
    session = [{"name": "view_item", "time": NOW_MS, "items": [{"item_id": f"SKU-{row}"}]} for row in (2, 5, 8)]
    shown = server.listed(session=session, k=5)
    assert [int(item[4:]) % 3 for item in shown] == [2] * 5


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (
            {"placement": "hoem"},
            404,
            {
                "type": "urn:endcap:problem:unknown-placement",
                "title": "Unknown placement",
                "status": 404,
                "detail": "there is no placement 'hoem'; did you mean home? Known are home, discovery, product, cart.",
                "errors": [
                    {
                        "field": "placement",
                        "given": "hoem",
                        "expected": "one of home, discovery, product, cart",
                        "remedy": "did you mean home?",
                    }
                ],
            },
        ),
        (
            {"placement": "home", "k": 201},
            422,
            {
                "type": "urn:endcap:problem:invalid-request",
                "title": "Invalid request",
                "status": 422,
                "detail": "k: expected int <= 200, given 201",
                "errors": [{"field": "k", "given": 201, "expected": "int <= 200"}],
            },
        ),
        (
            {"placement": "home", "visitorid": "me"},
            422,
            {
                "type": "urn:endcap:problem:invalid-request",
                "title": "Invalid request",
                "status": 422,
                "detail": "visitorid: expected a field of this body, given 'me'; did you mean visitor_id?",
                "errors": [
                    {
                        "field": "visitorid",
                        "given": "me",
                        "expected": "a field of this body",
                        "remedy": "did you mean visitor_id?",
                    }
                ],
            },
        ),
        (
            {"k": 3},
            422,
            {
                "type": "urn:endcap:problem:invalid-request",
                "title": "Invalid request",
                "status": 422,
                "detail": "placement: expected a value, given None; add this field",
                "errors": [{"field": "placement", "given": None, "expected": "a value", "remedy": "add this field"}],
            },
        ),
        (
            {
                "placement": "home",
                "session": [{"name": "view_item", "time": 1_700_000_000, "items": [{"item_id": "A"}]}],
            },
            422,
            {
                "type": "urn:endcap:problem:invalid-request",
                "title": "Invalid request",
                "status": 422,
                "detail": "session[0].time: expected ISO 8601 or milliseconds since 1970 UTC, given 1700000000; "
                "these look like seconds: multiply by 1,000",
                "errors": [
                    {
                        "field": "session[0].time",
                        "given": 1_700_000_000,
                        "expected": "ISO 8601 or milliseconds since 1970 UTC",
                        "remedy": "these look like seconds: multiply by 1,000",
                    }
                ],
            },
        ),
    ],
)
def test_a_wrong_call_is_told_field_given_expected_and_remedy(
    server: Any, body: dict[str, object], status: int, problem: dict[str, object]
) -> None:
    answer = server.http.post("/v1/recommendations", json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()) == (status, problem)


def test_a_body_that_is_no_json_says_so(server: Any) -> None:
    answer = server.http.post("/v1/events", content=b"{events:", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:endcap:problem:malformed-json")


def test_unknown_paths_and_methods_are_problems_too(server: Any) -> None:
    missing, wrong = server.http.get("/v2"), server.http.get("/v1/events")
    assert missing.json() == {
        "type": "urn:endcap:problem:unknown-path",
        "title": "Unknown path",
        "status": 404,
        "detail": "GET /v2: Not Found; see /openapi.json",
    }
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


def test_a_decision_can_be_asked_for_at_once_and_explained(server: Any) -> None:
    answer = server.post("/v1/recommendations", placement="product", visitor_id="v7", anchors=["SKU-7"], k=4)
    decision = server.http.get(f"/v1/decisions/{answer['recommendation_id']}").json()
    assert [item["id"] for item in decision["items"]] == [item["id"] for item in answer["items"]]
    assert (decision["anchors"], decision["known_shopper"], decision["rung"]) == (["SKU-7"], True, "R0")
    assert decision["offsets"]["shelf"] >= decision["offsets"]["shopper"] > 0
    effects = [abs(feature["effect"]) for feature in decision["items"][0]["features"]]
    assert effects == sorted(effects, reverse=True)
    assert {"id": "SKU-7", "rule": "anchor"} in decision["dropped"]
    unknown = server.http.get("/v1/decisions/nothing")
    assert (unknown.status_code, unknown.json()["title"]) == (404, "Unknown decision")


def test_metrics_have_the_prefix(server: Any) -> None:
    server.listed()
    names = [line.split(" ")[2] for line in server.http.get("/metrics").text.splitlines() if line.startswith("# TYPE")]
    assert names
    assert all(name.startswith("endcap_") for name in names)
    assert 'endcap_slates_total{rung="R0"}' in server.http.get("/metrics").text
