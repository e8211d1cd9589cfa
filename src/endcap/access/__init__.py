"""Who may call, and how often: keys with scopes, kept as digests, allowances per key, repeated calls.

Knows tokens and token buckets. Does not know HTTP, and never keeps a token.
"""

from endcap.access.allowances import Allowances, Rate, Spent
from endcap.access.keys import NOBODYS, SCOPES, Key, KeyFile, Minted, Scope, change_keys, mint, read_keys, read_uses
from endcap.access.repeats import OtherBody, Repeats

__all__ = [
    "NOBODYS",
    "SCOPES",
    "Allowances",
    "Key",
    "KeyFile",
    "Minted",
    "OtherBody",
    "Rate",
    "Repeats",
    "Scope",
    "Spent",
    "change_keys",
    "mint",
    "read_keys",
    "read_uses",
]
