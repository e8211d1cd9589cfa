"""`endcap evaluate` on a folder: options that do not go together, and what is written."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from endcap import app
from endcap.errors import InvalidRequest, InvalidSettings
from endcap.training.profile import SESSIONS
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


def test_a_shop_is_asked_by_the_protocols_of_shops(tmp_path: Path) -> None:
    app.initialise(tmp_path / "shop", "EUR", "UTC")
    opened = app.open_shop(tmp_path / "shop", {})
    with pytest.raises(InvalidRequest, match="--protocol rerank is for data sets in a folder"):
        app.evaluate(opened, ("rerank", "2024-01-01"), app.Outputs(), lambda words: None)
    with pytest.raises(InvalidRequest, match="--protocol next-basket needs --split DATE"):
        app.evaluate(opened, ("next-basket", ""), app.Outputs(), lambda words: None)


def test_the_same_folder_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    folder = made(tmp_path, events=sequences("shopper_id", units=80, longest=40))
    (folder / "fast.toml").write_text('shape = "sessions"\n[ranker]\ntrees = 20\n', encoding="utf-8")
    asked = app.Sampled(folder, "leave-one-out", fold_validation=True, profile=folder / "fast.toml")
    written = []
    for name in ("one", "two"):
        outputs = app.Outputs(folder / f"{name}.json", folder / f"{name}.parquet")
        app.evaluate_data(asked, outputs, lambda words: None)
        written.append([file.read_bytes() for file in outputs if file])

    assert written[0] == written[1]
    told = json.loads(written[0][0])
    assert told["terms"] == {"stage": "test", "fold_validation": True, "exclude_current": False}
    assert told["shape"] == "sessions"
    lists = pl.read_parquet(folder / "one.parquet")
    assert lists.columns == ["case_id", "rank", "item_id", "score"]
    assert lists["case_id"].n_unique() == told["cases"] == 80


PROFILE = """\
shape = "reviews"
left_out = ["sessions", "sequel"]
[ranker]
trees = 7
"""


def test_a_profile_in_a_file_is_what_is_learned_with_and_is_named(tmp_path: Path) -> None:
    folder, told = made(tmp_path, events=sequences("session_id", units=60, longest=20)), list[str]()
    (tmp_path / "mine.toml").write_text(PROFILE, encoding="utf-8")
    asked, outputs = app.Sampled(folder, "next-item", profile=tmp_path / "mine.toml"), app.Outputs(tmp_path / "found")
    app.evaluate_data(asked, outputs, told.append)

    assert told[0] == f"training profile {tmp_path / 'mine.toml'}: reviews, 2 settings of its own"
    found = json.loads((tmp_path / "found").read_bytes())
    assert found["shape"] == "reviews"
    assert {"sessions", "sequel", "recent", "transitions"} & set(found["candidates"]) == {"recent", "transitions"}


def test_a_shop_s_own_profile_is_used_unless_another_is_named(shop: Path, tmp_path: Path) -> None:
    opened, told = app.open_shop(shutil.copytree(shop, tmp_path / "own"), {}), list[str]()
    assert app.profile_of(opened, None, told.append) is None
    (opened.folder / "training.toml").write_text(PROFILE, encoding="utf-8")
    (tmp_path / "other.toml").write_text('shape = "sessions"', encoding="utf-8")

    app.train(opened, told.append)
    other = app.profile_of(opened, tmp_path / "other.toml", told.append)

    assert f"training profile {opened.folder / 'training.toml'}: reviews, 2 settings of its own" in told
    assert any(words.startswith("the profile has the shape of reviews") for words in told)
    assert other == SESSIONS


def test_a_profile_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"none\.toml cannot be read: No such file"):
        app.profile_of(None, tmp_path / "none.toml", lambda words: None)
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSettings, match=r"odd\.toml cannot be read: not text in UTF-8"):
        app.profile_of(None, tmp_path / "odd.toml", lambda words: None)
