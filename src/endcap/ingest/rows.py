"""The directory of rows: which permanent row stands for an item or a group. Assignments become log records."""

import hashlib
from collections.abc import Iterable

from endcap.backends.log import Entry, bodies
from endcap.domain.catalog import Assignment
from endcap.domain.ids import ItemKey


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
        self._rows = {key: row for row, key in enumerate(keys)}

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, key: ItemKey) -> int | None:
        """The row of `key`, None where it has none yet."""
        return self._rows.get(key)

    def plan(self, keys: Iterable[ItemKey]) -> list[Assignment]:
        """Assignments for those of `keys` that have no row, in their order; valid until the next `adopt`."""
        fresh = dict.fromkeys(key for key in keys if key not in self._rows)
        return [Assignment(row, key) for row, key in enumerate(fresh, len(self._rows))]

    def adopt(self, assignments: Iterable[Assignment]) -> None:
        """Take in assignments that stand in the log."""
        self._rows.update((assignment.key, assignment.row) for assignment in assignments)


def assignment_entry(assignment: Assignment, at: int) -> Entry:
    """What is appended for `assignment` at `at`; a second one of the same key is a duplicate."""
    kind, item = assignment.key
    key = hashlib.blake2b(f"row:{kind}:{item}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return Entry("row", key, b"", at, bodies.pack(assignment), bodies.FORMAT)
