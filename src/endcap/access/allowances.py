"""Allowances: how many requests and events a key may send, as one token bucket per key and kind.

A bucket fills steadily up to its size and a call takes out what it costs. Reads no clock; its caller gives seconds.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from endcap.access.keys import Key, Scope

MOST_KEYS: Final = 10_000
"""How many buckets are remembered; beyond that the fullest are forgotten, which costs their keys nothing."""


class Rate(NamedTuple):
    """A bucket: what it gains a second, and what it holds at most."""

    per_s: float
    most: float


class Spent(NamedTuple):
    """What became of a call: whether it may go on, what is left, and in how many seconds it may."""

    allowed: bool
    left: int
    wait_s: float


class Allowances:
    """Buckets of one kind, whose size depends on the key's scope."""

    def __init__(self, rates: Mapping[Scope, Rate]) -> None:
        self._rates = rates
        self._buckets: dict[str, tuple[float, float]] = {}

    def rate(self, key: Key) -> Rate:
        """What `key` may."""
        return self._rates[key.scope]

    def spend(self, key: Key, cost: float, now_s: float) -> Spent:
        """Take `cost` out of the bucket of `key`, or nothing where it holds less.

        >>> key = Key("a", "publishable", "", 0, "")
        >>> allowances = Allowances({"publishable": Rate(10, 20)})
        >>> allowances.spend(key, 15, 0.0), allowances.spend(key, 15, 0.5)
        (Spent(allowed=True, left=5, wait_s=0.0), Spent(allowed=False, left=10, wait_s=0.5))
        """
        per_s, most = self._rates[key.scope]
        held, at = self._buckets.get(key.id, (most, now_s))
        held = min(most, held + per_s * max(0.0, now_s - at))
        cost = min(cost, most)
        allowed = held >= cost
        held -= cost if allowed else 0
        if key.id not in self._buckets and len(self._buckets) >= MOST_KEYS:
            self._forget()
        self._buckets[key.id] = held, now_s
        return Spent(allowed, int(held), 0.0 if allowed else (cost - held) / per_s)

    def _forget(self) -> None:
        fullest = sorted(self._buckets, key=lambda number: self._buckets[number])[MOST_KEYS // 2 :]
        for number in fullest:
            del self._buckets[number]
