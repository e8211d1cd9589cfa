"""The hybrid against plain methods on a shop's own held-out orders: figures, gains, where they come from, examples.

Knows contenders and cases; does not know how either is shown. One training pass, one pass over the cases.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import heappush, heapreplace
from typing import Final, NamedTuple

import numpy as np

from endcap import pipeline
from endcap.domain.arrays import Bools, Ints, Rows
from endcap.domain.events import Kind
from endcap.errors import GateRefused
from endcap.evaluation.contest import REPORT_EVERY, Report
from endcap.evaluation.tally import Units
from endcap.metrics import METRICS, Figures, Interval, bootstrap, figures, paired_gain
from endcap.policy import Policy
from endcap.training import HYBRID, Case, Corpus, Cut, Layer, LeftOut, cases, plain_layers, train_layers

POPULARITY: Final = "popularity"
HIT: Final = "hit@10"
"""Whether the first ten places hold at least one target: the measure that the verdict is about, chosen beforehand."""
MEASURES: Final = (HIT, *METRICS)
MOST_CASES: Final = 4_000
FEWEST_CASES: Final = 30
EXAMPLES: Final = 10
LISTED: Final = 10
_KNOWN: Final = (1, 2, 6, 21, 101)
_SEED: Final = b"endcap audit examples"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One method: means by MEASURES with their intervals, and what the hybrid gains over it (empty for the hybrid)."""

    name: str
    metrics: Mapping[str, Interval]
    gain: Mapping[str, Interval]


class Stratum(NamedTuple):
    """Cases of shoppers with so many known lines, and the hit rate of each method on them."""

    label: str
    cases: int
    hits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Board:
    """All methods on the same lists: figures, and hit rates by how much was known of the shopper."""

    cases: int
    contestants: tuple[Contestant, ...]
    strata: tuple[Stratum, ...]

    def named(self, name: str) -> Contestant:
        """The contestant called `name`."""
        return next(each for each in self.contestants if each.name == name)

    @property
    def plain(self) -> tuple[Contestant, ...]:
        """Every method but the hybrid."""
        return tuple(each for each in self.contestants if each.name != HYBRID)

    @property
    def best_plain(self) -> Contestant:
        """The plain method with the highest hit rate."""
        return max(self.plain, key=lambda each: each.metrics[HIT].mean)


