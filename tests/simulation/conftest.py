"""One demo shop for all tests of the simulation."""

from datetime import UTC, datetime

import polars as pl
import pytest

from endcap.simulation.catalog import Period, catalog
from endcap.simulation.sessions import events

PERIOD = Period(datetime(2026, 4, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def period() -> Period:
    return PERIOD


@pytest.fixture(scope="session")
def feed() -> pl.DataFrame:
    return catalog(7, 3000, PERIOD)


@pytest.fixture(scope="session")
def lines(feed: pl.DataFrame) -> pl.DataFrame:
    return events(7, feed, 4000, PERIOD)
