"""What an evaluation found, and its JSON: the same findings give the same bytes, without time, path or version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from endcap.evaluation.predictions import Predictions
from endcap.metrics import Interval
from endcap.training import LeftOut, Protocol

Intervals: TypeAlias = Mapping[str, Interval]

DECIMALS: Final = 6


class Split(NamedTuple):
    """The instant (ms UTC) that parts history from cases, and the text it was given as."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class LayerFigures:
    """One row of the ladder; the keys of `metrics`, `discovery` and `gain` are METRICS.

    `discovery` is None where the protocol has no such list or no basket a new item, `gain` (over the row above) for the
    first row. `repeat` and `new` hold recall@k of the targets that the shopper had before or had not, over the cases
    that have some. `coverage` is the share of sellable items in at least one list's first 20, `cold` the share of those
    places that went to items without an interaction before the split.
    """

    name: str
    metrics: Intervals
    discovery: Intervals | None
    gain: Intervals | None
    repeat: Mapping[str, float]
    new: Mapping[str, float]
    coverage: float
    cold: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The ladder, layer by layer, the last being the hybrid; fractions, averaged over cases.

    `candidates` is the recall@100 of each source of the last layer, and under `pool` that of all it ranked.
    `predictions` are the last layer's lists.
    """

    protocol: Protocol
    split: Split
    cases: int
    discovery_cases: int
    layers: tuple[LayerFigures, ...]
    left_out: tuple[LeftOut, ...]
    candidates: Mapping[str, float]
    predictions: Predictions


def to_json(evaluation: Evaluation) -> bytes:
    """The evaluation as JSON: UTF-8, fixed order, six decimals, a newline at the end."""
    document = {
        "protocol": evaluation.protocol,
        "split": evaluation.split.text,
        "cases": evaluation.cases,
        "layers": [
            {
                "name": layer.name,
                "metrics": _means(layer.metrics),
                "discovery": None if layer.discovery is None else _means(layer.discovery),
                "gain": None if layer.gain is None else {name: _bounds(found) for name, found in layer.gain.items()},
            }
            for layer in evaluation.layers
        ],
        "left_out": [{"name": layer.name, "because": layer.because} for layer in evaluation.left_out],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _means(intervals: Intervals) -> dict[str, float]:
    return {name: _rounded(found.mean) for name, found in intervals.items()}


def _bounds(found: Interval) -> dict[str, float]:
    return {"mean": _rounded(found.mean), "low": _rounded(found.low), "high": _rounded(found.high)}


def _rounded(value: float) -> float:
    return round(value, DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
