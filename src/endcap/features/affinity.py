"""How an item's category, brand and price fit what the shopper touched and bought."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Floats, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Memory, Moment


@dataclass(frozen=True, slots=True)
class Affinity:
    """Shares of the trail (as `memory` keeps it) in the item's category and brand, and its price against it."""

    memory: Memory

    @property
    def names(self) -> tuple[str, ...]:
        """Shares in [0, 1], NaN where the item or the trail has no category, brand or price."""
        return ("category_share", "category_here", "brand_share", "price_ratio", "price_distance")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """Prices are those of now, as logarithms of minor units."""
        shelf = moment.shelf
        rows, weights = moment.trail.strengths(self.memory)
        here = moment.trail.here[: len(rows)]
        category, brand = shelf.category[pool.rows], shelf.brand[pool.rows]
        prices = _log(shelf.prices(pool.rows, request.at))
        centre, spread = moment.once(self, "paid", lambda: _paid(_log(shelf.prices(rows, request.at)), weights))
        return np.stack(
            [
                _share(category, shelf.category[rows], weights),
                _share(category, shelf.category[rows[here]], weights[here]),
                _share(brand, shelf.brand[rows], weights),
                prices - centre,
                np.abs(prices - centre) / spread,
            ],
            dtype=np.float32,
        )


def _paid(prices: NDArray[np.float64], weights: Floats) -> tuple[float, float]:
    """Centre and spread of `prices` by their `weights`; NaN without one."""
    priced = ~np.isnan(prices)
    if not priced.any():
        return np.nan, np.nan
    share = weights[priced] / weights[priced].sum()
    centre = share @ prices[priced]
    return centre, np.sqrt(share @ (prices[priced] - centre) ** 2) + 0.25


def _log(prices: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.log(np.where(prices > 0, prices, np.nan))


@compiled
def _share(codes: Rows, touched: Rows, weights: Floats) -> Floats:
    """Share of `weights` on rows with the same code; NaN for code 0 and where nothing touched has a code."""
    shares, total = np.full(len(codes), np.nan, np.float32), np.float32(0)
    for place in range(len(touched)):
        if touched[place] > 0:
            total += weights[place]
    if total == 0:
        return shares
    for index in range(len(codes)):
        if codes[index] > 0:
            same = np.float32(0)
            for place in range(len(touched)):
                same += weights[place] if touched[place] == codes[index] else np.float32(0)
            shares[index] = same / total
    return shares
