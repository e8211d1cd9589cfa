"""What each layer of the recommender adds, measured on a shop's own history with the code that serves.

Knows lists, figures, intervals and how to print them. Does not know how layers are trained or cases cut from history:
both come from `endcap.training`, and every list from `endcap.pipeline.rank`.
"""

from endcap.evaluation.chart import draw_chart
from endcap.evaluation.contest import Contender, Contest, measure
from endcap.evaluation.ladder import evaluate
from endcap.evaluation.predictions import Predictions, write_predictions
from endcap.evaluation.results import Evaluation, LayerFigures, Split, to_json
from endcap.evaluation.terminal import gain_table, ladder_table, source_table, summary

__all__ = [
    "Contender",
    "Contest",
    "Evaluation",
    "LayerFigures",
    "Predictions",
    "Split",
    "draw_chart",
    "evaluate",
    "gain_table",
    "ladder_table",
    "measure",
    "source_table",
    "summary",
    "to_json",
    "write_predictions",
]
