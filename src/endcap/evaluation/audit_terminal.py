"""An audit in a few lines for the terminal; the page holds the rest."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from endcap.evaluation.audit import NAMES, Audit, points, verdict
from endcap.evaluation.audit_page import experiment_words
from endcap.evaluation.comparison import HIT
from endcap.monitoring import gaps_of

_SHOWN = ("recall@10", "recall@20", "ndcg@10")
_GAPS = 5


def audit_summary(audit: Audit) -> RenderableType:
    """The verdict, the methods, what an experiment could see, the heaviest gaps."""
    said = verdict(audit)
    parts: list[RenderableType] = [Text(said.lead, style="bold"), Text(said.more), ""]
    if not isinstance(audit.found, str):
        comparison = audit.found.comparison
        table = Table(box=box.SIMPLE)
        table.add_column("method")
        for name in ("first ten hold one", *_SHOWN, "Endcap gains"):
            table.add_column(name, justify="right")
        for each in comparison.judged.contestants:
            means = [f"{each.metrics[name].mean:.4f}" for name in (HIT, *_SHOWN)]
            table.add_row(NAMES[each.name], *means, points(each.gain[HIT]) if each.gain else "")
        words = " ".join(experiment_words(audit.found.outlook))
        parts += [f"{comparison.judged.cases:,} cases after {comparison.cut.text}:", table, Text(words), ""]
    parts.append("The heaviest gaps in the data:")
    parts += [Text(f"  {gap.name}: {gap.cost}") for gap in gaps_of(audit.health)[:_GAPS]]
    return Group(*parts)
