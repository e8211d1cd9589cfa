"""The index of session neighbours: bare sessions, and for every row the latest that hold it."""

import numpy as np

from endcap.domain.arrays import Ints, Rows
from endcap.retrieval.sessions import SessionIndex
from endcap.retrieval.tables import Table
from endcap.training.history import History


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
