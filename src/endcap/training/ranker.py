"""Fits the ranker: LightGBM's LambdaMART (Burges 2010), its trees taken out of the model into flat arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from endcap.features.votes import Votes
from endcap.ranking.blend import Blend
from endcap.ranking.trees import MOST_LEAVES, Trees
from endcap.training.replay import Examples

if TYPE_CHECKING:
    from lightgbm import Booster

Node: TypeAlias = Mapping[str, Any]
"""A split or leaf of a tree as LightGBM tells it."""

_FEWEST_LEAVES: Final = 60
"""A leaf may always be as small as one in so many of the examples."""
_LARGEST: Final = float(np.finfo(np.float32).max)
_PLACES: Final = 20
"""Pairs count where one of both is among so many first places."""


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """The mean of `models` fits, each of `trees` trees from its own seed: more of them make the order less chancy.

    A tree has at most `leaves` leaves of `least` examples or more each; `l2` holds them back.
    """

    models: int
    trees: int
    learning_rate: float
    leaves: int = 15
    least: int = 100
    l2: float = 50.0


def fit_trees(examples: Examples, schema: tuple[str, ...], config: RankerConfig) -> Trees:
    """Trees on `examples`, which are sorted by case; equal examples give equal trees."""
    return mean_of([_fit(examples, schema, config, seed) for seed in range(config.models)])


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


def _fit(examples: Examples, schema: tuple[str, ...], config: RankerConfig, seed: int) -> Trees:
    import lightgbm  # noqa: PLC0415 - a second to load, and a refresh fits nothing

    settings = {
        "objective": "lambdarank",
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
    told = lightgbm.Dataset(examples.features, examples.wanted.astype(np.int8), group=np.bincount(examples.case))
    return exported(lightgbm.train(settings, told, config.trees), schema)


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
