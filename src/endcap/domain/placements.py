"""A placement: one configured module on a kind of page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Placement:
    """One configured module on a page; `endcap.policy.DEFAULT_POLICY` says what the fields mean."""

    name: str
    quota: int = 150
    quotas: Mapping[str, int] = field(default_factory=dict)
    purchased: Literal["show", "hide"] = "show"
    most_per_brand: int = 0
    most_per_category: int = 0
    diversity: float = 0.0
    breadth: float = 0.0
    new_items: int = 0
    filter: str = ""
    category: Literal["any", "same", "other"] = "any"
    personal: float = 0.5
