"""Rows and ids in both directions, for one process that serves and gives rows to items first heard of in events."""

from collections.abc import Iterable, Sequence

from endcap.backends.log import Entry
from endcap.domain.catalog import Assignment
from endcap.domain.ids import ItemKey
from endcap.ingest.rows import Directory, assignment_entry


class RowBook:
    """All rows. What was assigned here stays `unlogged` until its log entry is durable, and precedes any use of it.

    >>> book = RowBook([ItemKey("item", "A")])
    >>> book.ensure(ItemKey("item", "B")), book.key(1).id, len(book.unlogged(at=0))
    (1, 'B', 1)
    """

    def __init__(self, keys: Sequence[ItemKey]) -> None:
        self._keys = list(keys)
        self._directory = Directory(keys)
        self._unlogged: list[Assignment] = []

    def find(self, key: ItemKey) -> int | None:
        """The row of `key`, None where it has none."""
        return self._directory.row(key)

    def key(self, row: int) -> ItemKey:
        """What `row` stands for."""
        return self._keys[row]

    def keys(self) -> Sequence[ItemKey]:
        """One key a row."""
        return self._keys

    def ensure(self, key: ItemKey) -> int:
        """The row of `key`, a new one where it has none."""
        row = self._directory.row(key)
        if row is None:
            planned = self._directory.plan([key])
            self._directory.adopt(planned)
            self._keys.append(key)
            self._unlogged += planned
            row = planned[0].row
        return row

    def unlogged(self, at: int) -> list[Entry]:
        """The log entries of all rows whose entry is not durable yet; one that is twice in the log counts once."""
        return [assignment_entry(assignment, at) for assignment in self._unlogged]

    def logged(self, entries: Iterable[Entry]) -> None:
        """`entries` of `unlogged` are durable now."""
        durable = {entry.key for entry in entries}
        self._unlogged = [each for each in self._unlogged if assignment_entry(each, 0).key not in durable]
