"""What a search found as a table and in words. Prints nothing itself."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from endcap.tuning.profiles import differences
from endcap.tuning.scores import CASES, WHOLE_CASES
from endcap.tuning.search import Gain, Tuned


def tuned_summary(tuned: Tuned) -> RenderableType:
    """Default and best of every source and of all together, and what became of it."""
    table = Table(title=f"Tuned on {tuned.told}", box=box.SIMPLE, title_justify="left")
    table.add_column("what")
    for name in ("trials", "default", "tuned", "gain"):
        table.add_column(name, justify="right")
    for gain in (*tuned.gains, *([tuned.whole] if tuned.whole else [])):
        table.add_row(gain.name, f"{gain.trials:,}", f"{gain.default:.4f}", f"{gain.tuned:.4f}", _gained(gain))
    figures = f"Figures: NDCG@20 + recall@100 / 10 of at most {CASES:,} cases, {WHOLE_CASES:,} for all together."
    return Group(table, figures, "\n".join(verdict(tuned)))


def verdict(tuned: Tuned) -> Iterator[str]:
    """What was gained, in words."""
    if tuned.interrupted:
        yield "Interrupted: this is what was found so far; the same command goes on from here."
    better = [gain.name for gain in tuned.gains if gain.counts]
    if tuned.profile == tuned.base:
        reason = f"; what is better for {', '.join(better)} alone is not better in all" if better else ""
        yield f"Nothing was gained over the default of {tuned.base.shape}{reason}. The profile is that default."
        return
    count = differences(tuned.profile)
    settings = f"{count} setting{'s' if count != 1 else ''}"
    yield f"The profile has {settings} of its own over the default of {tuned.base.shape}."
    if tuned.whole is None:
        yield "There was no time to compare all together: measure it with endcap evaluate, or give more --minutes."


def _gained(gain: Gain) -> str:
    if not gain.default:
        return "finds nothing"
    return f"{gain.tuned / gain.default - 1:+.1%}" if gain.counts else "none"
