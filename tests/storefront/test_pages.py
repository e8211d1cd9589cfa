"""The shop's pages over real HTTP, as a browser without scripts sees them."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from endcap import app
from endcap.errors import InvalidSettings
from endcap.serving.web import listening
from servers import Server, serving

GUESTS = [["A cook", "v0", ""], ["A gardener", "v1", ""]]
MARKS = "video audio object embed math form input body".split()
HOSTILE = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "</title><svg onload>"),
    *("<iframe srcdoc='<script>a</script>'>", "</a></li></ul></main><h1>no", "{{7*7}}${7*7}", "\u202eevil"),
    *("&lt;b&gt;", "<!--", "-->", "]]>", "<style>*{display:none}</style>", "javascript:alert(1)", "\0x"),
    *("data:text/html,<script>", "<base href=//evil.example>", "<meta http-equiv=a>", "<link href=//evil.example>"),
    *(f"<{name} onerror=alert({number})>" for number, name in enumerate(MARKS)),
    *(f"\"{sign}'{sign}<x>" for sign in "/\\`=&;%#?+|~^*()[]!@$-_"),
)  # fmt: skip


class Page(HTMLParser):
    """What stands in a page: elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, *having: str) -> list[dict[str, str]]:
        """The attributes of the elements `tag` that have those named."""
        return [given for name, given in self.elements if name == tag and set(having) <= given.keys()]

    def items(self, placement: str) -> list[str]:
        """The items of a rail, in order."""
        here, found = False, []
        for name, given in self.elements:
            if name in ("section", "ul") and "data-endcap-list" in given:
                here = given["data-endcap-list"] == placement
            elif here and name == "li" and "data-endcap-item" in given:
                found.append(given["data-endcap-item"])
        return found


class Guest:
    """Somebody without scripts, with cookies of their own."""

    def __init__(self, server: Server) -> None:
        self.http = httpx2.Client(base_url=server.http.base_url, timeout=30, follow_redirects=True)

    def get(self, path: str) -> Page:
        answer = self.http.get(path)
        assert answer.status_code == 200, (path, answer.text[:500])
        return Page(answer.text)

    def post(self, path: str, **fields: str) -> Page:
        answer = self.http.post(path, data=fields)
        assert answer.status_code == 200, (path, answer.text[:500])
        return Page(answer.text)

    @property
    def name(self) -> str:
        return self.http.cookies["endcap_who"]


def told(server: Server, visitor: str) -> list[str]:
    """The names of the events that are held of a visitor."""
    answer = server.post("/v1/admin/exports", visitor_id=visitor)
    return [event["name"] for event in answer["events"]]


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("pages") / "shop"))
    (folder / "files").mkdir()
    (folder / app.GUESTS).write_text(json.dumps(GUESTS))
    with serving(folder, storefront="true", refresh_after_s=0) as running:
        yield running


@pytest.fixture
def guest(server: Server) -> Iterator[Guest]:
    guest = Guest(server)
    with guest.http:
        yield guest


def test_every_link_and_picture_of_the_shop_leads_somewhere(guest: Guest) -> None:
    guest.get("/as/guest-0")
    seen, waiting = (
        set[str](),
        ["/", "/cart", "/recent", "/compare", "/c/Home/Garden?page=1&sort=price", "/search?q=thing"],
    )
    kinds: dict[str, int] = {}
    while waiting:
        path = waiting.pop()
        kind = path.split("/")[1]
        if path in seen or kinds.get(kind, 0) >= 6 or kind == "as":
            continue
        seen.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        answer = guest.http.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            page = Page(answer.text)
            links = [given["href"] for tag in ("a", "link") for given in page.all(tag, "href")]
            sources = [given["src"] for tag in ("img", "script") for given in page.all(tag, "src")]
            found = (urlsplit(urljoin(path, link)) for link in links + sources if not link.startswith("#"))
            waiting += [each._replace(fragment="").geturl() for each in found]
    assert {"p", "c", "why", "pictures", "tracker.js", "storefront.css", "storefront.js"} <= kinds.keys()


def test_every_rail_of_the_first_page_says_why(guest: Guest, server: Server) -> None:
    home = guest.get("/as/guest-0")
    rails = home.all("section", "data-endcap-recommendation")
    assert {"home", "trending"} <= {rail["data-endcap-list"] for rail in rails}
    for rail in rails:
        why = guest.get(f"/why/{rail['data-endcap-recommendation']}")
        assert rail["data-endcap-list"] in why.text
        assert "known by their events" in why.text
        assert "Sources' votes" in why.text
    shown = [item for rail in rails for item in home.items(rail["data-endcap-list"])]
    assert len(shown) == len(set(shown)), "an item stands twice on the page"


def test_pages_hold_no_script_and_no_style_of_their_own_and_forbid_both(guest: Guest) -> None:
    for path in ("/", "/c/Toys", "/p/SKU-1", "/cart", "/recent", "/compare", "/search?q=thing", "/p/nothing"):
        answer = guest.http.get(path)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        page = Page(answer.text)
        assert all("src" in given for given in page.all("script"))
        assert not page.all("style")
        assert not [given for _, given in page.elements for name in given if name.startswith("on") or name == "style"]