class Example(NamedTuple):
    """One case drawn by lot: what was known (newest first), what followed, the first ten of each method, as rows."""

    at: int
    known: Rows
    lines: int
    targets: Rows
    lists: Mapping[str, Rows]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found. `everything` are lists in which all may stand, the lists of `endcap evaluate`.

    `new` are lists without what the shopper had (next basket) or touched (next items) before, in cases where something
    else followed. Shares are of all targets: `unavailable` ones could not be shown then, being not in the catalog,
    unlisted or out of stock; `unseen` ones could, but nobody had ever touched them before the cut.
    """

    cut: Cut
    everything: Board
    new: Board | None
    unavailable: float
    unseen: float
    examples: tuple[Example, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def judges_new(self) -> bool:
        """Whether the verdict is about new items: what follows in a visit is often the item already on the screen."""
        return self.cut.protocol == "time-split" and self.new is not None

    @property
    def judged(self) -> Board:
        """The lists that the verdict is about."""
        return self.new if self.judges_new and self.new else self.everything


def compare(corpus: Corpus, cut: Cut, policy: Policy, report: Report) -> Comparison:
    """Train once on what lies before `cut`, rank the cases after it with every method.

    Above 4,000 cases a sample by their content is asked. The figures do not depend on the shop's key.

    Raises: GateRefused where there are fewer than 30 cases, or too little to fit a ranker on.
    """
    if cut.cases < FEWEST_CASES:
        raise GateRefused(
            f"only {cut.cases:,} cases lie after {cut.text} of shoppers known before; expected at least "
            f"{FEWEST_CASES}: import a longer history, and map a stable user_id or visitor_id"
        )
    trained = train_layers(corpus, cut.at, cut.protocol, report, (POPULARITY, HYBRID))
    if not trained.layers or trained.layers[-1].name != HYBRID:
        because = "; ".join(f"{layer.name}: {layer.because}" for layer in trained.left_out)
        raise GateRefused(f"there is too little history before {cut.text} to train on ({because}); import more events")
    hybrid = trained.layers[-1]
    report("counting what was bought together")
    layers = (*trained.layers[:-1], *plain_layers(corpus, cut.at, cut.protocol, hybrid.snapshot), hybrid)
    account = _Account(layers, policy, _seen(corpus, cut.at), cut)
    for done, case in enumerate(_asked(corpus, cut), 1):
        account.take(case)
        if done % REPORT_EVERY == 0:
            report(f"{done:,} cases ranked by {len(layers)} methods")
    return account.summed_up(trained.left_out)


def _asked(corpus: Corpus, cut: Cut) -> Iterable[Case]:
    share = MOST_CASES / cut.cases
    return cases(corpus, cut.at, cut.protocol, lambda seed: seed % 1_000_003 < share * 1_000_003)


def _seen(corpus: Corpus, split: int) -> Bools:
    """Which groups somebody touched before `split`: bool [rows]."""
    lines = corpus.interactions
    before = (lines["time"].to_numpy() < split) & (lines["kind"].to_numpy() != Kind.IMPRESSION)
    seen = np.zeros(len(corpus.keys), np.bool_)
    seen[corpus.groups(split)[lines["row"].to_numpy()[before]]] = True
    return seen


class _Ledger:
    """The numbers of one kind of lists, case by case."""

    def __init__(self, names: Iterable[str]) -> None:
        self._numbers = {name: array("d") for name in names}
        self._units, self._known = Units(), array("q")

    def take(self, case: Case, targets: Rows, rankings: Mapping[str, pipeline.Ranking]) -> None:
        self._units.add(case)
        self._known.append(case.state.shopper.lines)
        for name, ranking in rankings.items():
            self._numbers[name].extend(figures(ranking.rows, ranking.scores, targets))

    def board(self) -> Board | None:
        """The figures; None of too few cases."""
        units = self._units.numbers()
        if len(units) < FEWEST_CASES:
            return None
        tables = {name: _table(numbers) for name, numbers in self._numbers.items()}
        hybrid = tables[HYBRID]
        contestants = tuple(
            Contestant(
                name,
                _named(bootstrap(table, units)),
                {} if name == HYBRID else _named(paired_gain(hybrid, table, units)),
            )
            for name, table in tables.items()
        )
        return Board(len(units), contestants, _strata(tables, np.array(self._known, np.int64)))


class _Account:
    """Ranks case by case; lists are forgotten, but for those of the examples drawn so far."""

    def __init__(self, layers: tuple[Layer, ...], policy: Policy, seen: Bools, cut: Cut) -> None:
        self._layers, self._policy, self._seen, self._cut = layers, policy, seen, cut
        names = [layer.name for layer in layers]
        self._everything, self._new = _Ledger(names), _Ledger(names)
        self._targets = self._unavailable = self._unseen = 0
        self._drawn: list[tuple[int, int, Example]] = []
        self._people: set[bytes] = set()
        self.asked = 0

    def take(self, case: Case) -> None:
        """Rank one case with every method, for everything and, where something new followed, for new items."""
        self.asked += 1
        available = case.state.shelf.available[case.targets]
        self._targets += len(case.targets)
        self._unavailable += int((~available).sum())
        self._unseen += int((available & ~self._seen[case.targets]).sum())
        rankings = self._ranked(case)
        self._everything.take(case, case.targets, rankings)
        new = np.setdiff1d(case.targets, case.bought)
        if self._cut.protocol == "next-basket":
            self._draw(case, case.targets, rankings)
        if not len(new):
            return
        rankings = self._ranked(replace(case, request=replace(case.request, exclude=case.bought)))
        self._new.take(case, new, rankings)
        if self._cut.protocol == "time-split":
            self._draw(case, new, rankings)

    def _ranked(self, case: Case) -> dict[str, pipeline.Ranking]:
        return {
            name: pipeline.rank(case.request, case.state, snapshot, self._policy) for name, snapshot in self._layers
        }

    def _draw(self, case: Case, targets: Rows, rankings: Mapping[str, pipeline.Ranking]) -> None:
        """Keep the ten cases with the smallest digests, one a shopper: a lot that no figure can influence."""
        digest = blake2b(case.request.seed.to_bytes(8, "big"), digest_size=7, key=_SEED).digest()
        ticket = -int.from_bytes(digest, "big")
        shopper = case.request.shopper
        if shopper in self._people or (len(self._drawn) == EXAMPLES and ticket <= self._drawn[0][0]):
            return
        recent, shelf = case.state.shopper.recent, case.state.shelf
        touched = np.where(np.isin(recent.kind, (Kind.UNCART, Kind.REFUND)), -1, shelf.group[recent.row])[::-1]
        known = np.array([row for row in dict.fromkeys(touched.tolist()) if row >= 0], np.int32)
        lists = {name: ranking.rows[:LISTED] for name, ranking in rankings.items()}
        entry = (ticket, self.asked, Example(case.request.at, known, case.state.shopper.lines, targets, lists))
        self._people.add(shopper)
        if len(self._drawn) < EXAMPLES:
            heappush(self._drawn, entry)
        else:
            heapreplace(self._drawn, entry)

    def summed_up(self, left_out: tuple[LeftOut, ...]) -> Comparison:
        """The comparison of all that was taken in. Raises: GateRefused where there were too few cases."""
        everything = self._everything.board()
        if everything is None:
            text = self._cut.text
            raise GateRefused(f"only {self.asked:,} cases lie after {text}; expected at least {FEWEST_CASES}")
        return Comparison(
            cut=self._cut,
            everything=everything,
            new=self._new.board(),
            unavailable=self._unavailable / self._targets,
            unseen=self._unseen / self._targets,
            examples=tuple(example for _, _, example in sorted(self._drawn, key=lambda drawn: -drawn[0])),
            left_out=left_out,
        )


def _table(numbers: "array[float]") -> Figures:
    """MEASURES case by case: float64 [cases, 9]; a hit within ten is a reciprocal rank above 0."""
    table = np.array(numbers, np.float64).reshape(-1, len(METRICS))
    return np.column_stack([table[:, METRICS.index("mrr@10")] > 0, table])


def _named(intervals: list[Interval]) -> Mapping[str, Interval]:
    return dict(zip(MEASURES, intervals, strict=True))


def _strata(tables: Mapping[str, Figures], known: Ints) -> tuple[Stratum, ...]:
    found = []
    for low, high in zip(_KNOWN, (*_KNOWN[1:], np.iinfo(np.int64).max), strict=True):
        among = (known >= low) & (known < high)
        label = f"{low}+" if low == _KNOWN[-1] else f"{low}" if high == low + 1 else f"{low}-{high - 1}"
        if among.any():
            hits = {name: float(table[among, 0].mean()) for name, table in tables.items()}
            found.append(Stratum(label, int(among.sum()), hits))
    return tuple(found)
