"""An audit as a whole: what was found of a shop, and what may be said of it in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from endcap.evaluation.comparison import HIT, POPULARITY, Comparison
from endcap.evaluation.outlook import Outlook
from endcap.metrics import Interval
from endcap.monitoring import Health
from endcap.training import HYBRID, Corpus

NAMES: Final = {
    POPULARITY: "Bestsellers",
    "also bought": "Also bought",
    "also viewed": "Also viewed",
    "buy again": "Buy again",
    HYBRID: "Endcap",
}
FEW: Final = 300

Outcome: TypeAlias = Literal["gain", "none", "loss", "unknown"]


@dataclass(frozen=True, slots=True)
class Compared:
    """What could be measured: the comparison, what an experiment could see, and a title for each row."""

    comparison: Comparison
    outlook: Outlook
    titles: Sequence[str]


@dataclass(frozen=True, slots=True)
class Audit:
    """The health of the data, and what was measured on it, or the reason why nothing was."""

    feed: str
    events: str
    made_on: str
    health: Health
    found: Compared | str


class Verdict(NamedTuple):
    """The first sentence, and the ones after it."""

    outcome: Outcome
    lead: str
    more: str


def verdict(audit: Audit) -> Verdict:
    """What the figures allow to say: a gain only where the interval against the best plain method lies above 0."""
    if isinstance(audit.found, str):
        lead = "This data does not say yet whether better lists would help."
        return Verdict("unknown", lead, f"{audit.found[:1].upper()}{audit.found[1:]}.")
    comparison = audit.found.comparison
    best, hybrid = comparison.judged.best_plain, comparison.judged.named(HYBRID)
    gain = best.gain[HIT]
    ours, theirs = _of_100(hybrid.metrics[HIT]), _of_100(best.metrics[HIT])
    plain = f"the best plain method, “{NAMES[best.name].lower()}”"
    did = f"{what_counts(comparison)} in {ours} of 100 cases with Endcap and in {theirs} with {plain}: {points(gain)}"
    if gain.low > 0:
        return Verdict("gain", f"A gain was found: ten recommended items held {did}.", _others(comparison))
    if gain.high < 0:
        return Verdict("loss", f"No gain, a loss: ten recommended items held {did}.", _others(comparison))
    lead = f"No gain was found over {plain}: ten recommended items held {did}, and the interval holds 0."
    return Verdict("none", lead, _others(comparison))


def what_counts(comparison: Comparison) -> str:
    """What a hit is, in words."""
    if comparison.cut.protocol == "next-basket":
        return "something of the next order"
    return "what the shopper chose next" + (", an item new to them," if comparison.judges_new else "")


def points(gain: Interval) -> str:
    """A difference of rates in points of a hundred, with its interval.

    >>> points(Interval(0.0312, 0.0101, 0.0523))
    '+3.1 points [+1.0, +5.2]'
    """
    mean, low, high = (round(100 * bound, 1) + 0.0 for bound in gain)
    return f"{mean:+.1f} points [{low:+.1f}, {high:+.1f}]"


def _of_100(rate: Interval) -> str:
    return f"{100 * rate.mean:.1f}"


def _others(comparison: Comparison) -> str:
    against = [
        f"{points(each.gain[HIT])} over “{NAMES[each.name].lower()}”"
        for each in comparison.judged.plain
        if each.name != comparison.judged.best_plain.name
    ]
    said = f"Against the others: {'; '.join(against)}. " if against else ""
    few = f"Only {comparison.judged.cases:,} cases: intervals are wide. " if comparison.judged.cases < FEW else ""
    return f"{said}{few}In brackets 95 % intervals. Measured on past orders, not live."


def titles_of(corpus: Corpus) -> list[str]:
    """A title for each row, for a group that of its first variant; the merchant's id where no feed gave one."""
    titles = [""] * len(corpus.keys)
    for recorded in sorted(corpus.changes, key=lambda recorded: recorded.change.at):
        title = recorded.change.text.get("title")
        if title is not None:
            titles[recorded.change.row] = title
    for row, group in enumerate(corpus.groups().tolist()):
        if group != row and not titles[group]:
            titles[group] = titles[row]
    return [title or key.id for title, key in zip(titles, corpus.keys, strict=True)]
