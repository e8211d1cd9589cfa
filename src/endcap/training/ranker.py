"""Fits the ranker: CatBoost's symmetric trees with Logloss, taken out of its JSON model into flat arrays."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from endcap.features.votes import Votes
from endcap.ranking.blend import Blend
from endcap.ranking.trees import Trees
from endcap.training.examples import Examples

if TYPE_CHECKING:
    from catboost import CatBoostClassifier

_DEPTH = 6


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """The mean of `models` fits, each of `trees` trees from its own seed: more of them make the order less chancy.

    `l2` holds back the leaves.
    """

    models: int
    trees: int
    learning_rate: float
    l2: float = 10.0


def fit_trees(examples: Examples, schema: tuple[str, ...], config: RankerConfig) -> Trees:
    """Symmetric trees of depth 6 on `examples`; equal examples give equal trees.

    A case with n wanted items weighs 1 / sqrt(n) an example, so that a few large baskets do not teach everything.
    """
    return mean_of([_fit(examples, schema, config, seed) for seed in range(config.models)])


def mean_of(forests: Sequence[Trees]) -> Trees:
    """Trees whose raw score is the mean of those of `forests`, which share a schema."""
    return Trees(
        forests[0].schema,
        np.concatenate([trees.feature for trees in forests]),
        np.concatenate([trees.border for trees in forests]),
        np.concatenate([trees.leaves for trees in forests]) / len(forests),
        sum(trees.bias for trees in forests) / len(forests),
    )


def _fit(examples: Examples, schema: tuple[str, ...], config: RankerConfig, seed: int) -> Trees:
    from catboost import CatBoostClassifier, Pool  # noqa: PLC0415 - a second to load, and a refresh fits nothing

    model = CatBoostClassifier(
        loss_function="Logloss",
        iterations=config.trees,
        depth=_DEPTH,
        learning_rate=config.learning_rate,
        l2_leaf_reg=config.l2,
        border_count=64,
        bootstrap_type="MVS",
        subsample=0.7,
        random_seed=seed,
        thread_count=2,
        allow_writing_files=False,
        verbose=False,
    )
    wanted = np.bincount(examples.case, weights=examples.wanted)
    weight = 1 / np.sqrt(wanted[examples.case])
    model.fit(Pool(examples.features, examples.wanted.astype(np.int8), weight=weight / weight.mean()))
    return exported(model, schema)


def exported(model: "CatBoostClassifier", schema: tuple[str, ...]) -> Trees:
    """The trees of a CatBoost model of float features; smaller ones are filled up with splits that are never met."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.json"
        model.save_model(str(path), format="json")
        document: dict[str, Any] = json.loads(path.read_text())
    grown = document["oblivious_trees"]
    scale, (bias,) = document["scale_and_bias"]
    feature, border = np.zeros((len(grown), _DEPTH), np.int16), np.full((len(grown), _DEPTH), np.finfo(np.float32).max)
    leaves = np.zeros((len(grown), 2**_DEPTH))
    for number, tree in enumerate(grown):
        splits = tree["splits"] or []
        feature[number, : len(splits)] = [split["float_feature_index"] for split in splits]
        border[number, : len(splits)] = [split["border"] for split in splits]
        leaves[number, : 2 ** len(splits)] = tree["leaf_values"]
    return Trees(schema, feature, border.astype(np.float32), leaves * scale, float(bias)).checked()


def fit_blend(examples: Examples, schema: tuple[str, ...], sources: tuple[str, ...]) -> Blend:
    """A logistic blend of the votes of `sources`: their shares, and whether they vote at all."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - two seconds, as CatBoost

    names = Votes(sources).names
    used = [index for index, name in enumerate(names) if name.startswith("share_")]
    columns = np.nan_to_num(examples.features[:, [schema.index(names[index]) for index in used]], nan=0.0)
    weights = np.zeros(len(names), np.float32)
    model = LogisticRegression(C=1.0, max_iter=200).fit(columns, examples.wanted)
    weights[used] = model.coef_[0]
    return Blend(names, weights)
