"""The storefront's pages and forms. The server tells views, carts and orders; the tracker tells the rest.

So a page counts the same with scripts and without, and nothing twice: the tracker in these pages keeps to impressions,
clicks and time. Without consent no event is taken, and lists know only what the tab sends along. What a visitor is not
interested in stands in their cookie and goes with each call as an exclusion, so it is recorded with the decision.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from endcap.serving import Doors
from endcap.serving.calls import MAX_QUERY, EventCall, SearchCall
from endcap.serving.gate import check_depth, read_body
from endcap.serving.problems import refusal
from endcap.storefront import other_pages, search_page, shop_pages
from endcap.storefront.goods import Order, Product, Window, category_filter
from endcap.storefront.history import seen_lately
from endcap.storefront.other_pages import Side
from endcap.storefront.pictures import picture
from endcap.storefront.rails import HOME, Rail, Wanted, cart_rails, product_rails
from endcap.storefront.visitor import known_as
from endcap.storefront.visits import Terms, Visit, visited

RANKED: Final = 96
"""So many of a category stand in an order of the visitor's own, those beyond in one for everybody."""
TILES: Final = 6
MOST_FILTERS: Final = 8
FOR_NOBODY: Final = HOME[0]._replace(title="Good to start with")
SIDE_RAILS: Final = tuple(each._replace(k=6) for each in HOME[:3])
MOST_SENT_ALONG: Final = 50
_FILES: Final = {
    "/storefront.css": ("storefront.css", "text/css"),
    "/storefront.js": ("storefront.js", "text/javascript"),
    "/storefront-icon.svg": ("icon.svg", "image/svg+xml"),
}
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def storefront(terms: Terms) -> Callable[[Doors], Sequence[BaseRoute]]:
    """The routes of all pages, to be mounted beside the API's."""

    def routes(doors: Doors) -> Sequence[BaseRoute]:
        return [
            visited("/", home, doors, terms, "GET", "POST"),
            visited("/c/{path:path}", category, doors, terms),
            visited("/p/{item:path}", product, doors, terms),
            visited("/search", search, doors, terms),
            visited("/cart", cart, doors, terms),
            visited("/cart", put_in_cart, doors, terms, "POST"),
            visited("/cart/change", change_cart, doors, terms, "POST"),
            visited("/order", order, doors, terms, "POST"),
            visited("/recent", recent, doors, terms),
            visited("/hide", hide, doors, terms, "POST"),
            visited("/consent", choose_consent, doors, terms, "POST"),
            visited("/as/{name}", look_as, doors, terms),
            visited("/compare", compare, doors, terms),
            visited("/why/{recommendation_id}", why, doors, terms),
            visited("/pictures/{item:path}", drawn, doors, terms),
            *(Route(path, _file(name, media_type)) for path, (name, media_type) in _FILES.items()),
        ]

    return routes


async def home(visit: Visit) -> Response:
    """The first page; a tab without consent sends its session along with POST."""
    if visit.http.method == "POST":
        body = await read_body(visit.http, visit.bounds, "application/json")
        check_depth(body)
        visit = replace(visit, session=_session(body))
    branches = visit.window.departments()[:TILES]
    tiles = list(zip(branches, visit.window.stars(branches), strict=True))
    first = HOME[0] if seen_lately(visit.desk.floor, visit.visitor) or visit.session else FOR_NOBODY
    return visit.answer("Home", shop_pages.home(tiles, await visit.rails([first, *HOME[1:]])))


