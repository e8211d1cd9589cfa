"""What the shopper buys again: frequency, recency and the rhythm of the purchases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats
from endcap.domain.instants import DAY
from endcap.domain.pools import Proposal
from endcap.domain.requests import Request
from endcap.retrieval.tables import best
from endcap.state import Moment


@dataclass(frozen=True, slots=True)
class Personal:
    """Bought rows by decayed frequency, each weighed by how due it is.

    A purchase counts `basket_decay` per later purchase day and halves every `half_life_days` (decayed frequency of
    TIFU-kNN, Hu et al. 2020, eq. 2-3, with calendar time added); purchases between the first and the last two known
    days are taken as evenly spread.
    """

    name: str
    basket_decay: float
    half_life_days: float

    def propose(self, request: Request, moment: Moment, limit: int) -> Proposal:
        """Rows with at least one purchase that was not refunded."""
        owned = moment.purchases[(moment.purchases["count"] > 0) & (moment.purchases["last"] > 0)]
        if not len(owned):
            return Proposal(np.empty(0, np.int32), np.empty(0, np.float32))
        today = moment.at / DAY
        votes = self._decayed(owned, moment, today) * rhythm(owned, today)
        return best(owned["row"].astype(np.int32), votes.astype(np.float32) + np.float32(1e-9), limit)

    def _decayed(self, owned: NDArray[np.void], moment: Moment, today: float) -> NDArray[np.float64]:
        ascending = moment.purchase_days[::-1].astype(np.int64)
        votes = np.zeros(len(owned))
        count = owned["count"].astype(np.float64)
        middle = (owned["first"].astype(np.float64) + owned["previous"]) / 2
        for day, times in (
            (owned["last"].astype(np.float64), np.ones(len(owned))),
            (owned["previous"].astype(np.float64), (count > 1) & (owned["previous"] > 0)),
            (middle, np.where(owned["previous"] > 0, np.maximum(count - 2, 0), 0)),
        ):
            baskets_since = len(ascending) - np.searchsorted(ascending, day, "right")
            age = np.maximum(today - day, 0)
            votes += times * self.basket_decay**baskets_since * 0.5 ** (age / self.half_life_days)
        return votes


def rhythm(owned: NDArray[np.void], today: float) -> Floats:
    """float32 [n]: how due a purchase is, 1 where no interval is known.

    With mean interval g and t days since the last purchase: 0.5 + exp(-(ln(t / g))^2 / 2), largest at t = g.
    """
    gaps = np.maximum(owned["count"].astype(np.float64) - 1, 1)
    interval = (owned["last"].astype(np.float64) - owned["first"]) / gaps
    known = interval > 0
    ratio = np.maximum(today - owned["last"], 0.5) / np.where(known, interval, 1.0)
    return np.where(known, 0.5 + np.exp(-(np.log(ratio) ** 2) / 2), 1.0).astype(np.float32)
