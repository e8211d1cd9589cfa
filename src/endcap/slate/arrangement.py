"""The order of a slate: the ranking's best, under caps per brand and category, less alike than by score alone."""

from typing import NamedTuple

import numpy as np

from endcap.domain.arrays import Bools, Floats, Ints, Rows, compiled
from endcap.domain.placements import Placement
from endcap.domain.requests import Dropped, Request, folded
from endcap.slate.filters import passing
from endcap.slate.rules import FILTER
from endcap.state import Moment, Shelf

_WINDOW_PER_PLACE = 4
_WINDOW_MORE = 60
VARYING = ("color", "size", "material", "pattern")
"""What tells the variants of a group from each other."""
_LEAST_CHANCE = np.float32(1e-9)


class Ways(NamedTuple):
    """By what, beside scores, a slate is arranged.

    `alike` float32 [rows, d] are unit vectors; `turns` float32 [n] says of each ranked row how likely the visit turns
    to its category next. Without rows nothing is known.
    """

    alike: Floats
    turns: Floats


class Arranged(NamedTuple):
    """`chosen` int64 places in the ranking, in slate order; the masks mark what a cap kept out."""

    chosen: Ints
    brand_capped: Bools
    category_capped: Bools


def arranged(  # noqa: PLR0913 - a ranking, and what may alter it
    rows: Rows, scores: Floats, shelf: Shelf, placement: Placement, k: int, ways: Ways
) -> Arranged:
    """At most `k` of `rows` (best first), greedily by maximal marginal relevance (Carbonell & Goldstein 1998).

    Each place goes to the largest (1 - d - b) * relevance - d * likeness + b * claim. With d the placement's diversity,
    relevance is the score scaled to [0, 1] over the window, and likeness the largest cosine to what is already placed.
    With b its breadth, the claim of a category with s places already is its chance over 2 s + 1, the largest chance
    being 1: the quotient of Sainte-Laguë, as in PM-2 (Dang & Croft, SIGIR 2012, §3.2).
    """
    window = _WINDOW_PER_PLACE * k + _WINDOW_MORE
    size = len(rows) if placement.most_per_brand or placement.most_per_category else min(len(rows), window)
    rows = rows[:size]
    category = shelf.category[rows]
    known = placement.breadth > 0 and len(ways.turns)
    turns = ways.turns[:size] if known else np.zeros(size, np.float32)
    vectors = _of_rows(ways.alike, rows) if placement.diversity > 0 else np.zeros((size, 0), np.float32)
    claims = turns / max(turns.max(initial=0), _LEAST_CHANCE)
    weights = placement.diversity, placement.breadth if claims.any() else 0.0
    caps = placement.most_per_brand or size, placement.most_per_category or size
    return Arranged(*_greedy(scores[:size], shelf.brand[rows], category, vectors, claims, k, *weights, *caps))


def _of_rows(table: Floats, rows: Rows) -> Floats:
    """The lines of `table` float32 [m, d] at `rows`, 0 beyond its end: float32 [n, d]."""
    if not len(table):
        return np.zeros((len(rows), table.shape[1]), np.float32)
    known = rows < len(table)
    return np.where(known[:, None], table[np.where(known, rows, 0)], 0).astype(np.float32)


def renewed(arranged: Arranged, new: Bools, places: int) -> Ints:
    """The chosen with the best `new` [n] of the ranking in the last places, until as many as `places` are new.

    What a cap kept out stays out.
    """
    wanted = min(places, len(arranged.chosen)) - int(new[arranged.chosen].sum())
    if wanted <= 0 or not new.any():
        return arranged.chosen
    free = new.copy()
    free[arranged.chosen] = False
    free[: len(arranged.brand_capped)] &= ~(arranged.brand_capped | arranged.category_capped)
    coming = np.flatnonzero(free)[:wanted]
    chosen = arranged.chosen.copy()
    giving = np.flatnonzero(~new[chosen])[-len(coming) :] if len(coming) else coming
    chosen[giving] = coming[: len(giving)]
    return chosen


