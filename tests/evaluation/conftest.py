import numpy as np
import pytest

from endcap.evaluation import Evaluation, LayerFigures, Predictions, Split
from endcap.evaluation.results import Chance
from endcap.metrics import METRICS, Interval
from endcap.training import LeftOut


def layer(name: str, level: float, gain: Interval | None) -> LayerFigures:
    spread = {metric: Interval(level, level - 0.01, level + 0.01) for metric in METRICS}
    return LayerFigures(
        name=name,
        metrics=spread,
        discovery=spread,
        gain=None if gain is None else dict.fromkeys(METRICS, gain),
        repeat={"recall@10": level, "recall@20": level},
        new={"recall@10": 0.0, "recall@20": 0.01},
        coverage=0.25,
        cold=0.125,
        by_item={"0": 0.0, "21+": level},
        by_shopper={"2-5": level, "6+": level},
    )


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """A ladder written by hand: the second layer gains, the third gains nothing, the last loses."""
    return Evaluation(
        protocol="next-basket",
        split=Split("2011-10-01", 1_317_427_200_000),
        cases=2_119,
        discovery_cases=1_945,
        layers=(
            layer("popularity", 0.03, None),
            layer("collaborative", 0.15, Interval(0.12, 0.11, 0.13)),
            layer("session", 0.1500004, Interval(-0.0000004, -0.002, 0.002)),
            layer("hybrid", 0.1, Interval(-0.05, -0.06, -0.04)),
        ),
        left_out=(LeftOut("content", "no item has a text"),),
        candidates={"popularity": 0.2, "pool": 0.5},
        item_strata={"0": 3, "1-5": 0, "6-20": 0, "21+": 50_000},
        shopper_strata={"0": 0, "1": 0, "2-5": 19, "6+": 2_100},
        predictions=Predictions(
            cases=("ab", "cd", "ef"),
            counts=np.array([2, 0, 1]),
            rows=np.array([1, 0, 1], np.int32),
            scores=np.array([0.5, 0.25, 0.125], np.float32),
        ),
        chances={"purchase": Chance(1.25, 1.0, 0.0125)},
        shape="baskets",
        seconds={"fit": 61.5, "popularity": 0.0002, "collaborative": 0.0004, "session": 0.0006, "hybrid": 0.0012},
    )
