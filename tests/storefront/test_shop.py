"""The storefront in a real browser: hostile titles stay text, everybody can use it, and it tells what happens once."""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from endcap import app
from endcap.domain.ids import keyed_hash
from endcap.ingest.fold import SHOPPER_PREFIX
from servers import Server, serving
from storefront.browsers import Visit, chromium, visiting
from storefront.test_pages import HOSTILE

SHELVES = ("Kitchen", "Garden", "Toys")
ITEMS = 60
PAGES = ("/", "/c/Home/Garden", "/p/SKU-4", "/cart", "/recent", "/compare", "/search?q=thing", "/why")
OF_OTHERS = """() => [...document.querySelectorAll("*")].filter((each) =>
  ["IFRAME", "OBJECT", "EMBED", "BASE", "STYLE", "VIDEO", "AUDIO"].includes(each.localName.toUpperCase())
  || [...each.attributes].some(({ name, value }) =>
    name.startsWith("on") || (["href", "src", "action", "formaction"].includes(name) && /^javascript:/i.test(value)))
  || (each.localName === "script" && !["/tracker.js", "/storefront.js"].includes(each.getAttribute("src")))
).map((each) => each.outerHTML)"""

SHIFTED = """() => new Promise((told) => new PerformanceObserver((seen) => {
  const shifts = seen.getEntries();
  const moved = shifts.flatMap((shift) => shift.sources.map(({ node }) => node?.parentElement?.closest("main")));
  told([shifts.reduce((sum, shift) => sum + shift.value, 0), moved.some(Boolean)]);
}).observe({ type: "layout-shift", buffered: true }) ?? setTimeout(() => told([0, false]), 300))"""
"""The sum of the page's layout shifts, and whether anything in its content moved."""
SEEN_SHIFT = 0.01
"""A tenth of the shift that counts as good."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("browsed") / "shop"))
    (folder / "files").mkdir()
    (folder / app.GUESTS).write_text(json.dumps([["A cook", "v0", ""], ["A gardener", "v1", ""]]))
    with serving(folder, storefront="true", refresh_after_s=0) as running:
        yield running


@pytest.fixture
def visit(server: Server, browser: Browser) -> Iterator[Visit]:
    with visiting(browser, _address(server)) as visit:
        yield visit


def _address(server: Server) -> str:
    return str(server.http.base_url).rstrip("/")


def _events(server: Server, visitor: str) -> list[str]:
    return [event["name"] for event in server.post("/v1/admin/exports", visitor_id=visitor)["events"]]


def _visitor(visit: Visit) -> str:
    return next(cookie["value"] for cookie in visit.context.cookies() if cookie["name"] == "endcap_who")


def _first_rail(page: Page) -> list[str]:
    cards = page.query_selector_all("main [data-endcap-list] >> nth=0 >> [data-endcap-item]")
    return [card.get_attribute("data-endcap-item") or "" for card in cards]


def _shelf(item: str) -> str:
    return SHELVES[int(item.removeprefix("SKU-")) % 3]


# This comes first: the titles that the others see are the hostile ones.


def test_hostile_titles_are_text_on_every_page_and_axe_finds_nothing_serious(server: Server, browser: Browser) -> None:
    titles = [
        {"id": f"SKU-{row}", "title": HOSTILE[row % len(HOSTILE)].replace("\0", "\u0001")} for row in range(ITEMS)
    ]
    assert len(HOSTILE) >= 50
    assert server.http.put("/v1/catalog/items", json={"items": titles}).json()["accepted"] == ITEMS
    serious = []
    with visiting(browser, _address(server), width=390) as visit:
        page = visit.page(f"{_address(server)}/as/guest-1")
        why = page.evaluate("document.querySelector('a[href^=\"/why/\"]').getAttribute('href')")
        for path in PAGES:
            page.goto(_address(server) + (why if path == "/why" else path))
            assert page.evaluate(OF_OTHERS) == []
            found = Axe().run(page).response["violations"]
            serious += [
                (path, each["id"], each["nodes"][0]["html"])
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
    assert serious == []


def test_a_page_server_and_tracker_tell_each_thing_once(server: Server, visit: Visit) -> None:
    page = visit.page(f"{_address(server)}/as/new")
    visitor = _visitor(visit)
    page.wait_for_timeout(1_300)  # the first cards are seen
    page.click("[data-endcap-list] [data-endcap-item] a >> nth=0")
    page.wait_for_selector("[data-endcap-view]")
    page.click("[data-endcap-cart] >> nth=0")
    page.goto(_address(server))
    deadline = time.monotonic() + 10
    while "leave_item" not in (names := _events(server, visitor)) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    counted = {name: names.count(name) for name in ("select_item", "view_item", "add_to_cart")}
    assert counted == {"select_item": 1, "view_item": 1, "add_to_cart": 1}
    assert "view_item_list" in names
    assert "leave_item" in names


def test_who_denies_consent_leaves_no_byte_in_log_lake_or_state_and_lists_follow_the_tab(
    shop: Path, start: Callable[..., Server], browser: Browser
) -> None:
    before = _held(shop)
    server = start(shop, storefront="true", refresh_after_s=0)
    with visiting(browser, _address(server)) as visit:
        visit.context.request.post(f"{_address(server)}/consent", form={"consent": "denied"})
        page = visit.page(_address(server))
        visitor = _visitor(visit)
        for item in ("SKU-2", "SKU-5", "SKU-8"):
            page.goto(f"{_address(server)}/p/{item}")
            page.wait_for_timeout(200)
        page.click("[data-endcap-cart] >> nth=0")
        with page.expect_response(lambda answer: answer.request.method == "POST" and answer.ok):
            page.goto(_address(server))
        page.wait_for_timeout(1_500)
        assert sum(_shelf(item) == "Toys" for item in _first_rail(page)[:5]) >= 3
        page.click("[data-endcap-list] [data-endcap-item] a >> nth=0")
        assert page.evaluate("localStorage.length") == 0
    server.stop()
    assert _held(shop) == before
    secret = app.open_shop(shop, {}).secret()
    for trace in (visitor.encode(), keyed_hash(secret, "visitor", visitor)):
        assert [path for path in shop.rglob("*") if path.is_file() and trace in path.read_bytes()] == []


def _held(shop: Path) -> tuple[int, set[bytes], dict[str, bytes]]:
    """The last offset of the log's events, whose state is kept, and the files of the lake."""
    opened = app.open_shop(shop, {})
    with closing(opened.log(readonly=True)) as log:
        end = log.end("events")
    with closing(sqlite3.connect(shop / "state.sqlite")) as state:
        keys = {key for (key,) in state.execute("SELECT key FROM entries") if key.startswith(SHOPPER_PREFIX)}
    return end, keys, {str(path): path.read_bytes() for path in (shop / "lake").rglob("*.parquet")}


