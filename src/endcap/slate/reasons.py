"""Why an item is shown: the source that speaks for it, said as a code; texts belong to the edge."""

from collections.abc import Callable
from typing import Final

import numpy as np

from endcap.domain.arrays import Floats, Rows
from endcap.domain.requests import Reason

FEWEST_PEOPLE: Final = 3
"""A reason that tells what other people did names an item only with at least so many of them behind it."""

BOUGHT: Final = "personal"
SEEN: Final = "seen_before"
SOUGHT: Final = "search"

CODES: Final = {
    BOUGHT: "bought_before",
    "recent": SEEN,
    SOUGHT: "matches",
    "cooccurrence": "chosen_together",
    "transitions": "chosen_next",
    "sessions": "goes_with",
    "factors": "goes_with",
    "vectors": "goes_with",
    "sequel": "goes_with",
    "content": "similar",
    "content_rare": "similar",
    "words": "similar",
    "category": "popular_in_category",
    "journeys": "goes_with",
    "region": "popular_in_region",
    "season": "in_season",
    "arrivals": "new",
    "popularity": "popular",
}
"""Source name to reason code."""

Witness = Callable[[str, int], int]
"""The row of the trail that speaks for an item in a source's name, -1 where none may be named."""


def reasons(sources: tuple[str, ...], ranks: Floats, rows: Rows, seen: Rows, witness: Witness) -> list[Reason]:
    """One reason for each of `rows`, whose ranks by source are the columns of `ranks` float32 [s, n].

    A past purchase comes first, then that the item is among those `seen`, then that it was searched for; then the
    source with a witness that ranks it highest; then the highest at all.
    """
    order = np.argsort(ranks, axis=0, kind="stable").T.tolist()
    voting = np.count_nonzero(~np.isnan(ranks), axis=0).tolist()
    voters = ([sources[index] for index in best[:count]] for best, count in zip(order, voting, strict=True))
    before = set(seen.tolist())
    return [
        Reason(SEEN) if row in before and BOUGHT not in names else _reason(names, row, witness)
        for names, row in zip(voters, rows.tolist(), strict=True)
    ]


def _reason(names: list[str], row: int, witness: Witness) -> Reason:
    if BOUGHT in names:
        return Reason(CODES[BOUGHT])
    if SOUGHT in names:
        return Reason(CODES[SOUGHT])
    for name in names:
        anchor = witness(name, row)
        if anchor >= 0:
            return Reason(CODES[name], anchor)
    unwitnessed = [name for name in names if CODES[name] not in ("chosen_together", "chosen_next", "similar")]
    return Reason(CODES[unwitnessed[0]] if unwitnessed else "picked")
