"""An evaluation as plain tables, readable at 100 columns. Knows words and columns; prints nothing itself."""

from itertools import pairwise
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from endcap.evaluation.results import Evaluation
from endcap.metrics import Interval

AIMS: Final = {"recall@100": 0.8, "precision@10": 0.6}
"""The usual aims: candidate recall of the sources, precision of the list."""

GAINS: Final = ("recall@10", "recall@20", "ndcg@10", "mrr@10")
SHOWN: Final = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "precision@10", "mrr@10")


def summary(evaluation: Evaluation) -> RenderableType:
    """The ladder, its gains, what the lists show of the catalog, cold starts and sources, one below the other."""
    shown: list[RenderableType] = []
    for table in (ladder_table, gain_table, breadth_table, cold_start_table, source_table):
        shown += [table(evaluation), ""]
    times = [_times(evaluation)] if evaluation.seconds else []
    return Group(*shown, precision_line(evaluation), *chance_lines(evaluation), *times)


def asked(evaluation: Evaluation) -> str:
    """Protocol, split and terms in words.

    >>> from endcap.evaluation.results import Split, Terms
    >>> class Found:
    ...     protocol, split, terms = "leave-one-out", Split("", 0), Terms(fold_validation=True)
    >>> asked(Found())
    'leave-one-out, validation folded in'
    """
    terms = evaluation.terms
    words: list[str] = [evaluation.protocol]
    if evaluation.split.text:
        words.append(f"split {evaluation.split.text}")
    if terms.stage == "validation":
        words.append("validation")
    if terms.fold_validation:
        words.append("validation folded in")
    if terms.exclude_current:
        words.append("current item excluded")
    return ", ".join(words)


def ladder_table(evaluation: Evaluation) -> Table:
    """One row a layer: mean figures of the mixed list, recall of the discovery list; layers left out below.

    Of a simulated shop also the true worth of the lists, if each of their first ten items is looked at once.
    """
    title = f"Layer ladder: {asked(evaluation)}, {evaluation.cases:,} cases"
    if evaluation.shape:
        title += f"; data has the shape of {evaluation.shape}"
    table = _table(title, "layer", *SHOWN)
    with_discovery = any(layer.discovery for layer in evaluation.layers)
    if with_discovery:
        table.add_column("discovery recall@20", justify="right")
    with_worth = any(layer.worth for layer in evaluation.layers)
    if with_worth:
        table.add_column("purchases of 10 looks", justify="right")
    for layer in evaluation.layers:
        found = [f"{layer.metrics[name].mean:.4f}" for name in SHOWN]
        if with_discovery:
            found.append(f"{layer.discovery['recall@20'].mean:.4f}" if layer.discovery else "-")
        if layer.worth:
            found.append(f"{layer.worth.purchases:.4f}")
        table.add_row(layer.name, *found)
    notes = [f"left out: {layer.name}, because {layer.because}" for layer in evaluation.left_out]
    if with_discovery:
        notes.insert(0, f"discovery: only items new to the shopper, {evaluation.discovery_cases:,} cases with one")
    table.caption = "\n".join(notes) or None
    return table


def gain_table(evaluation: Evaluation) -> Table:
    """What each layer adds to the row above, with its 95 % interval, in words too; beside it the truth, if known."""
    table = _table("Gain over the row above, paired bootstrap 95 % interval", "layer", "metric", "gain", "interval")
    known = evaluation.layers[0].true is not None
    if known:
        table.add_column("in truth", justify="right")
    table.add_column("in words")
    for above, layer in pairwise(evaluation.layers):
        for name in GAINS:
            mean, low, high = gain = (layer.gain or {})[name]
            label = layer.name if name == GAINS[0] else ""
            truth = [f"{layer.true[name] - above.true[name]:+.4f}"] if layer.true and above.true else []
            table.add_row(label, name, f"{mean:+.4f}", f"[{low:+.4f}, {high:+.4f}]", *truth, verdict(gain))
    return table


def breadth_table(evaluation: Evaluation) -> Table:
    """Repeat and new items apart, and how much of the catalog the lists show."""
    columns = "repeat recall@10", "repeat recall@20", "new recall@10", "new recall@20", "catalog coverage", "cold items"
    table = _table("Repeat and new items of the mixed list; first 20 places: coverage, cold share", "layer", *columns)
    for layer in evaluation.layers:
        parts = [part.get(name) for part in (layer.repeat, layer.new) for name in ("recall@10", "recall@20")]
        shares = ["-" if share is None else f"{share:.4f}" for share in (*parts, layer.coverage, layer.cold)]
        table.add_row(layer.name, *shares)
    return table


def cold_start_table(evaluation: Evaluation) -> Table:
    """Recall@20 of targets and for shoppers of whom little or nothing was known."""
    title = "Cold start, recall@20: by learned interactions of the item, by known events of the shopper"
    strata = (
        *(f"item {name}" for name in evaluation.item_strata),
        *(f"by {name}" for name in evaluation.shopper_strata),
    )
    table = _table(title, "layer", *strata)
    for layer in evaluation.layers:
        found = [layer.by_item.get(name) for name in evaluation.item_strata]
        found += [layer.by_shopper.get(name) for name in evaluation.shopper_strata]
        table.add_row(layer.name, *("-" if share is None else f"{share:.4f}" for share in found))
    counts = (*evaluation.item_strata.values(), *evaluation.shopper_strata.values())
    table.add_row("targets, cases", *(f"{count:,}" for count in counts))
    return table


def source_table(evaluation: Evaluation) -> Table:
    """Recall@100 of each source's proposals, recall of all that was ranked, and how far they are from the usual aim."""
    aim = AIMS["recall@100"]
    table = _table("Candidate recall of the last layer", "source", "recall@100", f"to {aim}")
    for name, found in evaluation.candidates.items():
        table.add_row("pool (all ranked)" if name == "pool" else name, f"{found:.4f}", f"{found - aim:+.4f}")
    return table


def precision_line(evaluation: Evaluation) -> str:
    """How far the last layer's list is from the usual aim."""
    last, aim = evaluation.layers[-1], AIMS["precision@10"]
    found = last.metrics["precision@10"].mean
    return (
        f"precision@10 of {last.name}: {found:.4f}, {found - aim:+.4f} to the usual aim of {aim}.\n"
        "(Of a case that wants one item it is at most 0.1.)"
    )


def chance_lines(evaluation: Evaluation) -> list[str]:
    """What the probabilities of the last layer's first places were worth, an action a line."""
    return [
        f"{action}: of its first 20 places {found.told:.3f} wanted a case by their probabilities, {found.happened:.3f} "
        f"in truth; calibration error {found.error:.4f} a place."
        for action, found in evaluation.chances.items()
    ]


def _times(evaluation: Evaluation) -> str:
    fit, *scored = evaluation.seconds.items()
    each = ", ".join(f"{name} {1_000 * seconds:.2f}" for name, seconds in scored)
    return f"Fitted in {fit[1]:.1f} s; milliseconds a list: {each}."


def verdict(gain: Interval) -> str:
    """What an interval allows to say.

    >>> verdict(Interval(0.01, -0.002, 0.02)), verdict(Interval(0.01, 0.002, 0.02))
    ('no gain: the interval holds 0', 'gain')
    """
    if gain.holds_zero:
        return "no gain: the interval holds 0"
    return "gain" if gain.mean > 0 else "loss"


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left", caption_justify="left")
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
