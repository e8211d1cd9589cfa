"""The tree kernel: equal to the fitting library on data full of NaN; what cannot be scored is refused."""

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest

from endcap.errors import SnapshotRejected
from endcap.ranking.trees import Trees
from endcap.training.ranker import exported, mean_of

Fitted = tuple[lightgbm.Booster, Trees]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    generator = np.random.Generator(np.random.Philox(3))
    features = generator.normal(size=(3_000, 12)).astype(np.float32)
    wanted = features[:, 0] * features[:, 1] + features[:, 2] > 0.3
    features[generator.random(features.shape) < 0.2] = np.nan
    features[:, 5] = np.nan
    features[:, 6] = np.round(features[:, 6])
    features[:, 7] = np.nan_to_num(features[:, 7])
    told = lightgbm.Dataset(features, wanted)
    model = lightgbm.train({"objective": "binary", "num_leaves": 16, "verbose": -1, "num_threads": 1}, told, 80)
    return model, exported(model, tuple(f"f{n}" for n in range(12)))


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.9, 1.0])
def test_scores_equal_the_fitting_librarys(fitted: Fitted, missing: float) -> None:
    model, trees = fitted
    generator = np.random.Generator(np.random.Philox(4))
    features = generator.normal(size=(700, 12)).astype(np.float32) * 3
    features[generator.random(features.shape) < missing] = np.nan
    features[:5] = [[-np.inf], [np.inf], [3.4e38], [-3.4e38], [0.0]]
    expected = np.asarray(model.predict(features, raw_score=True), np.float64)
    np.testing.assert_allclose(trees.raw(np.ascontiguousarray(features.T)), expected, rtol=0, atol=1e-9)


def test_every_border_is_asked_the_same_way(fitted: Fitted) -> None:
    model, trees = fitted
    values = np.unique(np.concatenate([trees.border[trees.feature == 0], [0]])).astype(np.float32)
    features = np.zeros((3 * len(values), 12), np.float32)
    features[:, 0] = np.concatenate([values, np.nextafter(values, np.float32(9)), np.nextafter(values, np.float32(-9))])
    expected = np.asarray(model.predict(features, raw_score=True), np.float64)
    np.testing.assert_allclose(trees.raw(np.ascontiguousarray(features.T)), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"leaves": np.full((80, 16), np.nan)}, "not a finite number"),
        ({"bias": float("inf")}, "not a finite number"),
        ({"feature": np.full((80, 15), 12, np.int16)}, "beyond the 12 known"),
        ({"leaves": np.zeros((80, 32))}, "do not fit"),
        ({"left": np.full((80, 15), 2**16 - 1, np.uint16)}, "rule out all of the 16 leaves"),
    ],
)
def test_trees_that_cannot_be_scored_are_refused(fitted: Fitted, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(SnapshotRejected, match=reason):
        replace(fitted[1], **change).checked()


def test_the_mean_of_two_forests_scores_their_mean(fitted: Fitted) -> None:
    trees = fitted[1]
    other = replace(trees, leaves=trees.leaves * 3, bias=trees.bias + 1)
    features = np.random.Generator(np.random.Philox(5)).normal(size=(12, 50)).astype(np.float32)
    expected = (trees.raw(features) + other.raw(features)) / 2
    np.testing.assert_allclose(mean_of([trees, other]).raw(features), expected, rtol=0, atol=1e-12)
