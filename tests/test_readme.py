"""The README's five minutes are run: every command, in order, and what it prints has the form that the page shows."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from clickstreams import write_export
from feeds import demo_feed, write_tsv

ROOT = Path(__file__).parents[1]
ITEMS = 400
"""Of the demo shop's 5,000: the page's figures are of all, its commands are run with fewer."""
PEOPLE = "[23]$"
"""How the ids of an eighth of its visitors end; the one for whom the page asks is among them."""


def _transcript() -> Iterator[tuple[list[str], list[str]]]:
    """The words of each command of the page's console block, and the lines printed beneath it."""
    block = re.search(
        r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert block
    for part in block[1].split("\n$ "):
        command, *printed = part.removeprefix("$ ").splitlines()
        yield shlex.split(command, comments=True), printed


def _form(line: str) -> str:
    """A printed line with figures, ids and keys left open."""
    line = re.sub(r"(ec_\w{3}_)\S+", r"\1*", line)
    return re.sub(r"\b(?=\w*\d)[\w,-]+", "N", " ".join(line.split()))


@pytest.fixture(scope="module")
def folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("five-minutes")
    write_tsv(demo_feed(demo, ITEMS), folder / "feed.tsv")
    every = pl.read_parquet(demo / "events.parquet")
    every.filter(pl.col("visitor_id").str.contains(PEOPLE)).write_parquet(folder / "few.parquet")
    write_export(folder / "few.parquet", folder / "ga4.jsonl")
    return folder


def _run(folder: Path, words: list[str]) -> str:
    environ = {**os.environ, "COLUMNS": "120"}
    environ.pop("ENDCAP_SHOP", None)
    command = [sys.executable, "-m", *words]
    ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_five_minutes_are_what_the_page_says(folder: Path) -> None:
    commands = [(words, printed) for words, printed in _transcript() if words[0] == "endcap"]
    assert [words[1] for words, _ in commands] == ["init", "import", "import", "train", "recommend"]
    for words, printed in commands:
        found = _run(folder, words)
        if words[1] == "recommend":
            assert re.search(r"^ +3 .*\d\.\d\d EUR ", found, re.MULTILINE), found
            assert "(rung R0)" in found
            continue
        forms = {_form(line) for line in found.splitlines()}
        for line in printed:
            wanted = _form(line.partition("…")[0])
            assert any(form.startswith(wanted) for form in forms), (line, found)
