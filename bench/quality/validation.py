"""One training on what comes before validation, and the pools of validation cases, for comparisons on equal terms.

Never looks at the test: what is cut by sequence is asked at the validation stage, baskets two months before their test.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from convert import OUT, SHARED, convert
from endcap.backends.encoder.lexical import fit_lexical
from endcap.domain.instants import parse_day
from endcap.evaluation import Terms
from endcap.evaluation.datasets import read_dataset
from endcap.evaluation.ladder import open_policy
from endcap.evaluation.stages import inner_folds, outer_fold
from endcap.metrics import METRICS, figures
from endcap.pipeline import candidates
from endcap.policy import Policy
from endcap.training import Case, Learned, Protocol, learn
from endcap.training import cases as cases_after
from endcap.training.fit import learn_fold, quota_policy
from endcap.training.folds import Folds, asked_cases, standing
from endcap.training.profile import BASKETS, REVIEWS, SESSIONS, shape_of

SOURCES: Final[dict[str, Protocol]] = {
    "diginetica": "next-item", "amazon-beauty": "leave-one-out", "online-retail": "next-basket",
}  # fmt: skip
PROFILES: Final = {"next-item": SESSIONS, "leave-one-out": REVIEWS, "next-basket": BASKETS}
SPLIT: Final = "2011-08-01"
TEST: Final = date(2011, 10, 1)
"""Where validation of baskets begins, and where their test does: nothing from there on is read."""


@dataclass(frozen=True)
class Pools:
    """Pools of `cases` validation cases, one after the other: those of case c are `starts[c]` to `starts[c + 1]`.

    `features` float32 [n, width] in the columns of the schema, `rows` int32 [n]; `targets` int32, those of each case.
    """

    features: NDArray[np.float32]
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]
    targets: tuple[NDArray[np.int32], ...]

    def measured(self, scores: NDArray[Any], kept: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """METRICS of each case, float64 [cases, 8], ranking what is `kept` (None: all) by `scores`."""
        found = np.zeros((len(self.targets), len(METRICS)))
        for case, targets in enumerate(self.targets):
            pool = slice(int(self.starts[case]), int(self.starts[case + 1]))
            among = np.ones(pool.stop - pool.start, np.bool_) if kept is None else kept[pool]
            rows, given = self.rows[pool][among], scores[pool][among].astype(np.float32)
            order = np.lexsort((rows, -given))
            found[case] = figures(rows[order], given[order], targets)
        return found


def prepared(name: str, cases: int, shared: Path, report: Callable[[str], None]) -> tuple[Learned, Pools]:
    """The product trained on what validation may know, with its default profile, and `cases` pools of validation."""
    directory = OUT / name
    if not directory.is_dir():
        convert(name, shared, OUT)
    prepare = _baskets if SOURCES[name] == "next-basket" else _sequences
    learned, policy, asked = prepare(directory, SOURCES[name], cases, report)
    report("ranking the validation cases")
    found = [(candidates(case.request, case.state, learned.snapshot, policy), case.targets) for case in asked]
    lengths = [len(each.pool) for each, _ in found]
    return learned, Pools(
        np.concatenate([each.features.T for each, _ in found]),
        np.concatenate([each.pool.rows for each, _ in found]),
        np.r_[0, np.cumsum(lengths)].astype(np.int64),
        tuple(targets for _, targets in found),
    )


Prepared = tuple[Learned, Policy, Iterator[Case]]


def _sequences(directory: Path, protocol: Protocol, cases: int, report: Callable[[str], None]) -> Prepared:
    dataset = read_dataset(directory, protocol, "", fit_lexical)
    history = dataset.corpus.history()
    outer = outer_fold(dataset, history, Terms(stage="validation"))
    known = history.where(outer.learned)
    profile = shape_of(known, timed=dataset.timed)
    folds = Folds(outer, inner_folds(dataset, history, outer, profile))
    learned = learn_fold(dataset.corpus, history, folds, profile, report)
    kept = np.zeros(len(outer.asked.target), np.bool_)
    kept[np.linspace(0, len(kept) - 1, min(cases, len(kept))).astype(np.int64)] = True
    return learned, quota_policy(profile), asked_cases(history, outer, standing(dataset.corpus, known), kept)


def _baskets(directory: Path, protocol: Protocol, cases: int, report: Callable[[str], None]) -> Prepared:
    with TemporaryDirectory() as folder:
        before = pl.read_parquet(directory / "events.parquet").filter(pl.col("time").dt.date() < TEST)
        before.write_parquet(Path(folder) / "events.parquet")
        if (directory / "catalog.parquet").exists():
            shutil.copy(directory / "catalog.parquet", folder)
        corpus = read_dataset(Path(folder), protocol, SPLIT, fit_lexical).corpus
    at = parse_day(SPLIT)
    learned = learn(corpus, at, protocol, report)
    return learned, open_policy(), islice(cases_after(corpus, at, protocol), cases)


def each_table(description: str | None, told: Callable[[str, Learned, Pools], None]) -> None:
    """Read the command line, train for each table it names, and have it `told`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SOURCES), help=", ".join(SOURCES))
    parser.add_argument("--cases", type=int, default=6_000)
    parser.add_argument("--shared", type=Path, default=SHARED)
    given = parser.parse_args()
    for name in given.names:
        told(name, *prepared(name, given.cases, given.shared, lambda text: print(text, file=sys.stderr)))
