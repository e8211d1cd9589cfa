"""The health report as HTML: sections that a larger page can hold, and a page of their own."""

from collections.abc import Sequence

from endcap.monitoring.facts import facts
from endcap.monitoring.gaps import Gap, gaps_of, percent
from endcap.monitoring.health import Class, Health
from endcap.pages import Bar, Column, Markup, bars, element, joined, page, table


def health_page(health: Health, shop: str) -> str:
    """A self-contained page about the data of `shop`."""
    gaps = gaps_of(health)
    heavy = [gap.name for gap in gaps if gap.grade == "high"]
    lead = f"The heaviest gaps: {', '.join(heavy)}." if heavy else "No heavy gap was found."
    head = element(
        "header",
        element("p", "Data health", class_="kicker"),
        element("h1", shop),
        element("p", lead, class_="lead"),
        class_="top",
    )
    return page(f"Data health of {shop}", head, gap_section(gaps), health_section(health))


def gap_section(gaps: Sequence[Gap]) -> Markup:
    """Each gap with what it costs and what would close it."""
    parts = [
        element(
            "div",
            element("div", element("span", gap.grade, class_=f"badge {gap.grade}")),
            element(
                "div",
                element("h3", f"{gap.name[:1].upper()}{gap.name[1:]}"),
                element("p", f"{gap.cost[:1].upper()}{gap.cost[1:]}."),
                element("p", f"Remedy: {gap.remedy}.", class_="note"),
            ),
            class_="gap",
        )
        for gap in gaps
    ]
    note = "The order is an estimate: how much of what could be learned or shown a gap touches."
    return element(
        "section", element("h2", "What the data lacks, and what that costs"), element("p", note, class_="note"), *parts
    )


def health_section(health: Health) -> Markup:
    """All facts and distributions."""
    tables = []
    for subject, found in facts(health).items():
        columns = [Column(subject), Column("", True), Column("")]
        tables.append(table(columns, [(fact.name, fact.figure, fact.meaning) for fact in found]))
    missing = table(
        [
            Column("Missing attribute"),
            Column("items", True),
            Column("of listed items", True),
            Column("of event lines", True),
        ],
        [
            (each.attribute, f"{each.items.count:,}", percent(each.items), percent(each.lines))
            for each in health.catalog.missing
        ],
    )
    drawn = [
        _distribution("Listed items by their lines of events", health.catalog.activity),
        _distribution("Shoppers by their events", health.people.activity),
        _distribution("Sessions by their lines", health.people.session_lengths),
    ]
    return element("section", element("h2", "The data in figures"), *tables, missing, joined(filter(None, drawn)))


def _distribution(title: str, found: Sequence[Class]) -> Markup:
    return bars(title, [Bar(each.label, each.count, f"{each.count:,}") for each in found]) if found else joined([])
