"""The page of a search: what was found, what it divides into, and what was looked for instead. A body as markup."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from endcap.pages import Markup, element, joined
from endcap.serving.calls import FacetAnswer, SearchAnswer
from endcap.storefront.frame import nothing
from endcap.storefront.goods import Product
from endcap.storefront.shop_pages import PAGE, grid, pagination

NAMES: Final = {"color": "Colour", "on_sale": "Reduced"}
VALUES: Final = {"true": "Reduced", "false": "Not reduced"}
INSTEAD: Final = {
    "words": "Nothing has all of these words; this has some of them.",
    "meaning": "Nothing has these words; this is near in meaning.",
    "popular": "Nothing was found; this is what others like.",
}
"""What is said where not what was typed is shown."""


class Searched(NamedTuple):
    """What was typed, the filters that were chosen, and one page of what was found."""

    query: str
    filters: Sequence[str]
    answer: SearchAnswer
    products: Sequence[Product]
    number: int
    pages: int


def search(found: Searched) -> Markup:
    """A search and its page of results."""
    answer = found.answer
    why = element("a", "Why these?", href=f"/why/{answer.recommendation_id}", class_="why")
    title = f"“{found.query}”" if found.query else "Everything"
    count = element("p", f"{answer.found:,} found", class_="amount")
    head = element("div", element("h1", title), count, why, class_="heading")
    if not found.products:
        empty = nothing("Nothing was found.", element("a", "To the first page", href="/"))
        return joined([head, *_chosen(found), empty])
    turns = pagination(found.number, found.pages, _address(found.query, found.filters))
    return joined([head, *_instead(answer), *_chosen(found), *_facets(found), *_goods(found), *turns])


def _goods(found: Searched) -> list[Markup]:
    """What was found, and under a heading of its own what is only near to it."""
    before, of = PAGE * (found.number - 1), ("search", found.answer.recommendation_id, found.query)
    exact = max(found.answer.found - before, 0) or len(found.products)
    goods = [grid(found.products[:exact], before, *of)]
    if found.products[exact:]:
        goods += [element("h2", "Near to it"), grid(found.products[exact:], before + exact, *of)]
    return goods


def pages_of(found: int, most: int) -> int:
    """How many pages there are of so many items, of which `most` can be listed.

    >>> pages_of(25, 96), pages_of(5_000, 96), pages_of(0, 96)
    (2, 4, 1)
    """
    return max(-(-min(found, most) // PAGE), 1)


def said(value: str) -> str:
    """A facet's value in words.

    >>> said("–20"), said("20–50"), said("50–"), said("–"), said("true"), said("sage")
    ('up to 20', '20–50', 'from 50', 'any', 'Reduced', 'sage')
    """
    if value == "–":
        return "any"
    if value.startswith("–"):
        return f"up to {value[1:]}"
    return f"from {value[:-1]}" if value.endswith("–") else VALUES.get(value, value)


def _address(query: str, filters: Sequence[str]) -> str:
    return f"/search?{urlencode([('q', query), *(('f', each) for each in filters)])}"


def _instead(answer: SearchAnswer) -> list[Markup]:
    if answer.recovered == "spelling":
        told = joined(["Shown for “", element("strong", answer.corrected), "”."])
    elif answer.recovered in INSTEAD:
        told = joined([INSTEAD[answer.recovered]])
    else:
        return []
    return [element("p", told, class_="lead", role="status")]


def _chosen(found: Searched) -> list[Markup]:
    """The filters that were chosen, each with the way to be rid of it."""
    links = [
        element("li", element("a", element("span", "Without ", class_="spoken"), each, " ",
                              element("span", "×", aria_hidden="true"),
                              href=_address(found.query, [other for other in found.filters if other != each])))
        for each in found.filters
    ]  # fmt: skip
    return [element("ul", *links, class_="chips", role="list", aria_label="Chosen filters")] if links else []


def _facets(found: Searched) -> list[Markup]:
    groups = [_facet(found, facet) for facet in found.answer.facets if _narrows(facet, found)]
    if not groups:
        return []
    return [element("details", element("summary", "Narrow"), element("div", *groups, class_="facets"), class_="narrow")]


def _narrows(facet: FacetAnswer, found: Searched) -> bool:
    """Whether a value of `facet` would leave something, and not everything."""
    return any(0 < value.count < found.answer.found and value.filter not in found.filters for value in facet.values)


def _facet(found: Searched, facet: FacetAnswer) -> Markup:
    links = [
        element("li", element("a", said(value.value), " ", element("span", f"{value.count:,}"),
                              href=_address(found.query, [*found.filters, value.filter])))
        for value in facet.values
        if value.filter not in found.filters
    ]  # fmt: skip
    name = NAMES.get(facet.name, facet.name.capitalize())
    return element("div", element("h2", name), element("ul", *links, role="list"))
