"""The frame around every page, and the parts that pages are made of: cards, rails, prices, small forms.

Markup alone, escaped by construction; no script and no style stands in a page, so its policy can forbid both.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from endcap.pages import Markup, element, joined
from endcap.pages.markup import Child
from endcap.storefront.goods import Branch, Product, category_address
from endcap.storefront.pictures import SIDE
from endcap.storefront.rails import Place, Rail
from endcap.storefront.visitor import NEWCOMER, Persona, Visitor

NAME: Final = "Endcap"
FIRST_PICTURES: Final = 6
"""So many pictures of a page are loaded at once, the others when they come near."""

REMEMBERED: Final = 10_000
"""Parts of cards that are kept as markup, for the same products come again and again."""

PERSON: Final = "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 9c0-5 4-7 8-7s8 2 8 7"
CART: Final = "M3 4h2l2.4 11.2a2 2 0 0 0 2 1.6h7.9a2 2 0 0 0 2-1.5L21 8H6M10 20.5h.01M17 20.5h.01"
GLASS: Final = "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm5-1.5L21 21"


class Site(NamedTuple):
    """What stands around every page. `key` is the publishable key of the tracker in it, empty for none."""

    visitor: Visitor
    personas: Sequence[Persona]
    departments: Sequence[Branch]
    key: str
    address: str
    query: str = ""


def document(site: Site, title: str, *body: Child, view: str = "") -> str:
    """A whole page; `view` is the item that it is about."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · {NAME} demo shop"),
        element("link", rel="stylesheet", href="/storefront.css"),
        element("link", rel="icon", href="/storefront-icon.svg", type="image/svg+xml"),
        *([_tracker(site), element("script", type="module", src="/storefront.js")] if site.key else []),
    )
    about = {"data_endcap_view": view} if view else {}
    page = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        _header(site),
        element("main", *body, id="content", tabindex=-1, **about),
        _footer(),
        _form("hide", "/hide", site.address),
    )
    return f"<!doctype html>\n{element('html', head, page, lang='en')}\n"


def _tracker(site: Site) -> Markup:
    """The tracker, which leaves to the server what forms and pages tell it: views, carts, purchases."""
    visitor_id, user_id = site.visitor.person
    told = {"data_user": user_id} if user_id else {}
    return element(
        "script",
        type="module",
        src="/tracker.js",
        data_key=site.key,
        data_consent="granted" if site.visitor.consent else "denied",
        data_session="tab",
        data_visitor=visitor_id or site.visitor.name,
        data_without="view_item add_to_cart remove_from_cart begin_checkout purchase",
        **told,
    )


def _header(site: Site) -> Markup:
    cart = sum(pieces for _, pieces in site.visitor.cart)
    counted = [element("span", str(cart), class_="count")] if cart else []
    spoken = f"Cart, {cart} {'piece' if cart == 1 else 'pieces'}"
    top = element(
        "div",
        element("a", element("span", "", class_="mark", aria_hidden="true"), NAME, element("span", " demo shop"),
                href="/", class_="logo"),
        element(
            "form",
            element("label", "Search the shop", for_="q", class_="spoken"),
            element("input", type="search", name_="q", id="q", value=site.query, placeholder="Search the shop",
                    autocomplete="off", maxlength=200),
            element("button", icon(GLASS), element("span", "Search", class_="spoken")),
            action="/search", method="get", role="search", class_="search",
        ),
        _switch(site),
        element("a", icon(CART), *counted, href="/cart", class_="cart", aria_label=spoken),
        class_="top",
    )  # fmt: skip
    links = [element("a", branch.path[-1], href=category_address(branch.path)) for branch in site.departments[:8]]
    nav = element("nav", *links, element("a", "Recently viewed", href="/recent"), aria_label="Departments")
    return element("header", top, nav)


def _switch(site: Site) -> Markup:
    """Who is looking, as whom one could look, and consent."""
    visitor = site.visitor
    people = [(f"guest-{number}", persona.label) for number, persona in enumerate(site.personas)]
    known = visitor.name.startswith("guest-")
    choices = [
        element("li", element("a", label, href=f"/as/{name}", **({"aria_current": "true"} if current else {})))
        for name, label, current in [(name, label, name == visitor.name) for name, label in people]
        + [("new", NEWCOMER if known else f"{NEWCOMER}, again", False)]
    ]
    consent = element(
        "form",
        element("input", type="hidden", name_="back", value=site.address),
        element("p", "What you do here is remembered for your lists." if visitor.consent
                else "Nothing that you do is remembered."),
        element("button", "Do not remember me" if visitor.consent else "Remember what I do", name_="consent",
                value="denied" if visitor.consent else "granted", class_="quiet"),
        method="post", action="/consent",
    )  # fmt: skip
    summary = element(
        "summary",
        icon(PERSON),
        element("span", visitor.persona.label, class_="who"),
        *([] if visitor.consent else [element("span", "not remembered", class_="count")]),
    )
    panel = element(
        "div",
        element("p", "Look at the shop as", class_="caption"),
        element("ul", *choices),
        element("p", element("a", "See two people side by side", href="/compare")),
        consent,
        class_="panel",
    )
    return element("details", summary, panel, class_="switch")


