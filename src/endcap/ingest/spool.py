"""A file's fitting rows put aside on disk until all of it is read, so that nothing of a refused file is written.

Knows rows with an id and a number. Does not know what else they hold, nor the log.
"""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple, Self

import polars as pl

from endcap.ingest.binding import ROW

_NAME: Final = "reading-"


class Repeated(NamedTuple):
    """A row whose item stands again further down: its number, the id, and the number of the last row, which counts."""

    number: int
    id: str
    last: int


class Spool:
    """Frames with the columns `id` and `ROW`, in a folder of their own that goes when the spool is left.

    One that a killed import left goes when the next begins: a shop has one import at a time.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_NAME}*"):
            rmtree(left, ignore_errors=True)
        self._folder = TemporaryDirectory(prefix=_NAME, dir=folder)
        self._files: list[Path] = []
        self._ids: list[pl.DataFrame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, frame: pl.DataFrame) -> None:
        """Put some rows aside."""
        path = Path(self._folder.name) / f"{len(self._files)}.arrow"
        frame.write_ipc(path, compression="lz4")
        self._files.append(path)
        self._ids.append(frame.select("id", ROW))

    def ids(self) -> pl.DataFrame:
        """`id` and `ROW` of all rows, in order."""
        return pl.concat(self._ids) if self._ids else pl.DataFrame(schema={"id": pl.String, ROW: pl.Int64})

    def repeated(self) -> list[Repeated]:
        """The rows that do not count, because their id comes again later."""
        ids = self.ids()
        if ids["id"].n_unique() == len(ids):
            return []
        last = pl.col(ROW).max().over("id")
        earlier = ids.with_columns(last=last).filter(pl.col(ROW) != pl.col("last")).select(ROW, "id", "last")
        return [Repeated(*row) for row in earlier.iter_rows()]

    def frames(self, without: list[Repeated]) -> Iterator[pl.DataFrame]:
        """All rows again, as they were added, but for those of `without`."""
        left = pl.Series([each.number for each in without], dtype=pl.Int64)
        for path in self._files:
            frame = pl.read_ipc(path)
            yield frame.filter(~pl.col(ROW).is_in(left.implode())) if len(left) else frame
