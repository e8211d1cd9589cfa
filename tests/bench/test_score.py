"""Lists that do not keep to the protocol are refused; what is scored are places in the file's own lists."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cases import Task, leave_one_out
from score import Refused, scored


@pytest.fixture
def task(tmp_path: Path) -> Task:
    events = {"shopper_id": [*"uuuu", *"vvvv"], "item_id": [*"abcd", *"dcba"], "order": [0, 1, 2, 3] * 2}
    pl.DataFrame(events).write_parquet(tmp_path / "events.parquet")
    return leave_one_out(tmp_path)


def lists(folder: Path, *lines: tuple[str, int, str, float]) -> Path:
    path = folder / "lists.parquet"
    pl.DataFrame(lines, schema=["case_id", "rank", "item_id", "score"], orient="row").write_parquet(path)
    return path


def test_equal_scores_are_ties_whatever_their_rank(task: Task, tmp_path: Path) -> None:
    events = pl.read_parquet(tmp_path / "events.parquet")
    more = pl.DataFrame({"shopper_id": ["w"] * 4, "item_id": [*"xyxy"], "order": [0, 1, 2, 3]})
    pl.concat([events, more]).write_parquet(tmp_path / "events.parquet")
    asked = leave_one_out(tmp_path)

    found = scored(
        lists(tmp_path, ("u", 1, "d", 0.5), ("u", 2, "x", 0.5), ("v", 1, "a", 0.5), ("v", 2, "x", 0.1)), asked
    )

    assert dict(zip(asked.cases.ids, found["mrr@5"].tolist(), strict=True)) == {"u": 0.5, "v": 1.0, "w": 0.0}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([("x", 1, "d", 1.0)], "answers no case"),
        ([("u", 1, "d", float("nan"))], "has no number"),
        ([("u", 1, "d", 1.0), ("u", 2, "d", 0.5)], "repeats an item"),
        ([("u", 1, "d", 0.5), ("u", 2, "c", 1.0)], "scores more"),
        ([("u", 1, "unheard of", 0.5)], "nothing is learned of"),
        ([("u", 1, "a", 0.5)], "leaves out"),
    ],
)
def test_lists_that_break_the_protocol_are_refused(
    task: Task, tmp_path: Path, lines: list[tuple[Any, ...]], complaint: str
) -> None:
    with pytest.raises(Refused, match=complaint):
        scored(lists(tmp_path, *lines), task)
