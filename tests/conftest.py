"""What holds for every test: one BLAS thread, the same hypothesis examples on every run, the commands as they are."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from hypothesis import settings
from typer.core import TyperCommand, TyperGroup

from endcap.cli import app
from endcap.domain.instants import DAY
from endcap.policy import DEFAULT_POLICY, Policy, parse_policy
from endcap.snapshot import Snapshot
from endcap.training import Case, Corpus, cases, train
from shops import START, aisles

settings.register_profile("endcap", deadline=None, derandomize=True)
settings.load_profile("endcap")


@pytest.fixture(scope="session")
def commands() -> dict[str, TyperGroup | TyperCommand]:
    """Every group and command by its words: `""` is `endcap` itself, `"import catalog"` a leaf."""
    return dict(_walk("", typer.main.get_command(app)))


def _walk(words: str, command: object) -> Iterator[tuple[str, TyperGroup | TyperCommand]]:
    assert isinstance(command, TyperGroup | TyperCommand)
    yield words, command
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _walk(f"{words} {name}".strip(), child)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """A small shop of four aisles: shoppers browse within an aisle, buy what they saw, and come back for some of it."""
    return aisles(seed=1)


@pytest.fixture(scope="session")
def snapshot(corpus: Corpus) -> Snapshot:
    """Everything learned from `corpus`, with a fitted ranker."""
    return train(corpus, None, lambda _: None)


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The policy that a new shop starts with."""
    return parse_policy(DEFAULT_POLICY)


@pytest.fixture(scope="session")
def states(corpus: Corpus) -> list[Case]:
    """The requests of the last five days with all that was known then; they share one shelf, that of the end."""
    return list(cases(corpus, START + 35 * DAY, "time-split"))[-200:]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text into a file of that name."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
