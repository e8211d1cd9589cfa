"""The running account of one layer: figures case by case, and what its lists showed of the catalog."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from endcap.domain.arrays import Bools, Floats, Ints, Rows
from endcap.evaluation.results import ITEM_STRATA, SHOPPER_STRATA, Chance, Intervals, LayerFigures, Worth
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
from endcap.ranking.calibration import ACTIONS, Calibration
from endcap.training import Case

LIST: Final = 20
"""How many places of a list count for coverage and cold items."""
WORTH: Final = 10
"""How many places of a list count for what it is worth."""

_STRETCHES: Final = np.geomspace(0.001, 0.5, 9)
"""The borders of stretches of probability."""
RECALLS: Final = tuple(f"recall@{k}" for k in CUTOFFS)
_RECALL_20: Final = METRICS.index("recall@20")


class Listing(Protocol):
    """A ranked list: group rows int32 [n], best first, with scores float32 [n]; `pipeline.Ranking` is one."""

    @property
    def rows(self) -> Rows:
        """Distinct rows, best first."""

    @property
    def scores(self) -> Floats:
        """Their scores, never rising."""


class Outcomes(NamedTuple):
    """What could have come of a case, where that is known: `taken` bool [draws, n] says which of `groups` int32 [n].

    `worth` says of group rows int32 [m] what comes, in expectation, of one look at each: float64 [2], purchases and
    revenue in minor units.
    """

    groups: Rows
    taken: Bools
    worth: Callable[[Rows], Figures]

    def figures(self, listing: Listing) -> Figures:
        """The means of METRICS over all draws: float64 [8]."""
        kinds, counts = np.unique(self.taken, axis=0, return_counts=True)
        found = [figures(listing.rows, listing.scores, self.groups[kind]) for kind in kinds]
        return np.asarray(counts @ np.array(found) / counts.sum())


class Strata(NamedTuple):
    """Of one case: the stratum int64 [targets] of each target in ITEM_STRATA, that of the shopper in SHOPPER_STRATA."""

    items: Ints
    shopper: int


class Census:
    """Puts targets and shoppers into strata, and counts them; `interactions` int64 [rows] are those learned from."""

    def __init__(self, interactions: Ints) -> None:
        self._interactions = interactions
        self._items, self._shoppers = np.zeros(len(ITEM_STRATA), np.int64), np.zeros(len(SHOPPER_STRATA), np.int64)

    def take(self, case: Case) -> Strata:
        """Count one case."""
        items = np.searchsorted(list(ITEM_STRATA.values()), self._interactions[case.targets], "right") - 1
        shopper = int(np.searchsorted(list(SHOPPER_STRATA.values()), case.state.shopper.lines, "right")) - 1
        self._items += np.bincount(items, minlength=len(self._items))
        self._shoppers[shopper] += 1
        return Strata(items, shopper)

    @property
    def items(self) -> Mapping[str, int]:
        """How many targets each stratum has."""
        return dict(zip(ITEM_STRATA, self._items.tolist(), strict=True))

    @property
    def shoppers(self) -> Mapping[str, int]:
        """How many cases each stratum has."""
        return dict(zip(SHOPPER_STRATA, self._shoppers.tolist(), strict=True))


class Tally:
    """Takes in every case's lists of one layer; keeps eight numbers a case, no list.

    `seen` bool [rows] says which group rows have an interaction before the split.
    """

    def __init__(self, name: str, seen: Bools) -> None:
        self.name = name
        self.shown = np.zeros(len(seen), np.bool_)
        self._by_item, self._by_shopper = np.zeros(len(ITEM_STRATA)), np.zeros(len(SHOPPER_STRATA))
        self._seen = seen
        self._places = 0
        self._cold = 0
        self._mixed = array("d")
        self._discovery = array("d")
        self._repeat = array("d")
        self._new = array("d")
        self._true = array("d")
        self._worth = np.zeros(2)

    def mixed(self, case: Case, strata: Strata, listing: Listing) -> None:
        """Take in the list in which everything may stand."""
        found = figures(listing.rows, listing.scores, case.targets)
        self._mixed.extend(found)
        self._by_shopper[strata.shopper] += found[_RECALL_20]
        if found[_RECALL_20]:
            listed = _first(listing, case.targets) if len(case.targets) > 1 else case.targets
            self._by_item += np.bincount(strata.items[np.isin(case.targets, listed)], minlength=len(self._by_item))
        had = np.isin(case.targets, case.bought, kind="sort")
        for part, kept in ((case.targets[had], self._repeat), (case.targets[~had], self._new)):
            if len(part) == len(case.targets):
                kept.extend(found[: len(CUTOFFS)])
            elif len(part):
                hits = pessimistic_hits(listing.rows, listing.scores, part)
                kept.extend(recall(hits, len(part), k) for k in CUTOFFS)
        first = listing.rows[:LIST]
        self.shown[first] = True
        self._places += len(first)
        self._cold += int((~self._seen[first]).sum())

    def discovery(self, new: Rows, listing: Listing) -> None:
        """Take in the list without what the shopper had; `new` are the targets among the rest."""
        self._discovery.extend(figures(listing.rows, listing.scores, new))

    def true(self, outcomes: Outcomes, listing: Listing) -> None:
        """Take in what the list was worth in truth."""
        self._true.extend(outcomes.figures(listing))
        self._worth += outcomes.worth(listing.rows[:WORTH])

    def values(self) -> Figures:
        """METRICS of the mixed list, case by case: float64 [cases, 8]."""
        return _table(self._mixed, len(METRICS))

    def figures(self, above: "Tally | None", units: tuple[Ints, Ints], rankable: int, census: Census) -> LayerFigures:
        """The row of the ladder, its gain measured against `above`.

        `units` are those of the mixed and of the discovery lists' cases; see `metrics.bootstrap`.
        """
        values, discovery = self.values(), _table(self._discovery, len(METRICS))
        true = _table(self._true, len(METRICS))
        return LayerFigures(
            name=self.name,
            metrics=_named(bootstrap(values, units[0])),
            discovery=_named(bootstrap(discovery, units[1])) if len(discovery) else None,
            gain=None if above is None else _named(paired_gain(values, above.values(), units[0])),
            repeat=_recalls(self._repeat),
            new=_recalls(self._new),
            coverage=int(self.shown.sum()) / rankable if rankable else 0.0,
            cold=self._cold / self._places if self._places else 0.0,
            by_item=_shares(self._by_item.tolist(), census.items),
            by_shopper=_shares(self._by_shopper.tolist(), census.shoppers),
            true=dict(zip(METRICS, true.mean(0).tolist(), strict=True)) if len(true) else None,
            worth=Worth(*(self._worth / len(true)).tolist()) if len(true) else None,
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


class Reliability:
    """What the probabilities of the first LIST places were worth, action by action."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._sums = np.zeros((len(calibration.actions), 3, len(_STRETCHES) + 1))

    def take(self, case: Case, listing: Listing) -> None:
        """Take in one case: places, probabilities and what happened, by stretch of probability."""
        rows = listing.rows[:LIST]
        place = np.searchsorted(case.targets, rows).clip(0, len(case.targets) - 1)
        done = np.where(case.targets[place] == rows, case.actions[place], 0)
        told = self._calibration.of(listing.scores[:LIST])
        for sums, action, chance in zip(self._sums, self._calibration.actions, told, strict=True):
            stretch = np.searchsorted(_STRETCHES, chance)
            happened = done == ACTIONS.index(action) + 1
            for row, weights in enumerate((None, chance, happened)):
                sums[row] += np.bincount(stretch, weights, minlength=len(_STRETCHES) + 1)

    def found(self, cases: int) -> Mapping[str, Chance]:
        """By action, over `cases`."""
        return {
            action: Chance(
                told.sum() / cases, happened.sum() / cases, np.abs(told - happened).sum() / max(places.sum(), 1)
            )
            for action, (places, told, happened) in zip(self._calibration.actions, self._sums, strict=True)
        }


