"""The health report on a terminal: facts by subject, missing attributes, gaps with their cost."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from endcap.monitoring.facts import facts
from endcap.monitoring.gaps import gaps_of, percent
from endcap.monitoring.health import Health


def summary(health: Health) -> RenderableType:
    """All findings, one table a subject, gaps last."""
    shown: list[RenderableType] = []
    for subject, found in facts(health).items():
        table = _table(subject)
        for name in ("", "figure", ""):
            table.add_column(name, justify="right" if name else "left", overflow="fold")
        for fact in found:
            table.add_row(Text(fact.name), Text(fact.figure), Text(fact.meaning))
        shown += [table, ""]
    return Group(*shown, _missing(health), "", _gaps(health))


def _missing(health: Health) -> Table:
    table = _table("Missing attributes of listed items")
    for name in ("attribute", "items without", "of all", "of event lines"):
        table.add_column(name, justify="left" if name == "attribute" else "right")
    for each in health.catalog.missing:
        table.add_row(each.attribute, f"{each.items.count:,}", percent(each.items), percent(each.lines))
    return table


def _gaps(health: Health) -> Table:
    table = _table("What the gaps cost, the heaviest first")
    for name in ("", "gap", "cost", "remedy"):
        table.add_column(name, overflow="fold")
    for gap in gaps_of(health):
        table.add_row(gap.grade, Text(gap.name), Text(gap.cost), Text(gap.remedy))
    return table


def _table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE, title_justify="left")
