"""The directory of rows: which permanent row stands for an item or a group. Assignments become log records."""

import hashlib
from collections.abc import Iterable, Sequence

from endcap.backends.log import Entry, bodies
from endcap.domain.catalog import Assignment
from endcap.domain.ids import ItemKey, ItemKind


class Directory:
    """All rows assigned so far, from `Catalog.keys()` after the catalog has taken in the whole log.

    >>> directory = Directory([ItemKey("item", "85123A")])
    >>> planned = directory.plan([ItemKey("item", "85123A"), ItemKey("group", "85123A")])
    >>> planned
    [Assignment(row=1, key=ItemKey(kind='group', id='85123A'))]
    >>> directory.adopt(planned)
    >>> directory.row(ItemKey("group", "85123A"))
    1
    """

    def __init__(self, keys: Iterable[ItemKey]) -> None:
        self._rows: dict[ItemKind, dict[str, int]] = {"item": {}, "group": {}}
        for row, (kind, item) in enumerate(keys):
            self._rows[kind][item] = row

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def row(self, key: ItemKey) -> int | None:
        """The row of `key`, None where it has none yet."""
        kind, item = key
        return self._rows[kind].get(item)

    def rows(self, kind: ItemKind, ids: Sequence[str]) -> list[int | None]:
        """The row of each of `ids`, None where it has none yet."""
        return list(map(self._rows[kind].get, ids))

    def ensure(self, kind: ItemKind, ids: Sequence[str]) -> tuple[list[int | None], list[Assignment]]:
        """The row of each of `ids`, and the assignments of those that had none, which are adopted."""
        found = self.rows(kind, ids)
        if None not in found:
            return found, []
        planned = self.plan(ItemKey(kind, each) for each, row in zip(ids, found, strict=True) if row is None)
        self.adopt(planned)
        return self.rows(kind, ids), planned

    def plan(self, keys: Iterable[ItemKey]) -> list[Assignment]:
        """Assignments for those of `keys` that have no row, in their order; valid until the next `adopt`."""
        fresh = dict.fromkeys(key for key in keys if self.row(key) is None)
        return [Assignment(row, key) for row, key in enumerate(fresh, len(self))]

    def adopt(self, assignments: Iterable[Assignment]) -> None:
        """Take in assignments that stand in the log."""
        for row, (kind, item) in ((each.row, each.key) for each in assignments):
            self._rows[kind][item] = row


def assignment_entry(assignment: Assignment, at: int, key: bytes = b"") -> Entry:
    """What is appended for `assignment` at `at`; whoever may append it again gives it its `assignment_key`."""
    return Entry("row", key, b"", at, bodies.pack(assignment), bodies.FORMAT)


def assignment_key(assignment: Assignment) -> bytes:
    """The dedupe key of `assignment`, by which a second one of the same item or group is a duplicate."""
    kind, item = assignment.key
    return hashlib.blake2b(f"row:{kind}:{item}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


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
        return [assignment_entry(assignment, at, assignment_key(assignment)) for assignment in self._unlogged]

    def logged(self, entries: Iterable[Entry]) -> None:
        """`entries` of `unlogged` are durable now."""
        durable = {entry.key for entry in entries}
        self._unlogged = [each for each in self._unlogged if assignment_key(each) not in durable]
