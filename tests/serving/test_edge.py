"""What the edge makes of ids that the shop does not know, or not yet."""

import numpy as np
import pytest

from endcap.domain.catalog import Change
from endcap.domain.ids import ItemKey
from endcap.domain.instants import HOUR
from endcap.ingest.rows import RowBook
from endcap.privacy import Identities
from endcap.serving.calls import EventCall, ItemCall, RecommendationCall
from endcap.serving.edge import Edge, Moment
from endcap.state import Shelf

AT = 1_780_000_000_000


@pytest.fixture
def edge() -> Edge:
    """Two items on the shelf; a third has its row, but its log entry is not folded yet."""
    shelf = Shelf()
    shelf.reserve(2)
    rows = RowBook([ItemKey("item", name) for name in ("A", "B")])
    rows.ensure(ItemKey("item", "EARLY"))
    return Edge(b"s" * 32, "EUR", "UTC", rows, shelf, Identities(b"s" * 32))


def test_an_item_that_is_not_folded_yet_is_unknown_to_a_request(edge: Edge) -> None:
    sent = EventCall("view_item", AT, [ItemCall("EARLY"), ItemCall("B")])
    call = RecommendationCall("product", anchors=["A", "EARLY"], exclude=["EARLY", "B"], session=[sent])
    request, degraded, _ = edge.request(call, Moment(AT, 1))
    assert [request.anchors.tolist(), request.exclude.tolist(), request.session.row.tolist()] == [[0], [1], [1]]
    assert degraded == ("unknown_anchors:1", "unknown_session_items:1")


def test_unknown_ids_are_counted_once_and_never_repeated(edge: Edge) -> None:
    sent = EventCall("view_item", AT, [ItemCall("me@example.org"), ItemCall("me@example.org")])
    call = RecommendationCall("product", anchors=["GONE", "LOST", "GONE"], session=[sent])
    understood = edge.request(call, Moment(AT, 1))
    assert understood.degraded == ("unknown_anchors:2", "unknown_session_items:1")
    assert understood.request.anchors.dtype == np.int32


def test_an_event_without_an_id_is_the_same_when_sent_again_even_if_its_clock_runs_ahead(edge: Edge) -> None:
    """Its time becomes the time of receipt, which differs between the two sendings."""
    sent = EventCall("view_item", AT + HOUR, [ItemCall("A")], visitor_id="v")
    first, again = (edge.entries([edge.event(sent, received)])[0] for received in (AT, AT + 1_000))
    assert (first.at, again.at) == (AT, AT + 1_000)
    assert first.key == again.key


@pytest.mark.parametrize(
    ("agent", "bot"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0", True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", False),
        ("", False),
    ],
)
def test_a_robot_is_told_by_its_user_agent(edge: Edge, agent: str, bot: bool) -> None:
    sent = EventCall("view_item", AT, [ItemCall("A")], visitor_id="v", user_agent=agent)
    assert edge.event(sent, AT).event.bot is bot


def test_of_a_referrer_its_kind_is_kept_and_of_a_search_the_words_that_titles_hold(edge: Edge) -> None:
    edge.texts.apply(1, Change(0, AT, text={"title": "Two-person tent"}))
    sent = EventCall(
        "view_item", AT, [ItemCall("A")], visitor_id="v", device="Tablet", page_referrer="https://mail.example/?to=ann",
        search_term="a TENT for ann@example.org", engagement_time_msec=61_500, percent_scrolled=80,
    )  # fmt: skip
    event = edge.event(sent, AT).event
    told = (event.device, event.referrer, event.terms, event.dwell, event.scrolled)
    assert told == ("tablet", "newsletter", "tent", 61, 80)
    assert b"ann" not in edge.entries([edge.event(sent, AT)])[0].body
