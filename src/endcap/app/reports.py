"""Reports about a shop's data: health, as a terminal, JSON or a page shows it."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from endcap.app.learning import corpus
from endcap.app.shop import Report, Shop, now_ms

if TYPE_CHECKING:
    from rich.console import RenderableType

    from endcap.monitoring import Health
    from endcap.training import Corpus


class Pages(NamedTuple):
    """The files that a report writes, None: not."""

    json: Path | None = None
    html: Path | None = None


def health(shop: Shop, outputs: Pages, report: Report) -> "RenderableType":
    """How complete and plausible the shop's data is, fit to be printed."""
    from endcap import monitoring

    report("reading history")
    found = examined(shop, corpus(shop))
    if outputs.json:
        outputs.json.write_bytes(monitoring.to_json(found))
    if outputs.html:
        outputs.html.write_text(monitoring.health_page(found, shop.folder.resolve().name), encoding="utf-8")
    return monitoring.summary(found)


def examined(shop: Shop, history: "Corpus") -> "Health":
    """The health of a shop with this history."""
    from endcap.monitoring import Surroundings, examine

    around = Surroundings(now_ms(), shop.settings.shop.currency, _quarantined(shop.folder / "quarantine"))
    return examine(history.interactions, history.keys, history.changes, around)


def _quarantined(folder: Path) -> dict[str, int]:
    """Rows of all quarantine files by field and reason; a file that another process is writing is left out."""
    reasons: Counter[str] = Counter()
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                misfit = json.loads(line)
                reasons[f"{misfit['field']} {misfit['reason']}"] += 1
    return dict(reasons)
