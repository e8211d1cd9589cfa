"""The tracker in a real browser, on a shop's page of another origin, against a real server."""

import gzip
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, Request, Route

from endcap import app
from endcap.backends.log.bodies import unpack
from endcap.domain.events import KINDS, Event
from servers import Server, serving
from storefront.browsers import Visit, Website, chromium, visiting, website

NAMES = {kind: name for name, kind in KINDS.items()}
BUTTON = '<button data-endcap-cart="SKU-1">Add</button>'


class Ground(NamedTuple):
    """A server, a website that it lets call, a browser."""

    server: Server
    site: Website
    browser: Browser
    key: str

    def script(self, **settings: str) -> str:
        """The tag that a shop puts into its pages."""
        told = "".join(f' data-{name}="{value}"' for name, value in {"key": self.key, **settings}.items())
        return f'<script type="module" src="{self.address}/tracker.js"{told}></script>'

    @property
    def address(self) -> str:
        return str(self.server.http.base_url).rstrip("/")


@pytest.fixture(scope="module")
def ground(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("tracked") / "shop"))
    key = app.create_key(app.open_shop(folder, {}), "publishable", "browsers").token
    with chromium() as browser, website() as site, serving(folder, cors_origins=site.origin) as server:
        yield Ground(server, site, browser, key)


@pytest.fixture
def visit(ground: Ground) -> Iterator[Visit]:
    with visiting(ground.browser, ground.site.origin, ground.address) as visit:
        yield visit


class Told(NamedTuple):
    """An event of the log in words."""

    name: str
    items: list[str]
    placement: str
    list: str
    shopper: bytes
    basket: int


@pytest.fixture
def told(ground: Ground) -> Callable[..., list[Told]]:
    """The events that the log got since the test began; waits until there are `least`.

    Those of people who were there before are left out: a browser that was closed may tell later that it left a page.
    """
    with closing(app.open_shop(ground.server.shop, {}).log(readonly=True)) as log:
        start = log.end("events")
    before = {event.shopper for event in _events(ground.server.shop, 0)}

    def read(least: int = 0) -> list[Told]:
        deadline = time.monotonic() + 15
        while True:
            events = [event for event in _events(ground.server.shop, start) if event.shopper not in before]
            if len(events) >= least or time.monotonic() > deadline:
                return events
            time.sleep(0.05)

    return read


def _events(shop: Path, start: int) -> list[Told]:
    with closing(app.open_shop(shop, {}).log(readonly=True)) as log:
        records = log.read("events", start, 10_000)
    events = [unpack("event", entry.version, entry.body) for _, entry in records if entry.kind == "event"]
    assert all(isinstance(event, Event) for event in events)
    return [
        Told(
            NAMES[event.kind],
            [f"SKU-{line.row}" for line in event.lines],
            event.placement,
            event.recommendation_id,
            event.shopper,
            event.basket,
        )
        for event in events
    ]


def _cards(count: int, first: int = 1) -> str:
    return "".join(
        f'<li data-endcap-item="SKU-{place}" data-endcap-position="{place}"><a href="/item">thing {place}</a>'
        f'<button type="button" data-endcap-cart>Add</button></li>'
        for place in range(first, first + count)
    )


def _rail(cards: str, name: str = "rec-1") -> str:
    return f'<ul data-endcap-list="home" data-endcap-recommendation="{name}">{cards}</ul>'


def _pumped(page: Page, told: Callable[..., list[Told]], least: int) -> list[Told]:
    """`told`, while routes of `page` are answered."""
    deadline = time.monotonic() + 15
    while len(told()) < least and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return told()


def _queued(page: Page) -> list[str]:
    stored: list[str] = page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('endcap.event.'))")
    return stored


def _ask(page: Page, expression: str) -> Any:
    """What the page's tracker, `t`, gives for `expression`."""
    address = page.evaluate("document.querySelector('script[data-key]').src")
    return page.evaluate(f"async (address) => {{ const t = await import(address); return {expression}; }}", address)


def _until(page: Page, condition: str) -> None:
    deadline = time.monotonic() + 15
    while not _ask(page, condition):
        assert time.monotonic() < deadline, (condition, _ask(page, "t.status()"))
        page.wait_for_timeout(50)


def _sent(request: Request) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(request.post_data or "")["events"]
    return events


# What is served


