"""Progress, tables and lists on a terminal; plain lines where the output is a file or a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from typing import Final

import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from endcap.app import Listed
from endcap.domain.events import KINDS
from endcap.domain.people import SIGNALS
from endcap.ingest import Summary
from endcap.serving.answers import DecisionAnswer, FeatureAnswer, ShownAnswer

WIDTH: Final = 100
_TELLING: Final = 6
_NAMES: Final = 8
_LONGEST_NAME: Final = 40
_FIRST_DROPS: Final = 5


def _console(stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return Console(stderr=stderr, highlight=False, width=max(console.width, WIDTH))


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar over rows, on stderr; gives the function that moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """Lines on stderr, one a stage."""
    console = Console(stderr=True, highlight=False)
    yield lambda text: console.print(f"  {text}", markup=False)


def import_summary(noun: str, summary: Summary) -> str:
    """What became of a file, in words."""
    known = f"{summary.fresh:,} new {noun}, {summary.known:,} known already"
    apart = f"{summary.left_out:,} left out by the mapping, {summary.quarantined:,} quarantined"
    lines = [f"{summary.rows:,} rows read: {known}, {apart}; {summary.new_items:,} new items."]
    if summary.format:
        lines.insert(0, f"The file is read as {summary.format}.")
    if summary.ignored:
        names = ", ".join(repr(name[:_LONGEST_NAME]) for name in summary.ignored[:_NAMES])
        more = f" and {len(summary.ignored) - _NAMES:,} more" if len(summary.ignored) > _NAMES else ""
        lines.append(f"Left out, for no feed has such names: {names}{more}; a mapping file can say what they mean.")
    if summary.through:
        lines.append(f"All of it went through the server at {summary.through}, whose lists know it already.")
    if summary.repeated:
        lines.append(f"{summary.repeated:,} rows have an id that comes again: the last row of an id counts.")
    if summary.delisted:
        lines.append(f"{summary.delisted:,} items are not in the file and are sold no more.")
    if summary.unconverted:
        lines.append(f"{summary.unconverted:,} prices are in another currency and unknown; give rates with --rates.")
    lines += _beside_the_rows(summary)
    if summary.quarantine:
        lines.append(f"Rows to look at, each with field, value and reason: {summary.quarantine}")
    return "\n".join(lines)


def _beside_the_rows(summary: Summary) -> Iterator[str]:
    """What a person wants to know of a file of events, the most frequent first."""
    if summary.beside:
        names = sorted(summary.beside.items(), key=lambda name: (-name[1], name[0]))
        told = ", ".join(f"{name} {count:,}{_meant(name)}" for name, count in names[:_NAMES])
        more = f" and {len(names) - _NAMES:,} more names" if len(names) > _NAMES else ""
        count = sum(summary.beside.values())
        yield f"{count:,} rows are left out, for their names are none that Endcap learns from: {told}{more}."
    if summary.signals:
        yield f"{summary.signals:,} rows are logins and logouts: they say who is who, and are no events."
    for currency, count in sorted(summary.currencies.items()):
        yield f"{count:,} prices are in {currency} and unknown to the shop."
    for unit, count in sorted(summary.clocks.items()):
        yield f"{count:,} times are numbers of {unit}, by their size, and were read as such."
    if summary.bots:
        yield f"{summary.bots:,} rows were left by bots: they are kept and never learned from."


def _meant(name: str) -> str:
    if name in SIGNALS:
        return " (without the ids that say who has which device)"
    near = get_close_matches(name, KINDS, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def print_json(answer: msgspec.Struct) -> None:
    """`answer` as the HTTP interface gives it, indented."""
    print_text(msgspec.json.format(msgspec.json.encode(answer)).decode())


def print_text(text: str) -> None:
    """`text` as it is, on stdout."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def print_list(listed: Listed, title: str = "") -> None:
    """A list with titles, prices and reasons."""
    answer = listed.answer
    table = Table(title=title or None, box=box.SIMPLE, title_justify="left")
    for name, justify in (("#", "right"), ("item", "left"), ("title", "left"), ("price", "right"), ("why", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for item in answer.items:
        price = f"{item.fields.price} {item.fields.currency}".strip()
        table.add_row(str(item.position), item.id, item.fields.title or "-", price or "-", item.reason.text)
    console = _console()
    console.print(table)
    if answer.short_because:
        console.print(f"Fewer than asked for, because {answer.short_because}.", markup=False)
    notes = f"rung {answer.rung}" + (f", {', '.join(answer.degraded)}" if answer.degraded else "")
    console.print(f"recommendation {answer.recommendation_id} ({notes})", markup=False)
    if listed.not_logged:
        console.print(f"This list was not logged and cannot be explained: {listed.not_logged}", markup=False)


def print_explanation(answer: DecisionAnswer) -> None:
    """A decision: where it came from, each item's votes and features, what was dropped."""
    console = _console()
    console.print("\n".join(_headlines(answer)), markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE)
    for name in ("#", "item", "score", "why", "votes", "features that mattered"):
        table.add_column(name, overflow="fold")
    for item in answer.items:
        table.add_row(
            str(item.position), f"{item.id}\n{item.title}", _score(item), item.reason.text,
            _figures(item.votes, len(item.votes)), _figures(item.features, _TELLING),
        )  # fmt: skip
    console.print(table)
    if answer.short_because:
        console.print(f"Fewer than asked for, because {answer.short_because}.", markup=False)
    for rule in dict.fromkeys(dropped.rule for dropped in answer.dropped):
        ids = [dropped.id for dropped in answer.dropped if dropped.rule == rule]
        more = f" and {len(ids) - _FIRST_DROPS} more" if len(ids) > _FIRST_DROPS else ""
        console.print(f"dropped by {rule}: {', '.join(ids[:_FIRST_DROPS])}{more}", markup=False, soft_wrap=True)


def _score(item: ShownAnswer) -> str:
    """The score, and below it how likely the item is taken."""
    chances = (f"{action} {100 * chance:.2g} %" for action, chance in item.chances.items())
    return "\n".join([f"{item.score:.4f}", *chances])


def _headlines(answer: DecisionAnswer) -> Iterator[str]:
    versions, offsets = answer.versions, answer.offsets
    yield f"recommendation {answer.recommendation_id}, {answer.at}"
    yield f"{len(answer.items)} of {answer.k} places of {answer.placement} from a pool of {answer.pool_size} items"
    degraded = f", degraded: {', '.join(answer.degraded)}" if answer.degraded else ""
    yield f"snapshot {versions.snapshot}, policy {versions.policy}, rung {answer.rung}{degraded}"
    yield f"log offsets: shopper {offsets['shopper']}, shelf {offsets['shelf']}; seed {answer.seed}"
    known, consent = "known" if answer.known_shopper else "unknown", "given" if answer.consent else "denied"
    yield f"shopper {known}, consent {consent}"
    yield f"anchors: {', '.join(answer.anchors) or 'none'}; excluded: {', '.join(answer.exclude) or 'none'}"
    if answer.query or answer.recovered:
        instead = f", recovered by {answer.recovered}" if answer.recovered else ""
        yield f"searched for: {answer.query or 'no word of the catalog'}{instead}"


def _figures(figures: list[FeatureAnswer], most: int) -> str:
    return "\n".join(_figure(each) for each in islice(figures, most))


def _figure(figure: FeatureAnswer) -> str:
    return f"{figure.name} {figure.value:.3g}" + ("" if figure.effect is None else f" ({figure.effect:+.3g})")
