"""`endcap simulate`: files one can import, the shape beside that of real shops, and clear words for a wrong call."""

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from endcap.cli import app
from endcap.errors import InvalidRequest
from endcap.simulation import read_world

FEW = ("--items", "300", "--events", "3000", "--end", "2026-11-01")


def test_a_shop_of_the_size_asked_for_is_written_and_its_shape_is_told(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["simulate", "--out", str(tmp_path / "shop"), *FEW])
    assert ran.exit_code == 0, ran.output
    names = {path.name for path in (tmp_path / "shop").iterdir()}
    assert names == {"catalog.csv", "changes.csv", "catalog.toml", "events.parquet", "events.toml", "world.json"}
    count = pl.read_parquet(tmp_path / "shop" / "events.parquet").height
    assert pl.read_csv(tmp_path / "shop" / "catalog.csv").height == 300
    assert f"300 items and {count:,} lines of events are in " in ran.stdout
    assert re.findall(r"^  (\w+ \w+) +(\d\.\d\d) +real shops +(\d\.\d\d)$", ran.stdout, re.MULTILINE)[0][2] == "0.66"


def test_a_null_shop_is_another_one_with_the_same_size(tmp_path: Path) -> None:
    for name, more in (("full", ()), ("null", ("--null",))):
        assert CliRunner().invoke(app, ["simulate", "--out", str(tmp_path / name), *FEW, *more]).exit_code == 0
    assert not (tmp_path / "null" / "changes.csv").exists()
    assert (tmp_path / "full" / "changes.csv").read_text().count("\n") > 20


@pytest.mark.parametrize(
    ("words", "wanted"), [(("--end", "soon"), "--end soon is no ISO date"), ((), "is no empty folder")]
)
def test_a_wrong_call_says_what_is_wrong_and_writes_nothing(
    words: tuple[str, ...], wanted: str, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    out = tmp_path / "new" if words else tmp_path
    ran = CliRunner().invoke(app, ["simulate", "--out", str(out), *words])
    assert isinstance(ran.exception, InvalidRequest)
    assert wanted in str(ran.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_world_can_be_made_again_from_its_file_alone(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["simulate", "--out", str(tmp_path / "shop"), *FEW, "--null"]).exit_code == 0
    world, people = read_world(tmp_path / "shop" / "world.json")
    lines = pl.read_parquet(tmp_path / "shop" / "events.parquet")
    assert sum(len(world.history(number)) for number in range(people)) == lines.height
    with pytest.raises(InvalidRequest, match="tells of no simulated shop"):
        read_world(tmp_path / "shop" / "catalog.toml")
