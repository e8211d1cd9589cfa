"""A table says what is met, what is missed and by how much, and what is published stands with its source."""

import pytest

from endcap.metrics import Interval
from report import HYBRID, Found, Row, known, printed
from tables import RUNS


def row(name: str, kind: str, **means: float) -> Row:
    figures = {name.replace("_at_", "@"): value for name, value in means.items()}
    intervals = {name: Interval(value, value - 0.01, value + 0.01) for name, value in figures.items()}
    return Row(name, "hybrid" if kind == HYBRID else "floor", figures, intervals)


@pytest.mark.parametrize("run", RUNS)
def test_every_run_has_targets_and_published_figures_that_fit_its_columns(run: str) -> None:
    to = known(run)

    assert to.published
    assert all(line.source for line in to.published)
    assert set(to.must) == set(to.aim) == set(to.figures)


def test_targets_are_judged_by_the_point_estimate() -> None:
    hybrid = row(HYBRID, HYBRID, recall_at_20=0.5521, mrr_at_20=0.2029, precision_at_10=0.09)
    found = Found(
        "diginetica", 2, 3, [row("popularity", "floor", recall_at_20=0.01), hybrid], "popularity",
        {"recall@20": Interval(0.54, -0.1, 0.6)}, {"sessions": 0.6, "pool": 0.7},
    )  # fmt: skip

    lines = list(printed(found, compared=True))

    assert "- recall@20 of hybrid 0.5521, must reach 0.552: met" in lines
    assert "- recall@20 of hybrid 0.5521, aim 0.565: MISSED" in lines
    assert "- mrr@20 of hybrid 0.2029, must reach 0.203: MISSED" in lines
    assert "- recall@20: hybrid over popularity +0.5400 [-0.1000, +0.6000], no gain" in lines
    assert "- precision@10 0.0900; the usual target of 0.6 is 0.5100 short" in lines
    assert "- candidate recall@100 0.7000; the usual target of 0.8 is 0.1000 short" in lines
    assert any("GCE-GNN" in line and ".5422" in line and "from memory" in line for line in lines)
    assert any(".5421 to .5621" in line for line in lines)


def test_a_target_may_be_a_row_of_the_same_table_and_set_for_a_layer() -> None:
    floor, hybrid = ({f"ndcg_at_{k}": value for k in (1, 5, 10, 20)} for value in (0.5, 0.7))
    told = row("content", "layer", ndcg_at_10=0.6)
    rows = [row("BM25 of titles", "floor", **floor), told, row(HYBRID, HYBRID, **hybrid)]

    lines = list(printed(Found("amazon-games-rerank", 2, 3, rows), compared=True))

    assert "- ndcg@10 of content 0.6000, must reach more than BM25 of titles, 0.5000: met" in lines


def test_a_sample_is_not_compared_with_what_is_published() -> None:
    lines = list(printed(Found("diginetica", 2, 3, [row(HYBRID, HYBRID, recall_at_20=0.9)]), compared=False))

    assert not any("GCE-GNN" in line or "must reach" in line for line in lines)
