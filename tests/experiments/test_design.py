"""Sizes against published values, and the two questions as inverses of each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.experiments import detectable, shoppers_per_arm


@pytest.mark.parametrize(("base", "changed", "size"), [(0.10, 0.20, 199), (0.50, 0.60, 388), (0.30, 0.50, 93)])
def test_sizes_are_those_of_the_textbook(base: float, changed: float, size: int) -> None:
    """Two-sided 5 %, 80 % power, no continuity correction, as every calculator of this formula gives them."""
    assert shoppers_per_arm(base, changed) == size


@given(st.floats(0.001, 0.9), st.integers(200, 10**7))
def test_what_is_detectable_needs_no_more_shoppers_than_there_are(base: float, per_arm: int) -> None:
    found = detectable(base, per_arm)
    if found is None:
        assert shoppers_per_arm(base, 1.0) > per_arm
        return
    assert base < found <= 1
    assert shoppers_per_arm(base, found) <= per_arm
    nearer = base + (found - base) * 0.98
    assert nearer == base or shoppers_per_arm(base, nearer) >= per_arm


@pytest.mark.parametrize("rates", [(0.1, 0.1), (-0.1, 0.2), (0.5, 1.5)])
def test_impossible_rates_are_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="cannot be told apart; expected two different ones from 0 to 1"):
        shoppers_per_arm(*rates)


def test_nothing_is_detectable_without_shoppers() -> None:
    assert detectable(0.1, 0) is None
    assert detectable(0.1, 2) is None