class Units:
    """Numbers shoppers in the order of their first case, so that no figure depends on the shopper key itself."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._numbers = array("q")

    def add(self, case: Case) -> None:
        """Take in one case; one of nobody is a unit of its own."""
        key = case.request.shopper or case.id.encode()
        self._numbers.append(self._known.setdefault(key, len(self._known)))

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self) -> Ints:
        """The unit of each case: int64 [cases]."""
        return np.array(self._numbers, np.int64)


def _first(listing: Listing, targets: Rows) -> Rows:
    """The rows of the first LIST places in the order of `metrics.pessimistic_hits`."""
    hits = np.isin(listing.rows, targets, kind="sort")
    return listing.rows[np.lexsort((hits, -listing.scores))[:LIST]]


def _shares(sums: Sequence[float], counts: Mapping[str, int]) -> Mapping[str, float]:
    return {name: total / counts[name] for name, total in zip(counts, sums, strict=True) if counts[name]}


def _table(numbers: "array[float]", width: int) -> Figures:
    return np.array(numbers, np.float64).reshape(-1, width)


def _named(intervals: list[Interval]) -> Intervals:
    return dict(zip(METRICS, intervals, strict=True))


def _recalls(numbers: "array[float]") -> Mapping[str, float]:
    found = _table(numbers, len(RECALLS))
    return dict(zip(RECALLS, found.mean(0).tolist(), strict=True)) if len(found) else {}
