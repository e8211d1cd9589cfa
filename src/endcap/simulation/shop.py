"""A simulated shop as files, each with its mapping, and the people in it worth showing."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from endcap.errors import InvalidRequest
from endcap.simulation.catalog import Period, changes, feed
from endcap.simulation.effects import EVERY_EFFECT, Effects
from endcap.simulation.export import write_events
from endcap.simulation.world import World, open_world

WORLD: Final = "world.json"


class Size(NamedTuple):
    """How many items a shop sells, and how many lines of events its people leave, at the least."""

    items: int = 5_000
    lines: int = 300_000


DEMO: Final = Size()


class Guest(NamedTuple):
    """Somebody to recommend to: one of the two ids is given, the other empty."""

    label: str
    visitor_id: str = ""
    user_id: str = ""


class Written(NamedTuple):
    """Where the files stand, feeds in the order of import, and how many rows they have."""

    feeds: tuple[Path, ...]
    catalog_mapping: Path
    events: Path
    events_mapping: Path
    world: Path
    items: int
    lines: int


Report: TypeAlias = Callable[[int, int], None]
"""Is told how many of how many lines are drawn."""


def _untold(done: int, of: int) -> None:
    """Nobody is told how far it has come."""


def write_shop(  # noqa: PLR0913 - which shop, how large, and who wants to know
    directory: Path, seed: int, end: date, size: Size = DEMO, effects: Effects = EVERY_EFFECT, report: Report = _untold
) -> Written:
    """Write `catalog.csv`, `changes.csv`, `events.parquet` and their mappings; history ends as `end` begins (UTC).

    Where nothing changes there is no `changes.csv`; from `world.json` the world can be made again. The same arguments
    give the same bytes. `report` is told how many of the lines are drawn.
    """
    world = open_world(seed, size.items, Period(datetime.combine(end, time.min, UTC)), effects)
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("catalog.toml", "events.toml"):
        (directory / name).write_bytes((resources.files("endcap.simulation") / name).read_bytes())
    products = world.truth.stock.products
    tables = {"catalog.csv": feed(products), "changes.csv": changes(products, world.period)}
    feeds = {directory / name: table for name, table in tables.items() if len(table)}
    for path, table in feeds.items():
        table.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    written, people = write_events(world, size.lines, directory / "events.parquet", report)
    told = {"seed": seed, "items": size.items, "end": end.isoformat(), "people": people, "effects": asdict(effects)}
    (directory / WORLD).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return Written(
        feeds=tuple(feeds),
        catalog_mapping=directory / "catalog.toml",
        events=directory / "events.parquet",
        events_mapping=directory / "events.toml",
        world=directory / WORLD,
        items=size.items,
        lines=written,
    )


def read_world(path: Path) -> tuple[World, int]:
    """The world of a shop whose `world.json` is at `path`, and how many people of it left events.

    Raises: InvalidRequest.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        period = Period(datetime.combine(date.fromisoformat(told["end"]), time.min, UTC))
        return open_world(told["seed"], told["items"], period, Effects(**told["effects"])), told["people"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidRequest(
            f"{path} tells of no simulated shop ({error}); name the {WORLD} that `endcap simulate` wrote"
        ) from None


def showcase(directory: Path) -> tuple[Guest, ...]:
    """Three people of the shop written there whose lists tell something: an outdoor visitor, a parent, a newcomer."""
    path = pl.col("product_type")
    paths = pl.scan_csv(directory / "catalog.csv", infer_schema=False, glob=False).select(
        pl.col("id").alias("item_id"), path
    )
    acts = pl.scan_parquet(directory / "events.parquet", glob=False).filter(pl.col("event") != "view_item_list")
    people = (
        acts.join(paths, on="item_id")
        .group_by("visitor_id")
        .agg(
            user_id=pl.col("user_id").max(),
            lines=pl.len(),
            signed_in=(pl.col("user_id") != "").sum(),
            visits=pl.col("session_id").filter(pl.col("session_id") != "").n_unique(),
            bought=(pl.col("event") == "purchase").sum(),
            leaves=path.n_unique(),
            outdoor=path.str.contains("^Outdoor > (?:Camping|Hiking)").mean(),
            kids=path.str.starts_with("Kids").mean(),
            last=pl.col("time").max(),
        )
        .sort("last", "visitor_id", descending=True)
        .collect()
    )
    regular = people.filter(
        pl.col("lines").is_between(12, 40), pl.col("visits") >= 3, pl.col("bought") > 0, pl.col("leaves") >= 3
    )
    outdoor = regular.filter(pl.col("user_id") == "", pl.col("outdoor") > 0.8)
    parent = regular.filter(pl.col("signed_in") >= 10, pl.col("kids") > 0.8)
    newcomer = people.filter(pl.col("user_id") == "", pl.col("lines") == 1)
    return tuple(
        Guest(label, "" if row["user_id"] else row["visitor_id"], row["user_id"])
        for label, found in _labelled(outdoor, parent, newcomer)
        for row in found.head(1).iter_rows(named=True)
    )


def _labelled(*found: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    labels = ("A visitor who likes the outdoors", "A customer with children", "A newcomer who has seen one product")
    return zip(labels, found, strict=True)
