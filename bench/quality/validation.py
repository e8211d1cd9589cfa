"""One training on what comes before validation, and the pools of validation cases, for comparisons on equal terms.

Knows the two data sets that are cut by sequence. Never looks at the test: everything is asked at the validation stage.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convert import OUT, SHARED, convert
from endcap.backends.encoder.lexical import fit_lexical
from endcap.evaluation import Terms
from endcap.evaluation.datasets import read_dataset
from endcap.evaluation.stages import inner_folds, outer_fold
from endcap.metrics import METRICS, figures
from endcap.pipeline import candidates
from endcap.training import Learned, Protocol
from endcap.training.fit import learn_fold, quota_policy
from endcap.training.folds import Folds, asked_cases, standing
from endcap.training.profile import shape_of

SOURCES: Final[dict[str, Protocol]] = {"diginetica": "next-item", "amazon-beauty": "leave-one-out"}


@dataclass(frozen=True)
class Pools:
    """Pools of `cases` validation cases, one after the other: those of case c are `starts[c]` to `starts[c + 1]`.

    `features` float32 [n, width] in the columns of the schema, `rows` int32 [n], `targets` int32 [cases].
    """

    features: NDArray[np.float32]
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]
    targets: NDArray[np.int32]

    def measured(self, scores: NDArray[Any], kept: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """METRICS of each case, float64 [cases, 8], ranking what is `kept` (None: all) by `scores`."""
        found = np.zeros((len(self.targets), len(METRICS)))
        for case, target in enumerate(self.targets):
            pool = slice(int(self.starts[case]), int(self.starts[case + 1]))
            among = np.ones(pool.stop - pool.start, np.bool_) if kept is None else kept[pool]
            rows, given = self.rows[pool][among], scores[pool][among].astype(np.float32)
            order = np.lexsort((rows, -given))
            found[case] = figures(rows[order], given[order], np.array([target], np.int32))
        return found


def prepared(name: str, cases: int, shared: Path, report: Callable[[str], None]) -> tuple[Learned, Pools]:
    """The product trained on what validation may know, with its default profile, and `cases` pools of validation."""
    directory = OUT / name
    if not directory.is_dir():
        convert(name, shared, OUT)
    dataset = read_dataset(directory, SOURCES[name], "", fit_lexical)
    history = dataset.corpus.history()
    outer = outer_fold(dataset, history, Terms(stage="validation"))
    known = history.where(outer.learned)
    profile = shape_of(known, timed=dataset.timed)
    folds = Folds(outer, inner_folds(dataset, history, outer, profile))
    learned = learn_fold(dataset.corpus, history, folds, profile, report)
    kept = np.zeros(len(outer.asked.target), np.bool_)
    kept[np.linspace(0, len(kept) - 1, min(cases, len(kept))).astype(np.int64)] = True
    report(f"ranking {int(kept.sum()):,} validation cases")
    policy, shop = quota_policy(profile), standing(dataset.corpus, known)
    found = [
        (candidates(case.request, case.state, learned.snapshot, policy), case.targets[0])
        for case in asked_cases(history, outer, shop, kept)
    ]
    lengths = [len(each.pool) for each, _ in found]
    return learned, Pools(
        np.concatenate([each.features.T for each, _ in found]),
        np.concatenate([each.pool.rows for each, _ in found]),
        np.r_[0, np.cumsum(lengths)].astype(np.int64),
        np.array([target for _, target in found], np.int32),
    )


def each_table(description: str | None, told: Callable[[str, Learned, Pools], None]) -> None:
    """Read the command line, train for each table it names, and have it `told`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SOURCES), help=", ".join(SOURCES))
    parser.add_argument("--cases", type=int, default=6_000)
    parser.add_argument("--shared", type=Path, default=SHARED)
    given = parser.parse_args()
    for name in given.names:
        told(name, *prepared(name, given.cases, given.shared, lambda text: print(text, file=sys.stderr)))
