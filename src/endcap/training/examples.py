"""Training examples: replayed requests, the features of their pools, and which members were wanted."""

from collections.abc import Iterable
from typing import Final, NamedTuple, Self

import numpy as np

from endcap.domain.arrays import Bools, Floats, Rows
from endcap.pipeline import candidates
from endcap.policy import Policy
from endcap.snapshot import Snapshot
from endcap.training.replay import Case

_SEED: Final = 0xE0DCA9


class Examples(NamedTuple):
    """`features` float32 [n, width], NaN unknown; `wanted` bool, `case` and `rows` int32, `at` int64 [n]."""

    features: Floats
    wanted: Bools
    case: Rows
    rows: Rows
    at: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def joined(cls, parts: Iterable["Examples"]) -> Self:
        """The examples of `parts`, cases numbered through."""
        found = list(parts)
        offset = np.cumsum([0, *(int(part.case.max(initial=-1)) + 1 for part in found)])
        return cls(
            np.concatenate([part.features for part in found]),
            np.concatenate([part.wanted for part in found]),
            np.concatenate([part.case + shift for part, shift in zip(found, offset[:-1], strict=True)]).astype(
                np.int32
            ),
            np.concatenate([part.rows for part in found]),
            np.concatenate([part.at for part in found]),
        )


def collect(cases: Iterable[Case], snapshot: Snapshot, policy: Policy, negatives: int) -> Examples:
    """The admitted pool of every case that holds a target: all targets, and at most `negatives` others.

    Which others is drawn from Philox of the case's seed, so no case depends on another.
    """
    features, wanted, numbers, rows, ats = [], [], [], [], []
    number = 0
    for case in cases:
        found = candidates(case.request, case.state, snapshot, policy)
        hits = np.isin(found.pool.rows, case.targets)
        if not hits.any():
            continue
        others = np.flatnonzero(~hits)
        generator = np.random.Generator(np.random.Philox(case.request.seed ^ _SEED))
        drawn = generator.choice(others, min(negatives, len(others)), replace=False)
        kept = np.concatenate([np.flatnonzero(hits), np.sort(drawn)])
        features.append(found.features[:, kept].T)
        wanted.append(hits[kept])
        numbers.append(np.full(len(kept), number, np.int32))
        rows.append(found.pool.rows[kept])
        ats.append(np.full(len(kept), case.request.at, np.int64))
        number += 1
    if not features:
        width = len(snapshot.features.schema)
        none = np.empty(0, np.int32)
        return Examples(np.empty((0, width), np.float32), np.empty(0, np.bool_), none, none, np.empty(0, np.int64))
    return Examples(
        np.concatenate(features),
        np.concatenate(wanted),
        np.concatenate(numbers),
        np.concatenate(rows),
        np.concatenate(ats),
    )
