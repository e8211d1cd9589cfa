"""The size of an experiment on a rate: two arms, two-sided test, normal approximation. Knows rates, no shop."""

from math import ceil, sqrt
from statistics import NormalDist
from typing import Final

SIGNIFICANCE: Final = 0.05
POWER: Final = 0.8
_Z_SIGNIFICANCE: Final = NormalDist().inv_cdf(1 - SIGNIFICANCE / 2)
_Z_POWER: Final = NormalDist().inv_cdf(POWER)
_HALVINGS: Final = 60


def shoppers_per_arm(base: float, changed: float) -> int:
    """Shoppers that each arm needs to tell rate `changed` from `base` at 5 % significance with 80 % power.

    n = (z_{α/2} √(2 p̄ q̄) + z_β √(p₁q₁ + p₂q₂))² / (p₂ - p₁)², the critical-ratio test of two equal groups, without
    continuity correction: Fleiss, Tytun & Ury, "A simple approximation for calculating sample sizes for comparing
    independent proportions", Biometrics 36 (1980) 343-346; Fleiss, Levin & Paik, "Statistical Methods for Rates and
    Proportions" (3rd ed. 2003), chapter 4. Nothing is taken off for variance that covariates explain (CUPED).

    >>> shoppers_per_arm(0.10, 0.12)
    3841

    Raises: ValueError where a rate is not between 0 and 1, or both are equal.
    """
    if not (0 <= base <= 1 and 0 <= changed <= 1) or base == changed:
        raise ValueError(f"rates {base} and {changed} cannot be told apart; expected two different ones from 0 to 1")
    mean = (base + changed) / 2
    null = _Z_SIGNIFICANCE * sqrt(2 * mean * (1 - mean))
    alternative = _Z_POWER * sqrt(base * (1 - base) + changed * (1 - changed))
    return ceil((null + alternative) ** 2 / (changed - base) ** 2)


def detectable(base: float, per_arm: float) -> float | None:
    """The smallest rate above `base` that arms of `per_arm` shoppers tell from it; None where not even 1 is.

    >>> found = detectable(0.10, 3841)
    >>> round(found, 4)
    0.12
    """
    if not 0 <= base < 1 or per_arm < 1 or shoppers_per_arm(base, 1.0) > per_arm:
        return None
    low, high = base, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if shoppers_per_arm(base, middle) <= per_arm else (middle, high)
    return high
