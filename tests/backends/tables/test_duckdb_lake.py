from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from endcap.backends.tables import INTERACTIONS, Window
from endcap.backends.tables.duckdb_lake import DuckLake
from endcap.domain.instants import DAY
from endcap.errors import BackendUnavailable


def lines(offsets: range, day: int = 0) -> pa.Table:
    rows = [
        {
            "offset": offset, "line": 0, "time": (day + offset % 2) * DAY, "shopper": bytes(16), "guest": False,
            "bot": False, "session": 0, "basket": 0, "kind": 1, "row": 1, "quantity": 1, "price": 1, "region": "",
            "placement": "", "recommendation_id": "", "device": "", "referrer": "", "terms": "", "dwell": 0,
            "scrolled": 0,
        }
        for offset in offsets
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=INTERACTIONS)


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.*"))


def test_files_stand_by_day_and_range_and_carry_the_format(tmp_path: Path) -> None:
    DuckLake(tmp_path).write(lines(range(1, 5), day=15_248), 1, 4)
    assert names(tmp_path) == [
        "interactions/day=2011-10-01/1-4.parquet",
        "interactions/day=2011-10-02/1-4.parquet",
    ]
    file = pq.ParquetFile(tmp_path / "interactions/day=2011-10-01/1-4.parquet")
    assert file.schema_arrow.metadata[b"endcap.format"] == b"3"
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_crash_between_the_files_of_a_range_leaves_nothing_twice(tmp_path: Path) -> None:
    """One file was renamed, the other was half written under its unfinished name."""
    written = lines(range(1, 9))
    DuckLake(tmp_path).write(written, 1, 8)
    lost = tmp_path / "interactions/day=1970-01-02/1-8.parquet"
    lost.rename(lost.with_name(lost.name + ".unfinished"))
    lost.with_name("1-5.parquet.unfinished").write_bytes(b"PAR1")
    lake = DuckLake(tmp_path)
    assert lake.interactions(Window()).num_rows == 4
    lake.write(written, 1, 8)
    assert lake.interactions(Window()).to_pylist() == written.to_pylist()
    assert len(names(tmp_path)) == 2


def test_a_range_that_begins_before_and_reaches_in_is_of_another_log(tmp_path: Path) -> None:
    lake = DuckLake(tmp_path)
    lake.write(lines(range(1, 9)), 1, 8)
    with pytest.raises(
        BackendUnavailable, match=r"holds records 1 to 8, so 5 to 10 cannot be added.*remove the folder"
    ):
        lake.write(lines(range(5, 11)), 5, 10)
    assert lake.interactions(Window()).num_rows == 8


@pytest.mark.parametrize("metadata", [{b"endcap.format": b"4"}, None])
def test_a_file_of_another_format_is_refused_with_the_remedy(
    tmp_path: Path, metadata: dict[bytes, bytes] | None
) -> None:
    DuckLake(tmp_path).write(lines(range(1, 3)), 1, 2)
    path = tmp_path / "interactions/day=1970-01-01/1-2.parquet"
    pq.write_table(lines(range(2, 3)).replace_schema_metadata(metadata), path)
    with pytest.raises(BackendUnavailable, match=r"has format (4|unknown), this release reads formats 1 and 2 and 3"):
        DuckLake(tmp_path).interactions(Window())
    assert DuckLake(tmp_path).interactions(Window(DAY)).num_rows == 1


@pytest.mark.parametrize("damage", ["truncated", "not parquet", "bytes flipped"])
def test_a_damaged_file_is_an_error_that_names_the_remedy(tmp_path: Path, damage: str) -> None:
    DuckLake(tmp_path).write(lines(range(1, 2_000)), 1, 2_000)
    path = tmp_path / "interactions/day=1970-01-01/1-2000.parquet"
    content = path.read_bytes()
    flipped = bytes(byte ^ 0xFF for byte in content[4 : len(content) // 2])
    planted = {
        "truncated": content[:100],
        "not parquet": b"x" * 500,
        "bytes flipped": b"PAR1" + flipped + content[4 + len(flipped) :],
    }
    path.write_bytes(planted[damage])
    with pytest.raises(BackendUnavailable, match="rebuilt from the log"):
        DuckLake(tmp_path).interactions(Window())


def test_files_with_other_names_are_no_part_of_the_lake(tmp_path: Path) -> None:
    lake = DuckLake(tmp_path)
    lake.write(lines(range(1, 3)), 1, 2)
    folder = tmp_path / "interactions/day=1970-01-01"
    (folder / "copy of 1-2.parquet").write_bytes((folder / "1-2.parquet").read_bytes())
    assert DuckLake(tmp_path).interactions(Window()).num_rows == 2


def test_files_of_the_format_before_are_read_as_without_bots(tmp_path: Path) -> None:
    lake = DuckLake(tmp_path)
    lake.write(lines(range(1, 5)), 1, 4)
    wanted = lake.interactions(Window()).to_pylist()
    for path in tmp_path.rglob("*.parquet"):
        former = pq.read_table(path).drop_columns(["bot"])
        pq.write_table(former.replace_schema_metadata({b"endcap.format": b"1"}), path)
        assert DuckLake(tmp_path).interactions(Window()).to_pylist() == wanted
