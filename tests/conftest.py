"""What holds for every test: one BLAS thread, the same hypothesis examples on every run, the commands as they are.

And what many start from: what was learned from a small corpus, and the tiny shop of `shelves` with servers of it.
"""

import fcntl
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# Containers often set this; then each of the hundreds of commands that tests start would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import typer.main
from hypothesis import settings
from typer.core import TyperCommand, TyperGroup

from endcap import app
from endcap.cli import app as cli
from endcap.domain.instants import DAY
from endcap.pipeline import recommend
from endcap.policy import DEFAULT_POLICY, Policy, parse_policy
from endcap.simulation import write_shop
from endcap.snapshot import Snapshot
from endcap.training import Case, Corpus, Shop, cases, train
from endcap.training.profile import SESSIONS
from endcap.training.sources import Fitted, fit_sources
from servers import Server, serving
from shelves import build
from shops import START, aisles

LONGEST = (
    "test_cli.py", "app/test_audit.py", "serving/test_replay.py", "training/test_leaks.py", "serving/test_refresh.py",
    "serving/test_life.py", "test_readme.py", "app/test_remote.py", "storefront/test_tracker.py",
)  # fmt: skip
"""Files of half a minute: with one of them at the end, one worker would work alone."""

settings.register_profile("endcap", deadline=None, derandomize=True)
settings.load_profile("endcap")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels once where none is yet: workers and servers that begin together would each do it."""
    beginning = config.getoption("numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ
    if beginning and not any(Path(app.__file__).parents[1].rglob("*.nbi")):
        corpus = aisles(seed=1)
        learned = train(corpus, None, lambda _: None)
        case = next(iter(cases(corpus, START + 35 * DAY, "time-split")))
        recommend(case.request, case.state, learned, parse_policy(DEFAULT_POLICY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, which `make test` hands out in the order in which they stand here.

    It hands them out by the tests' ids, and of two tests with one id would run one: each needs its own.
    """
    for item in items:
        _, bracket, operation = item.name.partition("[")
        if bracket and not item.nodeid.endswith("]"):  # Schemathesis gives all operations one id
            item._id = item._id.with_params(operation.removesuffix("]"))
    twice = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        raise pytest.UsageError(f"these ids stand for more than one test each; rename them: {', '.join(twice)}")
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def commands() -> dict[str, TyperGroup | TyperCommand]:
    """Every group and command by its words: `""` is `endcap` itself, `"import catalog"` a leaf."""
    return dict(_walk("", typer.main.get_command(cli)))


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
def fitted(corpus: Corpus) -> Fitted:
    """All sources and features of `corpus` at once, also those that the profile of its shape leaves out."""
    history = corpus.history()
    end = int(history.time.max()) + 1
    shop = Shop(corpus, history)
    shop.advance(end)
    return fit_sources(history, shop, end, replace(SESSIONS, left_out=frozenset()))


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


def _once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of this run: `make` fills it in the first worker that asks, the others wait for it."""
    base = folders.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, half = shared / name, shared / f"{name}-half"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(half, ignore_errors=True)  # a worker failed on it
            make(half)
            half.rename(made)
    return made


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo shop's files; not to be changed."""
    return _once(tmp_path_factory, "demo", lambda folder: write_shop(folder, 1, date(2026, 11, 1)))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny shop without a snapshot: it takes events and gives no lists; not to be changed."""
    return _once(tmp_path_factory, "plain", build)


@pytest.fixture(scope="session")
def trained(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same shop with a snapshot; not to be changed."""

    def train_copy(folder: Path) -> None:
        app.train(app.open_shop(shutil.copytree(plain, folder), {}), lambda stage: None)

    return _once(tmp_path_factory, "trained", train_copy)


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained shop."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:
        yield lambda shop, **settings: stack.enter_context(serving(shop, **settings))


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module, on its own copy of the shop."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("served") / "shop"))
    with serving(folder) as running:
        yield running
