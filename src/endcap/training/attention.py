"""Fits the model of sequences by self-attention: sampled softmax, its slopes written out, Adam."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from endcap.domain.arrays import Floats, Ints, compiled
from endcap.features.attention import Attention, Block, Pass, forward
from endcap.training.history import History
from endcap.training.sequence import Lines, Lot, near_content, slopes_of, spread

_SEED: Final = 12
_HELD: Final = 0.9, 0.98
"""How much of the mean slope and of the mean squared slope a step keeps."""
_LEAST: Final = 1e-8


@dataclass(frozen=True, slots=True)
class AttentionConfig:
    """`dimension` of the vectors, `reach` items of a trail, and passes over at most the `most` latest lines.

    About `batch` lines share the `negatives` drawn beside the wanted ones; dropout leaves `kept` of what a layer adds.
    """

    dimension: int
    reach: int
    epochs: int
    negatives: int
    rate: float
    kept: float
    batch: int = 700
    most: int = 300_000


def fit_attention(history: History, content: Floats, config: AttentionConfig) -> Attention:
    """The model of every line that follows another of its shopper; rows without a line have vectors of 0.

    An item sets out from its vector in `content` float32 [rows, d]. Cross entropy as for `fit_sequel`; dropout
    (Srivastava et al. 2014) of what comes in and of what both layers add; Adam (Kingma & Ba 2015), every pass at a
    lower rate.
    """
    lines = Lines.of(history, history.shopper, config.most)
    draw = np.random.Generator(np.random.Philox(_SEED))
    vectors, bias = near_content(lines, content, (config.dimension, 0.02), draw), np.zeros(len(lines.known), np.float32)
    model = Attention(vectors, bias, _begun(config, draw))
    lot, adam = Lot.of(lines, config.negatives), _Adam(model, config.rate)
    with threadpool_limits(1, "blas"):
        for epoch in range(config.epochs if len(lines.target) else 0):
            for batch in _batches(lines, config, draw):
                others, kept = lot.some(draw, config.negatives), _masks(len(batch.wanted), config, draw)
                slopes = _slopes(model, batch, others, lot.drawn, kept)
                adam.step(slopes, 1 - epoch / config.epochs)
    rows = len(content)
    return Attention(spread(vectors, lines.known, rows), spread(bias, lines.known, rows), model.block)


def _begun(config: AttentionConfig, draw: np.random.Generator) -> Block:
    """A block that at first adds little to what comes in."""
    d = config.dimension

    def matrix(scale: float, *shape: int) -> Floats:
        return draw.normal(0, scale * d**-0.5, shape).astype(np.float32)

    return Block(
        mix=matrix(1, d, 3 * d),
        join=matrix(0.1, d, d),
        nearness=np.zeros(config.reach, np.float32),
        widen=matrix(1, d, d),
        widen_shift=np.zeros(d, np.float32),
        narrow=matrix(0.1, d, d),
        narrow_shift=np.zeros(d, np.float32),
        scale=np.ones((3, d), np.float32),
        shift=np.zeros((3, d), np.float32),
    )


class _Batch(NamedTuple):
    """Items int64 [n] that each follow another, and the place in the batch where the sequence of each begins."""

    before: Ints
    wanted: Ints
    begins: Ints


def _batches(lines: Lines, config: AttentionConfig, draw: np.random.Generator) -> Iterator[_Batch]:
    """All that is to be told, in stretches of at most `reach` of a sequence, some of these at a time."""
    begins = lines.begins[lines.target]
    to_come = np.searchsorted(begins, begins, "right") - 1 - np.arange(len(begins))
    starts = np.flatnonzero(np.r_[True, to_come[:-1] % config.reach == 0])
    sizes = np.diff(np.r_[starts, len(begins)])
    order = draw.permutation(len(sizes))
    for some in np.split(order, np.flatnonzero(np.diff(np.cumsum(sizes[order]) // config.batch)) + 1):
        size = sizes[some]
        begin = np.repeat(np.cumsum(size) - size, size)
        target = lines.target[np.repeat(starts[some], size) + np.arange(len(begin)) - begin]
        yield _Batch(lines.item[target - 1], lines.item[target], begin)


def _slopes(
    model: Attention, batch: _Batch, others: Ints, drawn: Floats, kept: tuple[Floats, Floats, Floats]
) -> Attention:
    """The slope of the loss of `batch`, summed, by every weight of `model`."""
    vectors, bias = model.vectors, model.bias
    passed = forward(model.block, kept[0] * vectors[batch.before], batch.begins, kept[1:])
    told, held = passed.told, vectors[others]
    unwanted = told @ held.T
    own = slopes_of(unwanted, batch.wanted, others, told, vectors, bias, drawn)[:, None]
    slopes = unwanted @ held + own * vectors[batch.wanted]
    block, lines = _backward(model.block, passed, batch.begins, kept[1:], slopes)
    of_vectors, of_bias = np.zeros_like(vectors), np.zeros_like(bias)
    _add(of_vectors, batch.before, kept[0] * lines)
    _add(of_vectors, batch.wanted, own * told)
    _add(of_vectors, others, np.dot(unwanted.T, told))
    np.add.at(of_bias, others, unwanted.sum(axis=0))
    np.add.at(of_bias, batch.wanted, own[:, 0])
    return Attention(of_vectors, of_bias, block)


def _masks(lines: int, config: AttentionConfig, draw: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Three masks of dropout float32 [lines, d]: what is kept weighs more for what is not."""
    kept = draw.random((3, lines, config.dimension), np.float32) < np.float32(config.kept)
    first, second, third = kept * np.float32(1 / config.kept)
    return first, second, third


