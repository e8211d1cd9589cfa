"""The demo shop as files, each with its mapping, and the people in it worth showing."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import polars as pl

from endcap.simulation.catalog import Period, catalog
from endcap.simulation.sessions import events

ITEMS = 3000
SHOPPERS = 3200


class Guest(NamedTuple):
    """Somebody to recommend to: one of the two ids is given, the other empty."""

    label: str
    visitor_id: str = ""
    user_id: str = ""


class Written(NamedTuple):
    """Where the files stand, how many rows they have, and whom to show."""

    catalog: Path
    catalog_mapping: Path
    events: Path
    events_mapping: Path
    items: int
    lines: int
    guests: tuple[Guest, ...]


def write_shop(directory: Path, seed: int, end: date) -> Written:
    """Write `catalog.csv`, `events.parquet` and their mappings; the history ends as the day `end` begins (UTC)."""
    period = Period(datetime.combine(end, time.min, UTC))
    feed = catalog(seed, ITEMS, period)
    lines = events(seed, feed, SHOPPERS, period)
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("catalog.toml", "events.toml"):
        (directory / name).write_bytes((resources.files("endcap.simulation") / name).read_bytes())
    feed.write_csv(directory / "catalog.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    lines.write_parquet(directory / "events.parquet")
    return Written(
        catalog=directory / "catalog.csv",
        catalog_mapping=directory / "catalog.toml",
        events=directory / "events.parquet",
        events_mapping=directory / "events.toml",
        items=feed.height,
        lines=lines.height,
        guests=showcase(feed, lines),
    )


def showcase(feed: pl.DataFrame, lines: pl.DataFrame) -> tuple[Guest, ...]:
    """Three people whose lists tell something: a visitor who likes the outdoors, a parent, a newcomer."""
    path = pl.col("product_type")
    people = (
        lines.join(feed.select(pl.col("id").alias("item_id"), path), on="item_id")
        .group_by("visitor_id")
        .agg(
            user_id=pl.col("user_id").max(),
            lines=pl.len(),
            visits=pl.col("session_id").filter(pl.col("session_id") != "").n_unique(),
            bought=(pl.col("event") == "purchase").sum(),
            leaves=path.n_unique(),
            outdoor=path.str.contains("^Outdoor > (?:Camping|Hiking)").mean(),
            kids=path.str.starts_with("Kids").mean(),
            last=pl.col("time").max(),
        )
        .sort("last", "visitor_id", descending=True)
    )
    regular = people.filter(
        pl.col("lines").is_between(12, 40), pl.col("visits") >= 3, pl.col("bought") > 0, pl.col("leaves") >= 3
    )
    outdoor = regular.filter(pl.col("user_id") == "", pl.col("outdoor") > 0.8)
    parent = regular.filter(pl.col("user_id") != "", pl.col("kids") > 0.8)
    newcomer = people.filter(pl.col("user_id") == "", pl.col("lines") == 1)
    return tuple(
        Guest(label, "" if row["user_id"] else row["visitor_id"], row["user_id"])
        for label, found in _labelled(outdoor, parent, newcomer)
        for row in found.head(1).iter_rows(named=True)
    )


def _labelled(*found: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    labels = ("A visitor who likes the outdoors", "A customer with children", "A newcomer who has seen one product")
    return zip(labels, found, strict=True)
