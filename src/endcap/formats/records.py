"""Files whose rows are records of names and texts, such as XML and JSON: the same interface as a table's.

Knows records, not which format they come from. Each format gives its records one by one, so memory stays bounded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from endcap.formats import Batch
from endcap.formats.sources import Source

BATCH: Final = 1 << 14

MAX_RECORD: Final = 16 << 20
"""Bytes of one record; a longer one is refused, for it is read whole."""


class Torn(NamedTuple):
    """A record that cannot be read, and why."""

    reason: str


Record: TypeAlias = Mapping[str, str | None] | Torn


@dataclass(frozen=True, slots=True)
class RecordFile:
    """One open file of records; `schema` names what they may hold, all of it text; `read` gives them in order.

    `met` collects, while `batches` reads, the names that any record has: of the others the file tells nothing.
    """

    source: Source
    schema: dict[str, pl.DataType]
    read: Callable[[Source], Iterator[Record]]
    rows: int | None = None
    torn: list[tuple[int, str]] = field(default_factory=list)
    met: set[str] = field(default_factory=set)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.source.path

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names met that mean nothing here."""
        return tuple(sorted(self.met - self.schema.keys()))

    def digest(self) -> str:
        """16 hexadecimal digits that name the content."""
        return self.source.digest()

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """`columns` of all records, in order; what a record lacks is NULL. Raises InvalidFeed as `read` does."""
        numbered = enumerate(self.read(self.source), 1)
        while some := list(islice(numbered, BATCH)):
            whole = [(number, record) for number, record in some if not isinstance(record, Torn)]
            self.torn.extend((number, record.reason) for number, record in some if isinstance(record, Torn))
            self.met.update(*(record for _, record in whole))
            try:
                frame = _frame([record for _, record in whole], columns)
            except UnicodeEncodeError:
                whole = [(number, record) for number, record in whole if self._is_text(number, record)]
                frame = _frame([record for _, record in whole], columns)
            if whole:
                yield Batch(np.array([number for number, _ in whole], np.int64), frame)

    def _is_text(self, number: int, record: Mapping[str, str | None]) -> bool:
        try:
            "".join(filter(None, record.values())).encode()
        except UnicodeEncodeError:
            self.torn.append((number, "holds half a surrogate pair, which is no character"))
            return False
        return True


def _frame(records: list[Mapping[str, str | None]], columns: Sequence[str]) -> pl.DataFrame:
    met = set[str]().union(*records) if records else set()
    series = [
        pl.Series(name, [record.get(name) for record in records], pl.String)
        if name in met
        else pl.repeat(None, len(records), dtype=pl.String, eager=True).alias(name)
        for name in columns
    ]
    return pl.DataFrame(series)