def capped(rows: Rows, arranged: Arranged) -> tuple[Dropped, ...]:
    """The rows that a cap kept out, under its name."""
    size = len(arranged.brand_capped)
    found = (("brand_cap", arranged.brand_capped), ("category_cap", arranged.category_capped & ~arranged.brand_capped))
    return tuple(Dropped(rule, rows[:size][mask]) for rule, mask in found if mask.any())


def shortage(shown: int, k: int, dropped: tuple[Dropped, ...], arranged: Arranged) -> str:
    """Why fewer than `k` items are shown, empty if k are.

    A cap, the filter if without it there were enough, the rule that dropped most, or nothing to propose.
    """
    if shown >= k:
        return ""
    if arranged.brand_capped.any() or arranged.category_capped.any():
        return "caps"
    if any(rule.rule == FILTER and len(rule.rows) >= k - shown for rule in dropped):
        return FILTER
    most = max(dropped, key=lambda rule: len(rule.rows), default=None)
    return most.rule if most else "few_candidates"


def variants(placement: Placement, request: Request, moment: Moment, groups: Rows) -> list[int]:
    """The row to show for each of `groups`: of the variants that pass the filters the one that the query is most about.

    Of equals it is the one that the shopper touched last, else the first.
    """
    members, owners = moment.shelf.sold_as(groups)
    fit = passing(placement, request, moment.shelf, members)
    touched = {row: -place for place, row in reversed(list(enumerate(moment.touched.tolist(), 1)))}
    chosen: list[int] = groups.tolist()
    best = [(-1, 0)] * len(chosen)
    said = _said(request, moment.shelf, members[fit])
    for row, owner, words in zip(members[fit].tolist(), owners[fit].tolist(), said, strict=True):
        value = words, touched.get(row, -len(touched) - 1)
        if value > best[owner]:
            chosen[owner], best[owner] = row, value
    return chosen


def _said(request: Request, shelf: Shelf, rows: Rows) -> list[int]:
    """How many words of the query stand in what tells each of `rows` from other variants."""
    counts = np.zeros(len(rows), np.int64)
    for name in VARYING if request.query else ():
        if name in shelf.attributes:
            codes, texts = shelf.attributes[name].codes[rows], shelf.attributes[name].names.values
            for code in np.unique(codes).tolist():
                words = set(folded(texts[code]))
                counts[codes == code] += sum(not words.isdisjoint(others) for others in request.query.words)
    found: list[int] = counts.tolist()
    return found


@compiled
def _greedy(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    scores: Floats, brand: Rows, category: Rows, vectors: Floats, claims: Floats,
    k: int, diversity: float, breadth: float, most_per_brand: int, most_per_category: int,
) -> tuple[Ints, Bools, Bools]:  # fmt: skip
    n = len(scores)
    chosen, size = np.empty(min(k, n), np.int64), 0
    taken, by_brand, by_category = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    likeness, held = np.zeros(n, np.float32), np.zeros(n, np.int64)
    low, spread = np.float32(0), np.float32(1)
    if n:
        low = scores.min()
        spread = max(scores.max() - low, np.float32(1e-9))
    while size < len(chosen):
        best, place = -np.inf, -1
        for index in range(n):
            if taken[index] or by_brand[index] or by_category[index]:
                continue
            value = (1 - diversity - breadth) * (scores[index] - low) / spread - diversity * likeness[index]
            value += breadth * claims[index] / (2 * held[index] + 1)
            if value > best:
                best, place = value, index
        if place < 0:
            break
        chosen[size], taken[place] = place, True
        size += 1
        same_brand, same_category = 0, 0
        for index in chosen[:size]:
            same_brand += brand[index] == brand[place]
            same_category += category[index] == category[place]
        for index in range(n):
            if not taken[index]:
                held[index] += category[index] == category[place]
                by_brand[index] |= brand[place] > 0 and brand[index] == brand[place] and same_brand >= most_per_brand
                full = category[place] > 0 and category[index] == category[place] and same_category >= most_per_category
                by_category[index] |= full
                cosine = np.float32(0)
                for d in range(vectors.shape[1]):
                    cosine += vectors[index, d] * vectors[place, d]
                likeness[index] = max(likeness[index], cosine)
    return chosen[:size], by_brand, by_category
