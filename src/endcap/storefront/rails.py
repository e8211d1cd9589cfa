"""Rails: the lists of a page, asked of the desk as `POST /v1/recommendations:batch` asks it, each decision logged.

A rail that the shop's policy has no placement for, or that has too little to show, is left out. Knows no markup.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from endcap.domain.decisions import Decision
from endcap.serving import Desk
from endcap.serving.calls import BatchCall, EventCall, ReasonAnswer, RecommendationCall
from endcap.storefront.goods import Product, Window
from endcap.storefront.visitor import Visitor

LEAST: Final = 3
"""So few items make no rail."""
LENGTH: Final = 12


class Wanted(NamedTuple):
    """A rail that a page would like: its heading, and the call for its list."""

    title: str
    placement: str
    k: int = LENGTH
    anchors: tuple[str, ...] = ()
    filter: str = ""


class Place(NamedTuple):
    """One item of a rail, why it is there, and its position from 1."""

    product: Product
    reason: ReasonAnswer
    position: int


class Rail(NamedTuple):
    """A list that is shown. `placement` and `recommendation_id` go with the events that it leads to."""

    title: str
    placement: str
    recommendation_id: str
    places: list[Place]


HOME: Final = (
    Wanted("For you", "home"),
    Wanted("Continue looking", "continue"),
    Wanted("Trending", "trending"),
    Wanted("New in", "new"),
    Wanted("Price drops", "price_drops"),
    Wanted("Back in stock", "back_in_stock"),
)
"""The rails of the first page, the most important first: no item stands in two."""


def product_rails(item: str) -> tuple[Wanted, ...]:
    """The rails of an item's page."""
    return (
        Wanted("Similar", "similar", anchors=(item,)),
        Wanted("Complete the set", "complete", anchors=(item,)),
        Wanted("Often chosen with it", "also_bought", anchors=(item,)),
    )


def cart_rails(items: Sequence[str]) -> tuple[Wanted, ...]:
    """The rails of the cart's page."""
    if not items:
        return (Wanted("For you", "home"), Wanted("Trending", "trending"))
    return (Wanted("Goes with your cart", "cart", anchors=tuple(items)),)


class Asked(NamedTuple):
    """Whose page it is, what the tab sent along, and the seconds that the page waited for its turn."""

    visitor: Visitor
    session: tuple[EventCall, ...] = ()
    waited_s: float = 0.0


async def rails(desk: Desk, window: Window, asked: Asked, wanted: Sequence[Wanted]) -> list[Rail]:
    """The rails of one page, none with an item of one above it. Raises: Refusal."""
    known = desk.floor.ground.policy().placements
    offered = [each for each in wanted if each.placement in known]
    if not offered:
        return []
    calls = [_call(each, asked) for each in offered]
    page = await desk.decide_page(BatchCall(calls), asked.waited_s)
    made = (_rail(each, *found, window) for each, found in zip(offered, page, strict=True))
    return [rail for rail in made if len(rail.places) >= LEAST]


def _call(wanted: Wanted, asked: Asked) -> RecommendationCall:
    visitor_id, user_id = asked.visitor.person
    return RecommendationCall(
        placement=wanted.placement,
        visitor_id=visitor_id,
        user_id=user_id,
        anchors=list(wanted.anchors),
        session=list(asked.session),
        exclude=list(asked.visitor.hidden),
        filter=wanted.filter,
        k=wanted.k,
        consent=asked.visitor.consent,
    )


def _rail(wanted: Wanted, recommendation_id: str, decision: Decision, window: Window) -> Rail:
    products, told = window.products(shown.row for shown in decision.slate), window.floor.showcase.reason
    places = [
        Place(product, told(shown.reason), shown.position)
        for product, shown in zip(products, decision.slate, strict=True)
    ]
    return Rail(wanted.title, wanted.placement, recommendation_id, places)
