"""What an experiment could see: the shop's own traffic against the size that a difference needs."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from endcap.domain.arrays import Ints
from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.evaluation.comparison import HIT, Comparison
from endcap.experiments import detectable, shoppers_per_arm
from endcap.training import HYBRID

FORTNIGHT: Final = 14 * DAY
FORTNIGHTS: Final = 4
CARRIED: Final = (1.0, 0.5, 0.25, 0.1)
"""How much of the offline difference is supposed to carry over to live lists."""


class Plan(NamedTuple):
    """An experiment that sees the share `carried` of the offline difference: shoppers in each arm, and weeks."""

    carried: float
    rate: float
    per_arm: int
    weeks: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """`base` and `changed` are hit rates of the best plain method and the hybrid; no `plans` without a difference.

    `shoppers` come in two weeks, the mean of the last eight weeks (or fewer). `detectable` is the smallest rate above
    `base` that a two-week test of two equal arms sees, None where it sees none. `converted` is the share of two weeks'
    shoppers who order, None where visits without an order are not recorded.
    """

    reference: str
    base: float
    changed: float
    shoppers: float
    detectable: float | None
    plans: tuple[Plan, ...]
    converted: float | None
    converted_detectable: float | None


def outlook_of(comparison: Comparison, interactions: pa.Table) -> Outlook:
    """What a test of the hybrid against the best plain method could see at the traffic of `interactions`."""
    best = comparison.judged.best_plain
    base, changed = best.metrics[HIT].mean, comparison.judged.named(HYBRID).metrics[HIT].mean
    shoppers, buyers = _fortnightly(interactions, orders_only=comparison.cut.protocol == "next-basket")
    converted = buyers / shoppers if shoppers and comparison.cut.protocol == "time-split" else None
    return Outlook(
        reference=best.name,
        base=base,
        changed=changed,
        shoppers=shoppers,
        detectable=detectable(base, shoppers / 2),
        plans=_plans(base, changed, shoppers),
        converted=converted,
        converted_detectable=detectable(converted, shoppers / 2) if converted else None,
    )


def _plans(base: float, changed: float, shoppers: float) -> tuple[Plan, ...]:
    if changed <= base or not shoppers:
        return ()
    plans = []
    for carried in CARRIED:
        rate = base + carried * (changed - base)
        per_arm = shoppers_per_arm(base, rate)
        plans.append(Plan(carried, rate, per_arm, 2 * per_arm / (shoppers / 2)))
    return tuple(plans)


def _fortnightly(interactions: pa.Table, *, orders_only: bool) -> tuple[float, float]:
    """Distinct shoppers of two weeks, and those who bought: means over the last fortnights of the history.

    With `orders_only` guests and events that are no purchase do not count.
    """
    lines = interactions.filter(pa.compute.invert(interactions["bot"]))
    time, kind = lines["time"].to_numpy(), lines["kind"].to_numpy()
    if not len(time):
        return 0.0, 0.0
    end = int(time.max()) + 1
    shopper = pa.chunked_array([lines["shopper"].combine_chunks()]).dictionary_encode().combine_chunks()
    number: Ints = np.asarray(shopper.indices.to_numpy(zero_copy_only=False)).astype(np.int64)
    fortnight = (end - 1 - time) // FORTNIGHT
    whole = max(min((end - int(time.min())) // FORTNIGHT, FORTNIGHTS), 1)
    counted, bought = fortnight < whole, kind == Kind.PURCHASE
    if orders_only:
        counted = counted & bought & ~np.asarray(lines["guest"].to_numpy(zero_copy_only=False))
    return _per(number, fortnight, counted) / whole, _per(number, fortnight, counted & bought) / whole


def _per(shopper: Ints, fortnight: Ints, among: Ints) -> int:
    return len(np.unique(shopper[among] * FORTNIGHTS + fortnight[among]))
