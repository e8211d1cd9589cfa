"""The operators' page over HTTP and in a browser: who is let in, what it shows, and that looking leaves no trace."""

import html
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe

from endcap import app
from endcap.access import Minted
from servers import Server, serving
from storefront.browsers import chromium, visiting

DIFFERS = re.compile(r"<h2>What differs</h2>.*?</table>", re.DOTALL)
FLUSHED_S = 0.8
"""After this a decision is in the log."""
HOSTILE = "Mug \"'><svg/onload=alert(1) &lt;script&gt;alert(2)&lt;/script&gt; {{7*7}}"


class Ground(NamedTuple):
    """A server whose items have hostile titles, with keys that it knew from its start."""

    server: Server
    admin: str
    secret: str
    brief: Minted

    @property
    def address(self) -> str:
        return str(self.server.http.base_url).rstrip("/")


@pytest.fixture(scope="module")
def ground(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("explored") / "shop"))
    shop = app.open_shop(folder, {})
    admin, secret, brief = (app.create_key(shop, scope, "tests") for scope in ("admin", "secret", "admin"))
    with serving(folder) as server:
        items = [{"id": f"SKU-{row}", "title": HOSTILE} for row in range(60)]
        assert server.http.put("/v1/catalog/items", json={"items": items}).json()["accepted"] == 60
        yield Ground(server, admin.token, secret.token, brief)


@pytest.fixture
def operator(ground: Ground) -> Iterator[httpx2.Client]:
    """Somebody who is signed in."""
    with httpx2.Client(base_url=ground.address, timeout=30, follow_redirects=True) as http:
        answer = http.post("/explore/key", data={"key": ground.admin})
        assert "Placement" in answer.text
        yield http


@pytest.fixture
def look(operator: httpx2.Client) -> Callable[..., str]:
    """The page for fields of the form, which must be one."""

    def post(**fields: str) -> str:
        answer = operator.post("/explore", data=fields)
        assert answer.status_code == 200, answer.text
        return answer.text

    return post


