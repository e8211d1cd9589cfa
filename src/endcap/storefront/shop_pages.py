"""The pages that a shopper sees: first page, category, product, cart, search, recently viewed. Bodies as markup.

Knows what is to be shown, not where it comes from.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from endcap.pages import Markup, element, joined
from endcap.pages.markup import Child
from endcap.storefront.frame import FIRST_PICTURES, card, crumbs, nothing, photograph, price, rail
from endcap.storefront.goods import Branch, Order, Product, category_address
from endcap.storefront.rails import Rail
from endcap.storefront.visitor import Visitor

PAGE: Final = 24
ORDERS: Final[tuple[tuple[Order, str], ...]] = (
    ("recommended", "Recommended"),
    ("newest", "Newest"),
    ("price", "Price, low to high"),
    ("-price", "Price, high to low"),
)


def home(departments: Sequence[tuple[Branch, Product]], rails: Sequence[Rail]) -> Markup:
    """Departments with a picture each, then the rails."""
    tiles = [
        element("li", element("a", photograph(product, at_once=True, side=160), element("span", branch.path[-1]),
                              href=category_address(branch.path)))
        for branch, product in departments
    ]  # fmt: skip
    return joined(
        [
            element(
                "section",
                element("h1", "What would you like to look at today?"),
                element("ul", *tiles, class_=f"tiles tiles-{len(tiles)}", role="list"),
                class_="hero",
                aria_label="Departments",
            ),
            *all_rails(rails, at_once=FIRST_PICTURES),
        ]
    )


def all_rails(rails: Sequence[Rail], at_once: int = 0) -> list[Markup]:
    """Rails one below the other, the first of them with pictures that are loaded at once."""
    return [rail(each, at_once=at_once if index == 0 else 0) for index, each in enumerate(rails)]


class Listing(NamedTuple):
    """One page of a category: its path, what is below it, the order, the page's number from 1 and of how many."""

    path: tuple[str, ...]
    below: Sequence[Branch]
    order: Order
    number: int
    pages: int
    total: int
    products: Sequence[Product]
    recommendation_id: str = ""


def category(listing: Listing) -> Markup:
    """A category: where it stands, what is below it, and its goods, page by page."""
    path, address = listing.path, category_address(listing.path)
    below = [
        element("li", element("a", branch.path[-1], " ", element("span", str(branch.size)),
                              href=category_address(branch.path)))
        for branch in listing.below
    ]  # fmt: skip
    options = [
        element("option", label, value=order, **({"selected": "selected"} if order == listing.order else {}))
        for order, label in ORDERS
    ]
    sort = element(
        "form",
        element("label", "Sort by", for_="sort"),
        element("select", *options, name_="sort", id="sort"),
        element("button", "Sort", class_="quiet"),
        action=address,
        method="get",
        class_="sort",
    )
    ranked = bool(listing.recommendation_id)
    why = [element("a", "Why this order?", href=f"/why/{listing.recommendation_id}", class_="why")] if ranked else []
    count = element("p", f"{listing.total:,} {'thing' if listing.total == 1 else 'things'}", class_="amount")
    head = element("div", element("h1", path[-1]), count, *why, sort, class_="heading")
    chips = [element("ul", *below, class_="chips", role="list")] if below else []
    goods = grid(listing.products, PAGE * (listing.number - 1), "category", listing.recommendation_id)
    turns = pagination(listing.number, listing.pages, f"{address}?{urlencode({'sort': listing.order})}")
    return joined([crumbs(path), head, *chips, goods, *turns])


def grid(
    products: Sequence[Product], before: int, placement: str, recommendation_id: str = "", sought: str = ""
) -> Markup:
    """Products after so many `before` them; with a `recommendation_id` they are of the list of `placement`.

    `sought` is what was typed to find them.
    """
    link = f"?list={recommendation_id}" if recommendation_id else ""
    cards = []
    for index, each in enumerate(products):
        marks: dict[str, str | float] = {"data_endcap_item": each.id, "data_endcap_position": before + index + 1}
        cards.append(element("li", *card(each, link=link, at_once=index < FIRST_PICTURES), class_="card", **marks))
    ranked = {"data_endcap_list": placement, "data_endcap_recommendation": recommendation_id}
    ranked |= {"data_endcap_search": sought} if sought else {}
    return element("ul", *cards, class_="grid", role="list", **(ranked if recommendation_id else {}))


def pagination(number: int, pages: int, address: str) -> list[Markup]:
    """The ways to the page before and after; `address` is that of the first, with a query."""
    if pages < 2:
        return []
    before = [element("a", "← Previous", href=f"{address}&page={number - 1}", rel="prev")] if number > 1 else []
    after = [element("a", "Next →", href=f"{address}&page={number + 1}", rel="next")] if number < pages else []
    here = element("span", f"Page {number} of {pages}", aria_current="page")
    return [element("nav", *before, here, *after, class_="pagination", aria_label="Pages")]


class Choice(NamedTuple):
    """Another variant: what it is called, and the item."""

    label: str
    product: Product


class Shown(NamedTuple):
    """What an item's page shows."""

    product: Product
    facts: Sequence[tuple[str, str]]
    choices: Sequence[Choice]
    visitor: Visitor
    came_from: str = ""