def test_pictures_have_their_size_and_a_text_instead(guest: Guest) -> None:
    for path in ("/", "/p/SKU-1"):
        for picture in guest.get(path).all("img"):
            assert picture["alt"]
            assert int(picture["width"]) == int(picture["height"]) > 0


def test_headings_and_landmarks_are_in_order(guest: Guest) -> None:
    for path in ("/", "/c/Home", "/p/SKU-4", "/cart", "/recent", "/compare", "/search?q=thing"):
        page = guest.get(path)
        levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert [len(page.all(name)) for name in ("header", "main", "footer")] == [1, 1, 1]
        assert page.all("html", "lang")
        names = [given["id"] for _, given in page.elements if "id" in given]
        assert len(names) == len(set(names))


def test_looking_and_buying_are_told_without_scripts_and_lists_follow(guest: Guest, server: Server) -> None:
    before = guest.get("/").items("home")
    for item in ("SKU-7", "SKU-10", "SKU-13"):
        guest.get(f"/p/{item}")
    guest.get("/p/SKU-13")  # again within the minute
    after = guest.get("/").items("home")
    assert before != after
    assert sum(int(item[4:]) % 3 == 1 for item in after[:6]) >= 5
    cart = guest.post("/cart", item="SKU-7", list="")
    assert "€6.75" in cart.text
    assert "2 in your cart" in (guest.post("/cart", item="SKU-7"), guest.get("/p/SKU-7"))[1].text
    assert "€20.25" in guest.post("/cart/change", item="SKU-7", pieces="3").text
    guest.post("/cart", item="SKU-1")
    guest.post("/cart/change", item="SKU-1", pieces="1", remove="yes")
    assert "an order of 3 pieces is recorded" in guest.post("/order").text
    assert "Your cart is empty" in guest.get("/cart").text
    names = told(server, guest.name)
    counted = {name: names.count(name) for name in ("add_to_cart", "remove_from_cart", "purchase")}
    assert counted == {"add_to_cart": 4, "remove_from_cart": 1, "purchase": 1}
    assert 3 <= names.count("view_item") <= 5, "twice in a minute is one view, and the minute may have passed"
    assert {given["alt"] for given in guest.get("/recent").all("img")[:3]} == {f"Garden thing {n}" for n in (7, 10, 13)}


def test_without_consent_nothing_is_told_and_lists_are_nobodys(guest: Guest, server: Server) -> None:
    guest.get("/as/guest-1")
    assert "Remember what I do" in guest.post("/consent", consent="denied", back="/").text
    guest.get("/as/new")
    nobody = guest.get("/").items("home")
    guest.get("/p/SKU-7")
    guest.post("/cart", item="SKU-7")
    guest.post("/order")
    assert guest.get("/").items("home") == nobody
    assert "Nothing that you do is remembered" in guest.get("/recent").text
    assert told(server, guest.name) == []
    script = guest.get("/").all("script", "data-consent")[0]
    assert script["data-consent"] == "denied"


