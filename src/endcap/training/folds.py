"""Folds: which lines of a history are learned from, and what is asked afterwards; for protocols that cut by sequence.

The shop stands still while a fold is asked: nothing that is asked, or told between two questions, is learned or folded
into the shelf, so a question depends on the learned lines and its own shopper's earlier ones alone.
"""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import NO_ROWS, Bools, Ints, Rows
from endcap.domain.instants import DAY
from endcap.domain.requests import Request
from endcap.state import State
from endcap.training.corpus import Corpus, Shop
from endcap.training.history import History
from endcap.training.replay import PLACEMENT, WANTED, Case, Folded, action_of, earlier, seed_of

TRAIN, VALIDATION, TEST = 0, 1, 2
"""What a line of a data set is for."""

Hides: TypeAlias = Literal["none", "last", "known"]
"""Which of a shopper's known items are not ranked."""

_SEED: Final = 0x5EEDED


class Asked(NamedTuple):
    """Questions [q]: what line `target` int64 holds, known `begin` int64 to `target` of the same shopper.

    `last` int64 is the line before it in its session.
    """

    begin: Ints
    target: Ints
    last: Ints

    def where(self, kept: Bools) -> "Asked":
        """The questions `kept` bool [q]."""
        return Asked(self.begin[kept], self.target[kept], self.last[kept])


class Fold(NamedTuple):
    """`learned` bool [lines], what is `asked` of it, and which of the known items are not ranked.

    With `drawn` above 0, what is ranked is the wanted item among so many in all, the others drawn by lot. A line with a
    number above 0 in `own` int64 [lines] is known to questions about lines of the same number alone.
    """

    learned: Bools
    asked: Asked
    hides: Hides
    drawn: int = 0
    own: Ints | None = None


class Folds(NamedTuple):
    """What an evaluation learns from and asks (`outer`), and what its ranker learns from, one by one (`inner`)."""

    outer: Fold
    inner: tuple[Fold, ...]


def next_item_fold(history: History, learned: Bools, lines: tuple[Ints, Ints], hides: Hides = "none") -> Fold:
    """The first of `lines`, which follow the second each in its session, asked of what is `learned`.

    Where the last item is not ranked, nothing that wants it is asked.
    """
    target, last = lines
    asked = Asked(history.starts[history.shopper[target]], target, last)
    if hides == "last":
        asked = asked.where(history.group[target] != history.group[last])
    return Fold(learned, asked, hides)


def last_lines_fold(history: History, learned: Bools, most: int, hides: Hides = "known") -> Fold:
    """The last `most` of each shopper's `learned` lines, but never the first, asked of those before.

    Lines of kinds that nothing is learned from are not asked, and not learned once what came before them is asked.
    """
    counted = np.r_[0, np.cumsum(learned & (history.weight > 0))]
    after = counted[history.starts[1:]][history.shopper] - counted[1:]
    before = counted[:-1] - counted[history.starts[:-1]][history.shopper]
    held = learned & (after < most) & (before > 0)
    return asked_fold(history, learned & ~held, np.flatnonzero(held & (history.weight > 0)), hides)


def in_parts(history: History, fold: Fold, learned: Bools, parts: int) -> tuple[Fold, ...]:
    """`fold` for one of `parts` of the shoppers at a time: of `learned`, the lines of the others are learned as well.

    So a ranker learns from sources that lack few of the lines they will have. Shoppers are dealt out in the order in
    which they first came.
    """
    first = history.offset[np.minimum(history.starts[:-1], max(len(history) - 1, 0))]
    part = (np.argsort(np.argsort(first)) % parts)[history.shopper]
    return tuple(
        fold._replace(
            learned=learned & (fold.learned | (part != number)),
            asked=fold.asked.where(part[fold.asked.target] == number),
        )
        for number in range(parts)
    )


def asked_fold(history: History, learned: Bools, target: Ints, hides: Hides) -> Fold:
    """The lines `target`, each asked of `learned` and all that its shopper did before."""
    begin = history.starts[history.shopper[target]]
    return Fold(learned, Asked(begin, target, np.maximum(target - 1, begin)), hides)


