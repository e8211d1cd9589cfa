"""The lists of an evaluation, best items only, and their Parquet file."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from endcap.domain.arrays import Floats, Ints, Rows
from endcap.domain.ids import ItemKey

BEST: Final = 100

SCHEMA: Final = pa.schema(
    [("case_id", pa.string()), ("rank", pa.int32()), ("item_id", pa.string()), ("score", pa.float32())]
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """At most 100 items a case: `rows` int32 and `scores` float32, case after case; `counts` int64 [cases] of each."""

    cases: tuple[str, ...]
    counts: Ints
    rows: Rows
    scores: Floats

    def renamed(self, named: Callable[[str], str]) -> "Predictions":
        """The same lists under the names that `named` gives the cases."""
        return replace(self, cases=tuple(map(named, self.cases)))


class Collector:
    """Gathers predictions case by case, eight bytes an item."""

    def __init__(self) -> None:
        self._cases: list[str] = []
        self._counts = array("q")
        self._rows = array("i")
        self._scores = array("f")

    def add(self, case_id: str, rows: Rows, scores: Floats) -> None:
        """Keep the first 100 of one case's list."""
        best = rows[:BEST].astype(np.int32)
        self._cases.append(case_id)
        self._counts.append(len(best))
        self._rows.frombytes(best.tobytes())
        self._scores.frombytes(scores[:BEST].astype(np.float32).tobytes())

    def collected(self) -> Predictions:
        """All that was added, in its order."""
        return Predictions(
            tuple(self._cases),
            np.array(self._counts, np.int64),
            np.array(self._rows, np.int32),
            np.array(self._scores, np.float32),
        )


def write_predictions(predictions: Predictions, keys: Sequence[ItemKey], path: Path) -> None:
    """Write one line per case and rank to `path` (Parquet): case_id, rank from 1, item_id, score.

    `keys` are the merchant's ids by row. Cases stand in the order in which they were measured.
    """
    counts = predictions.counts
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(predictions.rows)) - np.repeat(starts, counts) + 1
    case = pa.array(predictions.cases, pa.string()).take(pa.array(np.repeat(np.arange(len(counts)), counts)))
    distinct, place = np.unique(predictions.rows, return_inverse=True)
    item = pa.array([keys[row].id for row in distinct.tolist()], pa.string()).take(pa.array(place))
    columns = [case, pa.array(rank, pa.int32()), item, pa.array(predictions.scores, pa.float32())]
    pq.write_table(pa.table(columns, schema=SCHEMA), path, compression="zstd")
