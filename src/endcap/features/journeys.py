"""Where visits go next: categories that follow those of this visit, and those that a shopper was in on earlier ones.

Categories are few where items are many, so this is known long before anybody went from this item to that one; and the
two parts meet, where neither alone would lead: who camps and now looks at toys may want a tent for the kids.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from endcap.domain.arrays import Floats, Rows, compiled
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import Memory, Moment

_NOTHING: Final = np.empty(0, np.float32)
_LEAST: Final = np.float32(1e-9)


@dataclass(frozen=True, slots=True)
class Journeys:
    """Natural logarithms by category code (0: none, never told of).

    `share` float32 [c] is that of a category among all that visits turn to; float32 [c, c] are the lifts on it:
    `within` after another category of the same visit; `across` after one of earlier visits, for where a visit begins;
    `besides` after one of earlier visits, for where a visit turns that has begun, beside what `within` says: campers
    seldom begin with toys, yet of all who look at toys they turn to tents for kids. `category` int32 [rows] are the
    codes of rows.
    """

    category: Rows
    share: Floats
    within: Floats
    across: Floats
    besides: Floats
    memory: Memory

    def turns(self, moment: Moment) -> Floats:
        """How likely each category is the next that the visit turns to, float32 [c]; empty where nothing is known."""
        within, across = self.told(moment)
        if np.isnan(within[0]) and np.isnan(across[0]):
            return _NOTHING
        chance = np.exp(self.share + np.nan_to_num(within) + np.nan_to_num(across))
        chance[0] = chance[self.codes(moment.trail.rows[moment.trail.here])] = 0
        return np.asarray(chance / max(chance.sum(), _LEAST), np.float32)

    def codes(self, rows: Rows) -> Rows:
        """The category codes int32 [n] of `rows`, 0 beyond what was learned."""
        known = rows < len(self.category)
        return np.where(known, self.category[np.where(known, rows, 0)], 0)

    def told(self, moment: Moment) -> tuple[Floats, Floats]:
        """The mean log-lifts float32 [c] by this visit and by earlier ones; NaN where there is none to tell."""
        return moment.once(self, "told", lambda: self._told(moment))

    def _told(self, moment: Moment) -> tuple[Floats, Floats]:
        rows, weights = moment.trail.strengths(self.memory)
        here = moment.trail.here[: len(rows)]
        codes = self.codes(rows)
        earlier = self.besides if codes[here].any() else self.across
        return _mean(self.within, codes[here], weights[here]), _mean(earlier, codes[~here], weights[~here])


@compiled
def _mean(lifts: Floats, codes: Rows, weights: Floats) -> Floats:
    """The mean of the rows `codes` of `lifts` by `weights`; NaN without a code above 0."""
    mean, total = np.zeros(lifts.shape[1], np.float32), np.float32(0)
    for place in range(len(codes)):
        if codes[place] > 0:
            total += weights[place]
            mean += weights[place] * lifts[codes[place]]
    if total == 0:
        return np.full(lifts.shape[1], np.nan, np.float32)
    return mean / total


@dataclass(frozen=True, slots=True)
class Journey:
    """What `journeys` say of each item's category."""

    journeys: Journeys

    @property
    def names(self) -> tuple[str, ...]:
        """The two log-lifts, and the log-share with what is known of them on it."""
        return ("journey_within", "journey_across", "journey")

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """NaN where the item has no category, a lift where there is nothing to go by; the sum goes without it."""
        codes = self.journeys.codes(pool.rows)
        columns = moment.once(self, "lifts", lambda: self._lifts(moment))[:, codes]
        columns[:, codes == 0] = np.nan
        return columns

    def _lifts(self, moment: Moment) -> Floats:
        within, across = self.journeys.told(moment)
        return np.stack([within, across, self.journeys.share + np.nan_to_num(within) + np.nan_to_num(across)])
