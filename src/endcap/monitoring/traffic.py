"""Lines of events as columns by shopper and time, and what can be told of them without a catalog."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from endcap.domain.arrays import Bools, Ints, Millis, Rows
from endcap.domain.bots import left_by_bots
from endcap.domain.events import Kind
from endcap.domain.instants import SESSION_IDLE


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines [n] sorted by shopper and time; `shopper` int32 from 0, `session` int64 from 0 upwards.

    `begins` is true where an event begins: lines of one log offset are one event.
    """

    shopper: Rows
    time: Millis
    offset: Ints
    kind: NDArray[np.uint8]
    row: Rows
    price: Ints
    basket: Ints
    guest: Bools
    bot: Bools
    session: Ints
    begins: Bools

    def __len__(self) -> int:
        return len(self.time)

    def of(self, *kinds: Kind) -> Bools:
        """Which lines are of `kinds`."""
        return np.isin(self.kind, kinds)


def lines_of(interactions: pa.Table) -> Lines:
    """The lines of `interactions` (schema INTERACTIONS)."""
    encoded = pa.chunked_array([interactions["shopper"].combine_chunks()]).dictionary_encode().combine_chunks()
    shopper = np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int32)
    names = ("time", "offset", "kind", "row", "price", "basket", "guest", "bot", "session")
    columns: dict[str, NDArray[Any]] = {
        name: np.asarray(interactions[name].combine_chunks().to_numpy(zero_copy_only=False)) for name in names
    }
    order = np.lexsort((columns["offset"], columns["time"], shopper))
    shopper, columns = shopper[order], {name: column[order] for name, column in columns.items()}
    given = columns.pop("session")
    same = (given[1:] == given[:-1]) & (given[1:] != 0)
    other = shopper[1:] != shopper[:-1]
    ends = other | ((np.diff(columns["time"]) > SESSION_IDLE) & ~same)
    first = np.ones(min(len(shopper), 1), np.bool_)
    return Lines(
        shopper=shopper,
        session=np.cumsum(np.r_[first, ends]) - 1,
        begins=np.r_[first, other | (np.diff(columns["offset"]) != 0)],
        **columns,
    )


def bot_lines(lines: Lines) -> Bools:
    """Lines flagged at intake, and those that training leaves out because their shopper had given itself away."""
    return lines.bot | left_by_bots(lines.shopper, lines.session, lines.time, lines.kind, lines.row, lines.offset)


def preceded(lines: Lines, late: Kind, early: Kind) -> tuple[int, int]:
    """How many lines of kind `late` come at or after one of `early` of the same shopper and row; how many in all."""
    width = int(lines.row.max(initial=0)) + 1
    pair = lines.shopper.astype(np.int64) * width + lines.row
    begins, follows = lines.of(early), lines.of(late)
    known, place = np.unique(pair[begins], return_inverse=True)
    first = np.full(len(known), np.iinfo(np.int64).max)
    np.minimum.at(first, place, lines.time[begins])
    wanted, at = pair[follows], lines.time[follows]
    if not len(known):
        return 0, len(wanted)
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return int(((known[found] == wanted) & (first[found] <= at)).sum()), len(wanted)


def distinct_pairs(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """The distinct pairs of two columns, sorted."""
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    fresh = np.r_[True, (np.diff(left) != 0) | (np.diff(right) != 0)][: len(left)]
    return left[fresh], right[fresh]


def counted_distinct(keys: Ints, values: Ints) -> Ints:
    """For each distinct key, ascending, how many distinct values stand beside it."""
    return np.unique(distinct_pairs(keys, values)[0], return_counts=True)[1].astype(np.int64)