def product(shown: Shown, rails: Sequence[Rail]) -> Markup:
    """An item: picture, price, variants, facts and what goes with it."""
    item = shown.product
    words = "out" if not item.available else "few" if item.stock.startswith("Only") else "there"
    buy = _buy(shown) if item.available else element("p", "Sold out at the moment.", class_="soldout")
    facts = [("Brand", item.brand), *shown.facts, ("Item", item.id)]
    described = [part for name, fact in facts if fact for part in (element("dt", name), element("dd", fact))]
    about = element(
        "div",
        element("p", item.brand, class_="brand"),
        element("h1", item.title),
        price(item),
        *([element("p", item.stock, class_=f"stock {words}")] if item.stock else []),
        *_choices(shown),
        buy,
        element("dl", *described),
        class_="about",
    )
    picture = element("div", photograph(item, at_once=True, side=640), class_="picture")
    return joined([crumbs(item.path, item.title), element("article", picture, about, class_="item"), *all_rails(rails)])


def _choices(shown: Shown) -> list[Markup]:
    if len(shown.choices) < 2:
        return []
    links = []
    for choice in shown.choices:
        here = choice.product.id == shown.product.id
        gone = [] if choice.product.available else [element("span", ", sold out", class_="spoken")]
        marks = {"aria_current": "true"} if here else {}
        look = "gone" if not choice.product.available else "here" if here else "there"
        links.append(
            element("li", element("a", choice.label, *gone, href=choice.product.address, class_=look, **marks))
        )
    return [element("p", "Variants", class_="caption"), element("ul", *links, class_="choices", role="list")]


def _buy(shown: Shown) -> Markup:
    item = shown.product
    inside = shown.visitor.pieces(item.id)
    said = [element("p", f"{inside} in your cart", class_="note")] if inside else []
    return element(
        "form",
        element("input", type="hidden", name_="item", value=item.id),
        element("input", type="hidden", name_="list", value=shown.came_from),
        element("button", "Add to cart", class_="buy", data_endcap_cart=item.id),
        *said,
        method="post",
        action="/cart",
    )


def cart(lines: Sequence[tuple[Product, int, str]], total: str, rails: Sequence[Rail], bought: int) -> Markup:
    """The cart: each line a product, its pieces and what they cost together; `bought` pieces were just ordered."""
    said = []
    if bought:
        said = [element("p", f"Thank you: an order of {bought} {'piece' if bought == 1 else 'pieces'} is recorded. "
                        "Nothing is sent, for this shop is for trying out.", class_="said", role="status")]  # fmt: skip
    if not lines:
        empty = nothing("Your cart is empty.", element("a", "Look around", href="/"))
        return joined([element("h1", "Cart"), *said, empty, *all_rails(rails)])
    rows = [
        element(
            "li",
            element("a", photograph(item, at_once=True, side=120), href=item.address, tabindex=-1, aria_hidden="true"),
            element("div", element("a", item.title, href=item.address, class_="title"), price(item)),
            _pieces(item, pieces),
            element("p", together, class_="together"),
            class_="line",
        )
        for item, pieces, together in lines
    ]
    order = element(
        "form",
        element("p", element("span", "Total"), " ", element("strong", total), class_="total"),
        element("button", "Order", class_="buy"),
        element("p", "Recorded as a purchase; nothing is paid or sent.", class_="note"),
        method="post",
        action="/order",
        class_="order",
    )
    inner = element("div", element("ul", *rows, class_="lines", role="list"), order, class_="basket")
    return joined([element("h1", "Cart"), *said, inner, *all_rails(rails)])


def _pieces(item: Product, pieces: int) -> Markup:
    return element(
        "form",
        element("input", type="hidden", name_="item", value=item.id),
        element("label", "Pieces", element("span", f" of {item.title}", class_="spoken"), for_=f"n-{item.id}"),
        element("input", type="number", name_="pieces", id=f"n-{item.id}", value=pieces, min=1, max=99),
        element("button", "Change", class_="quiet"),
        element("button", "Remove", element("span", f" {item.title}", class_="spoken"), name_="remove", value="yes",
                class_="quiet", data_endcap_uncart=item.id),
        method="post",
        action="/cart/change",
        class_="pieces",
    )  # fmt: skip


def recent(products: Sequence[Product], rails: Sequence[Rail], *, consent: bool) -> Markup:
    """What was looked at, the latest first."""
    if not products:
        because = "You have not looked at anything yet." if consent else "Nothing that you do is remembered."
        return joined([element("h1", "Recently viewed"), nothing(because, element("a", "Look around", href="/")),
                       *all_rails(rails)])  # fmt: skip
    cards = [
        element("li", *card(each, at_once=index < FIRST_PICTURES), class_="card") for index, each in enumerate(products)
    ]
    return joined([element("h1", "Recently viewed"), element("ul", *cards, class_="grid", role="list"),
                   *all_rails(rails)])  # fmt: skip


def problem(title: str, text: str) -> Markup:
    """What went wrong, and the way back."""
    links: list[Child] = [element("a", "To the first page", href="/")]
    return joined([element("h1", title), nothing(text, *links)])
