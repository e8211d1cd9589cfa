"""What an evaluation on a data set learns from and asks, by protocol and stage: tuned on validation, told on test."""

from typing import Final

import numpy as np

from endcap.domain.arrays import Bools, Ints
from endcap.errors import GateRefused
from endcap.evaluation.datasets import Dataset
from endcap.evaluation.results import Terms
from endcap.training.folds import (
    TEST,
    TRAIN,
    VALIDATION,
    Fold,
    Hides,
    asked_fold,
    in_parts,
    last_lines_fold,
    latest_sessions,
    next_item_fold,
)
from endcap.training.history import History
from endcap.training.profile import Profile

VALIDATION_SHARE: Final = 0.08
"""Which share of the lines, those of the latest sessions, is asked where a data set marks no validation."""


def outer_fold(dataset: Dataset, history: History, terms: Terms) -> Fold:
    """What is learned from, and what is asked of it, in all; of sessions, each is its own until it is learned from.

    Raises: GateRefused where nothing is learned from or asked.
    """
    label = dataset.label[history.offset]
    if dataset.protocol == "next-item":
        fold = _next_items(dataset, history, terms)
        fold = fold._replace(own=np.where(fold.learned, 0, dataset.unit[history.offset] + 1))
    else:
        wanted = TEST if terms.stage == "test" else VALIDATION
        hides: Hides = "known" if dataset.protocol == "leave-one-out" else "none"
        target = np.flatnonzero((label == wanted) & (dataset.place[history.offset] >= 0))
        fold = asked_fold(history, label <= _last_learned(dataset, terms), target, hides)
    if not fold.learned.any() or not len(fold.asked.target):
        raise GateRefused(
            f"{int(fold.learned.sum()):,} events to learn from and {len(fold.asked.target):,} cases; expected some of "
            "both: longer sessions or histories, or another protocol or split"
        )
    return fold


def _last_learned(dataset: Dataset, terms: Terms) -> int:
    """The last label that is learned from: of reranking, what is no target is history and learned from."""
    folded = terms.fold_validation or dataset.protocol == "rerank"
    return VALIDATION if terms.stage == "test" and folded else TRAIN


def _next_items(dataset: Dataset, history: History, terms: Terms) -> Fold:
    label = dataset.label[history.offset]
    hides: Hides = "last" if terms.exclude_current else "none"
    if terms.stage == "test":
        return next_item_fold(history, label != TEST, _inside(dataset, history, label == TEST), hides)
    tests, validation = label == TEST, label == VALIDATION
    if not validation.any():
        validation = latest_sessions(history, ~tests, int(VALIDATION_SHARE * (~tests).sum()))
    return next_item_fold(history, ~tests & ~validation, _inside(dataset, history, validation), hides)


def _inside(dataset: Dataset, history: History, lines: Bools) -> tuple[Ints, Ints]:
    """Those of `lines` with an item that others of its session come before, and the one just before each."""
    place, unit = dataset.place[history.offset], dataset.unit[history.offset]
    order = np.lexsort((place, unit))
    before = np.empty(len(history), np.int64)
    before[order[1:]] = order[:-1]
    inside = np.flatnonzero(lines & (place > 0))
    return inside, before[inside]


def inner_folds(dataset: Dataset, history: History, outer: Fold, profile: Profile) -> tuple[Fold, ...]:
    """What the ranker learns from: the end of what `outer` learns from, asked of the rest of it."""
    if dataset.protocol != "next-item":
        fold = last_lines_fold(history, outer.learned, profile.held_back, outer.hides)
        return in_parts(history, fold._replace(drawn=outer.drawn), outer.learned, profile.parts)
    latest = latest_sessions(history, outer.learned, profile.most_cases * 3 // 2)
    fold = next_item_fold(history, outer.learned & ~latest, _inside(dataset, history, latest), outer.hides)
    return (fold._replace(own=outer.own),)
