"""How a table is printed: methods beside what is published, targets met or missed, and the gaps.

Knows rows and names of figures; measures nothing.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from endcap.metrics import Interval

HYBRID: Final = "hybrid"
USUAL: Final = {"precision@10": 0.6, "candidate recall@100": 0.8}
"""What is usually asked of a recommender."""
_PUBLISHED: Final = Path(__file__).with_name("published.toml")

Kind: TypeAlias = Literal["floor", "peer", "layer", "hybrid", "published"]


@dataclass(frozen=True, slots=True)
class Row:
    """One method: its means by figure, their 95 % intervals where known, seconds to fit, ms to score a case."""

    name: str
    kind: Kind
    means: Mapping[str, float]
    intervals: Mapping[str, Interval]
    fit_s: float | None = None
    case_ms: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """All that one run found; `gains` are the hybrid's over the best floor or peer, named by `over`.

    `candidates` is the recall@100 by source, empty where it is not told.
    """

    run: str
    cases: int
    items: int
    rows: Sequence[Row]
    over: str = ""
    gains: Mapping[str, Interval] = field(default_factory=dict)
    candidates: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run before it is made; a target is a number, NaN for none, or the name of a row to beat.

    `judged` names the row that targets are set for.
    """

    figures: Sequence[str]
    must: Mapping[str, float | str]
    aim: Mapping[str, float]
    published: Sequence[Row]
    judged: str


def known(run: str) -> Known:
    """The entry of `published.toml`."""
    entry: dict[str, Any] = tomllib.loads(_PUBLISHED.read_text(encoding="utf-8"))[run]
    names = entry["figures"]
    rows = [
        Row(name, "published", dict(zip(names, values, strict=True)), {}, source=source)
        for name, *values, source in entry["published"]
    ]
    must, aim = (dict(zip(names, entry[target], strict=True)) for target in ("must", "aim"))
    return Known(names, must, aim, rows, entry.get("judged", HYBRID))


def printed(found: Found, *, compared: bool) -> Iterator[str]:
    """The lines of a Markdown table and what follows it; with published figures and targets where `compared`."""
    to = known(found.run)
    yield f"## {found.run}: {found.cases:,} cases, {found.items:,} rankable items"
    yield ""
    cells = [["", "method", *to.figures, "fit s", "ms a case", "source"]]
    for row in [*found.rows, *(to.published if compared else ())]:
        cells.append(_cells(row, to.figures))
        if row.kind == "hybrid":
            cells.append(
                ["", "  95 % interval", *(_interval(row.intervals.get(name)) for name in to.figures), "", "", ""]
            )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * width for width in widths]
    for line in (cells[0], rule, *cells[1:]):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
    yield ""
    yield from (f"- {line}" for line in _remarks(found, to, compared=compared))
    yield ""


def _cells(row: Row, figures: Sequence[str]) -> list[str]:
    values = [_number(row.means.get(name, math.nan)) for name in figures]
    times = ["" if time is None else f"{time:.{digits}f}" for time, digits in ((row.fit_s, 1), (row.case_ms, 2))]
    return [row.kind, row.name, *values, *times, row.source]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}".removeprefix("0")


def _interval(found: Interval | None) -> str:
    return "" if found is None else f"{_number(found.low)} to {_number(found.high)}"


def _remarks(found: Found, to: Known, *, compared: bool) -> Iterator[str]:
    yield from found.notes
    for name in to.figures:
        if name in found.gains:
            gain = found.gains[name]
            word = "no gain" if gain.holds_zero else "gain" if gain.mean > 0 else "loss"
            yield f"{name}: {HYBRID} over {found.over} {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], {word}"
    hybrid = next((row for row in found.rows if row.kind == "hybrid"), None)
    if hybrid is None:
        return
    if compared:
        judged = next((row for row in found.rows if row.name == to.judged), hybrid)
        yield from (line for name in to.figures if name in judged.means for line in _judged(name, judged, found, to))
    for name, least in (("precision@10", hybrid.means.get("precision@10")), *_pool(found)):
        if least is not None:
            usual = USUAL[name]
            gap = "met" if least >= usual else f"{usual - least:.4f} short"
            yield f"{name} {least:.4f}; the usual target of {usual} is {gap}"
    if found.candidates:
        yield "candidate recall@100 by source: " + ", ".join(f"{k} {v:.4f}" for k, v in found.candidates.items())


def _pool(found: Found) -> list[tuple[str, float]]:
    return [("candidate recall@100", found.candidates["pool"])] if "pool" in found.candidates else []


def _judged(name: str, row: Row, found: Found, to: Known) -> Iterator[str]:
    for what, target in (("must reach", to.must[name]), ("aim", to.aim[name])):
        if isinstance(target, str):
            beaten = next((other.means[name] for other in found.rows if other.name == target), math.nan)
            words, met = f"{what} more than {target}, {beaten:.4f}", row.means[name] > beaten
        else:
            words, met, beaten = f"{what} {target}", row.means[name] >= target, target
        if not math.isnan(beaten):
            yield f"{name} of {row.name} {row.means[name]:.4f}, {words}: {'met' if met else 'MISSED'}"