def _text(page: str) -> str:
    """What a reader sees, tags as blanks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_only_an_admin_key_opens_it_and_no_key_is_ever_in_an_address(ground: Ground) -> None:
    with httpx2.Client(base_url=ground.address) as http:
        asked = http.get("/explore")
        assert (asked.status_code, "Admin key" in asked.text, "Placement" in asked.text) == (200, True, False)
        assert "Placement" not in http.post("/explore", data={"left_placement": "home"}).text
        for key, status in (("", 401), ("ec_adm_00000000_00", 401), (ground.secret, 403)):
            refused = http.post("/explore/key", data={"key": key})
            assert (refused.status_code, "set-cookie" in refused.headers) == (status, False)
        taken = http.post("/explore/key", data={"key": ground.admin})
        assert (taken.status_code, taken.headers["location"]) == (303, "/explore")
        cookie = taken.headers["set-cookie"]
        assert {"HttpOnly", "Path=/explore", "SameSite=strict"} <= set(cookie.split("; "))
        assert ground.admin.split("_")[3] not in cookie
        assert "Placement" in http.get("/explore").text
        http.post("/explore/out")
        assert "Placement" not in http.get("/explore").text


def test_a_session_ends_with_its_key_and_a_forged_cookie_is_none(ground: Ground) -> None:
    with httpx2.Client(base_url=ground.address) as http:
        cookie = http.post("/explore/key", data={"key": ground.brief.token}).cookies["endcap_console"]
        number, until, signature = cookie.split(".")
        assert "Placement" in http.get("/explore").text
        later = f"{number}.{int(until) + 1}.{signature}"
        for forged in (later, f"{number}.{until}.", f"{number}.x.{signature}", "", "..", "a.b.c.d"):
            answer = httpx2.get(f"{ground.address}/explore", headers={"Cookie": f"endcap_console={forged}"})
            assert (answer.status_code, "Placement" in answer.text) == (200, False)
        app.revoke_key(app.open_shop(ground.server.shop, {}), ground.brief.key.id)
        deadline = time.monotonic() + 10
        while "Placement" in http.get("/explore").text:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_list_is_shown_with_all_that_led_to_it(ground: Ground, look: Callable[..., str]) -> None:
    listed = ground.server.listed(visitor_id="v3", k=6)
    text = _text(look(left_placement="home", left_visitor_id="v3", left_k="6", left_item="SKU-3"))
    places = [text.index(f" {item} ") for item in listed if f" {item} " in text]
    assert len(places) == 6
    for part in ("Pool by source", "Dropped, by rule", "in the ranker's order", "Time by stage", "features, computed"):
        assert part in text
    assert re.search(r"SKU-3: (shown at \d|dropped by \w+|beyond the last place)", text)
    assert "shopper known" in text
    searched = _text(look(left_placement="home", left_query="garden", left_visitor_id="v3"))
    assert re.search(r"Pool by source .* search \d+", searched)


def test_two_lists_stand_side_by_side_with_what_differs(look: Callable[..., str]) -> None:
    page = look(left_placement="home", left_visitor_id="v3", right_placement="cart", right_anchors="SKU-4 SKU-7")
    differs = _text(DIFFERS.findall(page)[0])
    for part in ("Visitor id v3", "Items of the page or cart SKU-4 SKU-7", "placement home cart", "in this pool alone"):
        assert part in differs
    same = look(left_placement="home", left_visitor_id="v3", right_placement="home", right_visitor_id="v3")
    assert _text(DIFFERS.findall(same)[0]) == "What differs left right"


def test_recorded_decisions_are_compared_by_their_ids_also_from_an_address(
    ground: Ground, operator: httpx2.Client
) -> None:
    left, right = (
        ground.server.post("/v1/recommendations", placement="home", visitor_id="v3", k=k)["recommendation_id"]
        for k in (4, 8)
    )
    answer = operator.get("/explore", params={"left_recommendation_id": left, "right_recommendation_id": right})
    assert re.search(r"\bk 4 8\b", _text(DIFFERS.findall(answer.text)[0]))
    assert "not its members" in answer.text


def test_whoever_explores_leaves_no_decision_and_no_figure(ground: Ground, look: Callable[..., str]) -> None:
    def left_behind() -> tuple[int, list[str]]:
        with closing(app.open_shop(ground.server.shop, {}).log(readonly=True)) as log:
            decisions = log.end("decisions")
        metrics = ground.server.http.get("/metrics").text.splitlines()
        return decisions, [line for line in metrics if line.startswith(("endcap_slates", "endcap_recommend_seconds_c"))]

    time.sleep(FLUSHED_S)  # decisions of other tests
    before = left_behind()
    look(left_placement="home", left_visitor_id="v3", right_placement="discovery", right_session="SKU-1 SKU-4")
    time.sleep(FLUSHED_S)
    assert left_behind() == before


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"left_placement": "hoem"}, 404, "did you mean home?"),
        ({"left_placement": "home", "left_k": "x"}, 422, "k: expected"),
        ({"left_placement": "home", "left_filter": "colour = 'red'"}, 422, "colour"),
        ({"left_placement": "home", "left_item": "SKU-999"}, 404, "the shop knows no item 'SKU-999'"),
        ({"left_recommendation_id": "<b>"}, 404, "no decision has the id '<b>'"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_the_page(
    operator: httpx2.Client, fields: dict[str, str], status: int, says: str
) -> None:
    answer = operator.post("/explore", data=fields)
    assert answer.status_code == status
    assert says in _text(answer.text)
    assert "<b>" not in answer.text
    assert "Placement" in answer.text


def test_in_a_browser_hostile_titles_are_text_and_axe_finds_nothing_serious(ground: Ground) -> None:
    with chromium() as browser, visiting(browser, ground.address, width=390) as visit:
        page = visit.page(f"{ground.address}/explore")
        page.fill("input[name=key]", ground.admin)
        page.keyboard.press("Enter")
        page.fill("input[name=left_visitor_id]", "v3")
        page.click("text=Beside another")
        page.select_option("select[name=right_placement]", "cart")
        page.fill("input[name=right_anchors]", "SKU-3")
        page.click("text=Look >> nth=-1")
        page.wait_for_selector("text=What differs")
        assert "<svg/onload=alert(1)" in page.inner_text("main")
        page.click("text=Time by stage >> nth=0")
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["impact"]) for each in found if each["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
