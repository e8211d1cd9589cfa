"""Vectors of what follows what: a linear model of sequences, fitted by sampled softmax.

The shopper's last items, weighted by their places, are summed to one vector; the product with an item's outward vector
says how likely that item comes next. Knows nothing of people: a shopper is folded in from their last items.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.features.following import Sequel
from endcap.training.history import History

_SEED: Final = 11
_AT_ONCE: Final = 8_192
_GRID: Final = 2**20
_FIRST_SUM: Final = 1e-3


@dataclass(frozen=True, slots=True)
class SequelConfig:
    """`dimension` of the vectors, passes over the data, and how many unwanted items are drawn beside a wanted one."""

    dimension: int
    epochs: int
    reach: int
    negatives: int
    rate: float


def fit_sequel(history: History, rows: int, config: SequelConfig) -> Sequel:
    """The model of every line that follows another in its session; rows without a line have vectors of 0.

    Cross entropy over the wanted item and `negatives` others, drawn by popularity^0.75 (Mikolov et al. 2013) and
    corrected for it (Bengio & Senécal 2008); AdaGrad (Duchi et al. 2011) with one sum a row.
    """
    counted = history.weight > 0
    known, line = np.unique(history.group[counted], return_inverse=True)
    session = history.session[counted]
    first = np.r_[True, session[1:] != session[:-1]][: len(session)]
    begins = np.maximum.accumulate(np.where(first, np.arange(len(session)), 0))
    target = np.flatnonzero(~first)
    line = line.astype(np.int64)
    draw = np.random.Generator(np.random.Philox(_SEED))
    shape = len(known), config.dimension
    inward, outward = (draw.normal(0, 0.1, shape).astype(np.float32) for _ in range(2))
    bias, places = np.zeros(len(known), np.float32), (0.75 ** np.arange(config.reach)).astype(np.float32)
    sums = [np.full(size, _FIRST_SUM, np.float32) for size in (len(known), len(known), len(known))]
    share = (np.bincount(line, minlength=len(known)) + 0.1) ** 0.75
    share /= max(share.sum(), 1e-9)
    grid = np.searchsorted(np.cumsum(share), (np.arange(_GRID) + 0.5) / _GRID).clip(0, max(len(known) - 1, 0))
    drawn = np.log(share * config.negatives).astype(np.float32)
    place_sums = np.ones(config.reach, np.float32)
    with threadpool_limits(1, "blas"):
        for _ in range(config.epochs if len(target) else 0):
            order = draw.permutation(target)
            for at in range(0, len(order), _AT_ONCE):
                some = order[at : at + _AT_ONCE]
                others = grid[draw.integers(0, _GRID, (len(some), config.negatives))]
                _descend(
                    line, begins[some], some, others, inward, outward, bias, places, sums[0], sums[1], sums[2],
                    place_sums, drawn, config.rate,
                )  # fmt: skip
    return Sequel(_spread(inward, known, rows), _spread(outward, known, rows), _spread(bias, known, rows), places)


def _spread(values: Floats, known: Rows, rows: int) -> Floats:
    full = np.zeros((rows, *values.shape[1:]), np.float32)
    full[known] = values
    return full


@compiled
def _descend(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    line: Ints, begins: Ints, target: Ints, others: Ints, inward: Floats, outward: Floats, bias: Floats,
    places: Floats, inward_sums: Floats, outward_sums: Floats, bias_sums: Floats, place_sums: Floats,
    drawn: Floats, rate: float,
) -> None:  # fmt: skip
    dimension, asked = inward.shape[1], others.shape[1] + 1
    items, held = np.empty(asked, np.int64), np.empty((asked, dimension), np.float32)
    scores, trail = np.empty(asked, np.float32), np.empty(dimension, np.float32)
    for question in range(len(target)):
        here = target[question]
        back = min(here - begins[question], len(places))
        length = np.float32(np.sqrt((places[:back] ** 2).sum()) + 1e-6)
        trail[:] = 0
        for place in range(back):
            item, weight = line[here - 1 - place], places[place] / length
            for axis in range(dimension):
                trail[axis] += weight * inward[item, axis]
        items[0], items[1:] = line[here], others[question]
        for place in range(asked):
            for axis in range(dimension):
                held[place, axis] = outward[items[place], axis]
        np.dot(held, trail, scores)
        for place in range(asked):
            scores[place] += bias[items[place]] - drawn[items[place]]
            if place > 0 and items[place] == items[0]:
                scores[place] = -1e9
        scores[:] = np.exp(scores - scores.max())
        scores /= scores.sum()
        scores[0] -= 1
        pull = np.dot(scores, held)
        norm = np.dot(trail, trail) / dimension
        for place in range(asked):
            item, gradient = items[place], scores[place]
            if abs(gradient) < 1e-5:
                continue
            bias_sums[item] += gradient * gradient
            bias[item] -= rate * gradient / np.sqrt(bias_sums[item])
            outward_sums[item] += gradient * gradient * norm
            step = np.float32(rate * gradient / np.sqrt(outward_sums[item]))
            for axis in range(dimension):
                outward[item, axis] -= step * trail[axis]
        norm = np.dot(pull, pull) / dimension
        for place in range(back):
            item, weight = line[here - 1 - place], places[place] / length
            slope = np.dot(pull, inward[item]) / length
            place_sums[place] += slope * slope
            places[place] -= 0.1 * rate * slope / np.sqrt(place_sums[place])
            inward_sums[item] += weight * weight * norm
            step = np.float32(rate * weight / np.sqrt(inward_sums[item]))
            for axis in range(dimension):
                inward[item, axis] -= step * pull[axis]
