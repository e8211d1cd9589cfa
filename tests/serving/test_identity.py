"""Logins and logouts over HTTP: whose list is answered, across a restart too, and what is stored of ids: nothing."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from endcap import app
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.state import Shopper


def viewed(sku: int, **who: str) -> dict[str, object]:
    return {"name": "view_item", "time": app.now_ms(), "items": [{"item_id": f"SKU-{sku}"}], **who}


def told(name: str, **who: str) -> dict[str, object]:
    return {"name": name, "time": app.now_ms(), **who}


def rows(shop: Path, user: str = "", visitor: str = "") -> list[int]:
    """The rows that the stored state of a person holds."""
    with closing(app.open_floor(app.open_shop(shop, {}), readonly=True)) as floor:
        packed = floor.ground.kv.get_many([SHOPPER_PREFIX + floor.people.shopper(user, visitor)])[0]
    return [] if packed is None else sorted(Shopper.unpacked(packed).recent.row.tolist())


@pytest.mark.parametrize("together", ["login", "an event"])
def test_a_visitor_who_logs_in_is_the_user_from_then_on_until_the_logout(
    shop: Path, start: Callable[..., Any], together: str
) -> None:
    server = start(shop)
    both = {"visitor_id": "cookie", "user_id": "ann"}
    server.post("/v1/events", events=[viewed(1, visitor_id="cookie"), viewed(2, user_id="ann")])
    login = told("login", **both) if together == "login" else viewed(3, **both)
    assert server.post("/v1/events", events=[login])["results"] == ["accepted"]
    server.post("/v1/events", events=[viewed(4, visitor_id="cookie")])
    assert server.listed(visitor_id="cookie") == server.listed(user_id="ann") != server.listed(visitor_id="stranger")
    server.post("/v1/events", events=[told("logout", visitor_id="cookie")])
    assert server.listed(visitor_id="cookie") == server.listed(visitor_id="stranger")
    server.stop()
    of_ann = [1, 2, 4] if together == "login" else [1, 2, 3, 4]
    assert [rows(shop, user="ann"), rows(shop, visitor="cookie")] == [of_ann, []]
    again = start(shop)
    again.post("/v1/events", events=[viewed(5, visitor_id="cookie"), viewed(6, visitor_id="cookie", user_id="ben")])
    again.stop()
    assert [rows(shop, user="ben"), rows(shop, visitor="cookie")] == [[5, 6], [5, 6]]
    assert rows(shop, user="ann") == of_ann


def test_a_login_again_changes_nothing_and_says_so(server: Any) -> None:
    login = told("login", visitor_id="c2", user_id="eve")
    assert server.post("/v1/events", events=[login, login])["results"] == ["accepted", "duplicate"]


def test_an_event_sent_again_after_the_login_is_the_same_event(server: Any) -> None:
    view = viewed(7, visitor_id="c3")
    assert server.post("/v1/events", events=[view])["accepted"] == 1
    login = {**told("login", visitor_id="c3", user_id="fay"), "time": int(str(view["time"])) - 1}
    assert server.post("/v1/events", events=[login, view])["results"] == ["accepted", "duplicate"]


@pytest.mark.parametrize(
    ("event", "field", "expected", "remedy"),
    [
        (told("login", visitor_id="c"), "user_id", "an id, since login says who has a device", "add user_id"),
        (told("logout", user_id="u"), "visitor_id", "an id, since logout says who has a device", "add visitor_id"),
        ({**viewed(1, visitor_id="c"), "items": []}, "items", "at least one item", "name the items of view_item"),
    ],
)
def test_what_a_signal_lacks_is_named(server: Any, event: Any, field: str, expected: str, remedy: str) -> None:
    (problem,) = server.post("/v1/events", events=[event])["problems"]
    (error,) = problem["errors"]
    assert (error["field"], error["expected"], error["remedy"]) == (field, expected, remedy)


def test_a_login_sent_along_with_a_request_is_no_line_of_its_session(server: Any) -> None:
    session = [told("login", visitor_id="c", user_id="u"), viewed(4)]
    assert server.post("/v1/recommendations", placement="home", session=session)["degraded"] == []