def _footer() -> Markup:
    return element(
        "footer",
        element("p", "A shop for trying out Endcap. Where its goods are made up, nothing here can be bought; pictures "
                "without a photograph are drawn."),
        element("p", element("a", "Two people side by side", href="/compare"), " · ",
                element("a", "Recently viewed", href="/recent")),
    )  # fmt: skip


def icon(path: str) -> Markup:
    """A line drawing of 24 by 24 that says nothing by itself."""
    drawn = element("path", d=path, fill="none", stroke="currentColor", stroke_width=1.8, stroke_linecap="round",
                    stroke_linejoin="round")  # fmt: skip
    return element("svg", drawn, viewBox="0 0 24 24", width=24, height=24, aria_hidden="true")


def _form(name: str, action: str, back: str) -> Markup:
    """A form that buttons anywhere in the page belong to."""
    return element("form", element("input", type="hidden", name_="back", value=back), id=name, action=action,
                   method="post")  # fmt: skip


@lru_cache(maxsize=REMEMBERED)
def photograph(product: Product, *, at_once: bool, side: int = SIDE) -> Markup:
    """The picture of a product in a box of its own, so that nothing moves when it comes."""
    loading = "eager" if at_once else "lazy"
    return element("img", src=product.image, alt=product.title, width=side, height=side, loading=loading,
                   decoding="async", referrerpolicy="no-referrer")  # fmt: skip


@lru_cache(maxsize=REMEMBERED)
def price(product: Product) -> Markup:
    """What it costs; a reduced one with what it cost before."""
    if not product.usual:
        return element("p", product.price or "Price on request", class_="price")
    return element(
        "p",
        element("span", "Now ", class_="spoken"),
        element("strong", product.price),
        " ",
        element("s", element("span", "before ", class_="spoken"), product.usual),
        class_="price reduced",
    )


def card(product: Product, *, link: str = "", at_once: bool = False, below: Sequence[Child] = ()) -> list[Child]:
    """What stands in a card: picture, brand, title and price, then `below`."""
    return [
        element(
            "a",
            photograph(product, at_once=at_once),
            _called(product),
            href=product.address + link,
            class_="ware",
        ),
        price(product),
        *below,
    ]


@lru_cache(maxsize=REMEMBERED)
def _called(product: Product) -> Markup:
    brand, title = (element("span", getattr(product, name), class_=name) for name in ("brand", "title"))
    return joined([brand, title])


def rail(shown: Rail, *, at_once: int = 0, side: str = "") -> Markup:
    """A list with its heading and the way to why it is what it is; `at_once` pictures are loaded without waiting.

    Beside another person's, on a `side` of its own, it does not scroll, and what is seen of it is nobody's impression.
    """
    name = f"rail-{shown.placement}{side}"
    heading = element(
        "div",
        element("h2", shown.title, id=name),
        element("a", "Why these?", element("span", f" ({shown.title})", class_="spoken"),
                href=f"/why/{shown.recommendation_id}", class_="why"),
        class_="heading",
    )  # fmt: skip
    cards = [_placed(shown, place, at_once=index < at_once) for index, place in enumerate(shown.places)]
    if side:
        return element("section", heading, element("ul", *cards, class_="grid", role="list"), aria_labelledby=name)
    track = element("ul", *cards, class_="track", role="list", tabindex=0, aria_labelledby=name)
    marks = {"data_endcap_list": shown.placement, "data_endcap_recommendation": shown.recommendation_id}
    return element("section", heading, track, class_="rail", aria_labelledby=name, **marks)


def _placed(shown: Rail, place: Place, *, at_once: bool) -> Markup:
    product = place.product
    below = [element("p", place.reason.text, class_="reason"), _hide(product)]
    inner = card(product, link=f"?list={shown.recommendation_id}", at_once=at_once, below=below)
    marks: dict[str, str | float] = {"data_endcap_item": product.id, "data_endcap_position": place.position}
    return element("li", *inner, class_="card", **marks)


@lru_cache(maxsize=REMEMBERED)
def _hide(product: Product) -> Markup:
    spoken = element("span", f" in {product.title}", class_="spoken")
    return element("button", "Not interested", spoken, form="hide", name_="item", value=product.id, class_="quiet")


def crumbs(path: Sequence[str], last: str = "") -> Markup:
    """Where a page stands in the shop; without `last` the path's end is the page itself."""
    steps = [(name, category_address(path[: level + 1])) for level, name in enumerate(path)]
    links = [element("li", element("a", name, href=address)) for name, address in [("Shop", "/"), *steps]]
    if not last and links:
        links[-1] = element("li", element("span", steps[-1][0] if steps else "Shop", aria_current="page"))
    here = [element("li", element("span", last, aria_current="page"))] if last else []
    return element("nav", element("ol", *links, *here), class_="crumbs", aria_label="Where you are")


def nothing(text: str, *more: Child) -> Markup:
    """A sentence where there is nothing else to show."""
    return element("div", element("p", text), joined(more), class_="nothing")
