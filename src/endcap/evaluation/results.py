"""What an evaluation found, and its JSON: the same findings give the same bytes, without time, path or version."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from endcap.evaluation.predictions import Predictions
from endcap.metrics import Interval
from endcap.training import LeftOut, Protocol

Intervals: TypeAlias = Mapping[str, Interval]
Stage: TypeAlias = Literal["validation", "test"]

DECIMALS: Final = 6
ITEM_STRATA: Final = {"0": 0, "1-5": 1, "6-20": 6, "21+": 21}
"""Targets by how many interactions of the item are learned from: the least of each stratum."""
SHOPPER_STRATA: Final = {"0": 0, "1": 1, "2-5": 2, "6+": 6}
"""Cases by how many events of the shopper are known: the least of each stratum."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a data set is asked: the stage, and what the protocol leaves open."""

    stage: Stage = "test"
    fold_validation: bool = False
    exclude_current: bool = False


class Split(NamedTuple):
    """The instant (ms UTC) that parts history from cases, and the text it was given as."""

    text: str
    at: int


class Worth(NamedTuple):
    """What comes of one look at each of the first ten items of a list: purchases, and revenue in minor units."""

    purchases: float
    revenue: float


@dataclass(frozen=True, slots=True)
class LayerFigures:
    """One row of the ladder; the keys of `metrics`, `discovery` and `gain` are METRICS.

    `discovery` is None where the protocol has no such list or no basket a new item, `gain` (over the row above) for the
    first row. `repeat` and `new` hold recall@k of the targets that the shopper had before or had not, over the cases
    that have some. `coverage` is the share of sellable items in at least one list's first 20, `cold` the share of those
    places that went to items without an interaction before the split. `by_item` holds recall@20 over the targets of
    each of ITEM_STRATA that has one, `by_shopper` that over the cases of each of SHOPPER_STRATA. Of a simulated shop
    `true` is what `metrics` estimate, `worth` the mean over the lists; else both are None.
    """

    name: str
    metrics: Intervals
    discovery: Intervals | None
    gain: Intervals | None
    repeat: Mapping[str, float]
    new: Mapping[str, float]
    coverage: float
    cold: float
    by_item: Mapping[str, float]
    by_shopper: Mapping[str, float]
    true: Mapping[str, float] | None = None
    worth: Worth | None = None


class Chance(NamedTuple):
    """Of one action, over the first 20 places of all lists: how often it was to happen a case, and how often it did.

    `error` is the expected calibration error a place: the mean over stretches of probability, by their places, of the
    difference between what was told and what happened (Naeini et al. 2015, equation 3).
    """

    told: float
    happened: float
    error: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The ladder, layer by layer, the last being the hybrid; fractions, averaged over cases.

    `candidates` is the recall@100 of each source of the last layer, and under `pool` the recall of all it ranked.
    `item_strata` and `shopper_strata` count the targets and cases of each stratum. `predictions` are the last layer's
    lists, `chances` what its probabilities were worth. `shape` names the recognised training profile. `seconds` of
    `fit` in all and of each layer's name a case are the clock's, and no part of what was found.
    """

    protocol: Protocol
    split: Split
    cases: int
    discovery_cases: int
    layers: tuple[LayerFigures, ...]
    left_out: tuple[LeftOut, ...]
    candidates: Mapping[str, float]
    item_strata: Mapping[str, int]
    shopper_strata: Mapping[str, int]
    predictions: Predictions
    chances: Mapping[str, Chance] = field(default_factory=dict)
    shape: str = ""
    terms: Terms = Terms()
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)


def to_json(evaluation: Evaluation) -> bytes:
    """The evaluation as JSON: UTF-8, fixed order, six decimals, a newline at the end."""
    document: dict[str, Any] = {
        "protocol": evaluation.protocol,
        "split": evaluation.split.text,
        "cases": evaluation.cases,
        "layers": [
            {
                "name": layer.name,
                "metrics": _means(layer.metrics),
                "discovery": None if layer.discovery is None else _means(layer.discovery),
                "gain": None if layer.gain is None else {name: _bounds(found) for name, found in layer.gain.items()},
                "cold_start": {"items": _all_rounded(layer.by_item), "shoppers": _all_rounded(layer.by_shopper)},
                **({"true": _all_rounded(layer.true)} if layer.true else {}),
                **({"worth": _all_rounded(layer.worth._asdict())} if layer.worth else {}),
            }
            for layer in evaluation.layers
        ],
        "left_out": [{"name": layer.name, "because": layer.because} for layer in evaluation.left_out],
        "shape": evaluation.shape,
        "terms": asdict(evaluation.terms),
        "candidates": _all_rounded(evaluation.candidates),
        "strata": {"items": dict(evaluation.item_strata), "shoppers": dict(evaluation.shopper_strata)},
        "chances": {action: _all_rounded(found._asdict()) for action, found in evaluation.chances.items()},
    }
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _means(intervals: Intervals) -> dict[str, float]:
    return {name: _rounded(found.mean) for name, found in intervals.items()}


def _bounds(found: Interval) -> dict[str, float]:
    return {"mean": _rounded(found.mean), "low": _rounded(found.low), "high": _rounded(found.high)}


def _all_rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in found.items()}


def _rounded(value: float) -> float:
    return round(value, DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
