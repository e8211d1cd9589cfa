"""Neighbours by sequence: who stands near whom in sessions or histories, as tables of pairs and a session index."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Ints, Rows, compiled
from endcap.domain.instants import DAY
from endcap.retrieval.sessions import SessionIndex
from endcap.retrieval.tables import Table
from endcap.training.history import History

PEOPLE_CEILING = 65_535


@dataclass(frozen=True, slots=True)
class PairConfig:
    """How a pair of lines counts.

    Lines `d` steps apart (0: the same basket) count `decay`^max(d - 1, 0), up to `window` steps and `reach` lines;
    a pair that runs backward in time counts `backward` of it. A pair ages with `half_life_days`. `size_power` divides
    by the sequence's length to it. A neighbour's sum is divided by (its own total + `shrinkage`)^`popularity_power`,
    and by the same of the row that it is a neighbour of, to `own_power`. `least_steps` 1 leaves out pairs of one step.
    """

    window: int
    reach: int
    decay: float
    backward: float
    half_life_days: float
    size_power: float
    popularity_power: float
    shrinkage: float
    most: int
    least_steps: int = 0
    own_power: float = 0.0


@dataclass(frozen=True, slots=True)
class Sequences:
    """Lines [n] in sequences; those of one person are adjacent.

    `row`, `person` int32; `step` int32, distinct times from 0; `begin`, `end` int64 of the own sequence; `age_days`
    float32.
    """

    row: Rows
    step: Rows
    begin: Ints
    end: Ints
    age_days: Floats
    person: Rows


def sequences(row: Rows, time: Ints, sequence: Rows, person: Rows, at: int) -> Sequences:
    """Lines sorted by `sequence` and time, as `Sequences`; ages are against `at` (ms)."""
    if not len(row):
        empty = np.empty(0, np.int64)
        return Sequences(row, row, empty, empty, np.empty(0, np.float32), row)
    fresh = np.r_[True, sequence[1:] != sequence[:-1]]
    moved = np.r_[True, time[1:] != time[:-1]] | fresh
    steps = np.cumsum(moved)
    starts = np.flatnonzero(fresh)
    lengths = np.diff(np.r_[starts, len(row)])
    return Sequences(
        row=row,
        step=(steps - np.repeat(steps[starts], lengths)).astype(np.int32),
        begin=np.repeat(starts, lengths).astype(np.int64),
        end=np.repeat(starts + lengths, lengths).astype(np.int64),
        age_days=((at - time) / DAY).astype(np.float32),
        person=person,
    )


def fit_pairs(lines: Sequences, rows: int, config: PairConfig) -> tuple[Table, NDArray[np.uint16]]:
    """The table of `rows` keys with at most `config.most` neighbours each, and the people behind each entry."""
    order = np.argsort(lines.row, kind="stable")
    postings = np.searchsorted(lines.row[order], np.arange(rows + 1)).astype(np.int64)
    weight = 0.5 ** (lines.age_days / config.half_life_days) / (lines.end - lines.begin) ** config.size_power
    popularity = np.bincount(lines.row, minlength=rows)
    total = np.maximum(popularity + config.shrinkage, 1)
    damping = total**-config.popularity_power
    counts, neighbours, weights, people = _neighbours(
        lines.row, lines.step, lines.begin, lines.end, weight.astype(np.float32), lines.person, order, postings,
        damping.astype(np.float32), config.window, config.reach, config.decay, config.backward, config.most,
        config.least_steps,
    )  # fmt: skip
    kept = np.arange(config.most)[None, :] < counts[:, None]
    starts = np.r_[0, np.cumsum(counts)].astype(np.int64)
    weights = weights * (total**-config.own_power)[:, None].astype(np.float32)
    return Table(starts, neighbours[kept], weights[kept]), people[kept]


@compiled
def _neighbours(  # noqa: C901, PLR0913 - a kernel takes its columns one by one, in one loop
    row: Rows, step: Rows, begin: Ints, end: Ints, weight: Floats, person: Rows, order: Ints, postings: Ints,
    damping: Floats, window: int, reach: int, decay: float, backward: float, most: int, least_steps: int,
) -> tuple[Ints, Rows, Floats, NDArray[np.uint16]]:  # fmt: skip
    rows = len(postings) - 1
    sums, behind = np.zeros(rows, np.float64), np.zeros(rows, np.int32)
    last_person, touched = np.full(rows, -1, np.int32), np.empty(rows, np.int32)
    counts, neighbours = np.zeros(rows, np.int64), np.zeros((rows, most), np.int32)
    weights, people = np.zeros((rows, most), np.float32), np.zeros((rows, most), np.uint16)
    for key in range(rows):
        size = 0
        for posting in range(postings[key], postings[key + 1]):
            line = order[posting]
            for other in range(max(begin[line], line - reach), min(end[line], line + reach + 1)):
                near = row[other]
                distance = abs(step[other] - step[line])
                if near == key or distance > window or distance < least_steps:
                    continue
                value = np.float64(max(weight[line], weight[other])) * decay ** max(distance - 1, 0)
                if step[other] < step[line]:
                    value *= backward
                if value <= 0:
                    continue
                if sums[near] == 0:
                    touched[size] = near
                    size += 1
                sums[near] += value
                if last_person[near] != person[line]:
                    last_person[near] = person[line]
                    behind[near] += 1
        votes = np.empty(size, np.float64)
        for index in range(size):
            votes[index] = -sums[touched[index]] * damping[touched[index]]
        best = np.argsort(votes, kind="mergesort")[:most]
        counts[key] = len(best)
        for place in range(len(best)):
            near = touched[best[place]]
            neighbours[key, place], weights[key, place] = near, -votes[best[place]]
            people[key, place] = min(behind[near], PEOPLE_CEILING)
        for index in range(size):
            sums[touched[index]], behind[touched[index]], last_person[touched[index]] = 0, 0, -1
    return counts, neighbours, weights, people


def fit_sessions(history: History, rows: int, most_per_row: int, longest: int) -> tuple[SessionIndex, Rows]:
    """Sessions of 2 to `longest` distinct groups, oldest first, each in the order of last touches.

    A row keeps its `most_per_row` latest sessions.

    The second is int32 [sessions]: the shopper of each in `history`.
    """
    counted = history.weight > 0
    pair = history.session[counted].astype(np.int64) * rows + history.group[counted]
    pairs, latest = np.unique(pair[::-1], return_index=True)
    pairs = pairs[np.argsort(-latest)]
    held_by, held = pairs // max(rows, 1), pairs % max(rows, 1)
    size = np.bincount(held_by) if len(pairs) else np.zeros(0, np.int64)
    ends = np.zeros(len(size), np.int64)
    np.maximum.at(ends, history.session[counted], history.time[counted])
    usable = np.flatnonzero((size >= 2) & (size <= longest))
    number = np.full(len(size), -1, np.int64)
    oldest_first = usable[np.argsort(ends[usable], kind="stable")]
    number[oldest_first] = np.arange(len(usable))
    shopper = np.zeros(len(size), np.int32)
    shopper[history.session[counted]] = history.shopper[counted]
    session = number[held_by]
    session, row = session[session >= 0], held[session >= 0]
    order = np.argsort(session, kind="stable")
    items = _lists(session[order], row[order], len(usable))
    latest = np.lexsort((-session, row))
    session, row = session[latest], row[latest]
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(rows))[row]
    kept = place < most_per_row
    sessions = _lists(row[kept], session[kept], rows)
    idf = np.log((len(usable) + 1) / (np.bincount(row, minlength=rows) + 1)) + 0.1
    return SessionIndex(items, sessions, idf.astype(np.float32)), shopper[oldest_first]


def _lists(keys: Ints, values: Ints, length: int) -> Table:
    starts = np.r_[0, np.cumsum(np.bincount(keys, minlength=length))].astype(np.int64)
    return Table(starts, values.astype(np.int32), np.ones(len(values), np.float32))
