"""A simulated shop with all that is true of it: products, people, when they come and what they do. No files."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.random import Generator, Philox

from endcap.domain.arrays import Doubles
from endcap.domain.instants import DAY, HOUR, millis
from endcap.simulation.catalog import Period, catalog
from endcap.simulation.choices import Choice
from endcap.simulation.effects import EVERY_EFFECT, Effects
from endcap.simulation.range import stocked
from endcap.simulation.shoppers import Shopper, shopper
from endcap.simulation.truth import Truth
from endcap.simulation.visits import Line, Memory, Visit

WEEK: Final = (1.05, 1.0, 0.95, 0.95, 0.85, 0.95, 1.25)
"""How busy the shop is from Monday to Sunday."""
HOURS: Final = (1, 0.5, 0.3, 0.2, 0.2, 0.5, 1.2, 2, 2.6, 3, 3.2, 3.2, 3.4, 3.2, 3, 3, 3.1, 3.4, 4, 5, 6, 6, 4.4, 2.4)
"""How busy it is from midnight on, UTC."""
APART: Final = 3 * HOUR
"""A person rests so long between two visits."""
AT_ONCE: Final = 6 * DAY
"""What runs out so soon after another thing is bought again with it."""


@dataclass(frozen=True, slots=True)
class World:
    """One shop; the same seed, size, period and effects give the same products, people and acts."""

    seed: int
    period: Period
    truth: Truth

    def shopper(self, number: int) -> Shopper:
        """The person `number`; there are as many as one asks for."""
        return shopper(self.seed, number)

    def history(self, number: int, split: int = 0, drawn: int = 0) -> list[Line]:
        """All that the person `number` does within the period; see `visits`."""
        end = millis(self.period.end)
        return [line for visit in self.visits(number, split, drawn) for line in visit.lines if line.time < end]

    def visits(self, number: int, split: int = 0, drawn: int = 0) -> list[Visit]:
        """The visits of the person `number` within the period, each run to its end.

        What begins at `split` (ms UTC) or later is drawn anew for each `drawn`: the same person at the same times with
        the same past, who decides by the same chances.
        """
        me, memory, end = self.shopper(number), Memory(), millis(self.period.end)
        made: list[Visit] = []
        planned = self._arrivals(me)
        free = 0
        while planned or memory.refills:
            at, refills = _next(planned, memory)
            at = max(at, free)
            if at >= end:
                break
            rng = Generator(Philox([self.seed, 6, number, len(made), drawn if at >= split else 0]))
            visit = Visit(self.truth, me, memory, at, rng)
            visit.run(refills)
            made.append(visit)
            free = visit.clock + APART
        return made

    def choices(self, number: int, since: int) -> list[Choice]:
        """What stood before the person `number` from `since` (ms UTC) on, in order of time, opened or not."""
        return [each for visit in self.visits(number) for each in visit.choices if each.opened >= since]

    def _arrivals(self, me: Shopper) -> list[int]:
        """When the person's own visits begin (ms UTC), in order."""
        rng = Generator(Philox([self.seed, 7, me.number]))
        days, hours = _days(self.period), np.cumsum(HOURS)
        day = np.searchsorted(days, rng.random(me.visits) * days[-1])
        hour = np.searchsorted(hours, rng.random(me.visits) * hours[-1])
        within = rng.integers(HOUR, size=me.visits)
        return sorted((millis(self.period.start) + day * DAY + hour * HOUR + within).tolist())


def open_world(seed: int, items: int, period: Period, effects: Effects = EVERY_EFFECT) -> World:
    """A shop that sells `items` variants in all."""
    products = catalog(seed, items, period, effects)
    return World(seed, period, Truth(stocked(products, seed, effects), effects))


def _next(planned: list[int], memory: Memory) -> tuple[int, tuple[int, ...]]:
    """Take out the next visit: when it begins, and what is bought again on it."""
    first = min(memory.refills, default=None)
    if first is None or (planned and planned[0] < first[0]):
        return planned.pop(0), ()
    due = {product for at, product in memory.refills if at < first[0] + AT_ONCE}
    memory.refills = [(at, product) for at, product in memory.refills if product not in due]
    return first[0], tuple(sorted(due))


@cache
def _days(period: Period) -> Doubles:
    """How much of the visits falls on each day or before: a week's rhythm, and a shop that grows by a fifth."""
    weekdays = (period.start.weekday() + np.arange(period.days)) % 7
    return np.cumsum(np.array(WEEK)[weekdays] * np.linspace(1, 1.2, period.days))
