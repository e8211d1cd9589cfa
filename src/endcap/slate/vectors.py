"""Columns of an expression as NumPy arrays, and what is done to them, with SQL's three-valued logic.

Texts are coded, so that what is done to a text is done once for each distinct one. Knows no trees and no columns.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from endcap.domain.arrays import Bools

Numbers: TypeAlias = NDArray[np.float64]
"""float64 [n], NaN is NULL."""


class Logic(NamedTuple):
    """Where something is TRUE and where it is FALSE; elsewhere it is NULL."""

    true: Bools
    false: Bools


@dataclass(frozen=True, slots=True)
class Texts:
    """Text `values[codes[i]]` at place i; None is NULL."""

    codes: NDArray[np.intp]
    values: list[str | None]


class Sheet(Protocol):
    """The columns that an expression reads, all of one length."""

    def __len__(self) -> int: ...
    def text(self, name: str) -> Texts:
        """A text column."""

    def number(self, name: str) -> Numbers:
        """A number column."""

    def logic(self, name: str) -> Logic:
        """A boolean column."""


V = TypeVar("V", Texts, Numbers, Logic)
Reading: TypeAlias = Callable[[Sheet], V]

Choose: TypeAlias = Callable[[Bools, V, V], V]
"""The second where the first is true, else the third."""


def chosen_numbers(mask: Bools, then: Numbers, otherwise: Numbers) -> Numbers:
    """`then` where `mask` is true."""
    return np.where(mask, then, otherwise)


def chosen_logic(mask: Bools, then: Logic, otherwise: Logic) -> Logic:
    """`then` where `mask` is true."""
    return Logic(np.where(mask, then.true, otherwise.true), np.where(mask, then.false, otherwise.false))


def chosen_texts(mask: Bools, then: Texts, otherwise: Texts) -> Texts:
    """`then` where `mask` is true."""
    codes = np.where(mask, then.codes, otherwise.codes + len(then.values))
    return Texts(codes, then.values + otherwise.values)


def both(left: Reading[Logic], right: Reading[Logic]) -> Reading[Logic]:
    """AND."""

    def read(sheet: Sheet) -> Logic:
        a, b = left(sheet), right(sheet)
        return Logic(a.true & b.true, a.false | b.false)

    return read


def either(left: Reading[Logic], right: Reading[Logic]) -> Reading[Logic]:
    """OR."""

    def read(sheet: Sheet) -> Logic:
        a, b = left(sheet), right(sheet)
        return Logic(a.true | b.true, a.false & b.false)

    return read


def same_truth(left: Reading[Logic], right: Reading[Logic], same: bool) -> Reading[Logic]:
    """Equality of booleans, or (not `same`) its opposite."""

    def read(sheet: Sheet) -> Logic:
        a, b = left(sheet), right(sheet)
        found = Logic((a.true & b.true) | (a.false & b.false), (a.true & b.false) | (a.false & b.true))
        return found if same else Logic(*reversed(found))

    return read


def number_pairs(compare: Callable[..., object], left: Reading[Numbers], right: Reading[Numbers]) -> Reading[Logic]:
    """A comparison of numbers."""

    def read(sheet: Sheet) -> Logic:
        a, b = left(sheet), right(sheet)
        known, true = ~(np.isnan(a) | np.isnan(b)), cast("Bools", compare(a, b))
        return Logic(known & true, known & ~true)

    return read


def text_pairs(compare: Callable[..., object], left: Reading[Texts], right: Reading[Texts]) -> Reading[Logic]:
    """A comparison of texts, made once for each distinct pair."""

    def read(sheet: Sheet) -> Logic:
        codes, pairs = _paired(left(sheet), right(sheet))
        return _judged(codes, [None if a is None or b is None else bool(compare(a, b)) for a, b in pairs])

    return read


def tested(text: Reading[Texts], test: Callable[[str], bool]) -> Reading[Logic]:
    """A test of texts, made once for each distinct one."""

    def read(sheet: Sheet) -> Logic:
        found = text(sheet)
        return _judged(found.codes, [None if value is None else test(value) for value in found.values])

    return read


def _judged(codes: NDArray[np.intp], truths: list[bool | None]) -> Logic:
    true = np.array([truth is True for truth in truths], np.bool_)
    false = np.array([truth is False for truth in truths], np.bool_)
    return Logic(true[codes], false[codes])


def _paired(left: Texts, right: Texts) -> tuple[NDArray[np.intp], list[tuple[str | None, str | None]]]:
    """The distinct pairs of two columns, and which of them stands where."""
    if len(right.values) == 1:
        return left.codes, [(value, right.values[0]) for value in left.values]
    distinct, codes = np.unique(left.codes * len(right.values) + right.codes, return_inverse=True)
    places = [divmod(pair, len(right.values)) for pair in distinct.tolist()]
    return codes, [(left.values[a], right.values[b]) for a, b in places]


def joined(parts: list[Reading[Texts]]) -> Reading[Texts]:
    """All `parts` in a row; NULL counts as empty."""

    def read(sheet: Sheet) -> Texts:
        found = Texts(np.zeros(len(sheet), np.intp), [""])
        for part in parts:
            codes, pairs = _paired(found, part(sheet))
            found = Texts(codes, [(a or "") + (b or "") for a, b in pairs])
        return found

    return read


def null_texts(texts: Texts) -> Bools:
    """Where `texts` are NULL."""
    return np.array([value is None for value in texts.values], np.bool_)[texts.codes]


def mapped_text(change: Callable[[str], str], text: Reading[Texts]) -> Reading[Texts]:
    """Texts changed, once for each distinct one."""

    def read(sheet: Sheet) -> Texts:
        found = text(sheet)
        return Texts(found.codes, [None if value is None else change(value) for value in found.values])

    return read


def measured(text: Reading[Texts], measure: Callable[[str], float]) -> Reading[Numbers]:
    """A number for each text, computed once for each distinct one."""

    def read(sheet: Sheet) -> Numbers:
        found = text(sheet)
        return np.array([np.nan if value is None else measure(value) for value in found.values])[found.codes]

    return read


def mapped_number(change: Callable[[Numbers], Numbers], number: Reading[Numbers]) -> Reading[Numbers]:
    """Numbers changed."""
    return lambda sheet: change(number(sheet))


def calculated(
    calculate: Callable[[Numbers, Numbers], Numbers], left: Reading[Numbers], right: Reading[Numbers]
) -> Reading[Numbers]:
    """Arithmetic; what is no number is NULL."""

    def read(sheet: Sheet) -> Numbers:
        with np.errstate(all="ignore"):
            return calculate(left(sheet), right(sheet))

    return read


def numbered(logic: Logic) -> Numbers:
    """1 where TRUE, 0 where FALSE."""
    return np.where(logic.true, 1.0, np.where(logic.false, 0.0, np.nan))


def like(pattern: str) -> Callable[[str], bool]:
    """The test of a LIKE pattern: % is any text, _ any one character.

    Between two % stands a part without any, which is looked for from left to right: no pattern takes more than
    the length of the text times its own.

    >>> test = like("a%_c")
    >>> [test(text) for text in ("axc", "ac", "abbc", "abbcd")]
    [True, False, True, False]
    """
    parts = [re.compile("".join("." if sign == "_" else re.escape(sign) for sign in part), re.DOTALL)
             for part in pattern.split("%")]  # fmt: skip
    first, *middle = parts
    if not middle:
        return lambda text: first.fullmatch(text) is not None
    last, shortest = middle.pop(), len(pattern.rsplit("%", 1)[-1])

    def test(text: str) -> bool:
        found = first.match(text)
        for part in middle:
            found = found and part.search(text, found.end())
        end = len(text) - shortest
        return found is not None and end >= found.end() and last.match(text, end) is not None

    return test


def substring(start: int, count: int | None = None) -> Callable[[str], str]:
    """`count` characters from `start`, which counts from 1."""
    return lambda text: text[start - 1 : None if count is None else start - 1 + count]


def split_part(separator: str, number: int) -> Callable[[str], str]:
    """Part `number`, from 1, of a text parted by `separator`; empty where there is none."""

    def part(text: str) -> str:
        parts = text.split(separator) if separator else list(text)
        return parts[number - 1] if number <= len(parts) else ""

    return part
