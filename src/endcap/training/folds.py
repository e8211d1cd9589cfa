"""Folds: which lines of a history are learned from, and what is asked afterwards; for protocols that cut by sequence.

The shop stands still while a fold is asked: nothing that is asked, or told between two questions, is learned or folded
into the shelf, so a question depends on the learned lines and its own shopper's earlier ones alone.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints
from endcap.domain.instants import DAY
from endcap.domain.requests import Request
from endcap.state import NEWCOMER, State
from endcap.training.corpus import Corpus, Shop
from endcap.training.history import History
from endcap.training.replay import PLACEMENT, WANTED, Case, seed_of, shopper_at

TRAIN, VALIDATION, TEST = 0, 1, 2
"""What a line of a data set is for."""

Hides: TypeAlias = Literal["none", "last", "known"]
"""Which of a shopper's known items are not ranked."""


class Asked(NamedTuple):
    """Questions [q]: what follows line `target` int64, known `begin` int64 to `target` of the same shopper."""

    begin: Ints
    target: Ints


class Fold(NamedTuple):
    """`learned` bool [lines], what is `asked` of it, and which of the known items are not ranked."""

    learned: Bools
    asked: Asked
    hides: Hides


def next_item_fold(history: History, learned: Bools, sessions: Bools, hides: Hides = "none") -> Fold:
    """Every line but the first of the sessions marked `sessions` bool [lines], asked of what is `learned`.

    Where the last item is not ranked, nothing that wants it is asked.
    """
    first = np.r_[True, history.session[1:] != history.session[:-1]][: len(history)]
    target = np.flatnonzero(sessions & ~first)
    if hides == "last":
        target = target[history.group[target] != history.group[target - 1]]
    return asked_fold(history, learned, target, hides)


def last_lines_fold(history: History, learned: Bools, most: int) -> Fold:
    """The last `most` of each shopper's `learned` lines, but never the first, asked of those before."""
    counted = np.r_[0, np.cumsum(learned)]
    after = counted[history.starts[1:]][history.shopper] - counted[1:]
    before = counted[:-1] - counted[history.starts[:-1]][history.shopper]
    target = np.flatnonzero(learned & (after < most) & (before > 0))
    kept = learned.copy()
    kept[target] = False
    return asked_fold(history, kept, target, "known")


def asked_fold(history: History, learned: Bools, target: Ints, hides: Hides) -> Fold:
    """The lines `target`, each asked of `learned` and all that its shopper did before."""
    return Fold(learned, Asked(history.starts[history.shopper[target]], target), hides)


def latest_sessions(history: History, learned: Bools, most: int) -> Bools:
    """The lines `learned` of the sessions that began last, with at most `most` lines but at most a third of all."""
    index = np.flatnonzero(learned)
    first = np.r_[True, np.diff(history.session[index]) != 0][: len(index)]
    begins, lengths = history.time[index[first]], np.diff(np.r_[np.flatnonzero(first), len(index)])
    latest = np.argsort(-begins, kind="stable")
    taken = np.zeros(len(begins), np.bool_)
    upto = int(np.searchsorted(np.cumsum(lengths[latest]), min(most, len(index) // 3), "right"))
    taken[latest[:upto]] = True
    lines = np.zeros(len(history), np.bool_)
    lines[index] = np.repeat(taken, lengths)
    return lines


def standing(corpus: Corpus, learned: History) -> Shop:
    """The shop after the lines `learned`: what they touched is on sale, all else unknown or unlisted."""
    shop = Shop(corpus, learned)
    shop.advance(ends(learned))
    rows = np.unique(learned.group)
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
    asked = fold.asked
    chosen: Ints = np.arange(len(asked.target)) if kept is None else np.flatnonzero(kept)
    for begin, target in zip(asked.begin[chosen].tolist(), asked.target[chosen].tolist(), strict=True):
        known = slice(begin, target)
        shopper = int(history.shopper[target])
        at = int(history.time[target - 1]) + 1 if target > begin else int(history.time[target])
        moved = max(at // DAY - shop.shelf.day, 0) * DAY
        had = np.unique(history.group[known])
        hidden = {"none": had[:0], "last": history.group[target - 1 : target], "known": had}[fold.hides]
        yield Case(
            id=str(target),
            request=Request(
                PLACEMENT, at - moved, seed_of(history, known, at), WANTED, shopper=history.keys[shopper],
                exclude=hidden,
            ),
            state=State(shopper_at(history, known, moved) if target > begin else NEWCOMER, shop.shelf),
            targets=history.group[target : target + 1],
            bought=had,
        )  # fmt: skip
