"""Files as batches: rows are numbered as a person counts them, and what cannot be read is said."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.domain.occurrences import Occurrences
from endcap.errors import InvalidFeed
from endcap.formats.files import open_table

Write = Callable[[str, str], Path]


def test_a_csv_is_text_and_torn_rows_keep_their_numbers(written: Write) -> None:
    table = open_table(written("a.csv", '\ufeffid;note\n1;"two\nlines"\n2\n3;\n4;x;y\n05;z\n'), ";")
    assert table.schema == {"id": pl.String(), "note": pl.String()}
    (batch,) = table.batches(["note", "id"])
    assert batch.numbers.tolist() == [1, 3, 5]
    assert batch.frame.select("id", "note").rows() == [("1", "two\nlines"), ("3", None), ("05", "z")]
    assert [number for number, _ in table.torn] == [2, 4]


def test_a_parquet_file_tells_its_rows_and_gives_the_columns_asked_for(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [[1], [], [2]]}).write_parquet(tmp_path / "a.parquet")
    table = open_table(tmp_path / "a.parquet")
    assert (table.rows, list(table.schema)) == (3, ["a", "b", "c"])
    (batch,) = table.batches(["b"])
    assert (batch.numbers.tolist(), batch.frame.to_dict(as_series=False)) == ([1, 2, 3], {"b": ["x", None, "z"]})


def test_the_digest_names_the_content(written: Write) -> None:
    assert open_table(written("a.csv", "a\n1\n")).digest() == open_table(written("b.csv", "a\n1\n")).digest()
    assert open_table(written("a.csv", "a\n1\n")).digest() != open_table(written("b.csv", "a\n2\n")).digest()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"a,a\n1,2\n", "the column 'a' twice"), (b"PAR1 but no parquet", "is damaged")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InvalidFeed, match=says):
        open_table(tmp_path / "a")


def test_other_encodings_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("name\ncafé\n".encode("latin-1"))
    with pytest.raises(InvalidFeed, match="UTF-8"):
        list(open_table(tmp_path / "a.csv").batches(["name"]))


@given(st.lists(st.lists(st.integers(0, 6), max_size=12), max_size=8))
def test_occurrences_are_those_of_a_counter(batches: list[list[int]]) -> None:
    seen, counts = Occurrences(), dict.fromkeys(range(7), 0)
    for batch in batches:
        expected = []
        for value in batch:
            counts[value] += 1
            expected.append(counts[value])
        assert seen.number(np.array(batch, np.uint64)).tolist() == expected
