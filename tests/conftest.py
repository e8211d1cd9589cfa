"""What holds for every test: one BLAS thread, the same hypothesis examples on every run, the commands as they are."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

from collections.abc import Iterator

import pytest
import typer.main
from hypothesis import settings
from typer.core import TyperCommand, TyperGroup

from endcap.cli import app

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