def test_the_script_is_small_as_shipped_and_kept_by_browsers(ground: Ground) -> None:
    answer = ground.server.http.get("/tracker.js", headers={"Authorization": ""})
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 6 * 1024
    plain = ground.server.http.get("/tracker.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == answer.content
    assert int(answer.headers["content-length"]) == len(gzip.compress(plain.content, 9, mtime=0))
    again = ground.server.http.get("/tracker.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


# What is seen and clicked


def test_an_impression_is_half_an_item_for_a_second_and_each_counts_once(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    style = "<style>ul { margin: 0; padding: 0; } li { height: 100px; } .gap { height: 1500px; }</style>"
    rails = f'{_rail(_cards(3))}<div class="gap"></div>{_rail(_cards(2, 11), "rec-2")}<div class="gap"></div>'
    address = ground.site.put("/", ground.script(consent="granted") + style, rails)
    page = visit.page(address)
    page.evaluate("scrollTo(0, 170)")  # the first is out of sight, of the second three tenths are left
    page.wait_for_timeout(600)
    assert _ask(page, "t.status().waiting") == 0
    assert [event[:4] for event in told(1)] == [("view_item_list", ["SKU-3"], "home", "rec-1")]
    page.evaluate("scrollTo(0, 1500)")
    page.wait_for_timeout(600)  # not long enough for the second rail
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(2_300)
    assert [event[:4] for event in told()][1:] == [("view_item_list", ["SKU-1", "SKU-2"], "home", "rec-1")]


def test_a_click_carries_its_position_and_list_and_the_list_goes_on_to_the_cart(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    ground.site.put(
        "/item", ground.script(), '<main data-endcap-view="SKU-2"><button data-endcap-cart="SKU-2">Add</button></main>'
    )
    found = _rail(_cards(3)).replace("<ul", '<ul data-endcap-search="wool mug"')
    page = visit.page(ground.site.put("/", ground.script(consent="granted"), found))
    with page.expect_request("**/v1/events") as sent:
        page.click("text=thing 2")
    event = _sent(sent.value)[0]
    assert (event["name"], event["items"]) == ("select_item", [{"item_id": "SKU-2", "index": 2}])
    assert (event["search_term"], event["device"], event["page_referrer"]) == ("wool mug", "desktop", "")
    page.click("button")
    events = told(3)
    assert [event[:4] for event in events] == [
        ("select_item", ["SKU-2"], "home", "rec-1"),
        ("view_item", ["SKU-2"], "home", "rec-1"),
        ("add_to_cart", ["SKU-2"], "home", "rec-1"),
    ]
    assert len({event.shopper for event in events}) == 1


def test_what_is_put_into_the_page_later_is_seen_too_and_pages_without_reloads_tell_dwell(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    page = visit.page(ground.site.put("/", ground.script(consent="granted"), '<main data-endcap-view="SKU-4"></main>'))
    page.evaluate("html => { document.querySelector('main').innerHTML = html }", _rail(_cards(1)))
    page.wait_for_timeout(500)
    with page.expect_request(lambda request: "leave_item" in (request.post_data or "")) as sent:
        page.evaluate("document.querySelector('main').dataset.endcapView = 'SKU-5'")
    events = {event["name"]: event for event in _sent(sent.value)}
    left = events["leave_item"]
    assert left["items"] == [{"item_id": "SKU-4"}]
    assert 500 <= left["engagement_time_msec"] < 5_000
    assert left["percent_scrolled"] == 100
    assert events["view_item"]["items"] == [{"item_id": "SKU-5"}]
    assert {"view_item_list", "view_item"} <= {event.name for event in told(3)}


# Nothing is lost, nothing counts twice


def test_offline_and_a_reload_lose_nothing_and_count_nothing_twice(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    visit.expected = "Failed to load resource"
    page = visit.page(ground.site.put("/", ground.script(consent="granted"), BUTTON))
    visit.context.set_offline(True)
    page.click("button")
    page.wait_for_timeout(1_500)
    assert len(_queued(page)) == 1
    lost: list[Route] = []

    def lose_the_answer(route: Route) -> None:
        lost.append(route)
        route.fetch()  # the server has it
        route.abort()

    page.route("**/v1/events", lose_the_answer)
    visit.context.set_offline(False)
    assert [event.name for event in _pumped(page, told, 1)] == ["add_to_cart"]
    page.reload()
    page.wait_for_timeout(500)
    assert len(lost) >= 2
    assert len(_queued(page)) == 1
    page.unroute("**/v1/events")
    page.reload()
    _until(page, "t.status().duplicates === 1")
    assert _queued(page) == []
    assert [event.name for event in told()] == ["add_to_cart"]


def test_the_server_is_left_alone_as_long_as_it_asks_and_what_it_cannot_read_is_dropped(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    visit.expected = ""
    answers = [(503, {"Retry-After": "2"}), (422, {})]
    asked: list[float] = []

    def answer(route: Route) -> None:
        asked.append(time.monotonic())
        status, headers = answers[len(asked) - 1]
        open_to = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        route.fulfill(status=status, headers={**headers, **open_to}, body="{}")

    page = visit.page(ground.site.put("/", ground.script(consent="granted"), BUTTON))
    page.route("**/v1/events", answer)
    page.click("button")
    _until(page, "t.status().dropped === 1")
    assert asked[1] - asked[0] >= 1.9
    assert _queued(page) == []
    assert told() == []


def test_a_purchase_counts_once_however_often_its_page_is_loaded(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    bought = '{event: "purchase", ecommerce: {transaction_id: "T-1", items: [{item_id: "SKU-1", quantity: 2}]}}'
    page = visit.page(
        ground.site.put("/", f"<script>dataLayer = [{bought}]</script>{ground.script(consent='granted')}", "")
    )
    _until(page, "t.status().accepted === 1")
    page.reload()
    _until(page, "t.status().duplicates === 1")
    assert [(event.name, event.items) for event in told()] == [("purchase", ["SKU-1"])]
    assert told()[0].basket


# Consent


LISTED = "(await t.recommend('home', {k: 6})).items.map((item) => item.id)"


def test_consent_denied_stores_nothing_anywhere_and_lists_still_follow_the_session(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    head = (
        ground.script(consent="denied")
        + "<script>addEventListener('click', (click) => click.preventDefault())</script>"
    )
    page = visit.page(ground.site.put("/", head, _rail(_cards(4))))
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.url.endswith("/v1/events") else None)
    before = _ask(page, LISTED)
    page.click("li:nth-child(1) button")
    page.click("li:nth-child(4) a")
    after = _ask(page, LISTED)
    assert before != after
    assert sum(int(item.removeprefix("SKU-")) % 3 == 1 for item in after) > 3  # the shelf of what was touched
    page.wait_for_timeout(1_500)
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert (posted, told()) == ([], [])
    shop = app.open_shop(ground.server.shop, {})
    time.sleep(0.6)
    with closing(shop.log(readonly=True)) as log:
        decisions = [entry for _, entry in log.read("decisions", 0, 10_000)][-2:]
        assert {entry.shopper for entry in decisions} == {b""}
    _ask(page, "t.consent('granted')")
    page.click("li:nth-child(2) button")
    assert [event[:2] for event in told(2)] == [
        ("add_to_cart", ["SKU-2"]), ("view_item_list", ["SKU-1", "SKU-2", "SKU-3", "SKU-4"]),
    ]  # fmt: skip


def test_before_the_choice_events_wait_in_memory_alone_and_withdrawal_clears_the_browser(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    head = "<script>dataLayer = []; function gtag() { dataLayer.push(arguments) }"
    head += "gtag('consent', 'default', {analytics_storage: 'denied'})</script>" + ground.script()
    page = visit.page(ground.site.put("/", head, BUTTON))
    page.click("button")
    page.wait_for_timeout(1_300)
    assert told() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.evaluate("gtag('consent', 'update', {analytics_storage: 'granted'})")
    assert [event.name for event in told(1)] == ["add_to_cart"]
    assert page.evaluate("Object.keys(localStorage)") == ["endcap.visitor"]
    page.reload()
    page.evaluate("gtag('consent', 'update', {analytics_storage: 'granted'})")
    page.click("button")
    assert len({event.shopper for event in told(2)}) == 1
    page.evaluate("gtag('consent', 'update', {analytics_storage: 'denied'})")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


# A data layer


def test_what_a_data_layer_says_before_and_after_the_tracker_becomes_events(
    ground: Ground, visit: Visit, told: Callable[..., list[Told]]
) -> None:
    head = """<script>dataLayer = [
      {event: "gtm.js"}, {ecommerce: null}, "text", null,
      {event: "view_item", ecommerce: {currency: "EUR", items: [{item_id: "SKU-7", item_name: "x", price: 5}]}},
    ]</script>"""
    page = visit.page(
        ground.site.put("/", head + ground.script(consent="granted"), '<main data-endcap-view="SKU-7"></main>')
    )
    _until(page, "t.status().accepted === 1")  # what mark and data layer both say is one view
    length = page.evaluate("""() => {
      function gtag() { dataLayer.push(arguments) }
      gtag("event", "add_to_cart", {items: [{item_id: 8, quantity: "2", price: "x"}]});
      gtag("event", "add_to_cart", {items: [{item_id: "SKU-8", quantity: "2"}], item_list_id: "product"});
      gtag("event", "page_view", {});
      return dataLayer.push({event: "select_item", ecommerce: {items: [{item_id: "SKU-9", index: 3}]}});
    }""")
    assert length == 9
    _until(page, "t.status().waiting === 0")
    assert _ask(page, "t.status().refused") == 1  # a price that is none
    assert [(event.name, event.items, event.placement) for event in told()] == [
        ("view_item", ["SKU-7"], ""), ("add_to_cart", ["SKU-8"], "product"), ("select_item", ["SKU-9"], ""),
    ]  # fmt: skip
