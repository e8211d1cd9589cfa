"""How many words an item shares with what the shopper touched last, rare words counting most."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features.ranks import places
from endcap.state import FAINTEST, Memory, Moment


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words of rows: those of row r are `words[starts[r]:starts[r + 1]]` int32 in 0..`size`-1, with TF-IDF `weights`.

    `starts` int64 [rows + 1]; the weights float32 of a row have length 1.
    """

    starts: Ints
    words: Rows
    weights: Floats
    size: int


@dataclass(frozen=True, slots=True)
class Words:
    """Exact cosines of TF-IDF, where `Similarity` compares compressed vectors.

    Row 0 has word 0, row 1 has words 0 and 1, row 2 has none:

    >>> from endcap.state import NEWCOMER, Shelf, observe
    >>> shelf = Shelf()
    >>> shelf.reserve(9)
    >>> request = Request("product", at=0, seed=1, k=10, anchors=np.array([0], np.int32))
    >>> moment = observe(request, NEWCOMER, shelf)
    >>> pool = Pool(np.array([1, 2], np.int32), (), *np.empty((2, 0, 2), np.float32))
    >>> starts, words = np.array([0, 1, 3, 3]), np.array([0, 0, 1], np.int32)
    >>> lexicon = Lexicon(starts, words, np.array([1, 0.6, 0.8], np.float32), size=2)
    >>> Words(lexicon, Memory(step_decay=0.5, half_life_days=3, most=8)).columns(request, moment, pool)
    array([[0.6, nan],
           [0.6, nan],
           [0.6, nan],
           [0. , nan]], dtype=float32)
    """

    lexicon: Lexicon
    memory: Memory

    @property
    def names(self) -> tuple[str, ...]:
        """To the weighted centre of the trail, to its first row with words, the largest to any; its place."""
        return ("words_near_trail", "words_near_last", "words_nearest", "words_rank")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """NaN where the item or the whole trail has no words."""
        lexicon = self.lexicon
        rows, strengths = moment.trail.strengths(self.memory)
        weights = strengths / strengths.max(initial=FAINTEST)
        columns = np.full((4, len(pool)), np.nan, np.float32)
        _shared(lexicon.starts, lexicon.words, lexicon.weights, lexicon.size, rows, weights, pool.rows, columns)
        known = ~np.isnan(columns[0])
        columns[3, known] = places(columns[0, known])
        return columns


@compiled
def _shared(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    starts: Ints, words: Rows, weights: Floats, size: int,
    trail: Rows, strengths: Floats, pool: Rows, columns: Floats,
) -> None:  # fmt: skip
    centre, one = np.zeros(size, np.float32), np.zeros(size, np.float32)
    length, last = len(starts) - 1, -1
    for index in range(len(trail)):
        row = trail[index]
        if row >= length or starts[row] == starts[row + 1]:
            continue
        for place in range(starts[row], starts[row + 1]):
            centre[words[place]] += strengths[index] * weights[place]
            one[words[place]] = weights[place]
        for member in range(len(pool)):
            other = pool[member]
            if other >= length or starts[other] == starts[other + 1]:
                continue
            product = np.float32(0)
            for place in range(starts[other], starts[other + 1]):
                product += one[words[place]] * weights[place]
            if last < 0:
                columns[1, member], columns[2, member] = product, product
            columns[2, member] = max(columns[2, member], product)
        for place in range(starts[row], starts[row + 1]):
            one[words[place]] = 0
        last = index
    if last < 0:
        return
    norm = np.sqrt((centre * centre).sum()) + np.float32(1e-9)
    for member in range(len(pool)):
        other = pool[member]
        if other < length and starts[other] < starts[other + 1]:
            product = np.float32(0)
            for place in range(starts[other], starts[other + 1]):
                product += centre[words[place]] * weights[place]
            columns[0, member] = product / norm
