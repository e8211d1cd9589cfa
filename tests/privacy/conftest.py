"""The tiny shop of `shelves`, trained once and copied for each test, and servers of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from endcap import app
from servers import Server, serving
from shelves import build


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained shop; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "shop"
    build(folder)
    app.train(app.open_shop(folder, {}), lambda stage: None)
    return folder


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained shop."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:
        yield lambda shop, **settings: stack.enter_context(serving(shop, **settings))


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module, on its own copy of the shop."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("served") / "shop"))
    with serving(folder) as running:
        yield running
