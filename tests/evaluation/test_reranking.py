"""Given lists put in order: who is asked, what is ranked, by what."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from endcap.backends.encoder.lexical import fit_lexical
from endcap.errors import GateRefused, InvalidFeed
from endcap.evaluation import Dataset, evaluate_dataset, read_dataset, read_lists
from endcap.evaluation.reranking import listed_fold
from endcap.evaluation.results import Terms
from endcap.evaluation.stages import outer_fold
from evaluation.sets import made


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    events = pl.DataFrame({"shopper_id": ["u"] * 3 + ["v"] * 2 + ["w"], "item_id": list("abcbax")})
    made(tmp_path, events=events, catalog=pl.DataFrame({"id": ["z"], "title": ["Z"]}))
    return read_dataset(tmp_path, "rerank", "", fit_lexical)


def written(folder: Path, **columns: Any) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "lists.parquet")
    return folder / "lists.parquet"


def silent(words: str) -> None:
    """Nobody reads it."""


def test_lists_are_asked_of_their_shoppers_alone_and_learned_from_all_but_last_items(
    dataset: Dataset, tmp_path: Path
) -> None:
    path = written(tmp_path, case_id=["v", "u"], item_ids=[["a", "z", "b"], ["c", "a"]])
    lists, history = read_lists(path, dataset, silent), dataset.corpus.history()
    fold = listed_fold(outer_fold(dataset, history, Terms()), history, lists)

    assert [dataset.person(history.keys[history.shopper[line]]) for line in fold.asked.target.tolist()] == ["u", "v"]
    assert history.offset[fold.learned].tolist() == [0, 1, 3]
    assert fold.hides == "none"
    assert fold.drawn == lists.length == 2


def test_at_validation_the_last_but_one_is_asked_and_not_learned_from(dataset: Dataset, tmp_path: Path) -> None:
    lists = read_lists(written(tmp_path, case_id=["u"], item_ids=[["c", "a"]]), dataset, silent)
    history = dataset.corpus.history()
    fold = listed_fold(outer_fold(dataset, history, Terms("validation")), history, lists)

    assert history.offset[fold.asked.target].tolist() == [1]
    assert history.offset[fold.learned].tolist() == [0]


def test_items_that_nothing_holds_are_told_and_not_ranked(dataset: Dataset, tmp_path: Path) -> None:
    told: list[str] = []
    lists = read_lists(written(tmp_path, case_id=["u"], item_ids=[["a", "x", "none"]]), dataset, told.append)

    assert told == ["1 listed items, such as none, are in neither events nor catalog"]
    (rows,) = lists.rows.values()
    assert rows[0] == dataset.rows["a"]
    assert (rows[1:] >= len(dataset.rows)).all()
    assert rows.dtype == np.int32


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"case_id": ["u"]}, "columns case_id; expected case_id and item_ids"),
    ({"case_id": ["u"], "item_ids": ["a"]}, "column item_ids holds String; expected lists of texts or integers"),
    ({"case_id": ["u", "nobody"], "item_ids": [["a"], ["a"]]},
     r"row 2 \(nobody\) has a case_id that no event has as its shopper_id"),
    ({"case_id": ["u", "u"], "item_ids": [["a"], ["a"]]}, "row 1 has the case_id of another row; expected one row a"),
    ({"case_id": ["u"], "item_ids": [["a", "b", "a"]]}, "row 1 has an item twice among its item_ids"),
    ({"case_id": ["u", "v"], "item_ids": [["a"], []]}, "row 2 has no item_ids"),
    ({"case_id": ["u"], "item_ids": [["a", None]]}, "row 1 has a null among its item_ids"),
    ({"case_id": ["u", "v"], "item_ids": [["a"], ["q", "r"]]}, "row 2 lists no item of events or catalog"),
    ({"case_id": pl.Series([], dtype=pl.String), "item_ids": pl.Series([], dtype=pl.List(pl.String))}, "no row"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "complaint"), WRONG)
def test_a_file_of_lists_that_does_not_fit_is_told(
    dataset: Dataset, tmp_path: Path, columns: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidFeed, match=complaint):
        read_lists(written(tmp_path, **columns), dataset, silent)


def test_a_file_that_is_not_there_is_told(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InvalidFeed, match="none is missing; expected Parquet with case_id and item_ids"):
        read_lists(tmp_path / "none", dataset, silent)


def test_lists_of_shoppers_with_nothing_to_ask_for_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    lists = read_lists(written(tmp_path, case_id=["w"], item_ids=[["a"]]), dataset, silent)
    history = dataset.corpus.history()
    with pytest.raises(GateRefused, match="no shopper with a list has a line to ask for"):
        listed_fold(outer_fold(dataset, history, Terms("validation")), history, lists)


def test_of_too_few_examples_bm25_is_left(dataset: Dataset, tmp_path: Path) -> None:
    lists = read_lists(written(tmp_path, case_id=["u"], item_ids=[["c", "a", "z"]]), dataset, silent)
    found = evaluate_dataset(dataset, Terms(), None, silent, lists)

    assert [layer.name for layer in found.layers] == ["bm25"]
    assert [layer.name for layer in found.left_out] == ["popularity", "content", "hybrid"]
    assert found.predictions.counts.tolist() == [1]
