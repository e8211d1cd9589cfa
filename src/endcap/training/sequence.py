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
_GRID: Final = 2**20
_FIRST_SUM: Final = 1e-3


@dataclass(frozen=True, slots=True)
class SequelConfig:
    """`dimension` of the vectors, `reach` items of a trail, and passes over at most the `most` latest lines.

    A `batch` of lines shares the items drawn beside the wanted ones.
    """

    dimension: int
    epochs: int
    reach: int
    negatives: int
    rate: float
    batch: int = 128
    most: int = 900_000


def fit_sequel(history: History, content: Floats, config: SequelConfig) -> Sequel:
    """The model of every line that follows another in its session; rows without a line have vectors of 0.

    An item sets out from its vector in `content` float32 [rows, d], so that one with few lines stays near its like.

    Cross entropy over the wanted item and `negatives` others that a batch of `batch` lines shares, drawn by
    popularity^0.75 (Mikolov et al. 2013) and corrected for it (Bengio & Senécal 2008); AdaGrad (Duchi et al. 2011) with
    one sum a row. Of more than `most` lines the latest teach.
    """
    counted = history.weight > 0
    known, line = np.unique(history.group[counted], return_inverse=True)
    session = history.session[counted]
    first = np.r_[True, session[1:] != session[:-1]][: len(session)]
    begins = np.maximum.accumulate(np.where(first, np.arange(len(session)), 0))
    target = np.flatnonzero(~first)
    if len(target) > config.most:
        target = np.sort(target[np.argsort(history.time[counted][target], kind="stable")[-config.most :]])
    line = line.astype(np.int64)
    draw = np.random.Generator(np.random.Philox(_SEED))
    shape = len(known), config.dimension
    inward, outward = (draw.normal(0, 0.1, shape).astype(np.float32) for _ in range(2))
    for vectors in (inward, outward):
        shared = content[known, : config.dimension]
        vectors[:, : shared.shape[1]] += shared
    bias, places = np.zeros(len(known), np.float32), (0.75 ** np.arange(config.reach)).astype(np.float32)
    sums = [np.full(len(known), _FIRST_SUM, np.float32) for _ in range(3)]
    share = (np.bincount(line, minlength=len(known)) + 0.1) ** 0.75
    share /= max(share.sum(), 1e-9)
    grid = np.searchsorted(np.cumsum(share), (np.arange(_GRID) + 0.5) / _GRID).clip(0, max(len(known) - 1, 0))
    drawn = np.log(share * config.negatives).astype(np.float32)
    place_sums = np.ones(config.reach, np.float32)
    with threadpool_limits(1, "blas"):
        for _ in range(config.epochs if len(target) else 0):
            order = draw.permutation(target)
            for at in range(0, len(order), config.batch):
                some = order[at : at + config.batch]
                others = grid[draw.integers(0, _GRID, config.negatives)]
                _descend(
                    line, begins[some], some, others, inward, outward, bias, places, sums[0], sums[1], sums[2],
                    place_sums, drawn, config.rate,
                )  # fmt: skip
    rows = len(content)
    return Sequel(_spread(inward, known, rows), _spread(outward, known, rows), _spread(bias, known, rows), places)


def _spread(values: Floats, known: Rows, rows: int) -> Floats:
    full = np.zeros((rows, *values.shape[1:]), np.float32)
    full[known] = values
    return full


