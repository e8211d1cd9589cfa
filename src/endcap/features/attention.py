"""A model of sequences by self-attention: one block over the last items says what comes next."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows, compiled

_EPSILON: Final = np.float32(1e-5)
_ALL: Final = np.ones((1, 1), np.float32)


@dataclass(frozen=True, slots=True)
class Block:
    """The weights of a block of width d, all float32.

    `mix` [d, 3d] makes query, key and value of an item, `join` [d, d] changes what was attended to; `nearness` [l] is
    added to the attention paid to the item so many places back; `widen` [d, w], `narrow` [w, d] and their shifts are
    a layer of ReLU. `scale` and `shift` [3, d] follow the three normalisations: of what comes in, of what was attended
    to, of what goes out.
    """

    mix: Floats
    join: Floats
    nearness: Floats
    widen: Floats
    widen_shift: Floats
    narrow: Floats
    narrow_shift: Floats
    scale: Floats
    shift: Floats


class Pass(NamedTuple):
    """What a pass through a block computed on its way, float32, kept for the way back; `told` [n, d] is its answer.

    `unit` and `spread` are the three normalised inputs [n, d] and what they were divided by [n, 1]; `weights` [n, l]
    is the attention that each line pays so many places back.
    """

    unit: tuple[Floats, Floats, Floats]
    spread: tuple[Floats, Floats, Floats]
    mixed: Floats
    weights: Floats
    heard: Floats
    wide: Floats
    told: Floats


def forward(block: Block, lines: Floats, begins: Ints, kept: tuple[Floats, Floats]) -> Pass:
    """Every line of `lines` float32 [n, d] after itself and those before it, no further back than `begins` int64 [n].

    SASRec (Kang & McAuley 2018, section III) with relative places and normalisation before each layer. `kept` are the
    two masks of dropout.
    """
    scale, shift = block.scale, block.shift
    first, first_spread = _standard(lines)
    mixed = (first * scale[0] + shift[0]) @ block.mix
    heard, weights = _attend(mixed, block.nearness, begins)
    after = lines + kept[0] * (heard @ block.join)
    second, second_spread = _standard(after)
    wide = np.maximum((second * scale[1] + shift[1]) @ block.widen + block.widen_shift, 0)
    after = after + kept[1] * (wide @ block.narrow + block.narrow_shift)
    third, third_spread = _standard(after)
    told = third * scale[2] + shift[2]
    spreads = first_spread, second_spread, third_spread
    return Pass((first, second, third), spreads, mixed, weights, heard, wide, told)


def _standard(lines: Floats) -> tuple[Floats, Floats]:
    centred = lines - lines.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=1, keepdims=True) + _EPSILON)
    return centred / spread, spread


@compiled
def _attend(mixed: Floats, nearness: Floats, begins: Ints) -> tuple[Floats, Floats]:
    reach, width = len(nearness), mixed.shape[1] // 3
    sharp = np.float32(1 / np.sqrt(width))
    heard, weights = np.zeros((len(mixed), width), np.float32), np.zeros((len(mixed), reach), np.float32)
    for line in range(len(mixed)):
        back, own = min(line - begins[line] + 1, reach), weights[line]
        most = np.float32(-np.inf)
        for steps in range(back):
            product = np.float32(0)
            for axis in range(width):
                product += mixed[line, axis] * mixed[line - steps, width + axis]
            own[steps] = product * sharp + nearness[steps]
            most = max(most, own[steps])
        total = np.float32(0)
        for steps in range(back):
            own[steps] = np.exp(own[steps] - most)
            total += own[steps]
        for steps in range(back):
            own[steps] /= total
            for axis in range(width):
                heard[line, axis] += own[steps] * mixed[line - steps, 2 * width + axis]
    return heard, weights


@dataclass(frozen=True, slots=True)
class Attention:
    """`vectors` float32 [rows, d] and `bias` float32 [rows] of the items, and the `block` that reads a trail of them.

    Score of row j after a trail: told(trail) · vectors[j] + bias[j], a log-odds up to a constant. Rows that were never
    learned are 0.
    """

    vectors: Floats
    bias: Floats
    block: Block

    @property
    def outward(self) -> Floats:
        """float32 [rows, d]: an item that comes next has the same vector as one that was there."""
        return self.vectors

    def trail(self, rows: Rows) -> Floats:
        """float32 [d]: the vector of a trail `rows`, newest first; 0 where none of it was learned."""
        rows = rows[rows < len(self.bias)]
        rows = rows[self.bias[rows] != 0][: len(self.block.nearness)][::-1]
        if not len(rows):
            return np.zeros(self.vectors.shape[1], np.float32)
        begins = np.zeros(len(rows), np.int64)
        told: Floats = forward(self.block, self.vectors[rows], begins, (_ALL, _ALL)).told[-1]
        return told
