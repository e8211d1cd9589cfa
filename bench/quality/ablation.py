"""Leave every source and every feature family out in turn, on validation: what each is worth beside all others.

    python bench/quality/ablation.py diginetica amazon-beauty online-retail --cases 6000

A source left out proposes nothing and has no vote; its table's links and its place in the counts of agreeing sources
stay. The ranker is fitted again on the same examples without the columns, once where a profile has the mean of more.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from endcap.metrics import METRICS, paired_gain
from endcap.training import Learned
from endcap.training.ranker import grown_trees
from validation import PROFILES, SOURCES, Pools, each_table

SHOWN = ("recall@20", "mrr@20", "recall@10", "ndcg@10")


def left_out(learned: Learned) -> Iterator[tuple[str, list[int], str]]:
    """What is left out, the columns that stay, and the source that proposes nothing ("": all propose)."""
    schema = learned.snapshot.features.schema
    for source in learned.snapshot.sources:
        votes = {f"{kind}_{source.name}" for kind in ("vote", "share", "rank")}
        yield f"source {source.name}", [at for at, name in enumerate(schema) if name not in votes], source.name
    for family in learned.snapshot.features.families[1:]:
        label = f"{type(family).__name__} {family.names[0]}"
        yield label, [at for at, name in enumerate(schema) if name not in set(family.names)], ""


def ablated(name: str, learned: Learned, pools: Pools) -> None:
    """Print one line for all, and one for each thing left out, with the loss and its 95 % interval."""
    config = replace(PROFILES[SOURCES[name]].ranker, models=1)
    schema, examples = learned.snapshot.features.schema, learned.examples
    trees = grown_trees(examples, schema, config)
    whole = pools.measured(trees.score(np.ascontiguousarray(pools.features.T)))
    units = np.arange(len(whole))
    print(f"\n{name}: {len(whole):,} validation cases, all: {_told(whole.mean(0))}")
    print(f"  {'left out':34s} {'  '.join(f'{metric:>9s}' for metric in SHOWN)}  gain of having it in {SHOWN[3]}, 95 %")
    votes = [schema.index(f"vote_{source.name}") for source in learned.snapshot.sources]
    for label, columns, silent in left_out(learned):
        kept: NDArray[np.bool_] | None = None
        if silent:
            others = [vote for vote in votes if schema[vote] != f"vote_{silent}"]
            kept = np.asarray(np.isfinite(pools.features[:, others]).any(axis=1))
        trees = grown_trees(
            examples._replace(features=np.ascontiguousarray(examples.features[:, columns])),
            tuple(schema[at] for at in columns),
            config,
        )
        found = pools.measured(trees.score(np.ascontiguousarray(pools.features[:, columns].T)), kept)
        gain = paired_gain(whole, found, units)[METRICS.index(SHOWN[3])]
        print(f"  {label:34s} {_told(found.mean(0))}  {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]", flush=True)


def _told(means: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return "  ".join(f"{means[METRICS.index(metric)]:9.4f}" for metric in SHOWN)


if __name__ == "__main__":
    each_table(__doc__, ablated)
