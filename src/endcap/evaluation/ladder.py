"""Every case through every layer: full ranking, pessimistic ties, one pass over the cases.

Knows the order of work and what is compared with what. A case is measured when it is met and then forgotten, since its
shelf lives on to the next one; only numbers and the last layer's best items stay.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow.compute as pc

from endcap import pipeline
from endcap.domain.arrays import Bools, Rows
from endcap.domain.events import Kind
from endcap.domain.requests import Request
from endcap.errors import GateRefused
from endcap.evaluation.predictions import Collector
from endcap.evaluation.results import Evaluation, Split
from endcap.evaluation.tally import Candidates, Listing, Tally, Units
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.state import Shelf, State, observe
from endcap.training import Case, Corpus, Layer, LeftOut, Protocol, cases, train_layers

REACH: Final = 100
"""How many proposals of a source count for its candidate recall."""

REPORT_EVERY: Final = 250

Report: TypeAlias = Callable[[str], None]


class Contender(NamedTuple):
    """A layer's name and how it ranks."""

    name: str
    rank: Callable[[Request, State], Listing]


@dataclass(frozen=True, slots=True)
class Contest:
    """What is compared: contenders from the lowest layer up, and the layers left out with the reason.

    `propose` gives each source's first 100 rows for a request; `seen` are rows with an interaction before the split, of
    `rows` rows in all.
    """

    protocol: Protocol
    split: Split
    contenders: tuple[Contender, ...]
    left_out: tuple[LeftOut, ...]
    propose: Callable[[Request, State], Mapping[str, Rows]]
    seen: Rows
    rows: int


def evaluate(corpus: Corpus, protocol: Protocol, split: Split, policy: Policy, report: Report) -> Evaluation:
    """Fit the layers on what lies before `split`, then rank every case after it with each of them.

    `report` is told in words how far the work has come. The result depends on nothing else, no shopper key either.

    Raises: GateRefused where no case, or no layer, can be had from the corpus.
    """
    trained = train_layers(corpus, split.at, protocol, report)
    if not trained.layers:
        missing = "; ".join(f"{layer.name}: {layer.because}" for layer in trained.left_out)
        raise GateRefused(f"no layer could be trained before {split.text} ({missing}); choose a later --split")
    contest = Contest(
        protocol,
        split,
        tuple(_contender(layer, policy) for layer in trained.layers),
        trained.left_out,
        _proposer(trained.layers[-1].snapshot),
        _seen(corpus, split.at),
        len(corpus.keys),
    )
    return measure(contest, cases(corpus, split.at, protocol), report)


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
    return account.summed_up()


class Account:
    """Numbers gathered case by case for all contenders; `shelf` is the one of the first case."""

    def __init__(self, contest: Contest, shelf: Shelf) -> None:
        self._contest = contest
        self._shelf = shelf
        self._sellable = _sellable(shelf, contest.rows)
        seen = np.zeros(contest.rows, np.bool_)
        seen[_groups(contest.seen, shelf)] = True
        self._tallies = [Tally(contender.name, seen) for contender in contest.contenders]
        self._best, self._candidates = Collector(), Candidates()
        self._units, self._discovery_units = Units(), Units()

    def take(self, case: Case) -> None:
        """Rank one case with every contender and keep its figures."""
        contest = self._contest
        self._units.add(case)
        listings = [contender.rank(case.request, case.state) for contender in contest.contenders]
        for tally, listing in zip(self._tallies, listings, strict=True):
            tally.mixed(case, listing)
        self._best.add(case.id, listings[-1].rows, listings[-1].scores)
        self._candidates.add(case.targets, contest.propose(case.request, case.state), listings[-1].rows)
        if contest.protocol == "next-basket":
            self._discover(case)
        self._shelf = case.state.shelf

    def _discover(self, case: Case) -> None:
        new = np.setdiff1d(case.targets, case.bought)
        if not len(new):
            return
        self._discovery_units.add(case)
        request = replace(case.request, exclude=np.union1d(case.request.exclude, case.bought))
        for tally, contender in zip(self._tallies, self._contest.contenders, strict=True):
            tally.discovery(new, contender.rank(request, case.state))

    def summed_up(self) -> Evaluation:
        """The evaluation of all that was taken in; items count as rankable if sellable at first, at last, or shown."""
        rankable = self._sellable | _sellable(self._shelf, self._contest.rows)
        for tally in self._tallies:
            rankable |= tally.shown
        units, discovery_units, size = self._units.numbers(), self._discovery_units.numbers(), int(rankable.sum())
        steps = zip([None, *self._tallies], self._tallies, strict=False)
        return Evaluation(
            protocol=self._contest.protocol,
            split=self._contest.split,
            cases=len(units),
            discovery_cases=len(discovery_units),
            layers=tuple(tally.figures(above, units, discovery_units, size) for above, tally in steps),
            left_out=self._contest.left_out,
            candidates=self._candidates.recalls(len(units)),
            predictions=self._best.collected(),
        )


def _contender(layer: Layer, policy: Policy) -> Contender:
    def ranked(request: Request, state: State) -> Listing:
        return pipeline.rank(request, state, layer.snapshot, policy)

    return Contender(layer.name, ranked)


def _proposer(snapshot: Snapshot) -> Callable[[Request, State], Mapping[str, Rows]]:
    def proposed(request: Request, state: State) -> Mapping[str, Rows]:
        moment = observe(request, state.shopper, state.shelf)
        return {source.name: source.propose(request, moment, REACH).rows for source in snapshot.sources}

    return proposed


def _seen(corpus: Corpus, split: int) -> Rows:
    lines = corpus.interactions
    before = pc.and_(pc.less(lines["time"], split), pc.not_equal(lines["kind"], int(Kind.IMPRESSION)))
    return np.unique(lines.filter(before)["row"].to_numpy()).astype(np.int32)


def _groups(rows: Rows, shelf: Shelf) -> Rows:
    known = rows[rows < len(shelf)]
    return np.union1d(rows, shelf.group[known])


def _sellable(shelf: Shelf, size: int) -> Bools:
    """Which of `size` rows are groups with something to sell: bool [size]."""
    mask = np.zeros(size, np.bool_)
    mask[shelf.group[np.flatnonzero(shelf.available[: len(shelf)])]] = True
    return mask
