"""One demo shop for all tests of the simulation: the one that `make demo` makes."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from endcap.simulation import World, open_world
from endcap.simulation.catalog import Period
from endcap.simulation.shop import DEMO

PERIOD = Period(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def period() -> Period:
    return PERIOD


@pytest.fixture(scope="session")
def world() -> World:
    return open_world(1, DEMO.items, PERIOD)


@pytest.fixture(scope="session")
def feed(demo: Path) -> pl.DataFrame:
    return pl.read_csv(demo / "catalog.csv", try_parse_dates=True).with_columns(
        pl.col("time").dt.replace_time_zone("UTC"), pl.col("id", "item_group_id").cast(pl.String).fill_null("")
    )


@pytest.fixture(scope="session")
def lines(demo: Path) -> pl.DataFrame:
    return pl.read_parquet(demo / "events.parquet")
