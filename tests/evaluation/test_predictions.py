from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from endcap.domain.ids import ItemKey
from endcap.evaluation import Evaluation, write_predictions
from endcap.evaluation.predictions import Collector

KEYS = (ItemKey("item", "mug"), ItemKey("item", "lamp"))


def test_the_file_has_one_line_per_case_and_rank(evaluation: Evaluation, tmp_path: Path) -> None:
    write_predictions(evaluation.predictions, KEYS, tmp_path / "lists.parquet")

    written = pq.read_table(tmp_path / "lists.parquet")
    assert written.to_pylist() == [
        {"case_id": "ab", "rank": 1, "item_id": "lamp", "score": 0.5},
        {"case_id": "ab", "rank": 2, "item_id": "mug", "score": 0.25},
        {"case_id": "ef", "rank": 1, "item_id": "lamp", "score": 0.125},
    ]
    assert written.schema.types == [pa.string(), pa.int32(), pa.string(), pa.float32()]


def test_the_same_lists_give_the_same_file(evaluation: Evaluation, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_predictions(evaluation.predictions, KEYS, tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_no_case_at_all_still_gives_a_file_that_can_be_read(tmp_path: Path) -> None:
    write_predictions(Collector().collected(), KEYS, tmp_path / "none.parquet")

    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_only_the_hundred_best_of_a_case_are_kept() -> None:
    collector = Collector()
    collector.add("long", np.arange(500, dtype=np.int32), np.arange(500, 0, -1).astype(np.float32))
    collector.add("short", np.arange(3, dtype=np.int32), np.ones(3, np.float32))

    kept = collector.collected()

    assert kept.counts.tolist() == [100, 3]
    assert kept.rows.tolist() == [*range(100), 0, 1, 2]
    assert kept.scores[0] == 500
