"""The shape of a history is measured rightly, and that of the demo shop is the shape of real shops."""

from pathlib import Path

import polars as pl
import pytest

from endcap.simulation import REAL, figures
from endcap.simulation.figures import gini


@pytest.mark.parametrize(
    ("counts", "wanted"), [([5], 0), ([1, 1, 1, 1], 0), ([1, 3], 0.25), ([1, 2, 3, 4], 0.25), ([0] * 99 + [7], 0.99)]
)
def test_gini_is_that_of_closed_forms(counts: list[int], wanted: float) -> None:
    assert gini(counts) == pytest.approx(wanted)


def test_figures_of_four_visits_are_those_counted_by_hand(tmp_path: Path) -> None:
    rows = [
        ("view_item", 1, "a", "s1", "x", ""),
        ("view_item", 2, "a", "s1", "y", ""),
        ("purchase", 3, "a", "s1", "x", "t1"),
        ("view_item", 4, "b", "s2", "x", ""),
        ("purchase", 98, "a", "s3", "x", "t2"),
        ("purchase", 98, "a", "s3", "y", "t2"),
        ("view_item_list", 99, "b", "s4", "y", ""),
        ("purchase", 99, "b", "s4", "y", "t3"),
    ]
    names = ["event", "time", "visitor_id", "session_id", "item_id", "transaction_id"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.from_epoch(pl.col("time") * 86_400))
    table.write_parquet(tmp_path / "e.parquet")
    found = figures(tmp_path / "e.parquet")
    assert found.session_length == 1.5
    assert found.gini_views == pytest.approx(1 / 6)
    assert found.gini_purchases == pytest.approx(0)
    assert found.repeat_share == 0.5


def test_the_demo_shop_is_within_a_fifth_of_real_shops(demo: Path) -> None:
    found = figures(demo / "events.parquet")
    for name, here, real in zip(REAL._fields, found, REAL, strict=True):
        print(f"{name}: {here:.3f}, real shops {real:.2f}")  # noqa: T201 - asked for: -s shows both
        assert abs(here - real) <= 0.2 * real, name
