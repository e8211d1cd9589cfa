"""Facets: every value counts the items that its own filter leaves."""

import numpy as np
import pytest

from endcap.domain.catalog import Change
from endcap.domain.placements import Placement
from endcap.domain.requests import Request
from endcap.slate import facets
from endcap.slate.filters import admitted
from endcap.state import Shelf

REQUEST = Request("search", 1_700_000_000_000, 1, 4)
SEARCH = Placement("search")


@pytest.mark.parametrize("scale", [1, 1_000, 100_000_000])
def test_each_value_counts_what_its_filter_leaves(scale: int) -> None:
    shelf = Shelf()
    for row in range(40):
        text = {"color": ("red", "L'Or", "")[row % 3], "size": str(row % 7)}
        sale = {"sale_price": 5, "sale_start": 0, "sale_end": 2**60} if row % 4 == 0 else {}
        shelf.apply(
            Change(row, 1, listed=True, price=scale * (row + 1) ** 2, brand=f"b{row % 2}", category=("A", str(row % 5)),
                   text=text, stock=row % 9, group=50 + row // 3 if row < 12 else None, **sale)
        )  # fmt: skip
    rows = np.r_[np.arange(12, 40), np.arange(50, 54)].astype(np.int32)
    rows = rows[shelf.available[rows]]
    found = {facet.name: facet.values for facet in facets(SEARCH, REQUEST, shelf, rows)}
    assert set(found) == {"category", "brand", "color", "size", "price", "on_sale"}
    for name, values in found.items():
        for value in values:
            asked = Request("search", REQUEST.at, 1, 4, filter=value.filter)
            left = int(admitted(SEARCH, asked, shelf, rows).sum())
            assert left >= value.items if name == "price" else left == value.items
    assert sum(value.items for value in found["price"]) == len(rows)


def test_nothing_has_no_facets() -> None:
    assert facets(SEARCH, REQUEST, Shelf(), np.empty(0, np.int32)) == []
