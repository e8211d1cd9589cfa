"""Choose the settings of the peers on validation: one setting after the other, the best value kept.

    python bench/quality/tune_peers.py amazon-beauty --every 2

Prints each method as Python, to be put into `tables.py`. The test is never looked at.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from cases import Task
from convert import OUT, SHARED, convert
from floors import Personal
from knn import Knn
from measure import figures, places
from peers import Als, Bpr, Ease
from tables import RUNS, Method, decaying, harmonic

GOALS: Final = {
    "diginetica": ("recall@20", "mrr@20"),
    "diginetica-exclude-current": ("recall@20", "mrr@20"),
    "amazon-beauty": ("recall@10", "ndcg@10"),
    "online-retail": ("recall@10", "ndcg@10"),
    "online-retail-discovery": ("recall@20",),
}
"""What is maximised: the sum of these figures."""
WITHOUT_MEANING: Final = {
    "diginetica": {"memory.half_life", "size_power"},
    "diginetica-exclude-current": {"memory.half_life", "size_power"},
    "amazon-beauty": {"half_life", "memory.half_life", "size_power", "own", "own_fade"},
    "online-retail": {"steps", "backward"},
    "online-retail-discovery": {"steps", "backward", "own", "own_fade"},
}
"""Settings that change nothing there: without ages, where own items are not ranked, in baskets."""

_LAST: Final = {"memory.fade": (0.5, 0.7, 0.8, 0.9, 1.0), "memory.last": (1, 3, 5, 10, 20)}
_AGE: Final = {"memory.half_life": (30.0, 90.0, 180.0, 320.0, 1000.0)}
_OWN: Final = {"own": (0.05, 0.2, 0.4, 1.0, 2.0), "own_fade": (0.3, 0.5, 0.8, 0.9)}
_STEPS: Final = {
    "steps": (decaying(0.6, 10), decaying(0.7, 10), decaying(0.8, 15), decaying(0.9, 15), harmonic(10), harmonic(20)),
    "backward": (0.3, 0.6, 0.8, 1.0),
}
_COUNTS: Final = {
    "half_life": (15.0, 30.0, 60.0, 120.0, 20_000.0, 60_000.0, np.inf),
    "from_power": (0.0, 0.2, 0.3, 0.5, 0.7),
    "to_power": (0.0, 0.05, 0.1, 0.2, 0.3, 0.4),
    "size_power": (0.0, 0.2, 0.4, 0.7),
    "shrinkage": (1.0, 5.0, 10.0, 30.0),
}
GRIDS: Final[Mapping[type, Mapping[str, Sequence[Any]]]] = {
    Knn: {**_STEPS, **_COUNTS, **_LAST, **_AGE, **_OWN},
    Als: {"alpha": (1.0, 3.0, 10.0, 30.0), "regularization": (0.1, 1.0, 3.0, 10.0), "factors": (64, 128), **_LAST},
    Bpr: {"learning_rate": (0.02, 0.05, 0.1), "iterations": (50, 100, 200), "factors": (64, 128), **_LAST},
    Ease: {"ridge": (100.0, 300.0, 1000.0, 3000.0), **_LAST},
    Personal: {"fade": (0.85, 0.9, 0.93, 0.95, 0.97, 1.0), "half_life": (80, 160, 240, 320, 480), "days": (30, 60, 90)},
}


def tuned(method: Method, task: Task, run: str) -> tuple[Method, float]:
    """The best of `method` and what its grid makes of it, changed in one setting after the other."""
    best, at = _value(method, task, GOALS[run]), method
    for name, values in GRIDS[type(method)].items():
        for value in values if name not in WITHOUT_MEANING[run] else ():
            candidate = _changed(at, name, value)
            found = _value(candidate, task, GOALS[run]) if candidate != at else best
            if found > best:
                best, at = found, candidate
    return at, best


def _changed(method: Any, name: str, value: Any) -> Method:
    outer, _, inner = name.partition(".")
    changed: Method = replace(method, **{outer: replace(getattr(method, outer), **{inner: value}) if inner else value})
    return changed


def _value(method: Method, task: Task, goal: Sequence[str]) -> float:
    found = figures(task.cases.wanted, places(method.fit(task), task.cases), len(task.cases))
    return float(sum(found[name].mean() for name in goal))


def main() -> None:
    """Tune the methods of one run that have a grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=GOALS)
    parser.add_argument("--every", type=int, default=1, help="ask every n-th session or shopper")
    parser.add_argument("--shared", type=Path, default=SHARED, help="the public data sets (%(default)s)")
    given = parser.parse_args()
    run = RUNS[given.run]
    task = run.cut(convert(run.source, given.shared, OUT), "validation")
    unit = np.unique(task.cases.unit, return_inverse=True)[1]
    task = replace(task, cases=task.cases.only(np.flatnonzero(unit % given.every == 0)))
    for name, method in {**run.floors, **run.peers}.items():
        if name in run.peers or "tuned" in name:
            print(name, *tuned(method, task, given.run), flush=True)


if __name__ == "__main__":
    main()
