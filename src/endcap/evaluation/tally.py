"""The running account of one layer: figures case by case, and what its lists showed of the catalog."""

from array import array
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from endcap.domain.arrays import Bools, Floats, Ints, Rows
from endcap.evaluation.results import Intervals, LayerFigures
from endcap.metrics import (
    CUTOFFS,
    METRICS,
    Figures,
    Interval,
    bootstrap,
    figures,
    paired_gain,
    pessimistic_hits,
    recall,
)
from endcap.training import Case

LIST: Final = 20
"""How many places of a list count for coverage and cold items."""

RECALLS: Final = tuple(f"recall@{k}" for k in CUTOFFS)


class Listing(Protocol):
    """A ranked list: group rows int32 [n], best first, with scores float32 [n]; `pipeline.Ranking` is one."""

    @property
    def rows(self) -> Rows:
        """Distinct rows, best first."""

    @property
    def scores(self) -> Floats:
        """Their scores, never rising."""


class Tally:
    """Takes in every case's lists of one layer; keeps eight numbers a case, no list.

    `seen` bool [rows] says which group rows have an interaction before the split.
    """

    def __init__(self, name: str, seen: Bools) -> None:
        self.name = name
        self.shown = np.zeros(len(seen), np.bool_)
        self._seen = seen
        self._places = 0
        self._cold = 0
        self._mixed = array("d")
        self._discovery = array("d")
        self._repeat = array("d")
        self._new = array("d")

    def mixed(self, case: Case, listing: Listing) -> None:
        """Take in the list in which everything may stand."""
        self._mixed.extend(figures(listing.rows, listing.scores, case.targets))
        had = np.isin(case.targets, case.bought, kind="sort")
        for part, found in ((case.targets[had], self._repeat), (case.targets[~had], self._new)):
            if len(part):
                hits = pessimistic_hits(listing.rows, listing.scores, part)
                found.extend(recall(hits, len(part), k) for k in CUTOFFS)
        first = listing.rows[:LIST]
        self.shown[first] = True
        self._places += len(first)
        self._cold += int((~self._seen[first]).sum())

    def discovery(self, new: Rows, listing: Listing) -> None:
        """Take in the list without what the shopper had; `new` are the targets among the rest."""
        self._discovery.extend(figures(listing.rows, listing.scores, new))

    def values(self) -> Figures:
        """METRICS of the mixed list, case by case: float64 [cases, 8]."""
        return _table(self._mixed, len(METRICS))

    def figures(self, above: "Tally | None", units: Ints, discovery_units: Ints, rankable: int) -> LayerFigures:
        """The row of the ladder, its gain measured against `above`; see `metrics.bootstrap` for units."""
        values, discovery = self.values(), _table(self._discovery, len(METRICS))
        return LayerFigures(
            name=self.name,
            metrics=_named(bootstrap(values, units)),
            discovery=_named(bootstrap(discovery, discovery_units)) if len(discovery) else None,
            gain=None if above is None else _named(paired_gain(values, above.values(), units)),
            repeat=_recalls(self._repeat),
            new=_recalls(self._new),
            coverage=int(self.shown.sum()) / rankable if rankable else 0.0,
            cold=self._cold / self._places if self._places else 0.0,
        )


class Candidates:
    """Which share of the targets each source proposed, summed over cases; a source that proposes nothing finds none."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}

    def add(self, targets: Rows, proposed: Mapping[str, Rows], pool: Rows) -> None:
        """Take in one case: the rows of each source, and all that was ranked."""
        for name, rows in (*proposed.items(), ("pool", pool)):
            share = int((targets[:, None] == rows).any(axis=1).sum()) / len(targets)
            self._sums[name] = self._sums.get(name, 0.0) + share

    def recalls(self, cases: int) -> Mapping[str, float]:
        """The mean over `cases` by source, `pool` last."""
        return {name: total / cases for name, total in self._sums.items()}


class Units:
    """Numbers shoppers in the order of their first case, so that no figure depends on the shopper key itself."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._numbers = array("q")

    def add(self, case: Case) -> None:
        """Take in one case; one of nobody is a unit of its own."""
        key = case.request.shopper or case.id.encode()
        self._numbers.append(self._known.setdefault(key, len(self._known)))

    def numbers(self) -> Ints:
        """The unit of each case: int64 [cases]."""
        return np.array(self._numbers, np.int64)


def _table(numbers: "array[float]", width: int) -> Figures:
    return np.array(numbers, np.float64).reshape(-1, width)


def _named(intervals: list[Interval]) -> Intervals:
    return dict(zip(METRICS, intervals, strict=True))


def _recalls(numbers: "array[float]") -> Mapping[str, float]:
    found = _table(numbers, len(RECALLS))
    return dict(zip(RECALLS, found.mean(0).tolist(), strict=True)) if len(found) else {}
