"""Named scans over the lake: Parquet files partitioned by day."""

from collections.abc import Collection
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

INTERACTIONS: Final = pa.schema(
    [
        ("offset", pa.int64()),
        ("line", pa.int32()),
        ("time", pa.int64()),
        ("shopper", pa.binary(16)),
        ("guest", pa.bool_()),
        ("bot", pa.bool_()),
        ("session", pa.int64()),
        ("basket", pa.int64()),
        ("kind", pa.uint8()),
        ("row", pa.int32()),
        ("quantity", pa.int32()),
        ("price", pa.int64()),
        ("region", pa.dictionary(pa.int32(), pa.string())),
        ("placement", pa.dictionary(pa.int32(), pa.string())),
        ("recommendation_id", pa.string()),
        ("device", pa.dictionary(pa.int32(), pa.string())),
        ("referrer", pa.dictionary(pa.int32(), pa.string())),
        ("terms", pa.dictionary(pa.int32(), pa.string())),
        ("dwell", pa.uint16()),
        ("scrolled", pa.uint8()),
    ],
    metadata={b"endcap.format": b"3"},
)
"""One row per line of an event: times in ms UTC, price in minor units (-1 unknown), session and basket 0 where none.

The last five are as in `domain.Event`."""


class Window(NamedTuple):
    """Event times in [start, end), ms UTC; None is open."""

    start: int | None = None
    end: int | None = None


class Tables(Protocol):
    """Scans and the one writer of the lake."""

    def write(self, interactions: pa.Table, first: int, last: int) -> None:
        """Add the lines of the log records `first`..`last` (schema INTERACTIONS).

        The same range again changes nothing; a stored range that begins inside it is replaced.
        """

    def forget(self, people: Collection[bytes], until: int) -> int:
        """Remove for good the lines about `people` of log records up to `until`; how many there were.

        Whoever reads meanwhile finds a file as it was or as it is.
        """

    def interactions(self, window: Window) -> pa.Table:
        """All lines in `window` (schema INTERACTIONS), by offset and line."""
