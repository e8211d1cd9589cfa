"""The catalog as a relational projection of the log: rows and the history of their changes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKey


class Recorded(NamedTuple):
    """A change at its log offset."""

    offset: int
    change: Change


class Catalog(Protocol):
    """Rows are permanent: an assignment is never altered, a change never deleted."""

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Store `assignments`; one that stands already is ignored.

        Raises: BackendUnavailable where a row has another key, or a key another row.
        """

    def record(self, changes: Sequence[Recorded]) -> None:
        """Store `changes`; an offset that stands already is ignored."""

    def keys(self) -> list[ItemKey]:
        """The key of every row, at the index of its row."""

    def changes(self, before: int | None = None) -> Iterator[Recorded]:
        """All changes with `at` below `before` (all, if None), in log order, streamed."""

    def close(self) -> None:
        """Release the connection pool."""
