"""Fits the ranker: LightGBM's LambdaMART (Burges 2010), its trees taken out of the model into flat arrays.

Knows how many trees pay, and how likely an item is at a score. Does not know where examples come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from endcap.domain.arrays import Bools
from endcap.domain.instants import DAY
from endcap.features.votes import Votes
from endcap.ranking.blend import Blend
from endcap.ranking.calibration import ACTIONS, UNCALIBRATED, Calibration
from endcap.ranking.trees import MOST_LEAVES, Trees
from endcap.training.replay import Examples

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

Node: TypeAlias = Mapping[str, Any]
"""A split or leaf of a tree as LightGBM tells it."""

_FEWEST_LEAVES: Final = 60
"""A leaf may always be as small as one in so many of the examples."""
_LARGEST: Final = float(np.finfo(np.float32).max)
_PLACES: Final = 20
"""Pairs count where one of both is among so many first places."""
_LATER: Final = 5
"""One case in so many is kept from the trees that are tried."""
_FEWEST_WANTED: Final = 50
"""With fewer wanted items, or fewer taken by an action, no probability is told from them."""
_FEWEST_TO_STOP: Final = 1_000
"""Of fewer wanted items the order is too chancy to stop by."""
_STRETCHES: Final = 30


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """The mean of `models` fits, each of at most `trees` trees from its own seed: more make the order less chancy.

    Growth stops where `patience` trees have not bettered the order of later cases. A tree has at most `leaves` leaves
    of `least` examples or more each; `l2` holds them back. What an example weighs halves every `decay_days`; where
    that is 0, all weigh the same.
    """

    models: int
    trees: int
    learning_rate: float
    patience: int = 150
    decay_days: float = 0
    leaves: int = 15
    least: int = 100
    l2: float = 50.0


def fit_trees(examples: Examples, schema: tuple[str, ...], config: RankerConfig) -> Trees:
    """Trees on `examples`, which are sorted by case; equal examples give equal trees.

    The fifth of the cases that came last tells, to trees grown on the others, how many of them to grow on all, and how
    likely an item is at a score; with few wanted items in it, the first or both stay untold.
    """
    part = _later(examples)
    earlier, later = examples.where(~part), examples.where(part)
    wanted = min(int(earlier.wanted.sum()), int(later.wanted.sum()))
    calibration = UNCALIBRATED
    if wanted >= _FEWEST_WANTED:
        tried = _fit(earlier, schema, config, 0, later if wanted >= _FEWEST_TO_STOP else None)
        config, calibration = replace(config, trees=len(tried.feature)), fit_calibration(later, tried)
    return replace(grown_trees(examples, schema, config), calibration=calibration)


def grown_trees(examples: Examples, schema: tuple[str, ...], config: RankerConfig) -> Trees:
    """All the trees of `config` on `examples`, nothing held back to tell what they are worth."""
    return mean_of([_fit(examples, schema, config, seed) for seed in range(config.models)])


def _later(examples: Examples) -> Bools:
    """The examples bool [n] of the fifth of the cases that came last; of one instant, those with the largest number."""
    number, first = np.unique(examples.case, return_index=True)
    order = np.lexsort((number, examples.at[first]))
    return np.isin(examples.case, number[order[len(order) - len(order) // _LATER :]])


def fit_calibration(examples: Examples, trees: Trees) -> Calibration:
    """How likely an item is at a score of `trees`, told by `examples` that taught them nothing.

    The share of wanted items in stretches of scores, made never to fall by isotonic regression (Zadrozny & Elkan 2002).
    Of an action that was taken too seldom nothing is said.
    """
    from sklearn.isotonic import isotonic_regression  # noqa: PLC0415 - two seconds, as LightGBM

    scores = trees.score(np.ascontiguousarray(examples.features.T))
    wanted = scores[examples.wanted]
    edges = np.unique(np.quantile(wanted, np.linspace(0, 1, min(_STRETCHES, len(wanted) // 10) + 1)[1:-1]))
    stretch, weights = np.searchsorted(edges, scores), examples.stands_for.astype(np.float64)
    mass = np.bincount(stretch, weights)
    held = mass > 0
    centres = np.bincount(stretch, weights * scores)[held] / mass[held]
    taken = [number for number in range(1, len(ACTIONS) + 1) if (examples.action == number).sum() >= _FEWEST_WANTED]
    shares = np.empty((len(taken), len(centres)), np.float32)
    for row, number in enumerate(taken):
        share = np.bincount(stretch, weights * (examples.action == number))[held] / mass[held]
        shares[row] = isotonic_regression(share, sample_weight=mass[held])
    return Calibration(tuple(ACTIONS[number - 1] for number in taken), centres.astype(np.float32), shares)


def mean_of(forests: Sequence[Trees]) -> Trees:
    """Trees whose raw score is the mean of those of `forests`, which share a schema and a width."""
    return Trees(
        forests[0].schema,
        np.concatenate([trees.feature for trees in forests]),
        np.concatenate([trees.border for trees in forests]),
        np.concatenate([trees.missing_right for trees in forests]),
        np.concatenate([trees.left for trees in forests]),
        np.concatenate([trees.leaves for trees in forests]) / len(forests),
        sum(trees.bias for trees in forests) / len(forests),
    )


def _fit(
    examples: Examples, schema: tuple[str, ...], config: RankerConfig, seed: int, later: Examples | None = None
) -> Trees:
    """Trees grown on `examples`, given `later` as many of them as order those best."""
    import lightgbm  # noqa: PLC0415 - a second to load, and a refresh fits nothing

    settings = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [_PLACES],
        "lambdarank_truncation_level": _PLACES,
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "lambda_l2": config.l2,
        "min_data_in_leaf": min(config.least, len(examples.wanted) // _FEWEST_LEAVES + 1),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "max_bin": 127,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # two are half as fast again on idle cores, and six times slower on busy ones: they spin
        "verbose": -1,
    }
    told = _told(examples, config)
    if later is None:
        return exported(lightgbm.train(settings, told, config.trees), schema)
    stop = lightgbm.early_stopping(config.patience, verbose=False)
    pessimistic = later.where(np.lexsort((later.wanted, later.case)))  # its NDCG settles ties by place
    found = lightgbm.train(settings, told, config.trees, [_told(pessimistic, config, told)], callbacks=[stop])
    return exported(found, schema)


def _told(examples: Examples, config: RankerConfig, reference: "Dataset | None" = None) -> "Dataset":
    import lightgbm  # noqa: PLC0415 - as above

    weights = None
    if config.decay_days:
        weights = 0.5 ** ((examples.at.max() - examples.at) / DAY / config.decay_days)
    groups = np.unique(examples.case, return_counts=True)[1]
    return lightgbm.Dataset(examples.features, examples.wanted.astype(np.int8), reference, weights, groups)


def exported(model: "Booster", schema: tuple[str, ...]) -> Trees:
    """The trees of a LightGBM model of float features; smaller ones are filled up."""
    grown = [tree["tree_structure"] for tree in model.dump_model()["tree_info"]]
    shape = len(grown), MOST_LEAVES - 1
    trees = Trees(
        schema,
        feature=np.zeros(shape, np.int16),
        border=np.zeros(shape, np.float32),
        missing_right=np.zeros(shape, np.bool_),
        left=np.zeros(shape, np.uint16),
        leaves=np.zeros((len(grown), MOST_LEAVES)),
        bias=0.0,
    )
    for number, root in enumerate(grown):
        _lay_out(root, trees, number, 0, 0)
    return trees.checked()


def _lay_out(node: Node, trees: Trees, tree: int, split: int, leaf: int) -> tuple[int, int]:
    """Write what is below `node` from the places `split` and `leaf` on; returns the next free places."""
    if "split_feature" not in node:
        trees.leaves[tree, leaf] = node["leaf_value"]
        return split, leaf + 1
    threshold = min(float(node["threshold"]), _LARGEST)  # beyond any number where only NaN goes right
    at_most = np.float32(threshold)
    if float(at_most) > threshold:
        at_most = np.nextafter(at_most, np.float32(-np.inf))
    missing_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0
    trees.feature[tree, split], trees.border[tree, split] = node["split_feature"], at_most
    trees.missing_right[tree, split] = not missing_left
    below, right = _lay_out(node["left_child"], trees, tree, split + 1, leaf)
    trees.left[tree, split] = (1 << right) - (1 << leaf)
    return _lay_out(node["right_child"], trees, tree, below, right)


def fit_blend(examples: Examples, schema: tuple[str, ...], sources: tuple[str, ...]) -> Blend:
    """A logistic blend of the votes of `sources`: their shares, and whether they vote at all."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - two seconds, as LightGBM

    names = Votes(sources).names
    used = [index for index, name in enumerate(names) if name.startswith("share_")]
    columns = np.nan_to_num(examples.features[:, [schema.index(names[index]) for index in used]], nan=0.0)
    weights = np.zeros(len(names), np.float32)
    model = LogisticRegression(C=1.0, max_iter=200).fit(columns, examples.wanted)
    weights[used] = model.coef_[0]
    return Blend(names, weights)