@compiled
def _descend(  # noqa: PLR0913 - a kernel takes its columns one by one
    line: Ints, begins: Ints, target: Ints, others: Ints, inward: Floats, outward: Floats, bias: Floats,
    places: Floats, inward_sums: Floats, outward_sums: Floats, bias_sums: Floats, place_sums: Floats,
    drawn: Floats, rate: float,
) -> None:  # fmt: skip
    """One batch: first what all share (`others`), then what each question has alone, one after the other."""
    dimension = inward.shape[1]
    trails, held = _trails(line, begins, target, inward, places), outward[others]
    slopes = np.dot(trails, held.T)
    wanted = _slopes(slopes, line[target], others, trails, outward, bias, drawn)
    pull, push = np.dot(slopes, held), np.dot(slopes.T, trails)
    for place in range(len(others)):
        item, slope = others[place], slopes[:, place].sum()
        bias_sums[item] += slope * slope
        bias[item] -= rate * slope / np.sqrt(bias_sums[item])
        outward_sums[item] += np.dot(push[place], push[place]) / dimension
        step = np.float32(rate / np.sqrt(outward_sums[item]))
        for axis in range(dimension):
            outward[item, axis] -= step * push[place, axis]
    for question in range(len(target)):
        item, slope, trail = line[target[question]], wanted[question], trails[question]
        bias_sums[item] += slope * slope
        bias[item] -= rate * slope / np.sqrt(bias_sums[item])
        outward_sums[item] += slope * slope * np.dot(trail, trail) / dimension
        step = np.float32(rate * slope / np.sqrt(outward_sums[item]))
        for axis in range(dimension):
            pull[question, axis] += slope * outward[item, axis]
            outward[item, axis] -= step * trail[axis]
        back = min(target[question] - begins[question], len(places))
        newest = target[question] - 1
        _draw_in(line, newest, back, pull[question], inward, places, inward_sums, place_sums, rate)


@compiled
def _trails(line: Ints, begins: Ints, target: Ints, inward: Floats, places: Floats) -> Floats:
    """float32 [questions, dimension]: the items before each target, weighted by place; see `Sequel`."""
    trails = np.zeros((len(target), inward.shape[1]), np.float32)
    for question in range(len(target)):
        here = target[question]
        back = min(here - begins[question], len(places))
        length = _length(places, back)
        for place in range(back):
            item, weight = line[here - 1 - place], places[place] / length
            for axis in range(inward.shape[1]):
                trails[question, axis] += weight * inward[item, axis]
    return trails


@compiled
def _length(places: Floats, back: int) -> np.float32:
    return np.float32(np.sqrt((places[:back] ** 2).sum()) + 1e-6)


@compiled
def _slopes(  # noqa: PLR0913 - a kernel takes its columns one by one
    products: Floats, wanted: Ints, others: Ints, trails: Floats, outward: Floats, bias: Floats, drawn: Floats
) -> Floats:
    """The slopes of the loss: those of `others` take the place of their `products`, those of `wanted` are returned."""
    slopes = np.empty(len(wanted), np.float32)
    for question in range(len(wanted)):
        item, line = wanted[question], products[question]
        own = np.dot(trails[question], outward[item]) + bias[item] - drawn[item]
        most = own
        for place in range(len(others)):
            line[place] += bias[others[place]] - drawn[others[place]]
            if others[place] == item:
                line[place] = np.float32(-1e9)
            most = max(most, line[place])
        own = np.exp(own - most)
        total = own
        for place in range(len(others)):
            line[place] = np.exp(line[place] - most)
            total += line[place]
        line /= total
        slopes[question] = own / total - 1
    return slopes


@compiled
def _draw_in(  # noqa: PLR0913 - a kernel takes its columns one by one
    line: Ints, newest: int, back: int, pull: Floats, inward: Floats, places: Floats, inward_sums: Floats,
    place_sums: Floats, rate: float,
) -> None:  # fmt: skip
    length, norm = _length(places, back), np.dot(pull, pull) / len(pull)
    for place in range(back):
        item, weight = line[newest - place], places[place] / length
        slope = np.dot(pull, inward[item]) / length
        place_sums[place] += slope * slope
        places[place] -= 0.1 * rate * slope / np.sqrt(place_sums[place])
        inward_sums[item] += weight * weight * norm
        step = np.float32(rate * weight / np.sqrt(inward_sums[item]))
        for axis in range(len(pull)):
            inward[item, axis] -= step * pull[axis]
