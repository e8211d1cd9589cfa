"""What a set of items divides into, for pages that narrow a search: counts by the columns that filters know."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Doubles, Rows
from endcap.domain.placements import Placement
from endcap.domain.requests import Request
from endcap.slate.filters import Items, passing
from endcap.state import Shelf

MOST_VALUES: Final = 12
BANDS: Final = 5
"""How many bands of the price there are at most."""
COUNTED: Final = ("category", "brand", "color", "size")
_ROUND: Final = (1, 2, 2.5, 5, 10)
"""Bounds of bands are these, times a power of ten."""


class Value(NamedTuple):
    """A value, how many of the items have it, and the filter that it is."""

    value: str
    items: int
    filter: str


class Facet(NamedTuple):
    """The most frequent values of the column `name`, ties in their order; of the price, bands that rise."""

    name: str
    values: tuple[Value, ...]


def facets(placement: Placement, request: Request, shelf: Shelf, rows: Rows) -> list[Facet]:
    """The facets of the group rows `rows`, each counted once a value, by its variants that the request may show.

    The cost grows with `rows` and their variants, not with the catalog.
    """
    members, owners = shelf.sold_as(rows)
    fit = passing(placement, request, shelf, members)
    members, owners = members[fit], owners[fit]
    sheet = Items(request, shelf, members)
    found = []
    for name in COUNTED:
        texts = sheet.text(name)
        counts = _distinct(texts.codes, owners, len(texts.values))
        named = [(text, count) for text, count in zip(texts.values, counts, strict=True) if text is not None and count]
        named.sort(key=lambda each: (-each[1], each[0]))
        found.append(Facet(name, tuple(Value(text, count, _equals(name, text)) for text, count in named[:MOST_VALUES])))
    found.append(Facet("price", _bands(sheet.number("price"), owners)))
    on_sale = len(np.unique(owners[sheet.logic("on_sale").true]))
    found.append(Facet("on_sale", (Value("true", on_sale, "on_sale"),) if on_sale else ()))
    return [facet for facet in found if facet.values]


def _distinct(codes: NDArray[np.integer], owners: Rows, size: int) -> list[int]:
    """How many different owners each of `size` codes has."""
    many = int(owners.max(initial=0)) + 1
    pairs = np.unique(codes.astype(np.int64) * many + owners)
    counts: list[int] = np.bincount(pairs // many, minlength=size).tolist()
    return counts


def _equals(name: str, text: str) -> str:
    """The filter that asks for `text`.

    >>> _equals("brand", "L'Or")
    "brand = 'L''Or'"
    """
    quoted = text.replace("'", "''")
    return f"{name} = '{quoted}'"


def _bands(prices: Doubles, owners: Rows) -> tuple[Value, ...]:
    """Bands with round bounds and about equal numbers of items, by each owner's lowest known price."""
    lowest = np.full(int(owners.max(initial=-1)) + 1, np.inf)
    np.minimum.at(lowest, owners, np.where(np.isnan(prices), np.inf, prices))
    lowest = np.sort(lowest[np.isfinite(lowest)])
    if not len(lowest):
        return ()
    bounds = sorted({_rounded(float(lowest[len(lowest) * part // BANDS])) for part in range(1, BANDS)})
    edges = [bound for bound in bounds if lowest[0] < bound <= lowest[-1]]
    return tuple(_band(lowest, low, high) for low, high in zip([None, *edges], [*edges, None], strict=True))


def _band(lowest: Doubles, low: float | None, high: float | None) -> Value:
    begin = 0 if low is None else int(np.searchsorted(lowest, low))
    end = len(lowest) if high is None else int(np.searchsorted(lowest, high))
    least, most = ("" if bound is None else f"{bound:.15g}" for bound in (low, high))
    bounds = [f"price >= {least}" if least else "", f"price < {most}" if most else ""]
    return Value(f"{least}–{most}", end - begin, " AND ".join(filter(None, bounds)) or "price >= 0")


def _rounded(price: float) -> float:
    """The round number that is nearest to `price`.

    >>> _rounded(23.9), _rounded(0.31), _rounded(180.0)
    (25.0, 0.25, 200.0)
    """
    if price <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(price))
    return float(min(_ROUND, key=lambda each: abs(each * power - price)) * power)