def _backward(
    block: Block, passed: Pass, begins: Ints, kept: tuple[Floats, Floats], told: Floats
) -> tuple[Block, Floats]:
    """The slopes of the weights of `block` and of what came in, from those of what a pass `told`."""
    unit, scale = passed.unit, block.scale
    normal = [unit[layer] * scale[layer] + block.shift[layer] for layer in range(2)]
    after = _unstandard(told * scale[2], unit[2], passed.spread[2])
    narrowed = kept[1] * after
    widened = (narrowed @ block.narrow.T) * (passed.wide > 0)
    second = widened @ block.widen.T
    after = after + _unstandard(second * scale[1], unit[1], passed.spread[1])
    joined = kept[0] * after
    mixed, nearness = _unattend(passed.mixed, passed.weights, begins, np.dot(joined, block.join.T))
    first = mixed @ block.mix.T
    slopes = Block(
        mix=normal[0].T @ mixed,
        join=passed.heard.T @ joined,
        nearness=nearness,
        widen=normal[1].T @ widened,
        widen_shift=widened.sum(axis=0),
        narrow=passed.wide.T @ narrowed,
        narrow_shift=narrowed.sum(axis=0),
        scale=np.stack([(first * unit[0]).sum(axis=0), (second * unit[1]).sum(axis=0), (told * unit[2]).sum(axis=0)]),
        shift=np.stack([first.sum(axis=0), second.sum(axis=0), told.sum(axis=0)]),
    )
    return slopes, after + _unstandard(first * scale[0], unit[0], passed.spread[0])


def _unstandard(slopes: Floats, unit: Floats, spread: Floats) -> Floats:
    centred = slopes - slopes.mean(axis=1, keepdims=True) - unit * (slopes * unit).mean(axis=1, keepdims=True)
    found: Floats = centred / spread
    return found


@compiled
def _unattend(mixed: Floats, weights: Floats, begins: Ints, heard: Floats) -> tuple[Floats, Floats]:
    reach, width = weights.shape[1], heard.shape[1]
    sharp = np.float32(1 / np.sqrt(width))
    slopes, nearness = np.zeros_like(mixed), np.zeros(reach, np.float32)
    of_weights = np.empty(reach, np.float32)
    for line in range(len(mixed)):
        back, own = min(line - begins[line] + 1, reach), weights[line]
        mean = np.float32(0)
        for steps in range(back):
            other, slope = line - steps, np.float32(0)
            for axis in range(width):
                slope += heard[line, axis] * mixed[other, 2 * width + axis]
                slopes[other, 2 * width + axis] += own[steps] * heard[line, axis]
            of_weights[steps] = slope
            mean += slope * own[steps]
        for steps in range(back):
            other, slope = line - steps, own[steps] * (of_weights[steps] - mean)
            nearness[steps] += slope
            for axis in range(width):
                slopes[line, axis] += sharp * slope * mixed[other, width + axis]
                slopes[other, width + axis] += sharp * slope * mixed[line, axis]
    return slopes, nearness


@compiled
def _add(sums: Floats, places: Ints, values: Floats) -> None:
    for index in range(len(places)):
        for axis in range(sums.shape[1]):
            sums[places[index], axis] += values[index, axis]


class _Adam:
    """The weights of a model, which a step changes in place, with the running means of their slopes."""

    def __init__(self, model: Attention, rate: float) -> None:
        self._weights = _arrays(model)
        self._means = [np.zeros_like(each) for each in self._weights]
        self._squares = [np.zeros_like(each) for each in self._weights]
        self._rate, self._steps = rate, 0

    def step(self, slopes: Attention, share: float) -> None:
        """One step down, `share` of the rate long."""
        self._steps += 1
        rate = share * self._rate
        steady = 1 - _HELD[0] ** self._steps, 1 - _HELD[1] ** self._steps
        columns = zip(self._weights, _arrays(slopes), self._means, self._squares, strict=True)
        for weights, slope, mean, square in columns:
            _adam(weights, slope, mean, square, rate / steady[0], 1 / steady[1])


def _arrays(model: Attention) -> list[Floats]:
    """The weights of `model`, each flat."""
    whole = [model.vectors, model.bias, *(getattr(model.block, each.name) for each in fields(Block))]
    return [each.reshape(-1) for each in whole]


@compiled
def _adam(  # noqa: PLR0913 - a kernel takes its columns one by one
    weights: Floats, slopes: Floats, means: Floats, squares: Floats, rate: float, steady: float
) -> None:
    for place in range(len(weights)):
        means[place] = _HELD[0] * means[place] + (1 - _HELD[0]) * slopes[place]
        squares[place] = _HELD[1] * squares[place] + (1 - _HELD[1]) * slopes[place] * slopes[place]
        weights[place] -= rate * means[place] / (np.sqrt(squares[place] * steady) + _LEAST)
