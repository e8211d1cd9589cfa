"""The page around a report: one style sheet, named by its digest in the policy, and nothing that could load or run."""

import base64
import hashlib
from typing import Final

from endcap.pages.markup import Child, Markup, element

STYLE: Final = """
:root { --ink: #1c2530; --soft: #5b6773; --line: #dfe3e6; --paper: #ffffff; --wash: #f5f4f0; --accent: #0b6070;
  --tint: #e3f0f1; --warm: #b4540a; --warmtint: #fbeedd; }
* { box-sizing: border-box; }
html { background: var(--wash); -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); font: 16px/1.55 "Inter", "Segoe UI", system-ui, "Helvetica Neue", Arial,
  "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 60rem; margin: 0 auto; padding: 3rem 3.5rem 4rem; background: var(--paper);
  border-left: 1px solid var(--line); border-right: 1px solid var(--line); }
header.top { border-bottom: 3px solid var(--accent); padding-bottom: 1.2rem; margin-bottom: 2rem; }
.kicker { margin: 0; color: var(--accent); font-weight: 650; letter-spacing: .08em; text-transform: uppercase;
  font-size: .78rem; }
h1 { font-size: 2.05rem; line-height: 1.2; margin: .3rem 0 .5rem; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 .7rem; letter-spacing: -.01em; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
p, ul, ol { margin: .55rem 0; max-width: 44rem; }
.byline, figcaption, .note, footer { color: var(--soft); font-size: .88rem; }
.lead { font-size: 1.22rem; line-height: 1.5; max-width: none; margin: 1.2rem 0; }
.verdict { border-left: 5px solid var(--accent); background: var(--tint); padding: 1.1rem 1.4rem;
  border-radius: 0 6px 6px 0; }
.verdict.none { border-color: var(--warm); background: var(--warmtint); }
.verdict p { max-width: none; }
.verdict .lead { margin: 0 0 .4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .9rem; margin: 1.6rem 0; }
.tile { border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; }
.tile .figure { display: block; font-size: 1.55rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.25; }
.tile .what { color: var(--soft); font-size: .84rem; line-height: 1.35; display: block; }
.scroll { overflow-x: auto; margin: .9rem 0 1.3rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .45rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; }
thead th { color: var(--soft); font-weight: 600; font-size: .8rem; border-bottom: 2px solid var(--line);
  vertical-align: bottom; }
tbody th { font-weight: 600; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.interval { display: block; color: var(--soft); font-size: .78rem; }
figure { margin: 1rem 0 1.4rem; }
.chart { width: 100%; height: auto; max-width: 44rem; display: block; font-size: 14px; }
.chart text { fill: var(--ink); } .chart .label { fill: var(--soft); }
.chart .bar { fill: #78b3ba; } .chart .axis { stroke: #aab3ba; } .chart .rule { stroke: #edf0f1; }
.chart .range { stroke: #9aa5ae; stroke-width: 4; stroke-linecap: round; } .chart .dot { fill: #6d7983; }
.chart .range.strong { stroke: #78b3ba; } .chart .dot.strong { fill: var(--accent); }
.gap { border-top: 1px solid var(--line); padding: .8rem 0; display: grid; grid-template-columns: 5.5rem 1fr;
  gap: 1rem; break-inside: avoid; }
.gap h3 { margin: 0 0 .15rem; } .gap p { margin: 0; }
.badge { display: inline-block; border-radius: 99px; padding: .1rem .65rem; font-size: .76rem; font-weight: 650;
  background: #eceff1; color: var(--soft); }
.badge.high { background: var(--warmtint); color: var(--warm); }
.badge.some { background: var(--tint); color: var(--accent); }
.shopper { border: 1px solid var(--line); border-radius: 6px; padding: 1rem 1.2rem 1.1rem; margin: 1.1rem 0;
  break-inside: avoid; }
.shopper h3 { margin: 0 0 .35rem; }
.shopper p { max-width: none; font-size: .9rem; margin: .2rem 0; overflow-wrap: anywhere; }
.lists { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1.2rem; margin-top: .8rem; }
.lists h4 { margin: 0 0 .3rem; font-size: .84rem; color: var(--accent); }
.lists ol { margin: 0; padding-left: 1.5rem; font-size: .82rem; line-height: 1.4; }
.lists li { padding: .1rem .25rem; overflow-wrap: anywhere; color: #3c4752; }
.lists li.hit { background: var(--tint); color: var(--ink); font-weight: 650; border-radius: 3px; }
.lists li.hit::after { content: " ✓"; color: var(--accent); }
.lists .empty { color: var(--soft); font-size: .82rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
@media (max-width: 46rem) {
  main { padding: 1.6rem 1.1rem 2.5rem; border: 0; } h1 { font-size: 1.6rem; } .lead { font-size: 1.08rem; }
  .lists { grid-template-columns: 1fr; gap: .8rem; } .gap { grid-template-columns: 1fr; gap: .2rem; }
  th, td { padding: .35rem .45rem; } table { font-size: .82rem; } thead th, .interval { font-size: .72rem; }
}
@media print {
  html { background: none; } main { border: 0; padding: 0; max-width: none; } body { font-size: 10.5pt; }
  h2 { break-after: avoid; } table, figure, .tiles { break-inside: avoid; } .scroll { overflow: visible; }
}
"""


def policy(style: str = STYLE, forms: bool = False) -> str:
    """The content security policy of a page: its one style sheet, and forms to where it came from if it has `forms`."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    action = "'self'" if forms else "'none'"
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {action}"


def page(title: str, *body: Child, style: str = STYLE, forms: bool = False) -> str:
    """A whole document. The policy allows the one style sheet and nothing else: no script, image, font or address."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style, forms)),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="referrer", content="no-referrer"),
        element("title", title),
        element("style", Markup(style)),
    )
    return f"<!doctype html>\n{element('html', head, element('body', element('main', *body)), lang='en')}\n"
