"""The acts of a simulated shop's people as an events export: a line an event and item, by time, in one Parquet file."""

import shutil
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path
from typing import Final

import polars as pl

from endcap.simulation.visits import Line
from endcap.simulation.world import World

_AT_ONCE: Final = 200_000
"""Lines held in memory before they are written."""
_ORDER: Final = "time, event_id, position, item_id"


def write_events(world: World, lines: int, path: Path, report: Callable[[int, int], None]) -> tuple[int, int]:
    """Write what people do, one whole person after another until there are `lines` lines or more.

    Returns how many lines and people there are.

    Columns: event (GA4 name), event_id, time (UTC), visitor_id, user_id (empty without log-in), session_id (empty for
    refunds), item_id, quantity, price (EUR a piece), transaction_id, region, device, referrer, search_term, position
    (from 1; 0 outside of lists), engagement (seconds), scrolled (per cent). `report` is told how many are drawn, of
    how many.
    """
    import duckdb  # noqa: PLC0415 - for this alone, and half a second

    parts = path.with_suffix(".parts")
    parts.mkdir(parents=True)
    try:
        written = people = 0
        for so_far, some in _drawn(world, lines):
            _table(some).write_parquet(parts / f"{so_far:09}.parquet")
            written, people = written + len(some), so_far
            report(min(written, lines), lines)
        with duckdb.connect(config={"threads": 1, "memory_limit": "1500MB", "temp_directory": str(parts)}) as sorter:
            drawn = sorter.read_parquet(f"{escape(str(parts))}/*.parquet")
            drawn.order(_ORDER).write_parquet(str(path), compression="zstd")
    finally:
        shutil.rmtree(parts)
    return written, people


def _drawn(world: World, lines: int) -> Iterator[tuple[int, list[Line]]]:
    """Some more lines, and before them how many people have left lines up to their end."""
    some: list[Line] = []
    number = drawn = 0
    while drawn < lines:
        acts = world.history(number)
        number, drawn = number + 1, drawn + len(acts)
        some += acts
        if len(some) >= _AT_ONCE:
            yield number, some
            some = []
    if some:
        yield number, some


def _table(lines: list[Line]) -> pl.DataFrame:
    table = pl.DataFrame(lines, schema=list(Line._fields), orient="row", infer_schema_length=None)
    small = pl.col("quantity", "position", "engagement", "scrolled").cast(pl.Int32)
    return table.with_columns(small, pl.col("price") / 100, pl.col("time").cast(pl.Datetime("ms", "UTC")))
