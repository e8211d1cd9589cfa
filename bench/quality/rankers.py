"""Compare losses and libraries for the ranker on the same examples and the same validation pools.

    python bench/quality/rankers.py diginetica amazon-beauty online-retail --cases 6000

LightGBM's LambdaMART as the product fits it, and CatBoost's symmetric trees with Logloss, YetiRank and QuerySoftMax,
200 of them at .1; prints the order's quality and the seconds of the fit.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable
from typing import Any

import catboost
import numpy as np
from numpy.typing import NDArray

from endcap.metrics import METRICS, bootstrap
from endcap.training import Learned
from endcap.training.ranker import fit_trees
from validation import PROFILES, SOURCES, Pools, each_table

SHOWN = ("recall@20", "mrr@20", "recall@10", "ndcg@10")
TREES, RATE, L2 = 200, 0.1, 30
Scorer = Callable[[NDArray[np.float32]], NDArray[Any]]


def symmetric(loss: str, learned: Learned) -> Scorer:
    """CatBoost with `loss`; groups are cases."""
    examples = learned.examples
    model = catboost.CatBoost(
        {
            "loss_function": loss, "iterations": TREES, "learning_rate": RATE, "l2_leaf_reg": L2, "depth": 6,
            "border_count": 64, "random_seed": 0, "thread_count": 2, "allow_writing_files": False, "verbose": False,
        }
    )  # fmt: skip
    model.fit(catboost.Pool(examples.features, examples.wanted.astype(np.float32), group_id=examples.case))
    return lambda features: np.asarray(model.predict(features))


def lambdamart(name: str, learned: Learned) -> Scorer:
    """The product's own ranker, by the default of the table's shape."""
    config = PROFILES[SOURCES[name]].ranker
    trees = fit_trees(learned.examples, learned.snapshot.features.schema, config)
    return lambda features: trees.score(np.ascontiguousarray(features.T))


def compared(name: str, learned: Learned, pools: Pools) -> None:
    """Print one line a ranker."""
    print(f"\n{name}: {len(pools.targets):,} validation cases, {len(learned.examples.wanted):,} examples")
    fits: dict[str, Callable[[], Scorer]] = {
        "CatBoost Logloss": lambda: symmetric("Logloss", learned),
        "CatBoost YetiRank": lambda: symmetric("YetiRank", learned),
        "CatBoost QuerySoftMax": lambda: symmetric("QuerySoftMax", learned),
        "LightGBM LambdaMART": lambda: lambdamart(name, learned),
    }
    for label, fit in fits.items():
        began = time.perf_counter()
        scorer = fit()
        seconds = time.perf_counter() - began
        found = pools.measured(np.asarray(scorer(pools.features)))
        told = zip(METRICS, bootstrap(found, np.arange(len(found))), strict=True)
        text = "  ".join(
            f"{metric} {each.mean:.4f} [{each.low:.4f}, {each.high:.4f}]" for metric, each in told if metric in SHOWN
        )
        print(f"  {label:22s} {seconds:6.0f} s  {text}", flush=True)


if __name__ == "__main__":
    each_table(__doc__, compared)