def _session(body: bytes) -> tuple[EventCall, ...]:
    try:
        return tuple(msgspec.json.decode(body, type=list[EventCall])[-MOST_SENT_ALONG:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refusal(422, "invalid-request", f"the session cannot be read: {error}") from None


async def category(visit: Visit) -> Response:
    """One page of a category, in the visitor's own order as far as that goes."""
    path, window, asked = visit.named("/c/"), visit.window, visit.http.query_params
    order: Order = next((each for each, _ in shop_pages.ORDERS if each == asked.get("sort")), "recommended")
    rows = window.shelves(path, order).tolist()
    if not rows:
        raise refusal(404, "unknown-category", "there is nothing to sell in a category of this name")
    pages = -(-len(rows) // shop_pages.PAGE)
    number = min(max(_number(asked.get("page", "")), 1), pages)
    ranked = await _ranked(visit, path, number) if order == "recommended" else None
    products = _page(window, rows, [place.product for place in ranked.places] if ranked else [], number)
    recommendation_id = ranked.recommendation_id if ranked else ""
    listing = shop_pages.Listing(
        path, window.branches(path), order, number, pages, len(rows), products, recommendation_id
    )
    return visit.answer(path[-1], shop_pages.category(listing))


async def _ranked(visit: Visit, path: tuple[str, ...], number: int) -> Rail | None:
    """The visitor's own list of a category up to the end of a page, None beyond what is ranked."""
    most = shop_pages.PAGE * number
    if most > RANKED:
        return None
    found = await visit.rails([Wanted(path[-1], "category", most, filter=category_filter(path))])
    return found[0] if found else None


def _page(window: Window, rows: Sequence[int], ranked: Sequence[Product], number: int) -> list[Product]:
    """The products of a page: those `ranked` come first, then the others of the group `rows` in their order."""
    first, last = shop_pages.PAGE * (number - 1), shop_pages.PAGE * number
    before = {int(window.floor.shelf.group[product.row]) for product in ranked}
    rest = [row for row in rows if row not in before]
    start = max(first - len(ranked), 0)
    found = list(ranked[first:last])
    return found + window.products(window.shown(rest[start : start + last - first - len(found)]))


async def search(visit: Visit) -> Response:
    """What is found for the words that were typed, best for the visitor first."""
    asked, (visitor_id, user_id) = visit.http.query_params, visit.visitor.person
    query, filters = asked.get("q", "")[:MAX_QUERY].strip(), asked.getlist("f")[:MOST_FILTERS]
    number = min(max(_number(asked.get("page", "")), 1), RANKED // shop_pages.PAGE)
    call = SearchCall(
        q=query, k=shop_pages.PAGE * number, filter=" AND ".join(f"({each})" for each in filters), facets=True,
        visitor_id=visitor_id, user_id=user_id, consent=visit.visitor.consent,
    )  # fmt: skip
    answer = visit.desk.search(call, visit.waited_s)
    products = visit.window.named(item.id for item in answer.items[shop_pages.PAGE * (number - 1) :])
    pages = search_page.pages_of(answer.found, RANKED)
    found = search_page.Searched(query, filters, answer, products, number, pages)
    return visit.answer(query or "Search", search_page.search(found))


async def product(visit: Visit) -> Response:
    """An item's page; that it was looked at is told once a minute."""
    item, window = "/".join(visit.named("/p/")), visit.window
    row = window.row(item)
    if row is None:
        raise refusal(404, "unknown-item", "the shop has no such thing, or sells it no longer")
    came_from = _id(visit.http.query_params.get("list", ""))
    seen = f"{visit.visitor.name}:{window.at // 60_000}:{item}"[:256]
    viewed = visit.record("view_item", [(item, 1)], recommendation_id=came_from, event_id=seen)
    recording = asyncio.create_task(viewed)  # the lists are made while the log is written; the item itself is known
    try:
        rails = await visit.rails(product_rails(item))
    finally:
        await recording
    choices = [shop_pages.Choice(_variant(window, each), each) for each in window.products(window.variants(row))]
    (shown,) = window.products([row])
    page = shop_pages.Shown(shown, window.facts(row), choices, visit.visitor, came_from)
    return visit.answer(shown.title, shop_pages.product(page, rails), view=item)


def _variant(window: Window, item: Product) -> str:
    told = [window.attribute(item.row, name) for name in ("color", "size")]
    return ", ".join(filter(None, told)) or item.title


async def cart(visit: Visit) -> Response:
    """The cart, and what goes with it."""
    window, held = visit.window, dict(visit.visitor.cart)
    products = window.named(held)
    prices = window.floor.shelf.prices(np.array([each.row for each in products], np.int32), window.at).tolist()
    sums = [price * held[each.id] if price >= 0 else -1 for each, price in zip(products, prices, strict=True)]
    lines = [(each, held[each.id], window.money(cost)) for each, cost in zip(products, sums, strict=True)]
    total = window.money(-1 if -1 in sums else sum(sums)) or "unknown"
    shown = await visit.rails(cart_rails([each.id for each in products]))
    bought = _number(visit.http.query_params.get("ordered", ""))
    return visit.answer("Cart", shop_pages.cart(lines, total, shown, bought))


async def put_in_cart(visit: Visit) -> Response:
    """One more of an item."""
    form = await visit.form()
    item = form.get("item", "")
    if visit.window.row(item) is None:
        raise refusal(404, "unknown-item", "the shop has no such thing, or sells it no longer")
    await visit.record("add_to_cart", [(item, 1)], recommendation_id=_id(form.get("list", "")))
    visitor = visit.visitor.put(item, visit.visitor.pieces(item) + 1)
    return visit.of(visitor).to("/cart")


async def change_cart(visit: Visit) -> Response:
    """Another number of an item, or none."""
    form = await visit.form()
    item, before = form.get("item", ""), visit.visitor.pieces(form.get("item", ""))
    pieces = 0 if form.get("remove") else _number(form.get("pieces", ""))
    if before and pieces != before:
        name = "add_to_cart" if pieces > before else "remove_from_cart"
        await visit.record(name, [(item, abs(pieces - before))])
    return visit.of(visit.visitor.put(item, pieces if before else 0)).to("/cart")


async def order(visit: Visit) -> Response:
    """What is in the cart is recorded as bought."""
    bought = [(item, pieces) for item, pieces in visit.visitor.cart if visit.window.row(item) is not None]
    if bought:
        await visit.record("purchase", bought, transaction_id=f"web-{secrets.token_hex(8)}")
    total = sum(pieces for _, pieces in bought)
    return visit.of(replace(visit.visitor, cart=())).to(f"/cart?ordered={total}" if bought else "/cart")


async def recent(visit: Visit) -> Response:
    """What was looked at, and where it may lead."""
    rows = seen_lately(visit.desk.floor, visit.visitor)
    wanted = [Wanted("Continue looking", "continue"), Wanted("Trending", "trending")]
    products, consent = visit.window.products(rows), visit.visitor.consent
    return visit.answer("Recently viewed", shop_pages.recent(products, await visit.rails(wanted), consent=consent))


async def hide(visit: Visit) -> Response:
    """Not interested: the item and its variants stay out of this visitor's lists from now on."""
    form = await visit.form()
    item = form.get("item", "")
    known = visit.window.row(item) is not None
    visitor = visit.visitor.hide(item) if known else visit.visitor
    return visit.of(visitor).to(form.get("back", "/"))


async def choose_consent(visit: Visit) -> Response:
    """Whether what is done is remembered from now on."""
    form = await visit.form()
    visitor = replace(visit.visitor, consent=form.get("consent") == "granted")
    return visit.of(visitor).to(form.get("back", "/"))


async def look_as(visit: Visit) -> Response:
    """The first page as one of the personas, or as somebody new."""
    wanted = visit.http.path_params["name"]
    found = known_as(_new() if wanted == "new" else wanted, visit.terms.personas)
    if found is None:
        raise refusal(404, "unknown-persona", "there is nobody of this name to look as")
    return visit.of(replace(found, consent=visit.visitor.consent)).to("/")


async def compare(visit: Visit) -> Response:
    """Two people's first pages side by side."""
    asked, personas = visit.http.query_params, visit.terms.personas
    sides = []
    for place, default in (("left", "guest-0"), ("right", "guest-1")):
        name = asked.get(place, default)
        visitor = known_as(name, personas) or known_as(_new(), personas)
        if visitor is not None:
            sides.append(Side(visitor, await visit.of(visitor).rails(SIDE_RAILS)))
    left, right = sides
    return visit.answer("Side by side", other_pages.compare(left, right, personas))


async def why(visit: Visit) -> Response:
    """The decision behind a list."""
    decision = visit.desk.decision(visit.http.path_params["recommendation_id"])
    products = {each.id: each for each in visit.window.named(item.id for item in decision.items)}
    return visit.answer("Why these?", other_pages.why(decision, products))


async def drawn(visit: Visit) -> Response:
    """The drawn picture of an item; its address changes with what it shows, so browsers may keep it."""
    item, window = "/".join(visit.named("/pictures/")).removesuffix(".svg"), visit.window
    row = window.row(item)
    if row is None:
        raise refusal(404, "unknown-item", "the shop has no such thing, or sells it no longer")
    title = window.floor.texts.get(row).get("title", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(picture(window.look(row, item, title)), 200, headers, "image/svg+xml")


def _file(name: str, media_type: str) -> Callable[[HttpRequest], Awaitable[Response]]:
    content = files("endcap.storefront").joinpath(name).read_bytes()

    async def answered(_: HttpRequest) -> Response:
        return Response(content, 200, {"Cache-Control": "public, max-age=3600"}, media_type)

    return answered


def _number(text: str) -> int:
    """A small whole number of a form, 0 where it is none."""
    return int(text) if re.fullmatch("[0-9]{1,5}", text) else 0


def _id(text: str) -> str:
    return text if _ID.fullmatch(text) else ""


def _new() -> str:
    return f"web-{secrets.token_hex(12)}"