def latest_sessions(history: History, learned: Bools, most: int) -> Bools:
    """The lines `learned` of the sessions that began last, with at most `most` lines but at most a third of all.

    A session longer than that is not among them.
    """
    index = np.flatnonzero(learned)
    first = np.r_[True, np.diff(history.session[index]) != 0][: len(index)]
    begins, lengths = history.time[index[first]], np.diff(np.r_[np.flatnonzero(first), len(index)])
    most = min(most, len(index) // 3)
    latest = np.argsort(-begins, kind="stable")
    latest = latest[lengths[latest] <= most]
    upto = int(np.searchsorted(np.cumsum(lengths[latest]), most, "right"))
    taken = np.zeros(len(begins), np.bool_)
    taken[latest[:upto]] = True
    lines = np.zeros(len(history), np.bool_)
    lines[index] = np.repeat(taken, lengths)
    return lines


def standing(corpus: Corpus, learned: History) -> Shop:
    """The shop after the lines `learned`: what they touched is on sale, all else unknown or unlisted."""
    shop = Shop(corpus, learned)
    shop.advance(ends(learned))
    rows = np.unique(learned.group[learned.weight > 0])
    shop.shelf.listed[rows] = True
    shop.shelf.available[rows] = True
    return shop


def ends(history: History) -> int:
    """The instant just after the last line."""
    return int(history.time.max(initial=0)) + 1


def asked_cases(history: History, fold: Fold, shop: Shop, kept: NDArray[np.bool_] | None = None) -> Iterator[Case]:
    """The questions of `fold` (those `kept`), each asked just after the last known line.

    One that came days after the shop's last line is moved, with all that is known of its shopper, by whole days to it:
    the shop stands still, and ages are to mean what they mean while it does not.
    """
    asked, folded, again = fold.asked, Folded(history), _touched_before(history)
    chosen: Ints = np.arange(len(asked.target)) if kept is None else np.flatnonzero(kept)
    rankable = np.flatnonzero(shop.shelf.available).astype(np.int32)
    for begin, target, last in np.stack(asked, axis=1)[chosen].tolist():
        known = _known(fold, begin, target)
        before = history.group[known]
        at = int(history.time[known][-1]) + 1 if len(before) else int(history.time[target])
        moved = max(at // DAY - shop.shelf.day, 0)
        wanted, seed = history.group[target : target + 1], seed_of(history, known, at)
        met = again[target] and (isinstance(known, slice) or bool((before == wanted).any()))
        hidden = _hidden(before, history.group[last : last + 1], fold.hides)
        drawn = _drawn(wanted, rankable, fold.drawn, seed)
        shopper = history.keys[int(history.shopper[target])]
        yield Case(
            id=str(target),
            request=Request(
                PLACEMENT, at - moved * DAY, seed, WANTED, shopper=shopper, exclude=hidden, candidates=drawn
            ),
            state=State(earlier(folded.upto(known), moved), shop.shelf),
            targets=wanted,
            actions=action_of(history.kind[target : target + 1]),
            bought=wanted if met else NO_ROWS,
        )


def _known(fold: Fold, begin: int, target: int) -> slice | Ints:
    """The lines from `begin` to before `target` without those that are other questions' own."""
    if fold.own is not None:
        own = fold.own[begin:target]
        others = (own > 0) & (own != fold.own[target])
        if others.any():
            return begin + np.flatnonzero(~others)
    return slice(begin, target)


def _hidden(before: Rows, last: Rows, hides: Hides) -> Rows:
    return {"none": NO_ROWS, "last": last, "known": before}[hides]


def _drawn(wanted: Rows, rankable: Rows, size: int, seed: int) -> Rows:
    """`wanted` and others of `rankable`, `size` in all; none where `size` is 0."""
    if not size:
        return NO_ROWS
    others = rankable[rankable != wanted[0]]
    generator = np.random.Generator(np.random.Philox(seed ^ _SEED))
    drawn: Rows = np.r_[wanted, generator.choice(others, min(size - 1, len(others)), replace=False)]
    return drawn


def _touched_before(history: History) -> Bools:
    """Which lines bool [n] touch a group that their shopper touched before."""
    order = np.lexsort((history.group, history.shopper))
    same = (np.diff(history.shopper[order]) == 0) & (np.diff(history.group[order]) == 0)
    again = np.zeros(len(history), np.bool_)
    again[order[1:]] = same
    return again
