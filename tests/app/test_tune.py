"""`endcap tune` on a folder and on a shop: what is written, also when it is interrupted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from endcap import app
from endcap.cli import app as cli
from endcap.errors import InvalidRequest
from endcap.tuning import parse_profile
from evaluation.sets import made, sequences


def test_without_time_the_default_is_written_and_said_to_be_it(tmp_path: Path) -> None:
    folder, out = made(tmp_path / "set", events=sequences("session_id", units=60, longest=20)), tmp_path / "found.toml"
    words = ["tune", "--data", str(folder), "--protocol", "next-item", "--minutes", "0", "--out", str(out)]
    ended = CliRunner().invoke(cli, words)

    assert ended.exit_code == 0, ended.output
    assert "Nothing was gained over the default of" in ended.output
    assert out.read_text(encoding="utf-8").startswith("# endcap tune: next-item, validation\n# Nothing was gained over")
    assert (tmp_path / "found.study.sqlite").exists()


def test_ctrl_c_writes_what_was_found(shop: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def impatient(words: str) -> None:
        told.append(words)
        if "trial 1" in words:
            raise KeyboardInterrupt

    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()  # the shop's ten days end now
    opened, sought = app.open_shop(shop, {}), app.Sought(5, 0, tmp_path / "found.toml", tmp_path / "study")
    found = app.tune(opened, ("time-split", yesterday), sought, impatient)

    assert found.interrupted
    assert "trial 1" in told[-1]
    text = sought.out.read_text(encoding="utf-8")
    assert "# Interrupted: this is what was found so far; the same command goes on from here." in text
    parse_profile(text, "found")


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"protocol": "rerank"},
        "--protocol rerank cannot be tuned on; expected one of next-basket, time-split",
    ),
    ({"protocol": "next"}, "--protocol next is unknown; expected one of next-basket"),
    ({"protocol": "leave-one-out", "exclude_current": True}, "--exclude-current is for next-item, not for leave-one"),
]


@pytest.mark.parametrize(("options", "complaint"), WRONG)
def test_what_cannot_be_tuned_is_refused(options: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        app.tune_data(app.Sampled(Path("nowhere"), **options), app.Sought(1, 0, tmp_path / "out.toml"), print)
    assert str(refused.value).startswith(complaint)


def test_a_file_that_could_not_be_written_is_told_before_the_search() -> None:
    with pytest.raises(InvalidRequest, match="cannot be written: expected a file in a folder that exists"):
        app.Sought(1, 0, Path("nowhere/out.toml")).check()
