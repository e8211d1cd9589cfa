"""Pages about the pages: why a list is what it is, and two people's first pages side by side. Bodies as markup."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from endcap.pages import Column, Markup, element, joined, table
from endcap.serving.answers import DecisionAnswer, ShownAnswer
from endcap.storefront.frame import rail
from endcap.storefront.goods import Product
from endcap.storefront.rails import Rail
from endcap.storefront.visitor import NEWCOMER, Persona, Visitor

RULES: Final = {
    "unlisted_or_out_of_stock": "not listed, or out of stock",
    "excluded": "not interested, or left out by the page",
    "shown_on_page": "shown further up on the page",
    "anchor": "the page's own item, or in the cart",
    "category_of_anchor": "not in the categories that this list is for",
    "purchased": "bought before",
    "filter": "outside of the list's filter",
    "brand_cap": "enough of its brand already",
    "category_cap": "enough of its category already",
}
RUNGS: Final = {
    "R0": "everything was used",
    "R2": "without the learned ranker",
    "R3": "without what is stored about the shopper",
    "R4": "popular items alone",
}
"""What each rung of the ladder means to a reader."""
STRONGEST: Final = 6


def why(decision: DecisionAnswer, products: dict[str, Product]) -> Markup:
    """A decision: for whom it was, what spoke for each item, what was dropped by which rule, and the versions."""
    versions = decision.versions
    facts = (
        ("Placement", decision.placement),
        ("Decided at", decision.at),
        ("Shopper", _shopper(decision)),
        ("Answered on rung", f"{decision.rung}: {RUNGS.get(decision.rung, 'see the documentation')}"),
        ("Missing", ", ".join(decision.degraded)),
        ("Candidates", f"{decision.pool_size} after the rules, {len(decision.items)} shown"),
        ("Fewer than asked", decision.short_because),
        ("Around", ", ".join(decision.anchors)),
        ("Snapshot", versions.snapshot),
        ("Policy", versions.policy),
        ("Known up to", ", ".join(f"{name} {offset:,}" for name, offset in decision.offsets.items())),
        ("Recommendation", decision.recommendation_id),
    )
    told = [part for name, fact in facts if fact for part in (element("dt", name), element("dd", fact))]
    return joined(
        [
            element("h1", "Why these?"),
            element("p", "Everything that this list depended on. It can be computed again from the log, bit for bit.",
                    class_="lead"),
            element("dl", *told, class_="facts"),
            element("h2", "What was shown, and what spoke for it"),
            element("ol", *(_spoken_for(each, products.get(each.id)) for each in decision.items), class_="because"),
            *_dropped(decision),
        ]
    )  # fmt: skip


def _shopper(decision: DecisionAnswer) -> str:
    if not decision.consent:
        return "without consent: nothing stored was read"
    return "known by their events" if decision.known_shopper else "nothing known yet"


def _spoken_for(shown: ShownAnswer, product: Product | None) -> Markup:
    votes = [(each.name, f"{each.value:.4g}") for each in sorted(shown.votes, key=lambda each: -each.value)]
    strongest = [
        (each.name, f"{each.value:.4g}" + ("" if each.effect is None else f" ({each.effect:+.3f})"))
        for each in shown.features[:STRONGEST]
    ]
    chances = ", ".join(f"{action} {100 * chance:.1f} %" for action, chance in shown.chances.items())
    picture = [] if product is None else [
        element("img", src=product.image, alt="", width=96, height=96, loading="lazy", referrerpolicy="no-referrer")
    ]  # fmt: skip
    title = shown.title if product is None else element("a", shown.title, href=product.address)
    return element(
        "li",
        *picture,
        element(
            "div",
            element("h3", title),
            element("p", shown.reason.text, f" · score {shown.score:.4f}", f" · {chances}" if chances else "",
                    class_="reason"),
            element("div", _pairs("Sources' votes", votes), _pairs("Strongest features (their effect)", strongest),
                    class_="columns"),
        ),
    )  # fmt: skip


def _pairs(heading: str, pairs: Sequence[tuple[str, str]]) -> Markup:
    described = [part for name, value in pairs for part in (element("dt", name), element("dd", value))]
    return element("div", element("h4", heading), element("dl", *described))


def _dropped(decision: DecisionAnswer) -> list[Markup]:
    counts = Counter(each.rule for each in decision.dropped)
    if not counts:
        return []
    rows = [(RULES.get(rule, rule), element("code", rule), f"{count}") for rule, count in counts.most_common()]
    columns = (Column("Because it was"), Column("Rule"), Column("Items", number=True))
    return [element("h2", "What was dropped, and by which rule"), table(columns, rows)]


class Side(NamedTuple):
    """One person's first page."""

    visitor: Visitor
    rails: Sequence[Rail]


def compare(left: Side, right: Side, personas: Sequence[Persona]) -> Markup:
    """Two people's first pages side by side, and a form to choose them."""
    people = [(f"guest-{number}", persona.label) for number, persona in enumerate(personas)] + [("new", NEWCOMER)]
    form = element(
        "form",
        *_select("left", "Left", left, people),
        *_select("right", "Right", right, people),
        element("button", "Compare", class_="quiet"),
        method="get",
        action="/compare",
        class_="sort",
    )
    columns = element("div", _column(left, "left"), _column(right, "right"), class_="sides")
    lead = element("p", "The same shop at the same moment, for two people.", class_="lead")
    return joined([element("h1", "Side by side"), lead, form, columns])


def _select(name: str, label: str, side: Side, people: Sequence[tuple[str, str]]) -> list[Markup]:
    chosen = side.visitor.name if side.visitor.name.startswith("guest-") else "new"
    options = [
        element("option", words, value=value, **({"selected": "selected"} if value == chosen else {}))
        for value, words in people
    ]
    return [element("label", label, for_=name), element("select", *options, name_=name, id=name)]


def _column(side: Side, name: str) -> Markup:
    shown = [rail(each, side=name) for each in side.rails]
    return element("section", element("h2", side.visitor.persona.label, class_="whose"), *shown, class_="side")
