"""A tiny shop in a folder, built through log and fold: 60 items in three shelves, people who keep to one of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from endcap import app
from endcap.backends.log import Entry
from endcap.backends.log.bodies import pack
from endcap.domain.catalog import SINCE_EVER, Assignment, Change
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import ItemKey, keyed_hash
from endcap.domain.instants import DAY, HOUR, MINUTE
from endcap.ingest.fold import project

ITEMS = 60
SHOPPERS = 120
BRANDS = ("Arda", "Brook", "Cline")
SHELVES = (("Home", "Kitchen"), ("Home", "Garden"), ("Toys",))


def build(folder: Path) -> None:
    """60 items in three shelves; each of 120 people keeps to one of them over ten days that end now."""
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
