"""Tables that fit a phone: numbers to the right, wide ones scroll within themselves."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from endcap.pages.markup import Child, Markup, element


class Column(NamedTuple):
    """A heading, and whether numbers stand under it."""

    heading: str
    number: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[Child]]) -> Markup:
    """One row per sequence of cells; the first cell of a row is its heading."""
    head = element("tr", *(element("th", c.heading, scope="col", class_=_side(c)) for c in columns))
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=_side(column)) for column, cell in zip(columns[1:], row[1:], strict=True)),
        )
        for row in rows
    ]
    inner = element("table", element("thead", head), element("tbody", *body))
    return element("div", inner, class_="scroll", tabindex=0)


def _side(column: Column) -> str:
    return "number" if column.number else "words"
