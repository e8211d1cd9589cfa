"""What each layer of the recommender adds, measured on a shop's own history with the code that serves.

Knows lists, figures, intervals and how to print them. Does not know how layers are trained or cases cut from history:
both come from `endcap.training`, and every list from `endcap.pipeline.rank`. `chart` stands apart: it alone loads a
drawing library.
"""

from endcap.evaluation.audit import Audit, Compared, titles_of, verdict
from endcap.evaluation.audit_page import audit_page
from endcap.evaluation.audit_terminal import audit_summary
from endcap.evaluation.comparison import Comparison, compare
from endcap.evaluation.contest import Contender, Contest, Truth, measure
from endcap.evaluation.datasets import Dataset, read_dataset
from endcap.evaluation.ladder import Given, evaluate, evaluate_dataset, open_policy
from endcap.evaluation.outlook import Outlook, outlook_of
from endcap.evaluation.predictions import Predictions, write_predictions
from endcap.evaluation.reranking import Lists, read_lists
from endcap.evaluation.results import Evaluation, LayerFigures, Split, Terms, to_json
from endcap.evaluation.tally import Outcomes
from endcap.evaluation.terminal import gain_table, ladder_table, source_table, summary

__all__ = [
    "Audit",
    "Compared",
    "Comparison",
    "Contender",
    "Contest",
    "Dataset",
    "Evaluation",
    "Given",
    "LayerFigures",
    "Lists",
    "Outcomes",
    "Outlook",
    "Predictions",
    "Split",
    "Terms",
    "Truth",
    "audit_page",
    "audit_summary",
    "compare",
    "evaluate",
    "evaluate_dataset",
    "gain_table",
    "ladder_table",
    "measure",
    "open_policy",
    "outlook_of",
    "read_dataset",
    "read_lists",
    "source_table",
    "summary",
    "titles_of",
    "to_json",
    "verdict",
    "write_predictions",
]
