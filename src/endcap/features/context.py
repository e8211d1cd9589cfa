"""Who asks, when and where: columns that are equal for all members of a pool."""

from dataclasses import dataclass

import numpy as np

from endcap.domain.arrays import Floats
from endcap.domain.instants import DAY, HOUR
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.state import NEVER, Moment


@dataclass(frozen=True, slots=True)
class Context:
    """The length and rhythm of the shopper's history, the session, and (with `clock`) the hour and weekday (UTC).

    Where all replayed requests come at a few instants, as for baskets, a clock would only name the instant.
    """

    clock: bool

    @property
    def names(self) -> tuple[str, ...]:
        """NaN where the shopper is new."""
        return (
            "shopper_lines", "shopper_days", "shopper_distinct", "shopper_repeats", "shopper_since_purchase",
            "shopper_interval", "session_lines", "session_distinct", "session_minutes", "trail_length", "anchors",
            "hour", "weekday",
        )  # fmt: skip

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        """float32 [13, n], each row constant."""
        values = moment.once(self, "values", lambda: self._values(request, moment))
        return np.repeat(values[:, None], len(pool), axis=1)

    def _values(self, request: Request, moment: Moment) -> Floats:
        days, here = moment.purchase_days.tolist(), moment.recent.time[moment.session :].tolist()
        owned = moment.purchases["count"][moment.purchases["last"] > 0]
        told = (
            moment.lines,
            (request.at - moment.first) / DAY if moment.first != NEVER else np.nan,
            len(owned),
            (owned > 1).mean() if len(owned) else np.nan,
            request.at / DAY - days[0] if len(days) else np.nan,
            (days[0] - days[-1]) / (len(days) - 1) if len(days) > 1 else np.nan,
            len(here),
            len({*moment.recent.row[moment.session :].tolist()}) / len(here) if len(here) else np.nan,
            (request.at - here[0]) / 60_000 if len(here) else np.nan,
            len(moment.trail),
            len(request.anchors),
            request.at // HOUR % 24 if self.clock else np.nan,
            request.at // DAY % 7 if self.clock else np.nan,
        )
        return np.array(told, np.float32)
