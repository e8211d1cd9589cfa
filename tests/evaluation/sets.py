"""Data sets that the code has never seen, one a protocol: odd ids, ties in time, lone events, one very long history."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

ITEMS: Final = [f"{odd} {number}" for number in range(30) for odd in ("ß/ü", "a:b;", "'q\" ", "№\n")]
"""120 ids; four kinds of 30 items each that go together."""
UNKNOWN: Final = [f"never before {number}" for number in range(40)]
SPLIT: Final = "2024-03-10"
DAY: Final = 86_400_000
START: Final = 1_704_067_200_000
"""2024-01-01."""
LONGEST: Final = 3_000


def _drawn(draw: np.random.Generator, kind: int, many: int) -> list[str]:
    """Mostly neighbours of one kind, in which what comes next is near."""
    at = int(draw.integers(30))
    items = []
    for _ in range(many):
        at = (at + int(draw.integers(1, 4))) % 30
        items.append(ITEMS[4 * at + (kind if draw.random() < 0.9 else int(draw.integers(4)))])
    return items


def sequences(key: str, units: int = 100, longest: int = LONGEST, seed: int = 1) -> pl.DataFrame:
    """A line an event of `units` sessions or shoppers with the column `key`: many of one event, one of `longest`.

    Times are full days, so that most are ties; 5 % of the last items stand nowhere else.
    """
    draw = np.random.Generator(np.random.Philox(seed))
    rows: list[dict[str, Any]] = []
    for number in range(units):
        many = longest if number == units // 2 else 1 if number % 7 == 0 else int(draw.integers(2, 12))
        items = _drawn(draw, number % 4, many)
        if number % 20 == 3:
            items[-1] = UNKNOWN[number % 40]
        day = number // 2
        for item in items:
            rows.append({key: f"{key} № {number}", "item_id": item, "time": START + day * DAY})
            day += int(draw.random() < 0.2)
    shuffled = draw.permutation(units)
    frame = pl.DataFrame(rows).with_columns(pl.from_epoch("time", time_unit="ms"))
    place = pl.col(key).replace_strict([f"{key} № {number}" for number in range(units)], shuffled)
    return frame.sort(place, maintain_order=True)


def orders(seed: int = 1) -> pl.DataFrame:
    """Orders of 90 shoppers, a third of them more than one a day, and of guests; times are full days."""
    draw = np.random.Generator(np.random.Philox(seed))
    rows: list[dict[str, Any]] = []
    for number in range(120):
        guest = number >= 90
        for _ in range(1 if guest else int(draw.integers(1, 6))):
            day, basket = int(draw.integers(0, 90)), f"order {len(rows)}"
            items = sorted(set(_drawn(draw, number % 4, int(draw.integers(1, 6)))))
            if day > 68 and draw.random() < 0.1:
                items.append(UNKNOWN[int(draw.integers(40))])
            rows += [
                {
                    "shopper_id": None if guest else f"shopper/{number}",
                    "session_id": f"visit {basket}",
                    "item_id": item,
                    "time": START + day * DAY,
                    "basket_id": basket,
                    "quantity": int(draw.integers(1, 4)),
                    "price": None if draw.random() < 0.1 else round(float(draw.random() * 20), 2),
                }
                for item in items
            ]
    return pl.DataFrame(rows).with_columns(pl.from_epoch("time", time_unit="ms"))


def catalog() -> pl.DataFrame:
    """Most items, with titles in which those of a kind share a word, and a list of attributes."""
    words = ("oak", "ash", "elm", "fir")
    rows = [
        {"id": item, "title": f"{words[place % 4]} chair {place // 12}", "attributes": [words[place % 4], "wood"]}
        for place, item in enumerate(ITEMS)
        if place % 9
    ]
    return pl.DataFrame(rows)


def candidates(frame: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """Ten random items for every second shopper of `frame`, the last item among them."""
    draw = np.random.Generator(np.random.Philox(seed))
    lists = []
    for place, (shopper, lines) in enumerate(frame.group_by("shopper_id", maintain_order=True)):
        others = [item for item in draw.choice(ITEMS, 10, replace=False).tolist() if item != lines["item_id"][-1]]
        if place % 2 == 0:
            lists.append({"case_id": shopper[0], "item_ids": [*others[:9], lines["item_id"][-1]]})
    return pl.DataFrame(lists)


def made(folder: Path, **files: pl.DataFrame) -> Path:
    """The directory with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in files.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


def with_other_items(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """`frame` with another item, known or never seen, in each of `rows`, which are numbers."""
    all_items = [*ITEMS, *UNKNOWN]
    others = pl.Series([all_items[7 * row % len(all_items)] for row in range(len(frame))])
    replaced = pl.int_range(pl.len()).is_in(rows.implode())
    return frame.with_columns(pl.when(replaced).then(others).otherwise("item_id").alias("item_id"))


def last_rows(frame: pl.DataFrame, key: str) -> pl.Series:
    """The number of the last row, by time and row, of every `key`."""
    numbered = frame.with_columns(row=pl.int_range(pl.len())).sort("time", "row")
    return numbered.group_by(key).agg(pl.col("row").last())["row"]
