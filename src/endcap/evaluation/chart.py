"""The ladder as a picture. Draws without a display; the same evaluation gives the same picture."""

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from endcap.evaluation.results import Evaluation
from endcap.evaluation.terminal import asked

DRAWN: Final = {"recall@10": "#1b5e91", "recall@20": "#6baed6", "ndcg@10": "#e08214"}
WIDTH: Final = 0.26


def draw_chart(evaluation: Evaluation, path: Path) -> None:
    """Write a PNG to `path`: recall@10, recall@20 and NDCG@10 of each layer with the 95 % interval of each mean."""
    figure = Figure(figsize=(10, 5.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(evaluation.layers))
    for index, (name, colour) in enumerate(DRAWN.items()):
        found = [layer.metrics[name] for layer in evaluation.layers]
        means = np.array([interval.mean for interval in found])
        whiskers = np.array(
            [
                [interval.mean - interval.low for interval in found],
                [interval.high - interval.mean for interval in found],
            ]
        ).clip(0)
        bars = axes.bar(
            places + (index - 1) * WIDTH, means, WIDTH, yerr=whiskers, color=colour, label=name,
            capsize=3, error_kw={"elinewidth": 1, "ecolor": "#333333"},
        )  # fmt: skip
        axes.bar_label(bars, [f"{mean:.4f}" for mean in means], padding=2, fontsize=8)
    axes.set_xticks(places, [layer.name for layer in evaluation.layers], fontsize=11)
    axes.set_ylabel("mean over cases, 95 % bootstrap interval")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(DRAWN))
    cases = f"{evaluation.cases:,} cases"
    figure.suptitle(f"What each layer adds: {asked(evaluation)}, {cases}", fontsize=13)
    figure.savefig(path, format="png", metadata={"Software": None})
