"""Two small charts as inline SVG: bars of shares, and means with their intervals on one scale."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from endcap.pages.markup import Markup, element

WIDTH: Final = 640
_ROW: Final = 34
_LABEL: Final = 190
_VALUE: Final = 130
_LONGEST: Final = 26


class Bar(NamedTuple):
    """A label, a value from 0 up, and what stands at the bar's end."""

    label: str
    value: float
    shown: str


class Span(NamedTuple):
    """A mean with the bounds of its interval; `strong` is drawn in the accent colour."""

    label: str
    low: float
    mean: float
    high: float
    shown: str
    strong: bool = False


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, the longest filling the width."""
    most = max((row.value for row in rows), default=0) or 1
    room = WIDTH - _LABEL - _VALUE
    parts = []
    for index, row in enumerate(rows):
        top = index * _ROW
        length = max(room * row.value / most, 1)
        parts += [
            _label(row.label, top),
            element("rect", x=_LABEL, y=top + 8, width=round(length, 1), height=18, class_="bar"),
            element("text", row.shown, x=round(_LABEL + length + 8, 1), y=top + 22, class_="shown"),
        ]
    return _drawn(title, len(rows), parts)


def spans(title: str, rows: Sequence[Span]) -> Markup:
    """A dot for each mean and a line for its interval, on a scale from 0 to a little above the largest."""
    most = max((row.high for row in rows), default=0) * 1.02 or 1
    room = WIDTH - _LABEL - _VALUE

    def at(value: float) -> float:
        return round(_LABEL + room * min(max(value, 0), most) / most, 1)

    parts = [element("line", x1=_LABEL, x2=_LABEL, y1=2, y2=len(rows) * _ROW, class_="axis")]
    for index, row in enumerate(rows):
        middle, look = index * _ROW + 17, "strong" if row.strong else "plain"
        parts += [
            _label(row.label, index * _ROW),
            element("line", x1=_LABEL, x2=WIDTH - _VALUE, y1=middle, y2=middle, class_="rule"),
            element("line", x1=at(row.low), x2=at(row.high), y1=middle, y2=middle, class_=f"range {look}"),
            element("circle", cx=at(row.mean), cy=middle, r=6, class_=f"dot {look}"),
            element("text", row.shown, x=WIDTH - _VALUE + 10, y=middle + 5, class_="shown"),
        ]
    return _drawn(title, len(rows), parts)


def _label(text: str, top: int) -> Markup:
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return element("text", cut, x=_LABEL - 12, y=top + 22, text_anchor="end", class_="label")


def _drawn(title: str, rows: int, parts: list[Markup]) -> Markup:
    svg = element(
        "svg", element("title", title), *parts, viewBox=f"0 0 {WIDTH} {max(rows, 1) * _ROW}", role="img", class_="chart"
    )
    return element("figure", svg, element("figcaption", title))
