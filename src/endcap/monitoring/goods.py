"""The catalog as columns: what is known of every row after all its changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endcap.backends.db import Recorded
from endcap.domain.arrays import Bools, Ints, Rows
from endcap.domain.ids import ItemKey

ATTRIBUTES: Final = ("title", "price", "category", "brand", "image", "description", "stock")
_TEXTS: Final = {"title": "title", "description": "description", "image_link": "image"}


@dataclass(frozen=True, slots=True)
class Goods:
    """Columns [rows] of a catalog as it stands.

    `known` rows have at least one change: a feed told of them; the others are stubs that events alone named. `item` is
    false for rows that stand for a group. `price` int64 minor units and `stock` int64, -1 unknown. `has` says by
    attribute which rows have a value.
    """

    keys: Sequence[ItemKey]
    item: Bools
    known: Bools
    listed: Bools
    group: Rows
    price: Ints
    stock: Ints
    has: Mapping[str, Bools]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sellable(self) -> Bools:
        """Listed items that are not known to be out of stock."""
        sellable: Bools = self.listed & (self.stock != 0)
        return sellable


def goods_of(keys: Sequence[ItemKey], changes: Iterable[Recorded]) -> Goods:
    """The catalog after all `changes`: of two that tell an attribute the later `at` counts, then the later one."""
    rows = len(keys)
    item = np.array([key.kind == "item" for key in keys], np.bool_)
    known, listed = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    group = np.arange(rows, dtype=np.int32)
    price, stock = np.full(rows, -1, np.int64), np.full(rows, -1, np.int64)
    has = {name: np.zeros(rows, np.bool_) for name in ATTRIBUTES}
    columns = {"listed": listed, "group": group, "price": price, "stock": stock}
    for change in sorted((recorded.change for recorded in changes), key=lambda change: change.at):
        row = change.row
        known[row] = True
        for name, column in columns.items():
            value = getattr(change, name)
            if value is not None:
                column[row] = value
        if change.category is not None:
            has["category"][row] = bool(change.category)
        if change.brand is not None:
            has["brand"][row] = bool(change.brand)
        for name, value in change.text.items():
            if name in _TEXTS:
                has[_TEXTS[name]][row] = bool(value)
    has |= {"price": price >= 0, "stock": stock >= 0}
    return Goods(tuple(keys), item, known & item, listed & item, group, price, stock, has)
