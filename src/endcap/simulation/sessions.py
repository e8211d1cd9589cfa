"""The demo shop's events as an export: who came when. What happens on a visit is told in `visits`."""

from typing import Final

import numpy as np
import polars as pl
from numpy.random import Generator, Philox

from endcap.domain.instants import DAY, HOUR, millis
from endcap.simulation.catalog import Period
from endcap.simulation.range import Range, stocked
from endcap.simulation.shoppers import Shopper, population
from endcap.simulation.visits import Line, Memory, Visit

WEEK: Final = (1.05, 1.0, 0.95, 0.95, 0.85, 0.95, 1.25)
"""How busy the shop is from Monday to Sunday."""
HOURS: Final = (1, 0.5, 0.3, 0.2, 0.2, 0.5, 1.2, 2, 2.6, 3, 3.2, 3.2, 3.4, 3.2, 3, 3, 3.1, 3.4, 4, 5, 6, 6, 4.4, 2.4)
"""How busy it is from midnight on, UTC."""
APART: Final = 3 * HOUR
"""A person rests so long between two visits."""

_COLUMNS: Final = {
    "quantity": pl.Int32,
    "price": pl.Float64,
    "time": pl.Datetime("ms", "UTC"),
}


def events(seed: int, feed: pl.DataFrame, shoppers: int, period: Period) -> pl.DataFrame:
    """All that `shoppers` people do within `period` with the items of `feed`: a line an event and item, by time.

    Columns: event (GA4 name), time (UTC), visitor_id, user_id (empty without log-in), session_id (empty for refunds),
    item_id, quantity, price (EUR a unit), transaction_id, region.
    """
    rng = Generator(Philox([seed, 2]))
    stock = stocked(feed, rng)
    days = _days(period)
    lines = [
        line for shopper in population(shoppers, stock, rng) for line in _history(shopper, stock, days, period, rng)
    ]
    table = pl.DataFrame(lines, schema=list(Line._fields), orient="row", infer_schema_length=None)
    return table.cast(_COLUMNS).sort("time", maintain_order=True)  # type: ignore[arg-type]  # dict values vary


def _days(period: Period) -> np.ndarray:
    """The share of the visits that fall on each day: a week's rhythm, and a shop that grows by a fifth."""
    weekdays = (period.start.weekday() + np.arange(period.days)) % 7
    busy = np.array(WEEK)[weekdays] * np.linspace(1, 1.2, period.days)
    return np.asarray(busy / busy.sum())


def _history(shopper: Shopper, stock: Range, days: np.ndarray, period: Period, rng: Generator) -> list[Line]:
    """The lines of one person, visits and refills in order of time."""
    memory = Memory()
    lines: list[Line] = []
    free, end = 0, millis(period.end)
    planned = _arrivals(shopper.visits, days, period, rng)
    while planned or memory.refills:
        memory.refills.sort()
        refill = bool(memory.refills) and (not planned or memory.refills[0][0] <= planned[0])
        at, product = memory.refills.pop(0) if refill else (planned.pop(0), -1)
        at = max(at, free)
        if at >= end:
            break
        lines += Visit(shopper, memory, stock, at, rng).run(product)
        free = max((line.time for line in lines if line.event != "refund"), default=0) + APART
    return [line for line in lines if line.time < end]


def _arrivals(visits: int, days: np.ndarray, period: Period, rng: Generator) -> list[int]:
    """When the person's own visits begin (ms UTC), in order."""
    hours = np.array(HOURS)
    day = rng.choice(len(days), size=visits, p=days)
    hour = rng.choice(24, size=visits, p=hours / hours.sum())
    within = rng.integers(HOUR, size=visits)
    return sorted((millis(period.start) + day * DAY + hour * HOUR + within).tolist())