def test_a_tab_without_consent_sends_its_session_along(guest: Guest) -> None:
    guest.get("/")
    guest.post("/consent", consent="denied")
    event = {"name": "view_item", "time": time.time_ns() // 1_000_000, "items": [{"item_id": "SKU-7"}]}
    answer = guest.http.post("/", json=[event])
    assert sum(int(item[4:]) % 3 == 1 for item in Page(answer.text).items("home")[:6]) >= 4
    assert guest.http.post("/", json={"no": "list"}).status_code == 422
    deep = guest.http.post("/", content=b"[" * 5_000, headers={"Content-Type": "application/json"})
    assert deep.status_code == 400


def test_what_one_is_not_interested_in_stays_out_of_the_lists(guest: Guest) -> None:
    home = guest.get("/as/guest-0")
    first = home.items("home")[0]
    again = guest.post("/hide", item=first, back="/")
    assert first not in [given["data-endcap-item"] for given in again.all("li", "data-endcap-item")]
    why = guest.get(f"/why/{again.all('section', 'data-endcap-recommendation')[0]['data-endcap-recommendation']}")
    assert "not interested" in why.text


def test_forms_of_another_site_and_ways_out_of_the_shop_are_refused(guest: Guest) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert guest.http.post("/order", headers=headers).status_code == 403
    assert guest.http.post("/hide", data={f"field{number}": "" for number in range(21)}).status_code == 422
    for back in ("//evil.example", "https://evil.example/", "/\\evil.example", "\r\nX: y"):
        answer = guest.http.post("/consent", data={"consent": "granted", "back": back}, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_a_category_shows_each_thing_once_in_the_order_asked_for(guest: Guest) -> None:
    for sort in ("recommended", "price", "-price", "newest"):
        pages = [guest.get(f"/c/Home?sort={sort}&page={number}") for number in (1, 2)]
        shown = [given["data-endcap-item"] for page in pages for given in page.all("li", "data-endcap-item")]
        assert len(shown) == len(set(shown)) == 40
        if "price" in sort:
            numbers = [int(item[4:]) for item in shown]
            assert numbers == sorted(numbers, reverse=sort == "-price")
    assert guest.http.get("/c/Nowhere").status_code == 404


def test_a_search_finds_misspelled_things_and_is_narrowed_by_links(guest: Guest) -> None:
    page = guest.get("/search?q=gardne+thing")
    assert "Shown for “garden thing”" in page.text
    first = [given["data-endcap-item"] for given in page.all("li", "data-endcap-item")]
    assert (len(first), "20 found" in page.text, "Near to it" in page.text) == (24, True, True)
    assert [given["data-endcap-position"] for given in page.all("li", "data-endcap-item")] == [*map(str, range(1, 25))]
    for each in page.all("ul", "data-endcap-list"):
        assert (each["data-endcap-list"], each["data-endcap-search"]) == ("search", "gardne thing")
    narrow = next(given["href"] for given in page.all("a", "href") if "f=price" in given["href"])
    fewer = guest.get(narrow)
    some = [given["data-endcap-item"] for given in fewer.all("li", "data-endcap-item")]
    assert 0 < len(some) < 20
    assert (
        "20 found"
        in guest.get(next(given["href"] for given in fewer.all("a", "href") if "search?q" in given["href"])).text
    )
    assert guest.http.get("/search?q=thing&f=nonsense").status_code == 422
    for odd in ("", "%00", "x" * 5_000, "%F0%9F%91%9F", "'%3B--", "q&page=99999999999"):
        guest.get(f"/search?q={odd}")


def test_two_people_stand_side_by_side(guest: Guest) -> None:
    page = guest.get("/compare?left=guest-0&right=guest-1")
    assert page.text.count("A cook") == page.text.count("A gardener") > 2
    sides = [given["data-endcap-item"] for given in page.all("li", "data-endcap-item")]
    assert len(sides) > 12
    assert not page.all("section", "data-endcap-list"), "nobody saw these lists"
    assert guest.http.get("/as/guest-9").status_code == 404


def test_cookies_that_nobody_wrote_count_as_none(guest: Guest) -> None:
    for value in ("", "!!!", "eyJhIjoxfQ", "W1siYSIsLTVdXQ", "x" * 3_000, "guest-999", '"><script>'):
        for name in ("who", "consent", "cart", "hidden"):
            assert guest.http.get("/cart", headers={"Cookie": f"endcap_{name}={value}"}).status_code == 200


def test_hostile_titles_brands_and_categories_are_text(guest: Guest, server: Server) -> None:
    items = [
        {"id": f"H{number}{title[:9]}".replace("\0", ""), "title": title.replace("\0", "\u0001"), "price": 5,
         "brand": title.replace("\0", "")[:60], "product_type": f"Toys > {title.replace(chr(0), '').replace('>', '')}"}
        for number, title in enumerate(HOSTILE)
    ]  # fmt: skip
    assert len(items) >= 50
    answer = server.http.put("/v1/catalog/items", json={"items": items})
    assert answer.json()["accepted"] == len(items), answer.text
    harmless = {name for name, _ in guest.get("/c/Home").elements} | {
        name for name, _ in guest.get("/p/SKU-1").elements
    }
    attributes = {
        key for path in ("/c/Home", "/p/SKU-1", "/") for _, given in guest.get(path).elements for key in given
    }
    paths = [f"/c/Toys?sort=newest&page={number}" for number in (1, 2, 3)]
    shown = [guest.get(path) for path in paths]
    links = {given["href"] for page in shown for given in page.all("a", "href")}
    shown += [guest.get(link) for link in links if link.startswith("/p/")]
    for page in shown:
        assert {name for name, _ in page.elements} <= harmless | {"dt", "dd", "dl"}
        assert {key for _, given in page.elements for key in given} <= attributes | {"rel"}
    assert sum(len(page.all("img")) for page in shown) > 60


def test_a_server_has_no_pages_unless_it_is_asked_for_them(plain: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"serving\.storefront is on.*expected a loopback address"):
        listening("192.0.2.1", 0, keyed=True, pages=True)
    for wanted, mounted in (("false", 2), ("true", 3)):
        shop = app.open_shop(plain, {"ENDCAP_SERVING__STOREFRONT": wanted})
        assert len(app.pages_of(shop, "")) == mounted


def test_guests_that_cannot_be_read_end_the_start_with_the_remedy(tmp_path: Path) -> None:
    app.initialise(tmp_path, "EUR", "UTC")
    (tmp_path / "files").mkdir()
    (tmp_path / app.GUESTS).write_text('[["A cook", 7]]')
    with pytest.raises(InvalidSettings, match=r"guests\.json cannot be read: .*expected a list of people"):
        app.pages_of(app.open_shop(tmp_path, {"ENDCAP_SERVING__STOREFRONT": "true"}), "")
