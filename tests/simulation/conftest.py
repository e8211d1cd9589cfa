"""One demo shop for all tests of the simulation: the one that `make demo` makes."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from endcap.simulation.catalog import Period, catalog

PERIOD = Period(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def period() -> Period:
    return PERIOD


@pytest.fixture(scope="session")
def feed() -> pl.DataFrame:
    return catalog(1, 3000, PERIOD)


@pytest.fixture(scope="session")
def lines(demo: Path) -> pl.DataFrame:
    return pl.read_parquet(demo / "events.parquet")
