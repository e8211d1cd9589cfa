"""Self-contained HTML pages: markup that escapes by construction, one style sheet, small charts as inline SVG.

Knows elements, looks and a strict content security policy; no script, no address of anything outside the page. Does not
know what a page reports.
"""

from endcap.pages.charts import Bar, Span, bars, spans
from endcap.pages.markup import Markup, element, joined
from endcap.pages.sheet import STYLE, page, policy
from endcap.pages.tables import Column, table

__all__ = [
    "STYLE", "Bar", "Column", "Markup", "Span", "bars", "element", "joined", "page", "policy", "spans", "table",
]  # fmt: skip
