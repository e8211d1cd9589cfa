"""Draw a large data set from Diginetica: its session lengths, its item popularity, its neighbourhoods.

    python bench/quality/synthetic.py --interactions 10000000 --items 100000 --out .bench/quality/synthetic

A session is a real one, moved as a whole into one of several copies of the item space, so that items keep neighbours;
then some of its clicks are exchanged for popular items and some swapped with the next. The same seed gives the same
bytes. Only the latest sessions are marked as test, enough to show that what was learned can be asked.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import Ints
from convert import OUT, SHARED

SEED: Final = 11
STRANGE: Final = 0.1
"""The share of clicks exchanged for an item drawn by popularity."""
SWAPPED: Final = 0.1
"""The share of clicks that change places with the next one."""
TEST_SESSIONS: Final = 100


def draw(sessions: pl.DataFrame, interactions: int, items: int) -> pl.DataFrame:
    """About `interactions` clicks on at most `items` items: session_id, item_id, order, split."""
    generator = np.random.Generator(np.random.Philox(SEED))
    lengths = sessions["items"].list.len().cast(pl.Int64).to_numpy()
    starts, clicks = np.cumsum(lengths) - lengths, sessions["items"].explode().cast(pl.Int64).to_numpy()
    popularity = np.bincount(clicks)
    chosen = generator.integers(0, len(lengths), round(interactions / lengths.mean()))
    length = lengths[chosen]
    begin = np.cumsum(length) - length
    order = np.arange(length.sum()) - np.repeat(begin, length)
    item = clicks[np.repeat(starts[chosen], length) + order]
    strange = generator.random(len(item)) < STRANGE
    item[strange] = generator.choice(len(popularity), int(strange.sum()), p=popularity / popularity.sum())
    swap = np.flatnonzero((generator.random(len(item)) < SWAPPED)[:-1] & (order[1:] > 0))
    swap = swap[np.diff(swap, prepend=-2) > 1]
    item[swap], item[swap + 1] = item[swap + 1], item[swap]
    place = np.repeat(generator.random(len(length)), length)
    session = np.repeat(np.arange(len(length)), length)
    return pl.DataFrame(
        {
            "session_id": pl.Series(session).cast(pl.String),
            "item_id": pl.Series(_copies(item, place, popularity, items)).cast(pl.String),
            "order": order.astype(np.int32),
            "split": np.where(session >= len(length) - TEST_SESSIONS, "test", "train"),
        }
    )


def _copies(item: Ints, place: NDArray[np.float64], popularity: Ints, items: int) -> Ints:
    """Every item's copy at `place` [0, 1) of its copies; the popular have one more, which makes `items` in all.

    Where there are fewer than known items, the rare ones share a copy with the next.
    """
    known = np.flatnonzero(popularity)
    copies = np.zeros(len(popularity), np.int64)
    copies[known] = items // len(known)
    copies[known[np.argsort(-popularity[known], kind="stable")][: items % len(known)]] += 1
    first = np.cumsum(copies) - copies
    copy: Ints = first[item] + (place * copies[item]).astype(np.int64)
    return np.minimum(copy, items - 1)


def write(out: Path, shared: Path, interactions: int, items: int) -> Path:
    """`events.parquet` under `out`."""
    sessions = pl.read_parquet(shared / "diginetica" / "sessions.parquet").sort("session_idx")
    out.mkdir(parents=True, exist_ok=True)
    draw(sessions, interactions, items).write_parquet(out / "events.parquet", compression="zstd")
    return out


def main() -> None:
    """Write the data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=OUT / "synthetic")
    parser.add_argument("--shared", type=Path, default=SHARED, help="the public data sets (%(default)s)")
    given = parser.parse_args()
    print(write(given.out, given.shared, given.interactions, given.items))


if __name__ == "__main__":
    main()
