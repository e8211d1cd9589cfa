"""A tiny trained shop, built once through log and fold, copied for each test that changes it, and servers over HTTP."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from endcap import app
from endcap.backends.log import Entry
from endcap.backends.log.bodies import pack
from endcap.domain.catalog import SINCE_EVER, Assignment, Change
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import ItemKey, keyed_hash
from endcap.domain.instants import DAY, HOUR, MINUTE
from endcap.ingest.fold import project
from servers import Server, serving

ITEMS = 60
SHOPPERS = 240
BRANDS = ("Arda", "Brook", "Cline")
SHELVES = (("Home", "Kitchen"), ("Home", "Garden"), ("Toys",))


def build(folder: Path) -> None:
    """60 items in three shelves; each of 240 people keeps to one of them over ten days that end now."""
    app.initialise(folder, "EUR", "UTC")
    shop = app.open_shop(folder, {})
    now = app.now_ms()
    with app.importing(shop) as ports:
        for row in range(ITEMS):
            shelf = row % 3
            key = ItemKey("item", f"SKU-{row}")
            change = Change(
                row,
                SINCE_EVER,
                listed=True,
                price=500 + 25 * row,
                stock=9,
                brand=BRANDS[shelf],
                category=SHELVES[shelf],
                text={"title": f"{SHELVES[shelf][-1]} thing {row}", "link": f"https://shop.example/{row}"},
            )
            ports.log.append(
                "events",
                [
                    Entry("row", f"row:{row}".encode(), b"", now, pack(Assignment(row, key))),
                    Entry("change", b"", b"", now, pack(change)),
                ],
            )
        ports.log.append("events", list(_history(ports.secret, now)))
        project(ports)


def _history(secret: bytes, now: int) -> Iterator[Entry]:
    generator = np.random.Generator(np.random.Philox(7))
    for person in range(SHOPPERS):
        key = keyed_hash(secret, "visitor", f"v{person}")
        for visit in range(3):
            start = now - (3 - visit) * 3 * DAY + int(generator.integers(0, DAY)) - HOUR
            liked = 3 * generator.permutation(ITEMS // 3)[:5] + person % 3
            for step, row in enumerate(liked.tolist()):
                kind = Kind.PURCHASE if step == 4 else Kind.VIEW
                event = Event(
                    kind,
                    start + step * MINUTE,
                    now,
                    key,
                    (Line(row, 1, 500 + 25 * row),),
                    session=person * 8 + visit + 1,
                )
                yield Entry("event", f"{person}:{visit}:{step}".encode(), key, event.time, pack(event))


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
