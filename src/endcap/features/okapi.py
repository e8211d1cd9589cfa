"""Which words an item's text shares with the texts of what the shopper touched, and how much they tell."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Memory, Moment

SATURATION: Final = 1.2
LENGTH: Final = 0.75
MOST: Final = 64
"""How many different words of a text are kept, the rarest of all texts."""
_PRIOR: Final = 5.0
"""As many texts of the average kind are taken as touched beside the shopper's own."""
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Okapi:
    """Okapi BM25 and what else can be told from bags of words: no line of any other shopper enters.

    The text of row `r` has the words `words[starts[r]:starts[r + 1]]` int32, rising, so many `times` float32 each, with
    BM25 `weights` float32 in it (Robertson & Zaragoza 2009, eq. 3.15, with the idf of Lucene, which is never negative).
    `idf` float32 and `share` float32 (of all texts) are by word. `memory` keeps the texts that make the query.
    """

    starts: Ints
    words: Rows
    times: Floats
    weights: Floats
    idf: Floats
    share: Floats
    memory: Memory

    @property
    def names(self) -> tuple[str, ...]:
        """NaN where the item has no text or nothing touched has one; the last two tell of the item's own words alone.

        The BM25 of the item for the words of all texts touched, as such and by its best in the pool, with memory by its
        best, and for the last text; the log likelihood of its words among those touched against all, and by its best;
        the rarest word shared; the share of its words (by idf) that were touched; mean and largest idf.
        """
        return (
            "okapi", "okapi_share", "okapi_recent_share", "okapi_last", "okapi_likelihood",
            "okapi_likelihood_share", "okapi_rarest", "okapi_covered", "okapi_mean_idf", "okapi_most_idf",
        )  # fmt: skip

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Of the trail's rows those with a text count."""
        rows, strengths = moment.trail.strengths(self.memory)
        texted = rows[rows < len(self.starts) - 1]
        columns = _columns(
            self.starts, self.words, self.times, self.weights, self.idf, self.share, texted,
            strengths[rows < len(self.starts) - 1], pool.rows,
        )  # fmt: skip
        for share, whole in ((1, 0), (2, 2), (5, 4)):
            best = np.fmax.reduce(columns[whole], initial=0) if len(pool) else 0
            columns[share] = columns[whole] / (best if best > 0 else 1)
        return columns


def fit_okapi(texts: Sequence[str], memory: Memory) -> Okapi:
    """The words of `texts` by row; an empty text has none."""
    numbers: dict[str, int] = {}
    counted = [Counter(_WORD.findall(text.lower())) for text in texts]
    for counts in counted:
        for word in counts:
            numbers.setdefault(word, len(numbers))
    sizes = np.array([len(counts) for counts in counted], np.int64)
    row = np.repeat(np.arange(len(texts)), sizes)
    word = np.array([numbers[word] for counts in counted for word in counts], np.int64)
    times = np.array([count for counts in counted for count in counts.values()], np.float32)
    texted, held = int((sizes > 0).sum()), np.bincount(word, minlength=len(numbers))
    idf = np.log(1 + (texted - held + 0.5) / (held + 0.5))
    length = np.bincount(row, weights=times, minlength=len(texts))
    scale = SATURATION * (1 - LENGTH + LENGTH * length / max(length.sum() / max(texted, 1), 1e-9))
    weight = idf[word] * times * (SATURATION + 1) / (times + scale[row])
    rarest_first = np.lexsort((word, -idf[word], row))
    kept = rarest_first[np.arange(len(word)) - np.repeat(np.cumsum(sizes) - sizes, sizes) < MOST]
    kept = kept[np.lexsort((word[kept], row[kept]))]
    return Okapi(
        starts=np.r_[0, np.cumsum(np.minimum(sizes, MOST))].astype(np.int64),
        words=word[kept].astype(np.int32),
        times=times[kept],
        weights=weight[kept].astype(np.float32),
        idf=idf.astype(np.float32),
        share=(held / max(texted, 1)).astype(np.float32),
        memory=memory,
    )


@compiled
def _columns(  # noqa: C901, PLR0913, PLR0915 - a kernel takes its columns one by one, in one loop
    starts: Ints, words: Rows, times: Floats, weights: Floats, idf: Floats, share: Floats,
    touched: Rows, strengths: Floats, pool: Rows,
) -> Floats:  # fmt: skip
    columns = np.full((10, len(pool)), np.nan, np.float32)
    capacity, texts, size = 16, 0, 0
    for row in touched:
        size += starts[row + 1] - starts[row]
        texts += starts[row + 1] > starts[row]
    while capacity < 2 * size:
        capacity *= 2
    slots, query = np.full(capacity, np.int32(-1), np.int32), np.zeros((3, capacity), np.float32)
    last = True
    for index in range(len(touched)):
        row = touched[index]
        for place in range(starts[row], starts[row + 1]):
            slot = (np.int64(words[place]) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != -1 and slots[slot] != words[place]:
                slot = (slot + 1) & (capacity - 1)
            slots[slot] = words[place]
            query[0, slot] += times[place]
            query[1, slot] += times[place] * strengths[index]
            if last:
                query[2, slot] += times[place]
        last = last and starts[row] == starts[row + 1]
    unseen = np.log(_PRIOR / (texts + _PRIOR))
    for index in range(len(pool)):
        row = pool[index]
        if row >= len(starts) - 1 or starts[row] == starts[row + 1]:
            continue
        match, recent, latest, likelihood = 0.0, 0.0, 0.0, 0.0
        rarest, covered, total, most = 0.0, 0.0, 0.0, 0.0
        for place in range(starts[row], starts[row + 1]):
            word = words[place]
            total += idf[word]
            most = max(most, idf[word])
            slot = (np.int64(word) * 2654435761 & 0x7FFFFFFF) & (capacity - 1)
            while slots[slot] != -1 and slots[slot] != word:
                slot = (slot + 1) & (capacity - 1)
            if slots[slot] == -1:
                likelihood += unseen
                continue
            match += weights[place] * query[0, slot]
            recent += weights[place] * query[1, slot]
            latest += weights[place] * query[2, slot]
            often = (query[0, slot] + _PRIOR * share[word]) / (texts + _PRIOR)
            likelihood += np.log(often / share[word])
            covered += idf[word]
            rarest = max(rarest, idf[word])
        columns[8, index], columns[9, index] = total / (starts[row + 1] - starts[row]), most
        if texts:
            columns[0, index], columns[2, index], columns[3, index] = match, recent, latest
            columns[4, index], columns[6, index], columns[7, index] = likelihood, rarest, covered / max(total, 1e-9)
    return columns