def test_a_garden_history_turns_to_toys_as_soon_as_toys_are_clicked(server: Server, visit: Visit) -> None:
    page = visit.page(f"{_address(server)}/as/guest-1")
    assert all(_shelf(item) == "Garden" for item in _first_rail(page)[:3])
    for item in ("SKU-2", "SKU-5", "SKU-8"):
        page.goto(f"{_address(server)}/p/{item}")
    page.goto(_address(server))
    assert sum(_shelf(item) == "Toys" for item in _first_rail(page)[:10]) >= 3


def test_the_shop_is_usable_by_keyboard_alone(server: Server, visit: Visit) -> None:
    page = visit.page(f"{_address(server)}/as/guest-1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.focus(".track")
    assert page.evaluate("document.querySelector('.track').scrollLeft") == 0
    page.keyboard.press("ArrowRight")
    for _ in range(100):
        if page.evaluate("document.querySelector('.track').scrollLeft") > 0:
            break
        page.wait_for_timeout(50)
    assert page.evaluate("document.querySelector('.track').scrollLeft") > 0
    page.focus(".switch summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".switch[open]")
    page.keyboard.press("Escape")
    assert page.evaluate("document.querySelector('.switch').open") is False
    assert page.evaluate("document.activeElement.localName") == "summary"


def test_nothing_moves_while_pages_load(server: Server, browser: Browser) -> None:
    for width in (1280, 390):
        with visiting(browser, _address(server), width=width) as visit:
            for path in ("/as/guest-1", "/c/Home", "/p/SKU-4"):
                page = visit.page(_address(server) + path)
                page.wait_for_load_state("networkidle")
                shift, in_content = page.evaluate(SHIFTED)
                assert (shift < SEEN_SHIFT, in_content) == (True, False), f"{path} at {width}: {shift}"
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} at {width}"
            last = visit.context.pages[-1]
            last.evaluate("document.querySelector('main').prepend(Object.assign(new Image(9, 300), { alt: '' }))")
            shift, in_content = last.evaluate(SHIFTED)
            assert (shift > SEEN_SHIFT, in_content) == (True, True), "what moves is seen"
