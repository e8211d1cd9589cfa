"""Experiments: how many shoppers one needs to see an effect. Assignment and analysis will stand here too."""

from endcap.experiments.design import POWER, SIGNIFICANCE, detectable, shoppers_per_arm

__all__ = ["POWER", "SIGNIFICANCE", "detectable", "shoppers_per_arm"]
