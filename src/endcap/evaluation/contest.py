"""Contenders compared on the same cases: full ranking, pessimistic ties, one pass over the cases.

Knows the order of work and what is compared with what; does not know how contenders came to be. A case is measured when
it is met and then forgotten, since its shelf lives on to the next one; only numbers and the last contender's best items
stay.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from endcap.domain.arrays import Bools, Ints, Rows
from endcap.domain.requests import Request
from endcap.errors import GateRefused
from endcap.evaluation.predictions import Collector
from endcap.evaluation.results import Evaluation, Split
from endcap.evaluation.tally import Candidates, Census, Listing, Outcomes, Reliability, Tally, Units
from endcap.ranking.calibration import UNCALIBRATED, Calibration
from endcap.state import KeptState, Shelf, State
from endcap.training import Case, LeftOut, Protocol

REPORT_EVERY: Final = 250
TIMED_EVERY: Final = 20
"""One case of so many, the first among them, is taken the time of."""

Truth: TypeAlias = Callable[[Case], Outcomes | None]
"""What could have come of a case of a simulated shop; None of a case of somebody else."""
Report: TypeAlias = Callable[[str], None]
"""Told, in a few words, how far the work has come."""


class Contender(NamedTuple):
    """A layer's name and how it ranks."""

    name: str
    rank: Callable[[Request, State], Listing]


@dataclass(frozen=True, slots=True)
class Contest:
    """What is compared: contenders from the lowest layer up, and the layers left out with the reason.

    `propose` gives each source's first 100 rows for a request; `interactions` int64 [rows] counts those of each row
    that are learned from; `calibration` is that of the last contender's scores. With `truth`, cases of which it
    knows nothing are left out.
    """

    protocol: Protocol
    split: Split
    contenders: tuple[Contender, ...]
    left_out: tuple[LeftOut, ...]
    propose: Callable[[Request, State], Mapping[str, Rows]]
    interactions: Ints
    calibration: Calibration = UNCALIBRATED
    truth: Truth | None = None


def measure(contest: Contest, found: Iterable[Case], report: Report) -> Evaluation:
    """Rank all cases of `found` with all contenders and sum up; the last contender's lists are the predictions.

    Raises: GateRefused where there is no case.
    """
    remaining = iter(found)
    first = next(remaining, None)
    if first is None:
        text = contest.split.text
        raise GateRefused(
            f"no shopper has history before {text} and a case after it; choose a --split inside the history"
        )
    account = Account(contest, first.state.shelf)
    for done, case in enumerate(chain([first], remaining), 1):
        account.take(case)
        if done % REPORT_EVERY == 0:
            report(f"{done:,} cases ranked by {len(contest.contenders)} layers")
    if not account.cases:
        raise GateRefused("no case is of somebody of the simulated world; name the world.json of the shop's own files")
    return account.summed_up()


class Account:
    """Numbers gathered case by case for all contenders; `shelf` is the one of the first case."""

    def __init__(self, contest: Contest, shelf: Shelf) -> None:
        self._contest = contest
        self._shelf = shelf
        self._rows = len(contest.interactions)
        self._sellable = _sellable(shelf, self._rows)
        interactions = _of_groups(contest.interactions, shelf)
        self._tallies = [Tally(contender.name, interactions > 0) for contender in contest.contenders]
        self._census, self._timed = Census(interactions), 0
        self._seconds = dict.fromkeys((contender.name for contender in contest.contenders), 0.0)
        self._best, self._candidates = Collector(), Candidates()
        self._reliability = Reliability(contest.calibration)
        self._units, self._discovery_units = Units(), Units()

    @property
    def cases(self) -> int:
        """How many were taken in."""
        return len(self._units)

    def take(self, case: Case) -> None:
        """Rank one case with every contender and keep its figures."""
        contest = self._contest
        outcomes = contest.truth(case) if contest.truth else None
        if contest.truth and outcomes is None:
            return
        self._units.add(case)
        strata = self._census.take(case)
        if (len(self._units) - 1) % TIMED_EVERY == 0:
            self._time(case)
        state = KeptState(case.state.shopper, case.state.shelf)  # what contenders share is worked out once
        listings = [contender.rank(case.request, state) for contender in contest.contenders]
        for tally, listing in zip(self._tallies, listings, strict=True):
            tally.mixed(case, strata, listing)
            if outcomes:
                tally.true(outcomes, listing)
        self._reliability.take(case, listings[-1])
        self._best.add(case.id, listings[-1].rows, listings[-1].scores)
        self._candidates.add(case.targets, contest.propose(case.request, state), listings[-1].rows)
        if contest.protocol == "next-basket":
            self._discover(case, state)
        self._shelf = case.state.shelf

    def _time(self, case: Case) -> None:
        self._timed += 1
        for contender in self._contest.contenders:
            began = perf_counter()
            contender.rank(case.request, case.state)
            self._seconds[contender.name] += perf_counter() - began

    def _discover(self, case: Case, state: State) -> None:
        new = np.setdiff1d(case.targets, case.bought)
        if not len(new):
            return
        self._discovery_units.add(case)
        request = replace(case.request, exclude=np.union1d(case.request.exclude, case.bought))
        for tally, contender in zip(self._tallies, self._contest.contenders, strict=True):
            tally.discovery(new, contender.rank(request, state))

    def summed_up(self) -> Evaluation:
        """The evaluation of all that was taken in; items count as rankable if sellable at first, at last, or shown."""
        rankable = self._sellable | _sellable(self._shelf, self._rows)
        for tally in self._tallies:
            rankable |= tally.shown
        units, size, cases = (
            (self._units.numbers(), self._discovery_units.numbers()),
            int(rankable.sum()),
            len(self._units),
        )
        steps = zip([None, *self._tallies], self._tallies, strict=False)
        return Evaluation(
            protocol=self._contest.protocol,
            split=self._contest.split,
            cases=cases,
            discovery_cases=len(self._discovery_units),
            layers=tuple(tally.figures(above, units, size, self._census) for above, tally in steps),
            left_out=self._contest.left_out,
            candidates=self._candidates.recalls(cases),
            item_strata=self._census.items,
            shopper_strata=self._census.shoppers,
            predictions=self._best.collected(),
            chances=self._reliability.found(cases),
            seconds={name: total / self._timed for name, total in self._seconds.items()},
        )


def _of_groups(interactions: Ints, shelf: Shelf) -> Ints:
    """`interactions` with those of its variants added to every group."""
    totals = interactions.copy()
    variants = np.flatnonzero(shelf.group[: len(shelf)] != np.arange(len(shelf)))
    np.add.at(totals, shelf.group[variants], interactions[variants])
    return totals


def _sellable(shelf: Shelf, size: int) -> Bools:
    """Which of `size` rows are groups with something to sell: bool [size]."""
    mask = np.zeros(size, np.bool_)
    mask[shelf.group[np.flatnonzero(shelf.available[: len(shelf)])]] = True
    return mask
