"""A small shop for tests, of known habits and any key."""

import hashlib

import numpy as np
import pyarrow as pa

from endcap.backends.db import Recorded
from endcap.backends.encoder.lexical import fit_lexical
from endcap.backends.tables import INTERACTIONS
from endcap.domain.catalog import SINCE_EVER, Change
from endcap.domain.events import Kind
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY
from endcap.training import Corpus

START = 1_700_000_000_000 // DAY * DAY


def aisles(seed: int, shoppers: int = 120, secret: bytes = b"a") -> Corpus:
    """The corpus of `seed`; `secret` decides the shoppers' keys and nothing else."""
    generator = np.random.Generator(np.random.Philox(seed))
    rows: list[tuple[int, int, Kind, int]] = []
    for shopper in range(shoppers):
        for _ in range(generator.integers(1, 5)):
            aisle, time = generator.integers(4), START + int(generator.integers(40 * DAY))
            for item in (aisle * 15 + generator.integers(0, 15, generator.integers(2, 7)) ** 2 // 15).tolist():
                time += int(generator.integers(20_000, 200_000))
                rows.append((shopper, time, Kind.VIEW, item))
                if generator.random() < 0.3:
                    rows.append((shopper, time + 5_000, Kind.PURCHASE, item))
    rows.sort(key=lambda line: line[1])
    return corpus_of(rows, secret)


def corpus_of(rows: list[tuple[int, int, Kind, int]], secret: bytes = b"a") -> Corpus:
    """The corpus of lines (shopper, time, kind, item), in the order of the log, over the 60 items of `aisles`."""
    shoppers = max(line[0] for line in rows) + 1
    keys = [hashlib.blake2b(f"{shopper}".encode(), key=secret, digest_size=16).digest() for shopper in range(shoppers)]
    words = ("oak", "ash", "elm", "fir")
    changes = [
        Change(item, SINCE_EVER, listed=True, price=500 + 40 * item, brand=f"brand {item % 5}",
               category=("Shop", words[item // 15]), text={"title": f"{words[item // 15]} chair number {item}"})
        for item in range(60)
    ]  # fmt: skip
    none = [""] * len(rows)
    table = pa.table(
        {
            "offset": np.arange(1, len(rows) + 1) + 60,
            "line": np.zeros(len(rows), np.int32),
            "time": [line[1] for line in rows],
            "shopper": pa.array([keys[line[0]] for line in rows], pa.binary(16)),
            "guest": [False] * len(rows),
            "bot": [False] * len(rows),
            "session": np.zeros(len(rows), np.int64),
            "basket": np.zeros(len(rows), np.int64),
            "kind": pa.array([int(line[2]) for line in rows], pa.uint8()),
            "row": pa.array([line[3] for line in rows], pa.int32()),
            "quantity": np.ones(len(rows), np.int32),
            "price": np.full(len(rows), -1),
            "region": pa.array(["north" if line[0] % 3 else "south" for line in rows]).dictionary_encode(),
            "placement": pa.array(none).dictionary_encode(),
            "recommendation_id": none,
            **{name: pa.array(none).dictionary_encode() for name in ("device", "referrer", "terms")},
            **{name: np.zeros(len(rows), np.uint8) for name in ("dwell", "scrolled")},
        },
        schema=INTERACTIONS,
    )
    recorded = tuple(Recorded(offset, change) for offset, change in enumerate(changes, 1))
    return Corpus(
        table, recorded, tuple(ItemKey("item", f"i{item}") for item in range(60)), 60 + len(rows), fit_lexical
    )
