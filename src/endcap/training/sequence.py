"""What follows what: the lines that models of sequences learn from, and a linear one, fitted by sampled softmax.

The shopper's last items, weighted by their places, are summed to one vector; the product with an item's outward vector
says how likely that item comes next. Knows nothing of people: a shopper is folded in from their last items.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from threadpoolctl import threadpool_limits

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.features.following import Sequel
from endcap.training.history import History

_SEED: Final = 11
_GRID: Final = 2**20
_FIRST_SUM: Final = 1e-3


class Lines(NamedTuple):
    """`item` int64 [lines] indexes `known`, the rows that occur; a line's sequence starts at `begins` int64 [lines].

    `target` int64: the lines that are to be told from those before them.
    """

    known: Rows
    item: Ints
    begins: Ints
    target: Ints

    @classmethod
    def of(cls, history: History, sequence: Rows, most: int) -> Self:
        """The lines of `history` that count, each to follow the one before it in its `sequence`.

        Of more than `most` the latest are to be told.
        """
        counted = history.weight > 0
        known, item = np.unique(history.group[counted], return_inverse=True)
        sequence = sequence[counted]
        first = np.r_[True, sequence[1:] != sequence[:-1]][: len(sequence)]
        begins = np.maximum.accumulate(np.where(first, np.arange(len(sequence)), 0))
        target = np.flatnonzero(~first)
        if len(target) > most:
            target = np.sort(target[np.argsort(history.time[counted][target], kind="stable")[-most:]])
        return cls(known, item.astype(np.int64), begins, target)


class Lot(NamedTuple):
    """Items drawn by popularity^0.75 (Mikolov et al. 2013), as a `grid` int64 of equal shares.

    `drawn` float32 [items] is the logarithm of how often each is expected among those drawn.
    """

    grid: Ints
    drawn: Floats

    @classmethod
    def of(cls, lines: Lines, negatives: int) -> Self:
        """The lot of `lines`, of which `negatives` are drawn at a time."""
        items = len(lines.known)
        share = (np.bincount(lines.item, minlength=items) + 0.1) ** 0.75
        share /= max(share.sum(), 1e-9)
        grid = np.searchsorted(np.cumsum(share), (np.arange(_GRID) + 0.5) / _GRID).clip(0, max(items - 1, 0))
        return cls(grid, np.log(share * negatives).astype(np.float32))

    def some(self, draw: np.random.Generator, negatives: int) -> Ints:
        """int64 [negatives]: items, some of them more than once."""
        return self.grid[draw.integers(0, _GRID, negatives)]


def near_content(lines: Lines, content: Floats, shape: tuple[int, float], draw: np.random.Generator) -> Floats:
    """float32 [items, dimension]: vectors that set out from those in `content` float32 [rows, d].

    `shape` is the dimension and the standard deviation of the chance that is added.
    """
    dimension, chance = shape
    vectors = draw.normal(0, chance, (len(lines.known), dimension)).astype(np.float32)
    shared = content[lines.known, :dimension]
    vectors[:, : shared.shape[1]] += shared
    return vectors


def spread(values: Floats, known: Rows, rows: int) -> Floats:
    """`values` of the rows `known` among all `rows`, 0 elsewhere."""
    full = np.zeros((rows, *values.shape[1:]), np.float32)
    full[known] = values
    return full


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
    lines = Lines.of(history, history.session, config.most)
    known, target = lines.known, lines.target
    lot, draw = Lot.of(lines, config.negatives), np.random.Generator(np.random.Philox(_SEED))
    inward, outward = (near_content(lines, content, (config.dimension, 0.1), draw) for _ in range(2))
    bias, places = np.zeros(len(known), np.float32), (0.75 ** np.arange(config.reach)).astype(np.float32)
    sums = [np.full(len(known), _FIRST_SUM, np.float32) for _ in range(3)]
    place_sums = np.ones(config.reach, np.float32)
    with threadpool_limits(1, "blas"):
        for _ in range(config.epochs if len(target) else 0):
            order = draw.permutation(target)
            for at in range(0, len(order), config.batch):
                some = order[at : at + config.batch]
                _descend(
                    lines.item, lines.begins[some], some, lot.some(draw, config.negatives), inward, outward, bias,
                    places, sums[0], sums[1], sums[2], place_sums, lot.drawn, config.rate,
                )  # fmt: skip
    rows = len(content)
    return Sequel(spread(inward, known, rows), spread(outward, known, rows), spread(bias, known, rows), places)


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
    wanted = slopes_of(slopes, line[target], others, trails, outward, bias, drawn)
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


@compiled
def slopes_of(  # noqa: PLR0913 - a kernel takes its columns one by one
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
