"""`endcap evaluate` on a folder: options that do not go together, and what is written."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from endcap import app
from endcap.errors import InvalidRequest
from evaluation.sets import made, sequences

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"protocol": "next"}, "--protocol next is unknown; expected one of next-basket, time-split, next-item, leave-one"),
    ({"protocol": "leave-one-out", "exclude_current": True},
     "--exclude-current is for next-item, not for leave-one-out; leave it out"),
    ({"protocol": "next-item", "fold_validation": True},
     "--fold-validation is for leave-one-out, not for next-item; leave it out"),
    ({"protocol": "leave-one-out", "candidates": Path("lists.parquet")},
     "--candidates is for rerank, not for leave-one-out; leave it out"),
    ({"protocol": "next-basket", "split": "2024-01-01", "stage": "validation"},
     "--stage validation is for next-item, leave-one-out, rerank, not for next-basket; give an earlier --split"),
    ({"protocol": "rerank"}, "--protocol rerank needs --candidates FILE"),
    ({"protocol": "leave-one-out", "fold_validation": True, "stage": "validation"},
     "--fold-validation learns from what --stage validation asks; leave one of them out"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "complaint"), WRONG)
def test_an_option_that_does_not_go_with_the_protocol_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        app.Sampled(Path("nowhere"), **options).check()
    assert str(refused.value).startswith(complaint)


def test_a_shop_is_asked_by_the_protocols_of_shops(shop: Path) -> None:
    opened = app.open_shop(shop, {})
    with pytest.raises(InvalidRequest, match="--protocol rerank is for data sets in a folder"):
        app.evaluate(opened, ("rerank", "2024-01-01"), app.Outputs(), lambda words: None)
    with pytest.raises(InvalidRequest, match="--protocol next-basket needs --split DATE"):
        app.evaluate(opened, ("next-basket", ""), app.Outputs(), lambda words: None)


def test_the_same_folder_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    folder = made(tmp_path, events=sequences("shopper_id", units=80, longest=40))
    written = []
    for name in ("one", "two"):
        outputs = app.Outputs(folder / f"{name}.json", folder / f"{name}.parquet")
        app.evaluate_data(app.Sampled(folder, "leave-one-out", fold_validation=True), outputs, lambda words: None)
        written.append([file.read_bytes() for file in outputs if file])

    assert written[0] == written[1]
    told = json.loads(written[0][0])
    assert told["terms"] == {"stage": "test", "fold_validation": True, "exclude_current": False}
    assert told["shape"] in ("sessions", "reviews")
    lists = pl.read_parquet(folder / "one.parquet")
    assert lists.columns == ["case_id", "rank", "item_id", "score"]
    assert lists["case_id"].n_unique() == told["cases"] == 80
