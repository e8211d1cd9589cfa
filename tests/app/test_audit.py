"""`endcap audit` on the demo shop's own kind of files: one page, figures of the evaluation, nothing left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from endcap.simulation import Size, write_shop

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ENDCAP_")}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo shop of 2,000 items and 100 shoppers, and its mappings."""
    return write_shop(tmp_path_factory.mktemp("files"), 1, date(2026, 11, 1), Size(2_000, 40_000)).events.parent


def _command(files: Path, *more: str) -> list[str]:
    maps = ("--catalog-map", str(files / "catalog.toml"), "--events-map", str(files / "events.toml"))
    words = ("audit", str(files / "catalog.csv"), str(files / "events.parquet"), *maps, *more)
    return [sys.executable, "-m", "endcap", *words]


@pytest.fixture(scope="module")
def audited(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """What was printed, the page, and the shop that was kept."""
    folder = tmp_path_factory.mktemp("audited")
    command = _command(files, "--out", str(folder / "audit.html"), "--shop", str(folder / "shop"))
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, env=ENVIRONMENT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(f"written: {folder / 'audit.html'}\n")
    return ran.stdout, (folder / "audit.html").read_text(encoding="utf-8"), folder / "shop"


def test_figures_on_the_page_are_those_of_the_evaluation(audited: tuple[str, str, Path], tmp_path: Path) -> None:
    _, page, shop = audited
    cut = re.search(r"what lies before (\d{4}-\d\d-\d\d)\.", page)
    assert cut
    words = ("evaluate", "--protocol", "time-split", "--split", cut[1], "--json", str(tmp_path / "e.json"))
    command = [sys.executable, "-m", "endcap", *words, "--shop", str(shop)]
    subprocess.run(command, check=True, capture_output=True, timeout=600, env=ENVIRONMENT)
    ladder = {layer["name"]: layer["metrics"] for layer in json.loads((tmp_path / "e.json").read_text())["layers"]}
    board = page[page.index("Lists: everything may be listed") :]
    for name, layer in (("Bestsellers", "popularity"), ("Endcap", "hybrid")):
        row = re.search(rf'<th scope="row">{name}</th>(.*?)</tr>', board)
        assert row
        shown = [float(figure) for figure in re.findall(r">(\d\.\d{4})<", row[1])[1:]]
        told = [ladder[layer][metric] for metric in ("recall@10", "recall@20", "ndcg@10")]
        assert shown == pytest.approx(told, abs=0.5e-4 + 0.5e-6)  # both are rounded


class _Outline(HTMLParser):
    """Elements that stay open and what could reach outside."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.reaching: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self._reach(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._reach(tag, attrs)

    def _reach(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag in {"script", "link", "img", "iframe", "object", "a"} or names & {"src", "href", "style"}:
            self.reaching.append(tag)
        self.reaching += [name for name in names if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_page_is_whole_and_reaches_nothing(audited: tuple[str, str, Path]) -> None:
    outline = _Outline()
    outline.feed(audited[1])
    assert (outline.open, outline.reaching) == ([], [])
    assert outline.headings == [
        "Endcap against what a shop has today",
        "Lists side by side",
        "What no method could find",
        "What the data lacks, and what that costs",
        "What an experiment could see",
        "The data in figures",
        "How this was measured",
    ]
    assert audited[1].count('class="shopper"') == 10
    assert 'class="hit"' in audited[1]


def test_the_terminal_says_what_the_page_says_first(audited: tuple[str, str, Path]) -> None:
    printed, page, _ = audited
    lead = re.search(r'<p class="lead">(.*?)</p>', page)
    assert lead
    assert lead[1] in " ".join(printed.split())


def test_a_broken_off_audit_leaves_nothing_behind(files: Path, tmp_path: Path) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT):
        place = tmp_path / ending.name
        place.mkdir()
        with subprocess.Popen(
            _command(files, "--out", str(place / "page.html")),
            env={**ENVIRONMENT, "TMPDIR": str(place)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        ) as running:  # fmt: skip
            _until(lambda: any(place.glob("endcap-audit-*/shop/log.sqlite")))  # noqa: B023 - called at once
            running.send_signal(ending)
            running.communicate(timeout=120)
        assert running.returncode == 130
        assert list(place.iterdir()) == []


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_page_that_cannot_be_written_is_refused_before_the_work(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "page.html"
    ran = subprocess.run(
        _command(files, "--out", str(out)), check=False, capture_output=True, text=True, env=ENVIRONMENT
    )
    message = f"endcap: --out {out} cannot be written; expected a file in a folder that exists\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", message)


def test_a_file_of_no_known_format_is_refused_and_nothing_stays(files: Path, tmp_path: Path) -> None:
    shutil.copy(files / "events.toml", tmp_path / "notes.txt")
    command = [sys.executable, "-m", "endcap", "audit", str(tmp_path / "notes.txt"), str(files / "events.parquet")]
    place = tmp_path / "tmp"
    place.mkdir()
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env={**ENVIRONMENT, "TMPDIR": str(place)}
    )
    assert ran.returncode == 2
    assert "is in no format that is known for catalog" in ran.stderr
    assert list(place.iterdir()) == []
