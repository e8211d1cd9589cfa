"""What the shop sells, as changes: every import, patch and derivation is a `Change` of one row.

These nouns are msgspec's, for a feed makes millions of them: made in a tenth, packed in half of a dataclass's time.
"""

from typing import Final

import msgspec

from endcap.domain.ids import ItemKey

SINCE_EVER = 0
"""The time of attributes whose file gives none, when they are first heard of."""


UNSAID: Final = frozenset(
    "link image_link mobile_link canonical_link additional_image_link gtin mpn availability_date".split()
)
"""Texts of a change that say nothing of what an item is."""


class Assignment(msgspec.Struct, frozen=True):
    """Row `row` stands for `key` from now on, for ever."""

    row: int
    key: ItemKey


class Change(msgspec.Struct, frozen=True):
    """What is new about one row at `at` (ms UTC); what is None, or not in `text`, stays as it was.

    `price` and `sale_price` are minor units of the base currency; the sale holds in [sale_start, sale_end).
    `stock` counts units; -1 means unknown, which sells. `group` is the row of the item's group. `category` is a path
    such as `("Home", "Kitchen")`. `text` holds title, description, link, image_link, color, size, material and other
    attributes by their Merchant names; an empty value clears one. `cost` is what the shop pays for one (minor units,
    -1 unknown).
    """

    row: int
    at: int
    group: int | None = None
    listed: bool | None = None
    price: int | None = None
    sale_price: int | None = None
    sale_start: int | None = None
    sale_end: int | None = None
    stock: int | None = None
    brand: str | None = None
    category: tuple[str, ...] | None = None
    text: dict[str, str] = msgspec.field(default_factory=dict)
    cost: int | None = None


def concerns_lists(change: Change) -> bool:
    """Whether the lists should learn of `change`: it tells more than a price, a stock or a link.

    >>> concerns_lists(Change(1, 5, price=5, stock=0)), concerns_lists(Change(1, 5, brand="Acme"))
    (False, True)
    """
    told = (change.listed or None, change.brand, change.category, change.group)
    return any(value is not None for value in told) or not UNSAID.issuperset(change.text)
