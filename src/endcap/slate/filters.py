"""Filters: an expression over what the shelf knows of an item, asked of the rows that a request considers.

A request's filter admits an item where it is TRUE, not where it is FALSE or NULL; a group where it is TRUE for a
variant that may be sold. Cost depends on the rows asked about and the distinct texts among them, never on the catalog.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np

from endcap.domain.arrays import Bools, Millis, Rows
from endcap.domain.instants import DAY
from endcap.domain.placements import Placement
from endcap.domain.requests import Request
from endcap.errors import InvalidRequest
from endcap.expressions import Expression, InvalidExpression, Type, parse, type_of
from endcap.expressions.nodes import Call, Cast, Column, Null, Number, Text, Truth, children
from endcap.slate.readings import REFUSED, logic_of
from endcap.slate.vectors import Logic, Numbers, Reading, Texts
from endcap.state import ATTRIBUTES, NEVER, Shelf

LONGEST: Final = 2_000
MOST_TERMS: Final = 60

_LEVELS: Final = ("category_1", "category_2", "category_3")
FILTER_COLUMNS: Final[dict[str, Type]] = {
    "price": "number",
    "on_sale": "boolean",
    "stock": "number",
    "age_days": "number",
    "sold_out_days": "number",
    **dict.fromkeys(("brand", "category", *_LEVELS, *sorted(ATTRIBUTES)), "text"),
}
"""What a filter may ask for; `docs/api.md` says what each column means."""

_Stored = TypeVar("_Stored")


def check_filter(text: str) -> str:
    """`text`, if it can be used. Raises: InvalidRequest with what is wrong, where, and the nearest known name."""
    if text:
        _understood(text)
    return text


@lru_cache(maxsize=1_024)
def _understood(text: str) -> Reading[Logic]:
    try:
        if len(text) > LONGEST:
            raise InvalidExpression(f"{len(text):,} characters; at most {LONGEST:,} are read", text, LONGEST)
        tree = parse(text)
        found = type_of(tree, FILTER_COLUMNS, text)
        if found != "boolean":
            raise InvalidExpression(f"a filter says what must be true; this is a {found or 'NULL'}", text, 0)
        terms = _terms(tree, text)
        if terms > MOST_TERMS:
            raise InvalidExpression(f"{terms} operators and functions; at most {MOST_TERMS} are read", text, 0)
    except InvalidExpression as wrong:
        raise InvalidRequest(f"filter: {wrong.message} (at character {wrong.position + 1})") from None
    return logic_of(tree, FILTER_COLUMNS)


def _terms(node: Expression, text: str) -> int:
    """How many operators and functions `node` has. Raises: InvalidExpression for those that filters do not take."""
    if isinstance(node, Call) and node.function in REFUSED:
        remedy = "write LIKE, contains(), starts_with() or ends_with()"
        raise InvalidExpression(f"{node.function}() is not for filters; {remedy}", text, node.at)
    if isinstance(node, Cast) and node.type not in ("number", "integer"):
        raise InvalidExpression(f"a filter casts to number or integer, not to {node.type}", text, node.at)
    leaf = isinstance(node, Column | Text | Number | Truth | Null)
    return (not leaf) + sum(_terms(child, text) for child in children(node))


def admitted(placement: Placement, request: Request, shelf: Shelf, rows: Rows) -> Bools:
    """Which, bool [n], of the group rows `rows` have a variant that may be sold and passes both filters."""
    members, owners = shelf.sold_as(rows)
    found = np.zeros(len(rows), np.bool_)
    found[owners[passing(placement, request, shelf, members)]] = True
    return found


def passing(placement: Placement, request: Request, shelf: Shelf, rows: Rows) -> Bools:
    """Which, bool [n], of the item rows `rows` may be sold and pass the filters of placement and request, if any."""
    passed = shelf.available[rows]
    for text in filter(None, (placement.filter, request.filter)):
        passed = passed & _understood(text)(Items(request, shelf, rows)).true
    return passed


class Items:
    """The columns of FILTER_COLUMNS for some rows, each computed when it is first read."""

    def __init__(self, request: Request, shelf: Shelf, rows: Rows) -> None:
        self._request, self._shelf, self._rows = request, shelf, rows
        self._texts: dict[str, Texts] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def text(self, name: str) -> Texts:
        """A text column, NULL where the item has none."""
        if name not in self._texts:
            self._texts[name] = self._text(name)
        return self._texts[name]

    def _text(self, name: str) -> Texts:
        shelf, rows = self._shelf, self._rows
        if name == "brand":
            return _coded(shelf.brand[rows], shelf.brands.values, _given)
        if name == "category":
            return _coded(shelf.category[rows], shelf.categories.values, lambda path: " > ".join(path) or None)
        if name in _LEVELS:
            level = _LEVELS.index(name)
            return _coded(
                shelf.category[rows], shelf.categories.values, lambda path: path[level] if level < len(path) else None
            )
        if name not in shelf.attributes:
            return Texts(np.zeros(len(rows), np.intp), [None])
        attribute = shelf.attributes[name]
        return _coded(attribute.codes[rows], attribute.names.values, _given)

    def number(self, name: str) -> Numbers:
        """A number column, NaN where it is unknown."""
        shelf, rows, at = self._shelf, self._rows, self._request.at
        if name == "price":
            price = shelf.prices(rows, at)
            return np.where(price >= 0, price / 10**self._request.decimals, np.nan)
        if name == "stock":
            stock = shelf.stock[rows]
            return np.where(stock >= 0, stock, np.nan)
        known = (shelf.born[rows], NEVER) if name == "age_days" else (shelf.emptied[rows], -1)
        return _days_since(*known, at)

    def logic(self, name: str) -> Logic:
        """`on_sale`, NULL where the price is unknown."""
        usual, now = self._shelf.price[self._rows], self._shelf.prices(self._rows, self._request.at)
        known, less = (usual >= 0) & (now >= 0), now < usual
        return Logic(known & less, known & ~less)


def _days_since(instants: Millis, unknown: int, at: int) -> Numbers:
    return np.where(instants == unknown, np.nan, np.maximum(at - instants, 0) / DAY)


def _given(value: str) -> str | None:
    return value or None


def _coded(codes: Rows, values: Sequence[_Stored], shown: Callable[[_Stored], str | None]) -> Texts:
    """A column of codes with only those of `values` that occur in it."""
    if len(values) > 8 * len(codes) + 1_024:
        distinct, places = np.unique(codes, return_inverse=True)
        return Texts(places, [shown(values[code]) for code in distinct.tolist()])
    occurs = np.zeros(len(values), np.bool_)
    occurs[codes] = True
    place = np.cumsum(occurs) - 1
    return Texts(place[codes], [shown(values[code]) for code in np.flatnonzero(occurs).tolist()])
