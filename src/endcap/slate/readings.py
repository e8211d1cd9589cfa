"""Filters compiled: a checked tree becomes a function of a `Sheet`. Knows trees and types, not what a column means.

Leaves out what may cost more than its input is worth: patterns, `replace`, times.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, cast

import numpy as np

from endcap.domain.arrays import Bools
from endcap.expressions.checker import type_of
from endcap.expressions.nodes import (
    Between,
    Binary,
    Call,
    Case,
    Cast,
    Column,
    Expression,
    In,
    IsNull,
    Null,
    Number,
    Text,
    Truth,
    Type,
    Unary,
)
from endcap.slate.vectors import (
    Choose,
    Logic,
    Numbers,
    Reading,
    Sheet,
    Texts,
    V,
    both,
    calculated,
    chosen_logic,
    chosen_numbers,
    chosen_texts,
    either,
    joined,
    like,
    mapped_number,
    mapped_text,
    measured,
    null_texts,
    number_pairs,
    numbered,
    same_truth,
    split_part,
    substring,
    tested,
    text_pairs,
)

REFUSED: Final = frozenset({"matches", "replace"})
"""Functions whose cost or result can grow far beyond their input."""

_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_COMPARED: Final[dict[str, Callable[..., object]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ARITHMETIC: Final[dict[str, Callable[[Numbers, Numbers], Numbers]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": lambda a, b: np.where(b != 0, np.divide(a, b), np.nan),
    "%": lambda a, b: np.where(b != 0, np.mod(a, b), np.nan),
}


def logic_of(node: Expression, columns: Mapping[str, Type]) -> Reading[Logic]:
    """The function of a boolean expression that `type_of` accepts over `columns` and that uses nothing REFUSED."""
    return _Reader(columns).logic(node)


_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
}
_CHANGES: Final[dict[str, Callable[..., Callable[[str], str]]]] = {
    "lower": lambda: str.lower,
    "upper": lambda: str.upper,
    "trim": lambda: str.strip,
    "substring": substring,
    "split_part": split_part,
}
"""What the literals of a call make of a text."""


class _Reader:
    """Turns nodes into functions, by the type that is wanted of them."""

    def __init__(self, columns: Mapping[str, Type]) -> None:
        self._columns = columns

    # One branch a kind of node: flat.
    def logic(self, node: Expression) -> Reading[Logic]:  # noqa: C901, PLR0911, PLR0912
        match node:
            case Truth(value=value):
                return lambda sheet: Logic(np.full(len(sheet), value), np.full(len(sheet), not value))
            case Column(name=name):
                return lambda sheet: sheet.logic(name)
            case Unary(operand=operand):
                inner = self.logic(operand)
                return lambda sheet: Logic(*reversed(inner(sheet)))
            case Binary(operator="AND", left=left, right=right):
                return both(self.logic(left), self.logic(right))
            case Binary(operator="OR", left=left, right=right):
                return either(self.logic(left), self.logic(right))
            case Binary(operator="LIKE", left=left, right=right):
                return tested(self.text(left), like(cast("Text", right).value))
            case Binary(operator=operator, left=left, right=right):
                return self._compared(operator, left, right)
            case Between(operand=operand, low=low, high=high):
                return both(self._compared(">=", operand, low), self._compared("<=", operand, high))
            case In():
                return self._among(node)
            case IsNull(operand=operand):
                return self._is_null(operand)
            case Case():
                return self._case(node, self.logic, chosen_logic)
            case Call(function=function, arguments=arguments) if function in _TESTS:
                part = cast("Text", arguments[1]).value
                test = _TESTS[function]
                return tested(self.text(arguments[0]), lambda text: test(text, part))
            case Call():
                return self._either_of(node, self.logic, chosen_logic)
            case _:
                return lambda sheet: Logic(np.zeros(len(sheet), np.bool_), np.zeros(len(sheet), np.bool_))

    def number(self, node: Expression) -> Reading[Numbers]:  # noqa: C901, PLR0911 - the same
        match node:
            case Number(value=value):
                return lambda sheet: np.full(len(sheet), float(value))
            case Column(name=name):
                return lambda sheet: sheet.number(name)
            case Unary(operand=operand):
                inner = self.number(operand)
                return lambda sheet: -inner(sheet)
            case Binary(operator=operator, left=left, right=right):
                return calculated(_ARITHMETIC[operator], self.number(left), self.number(right))
            case Case():
                return self._case(node, self.number, chosen_numbers)
            case Cast(operand=operand, type=type_):
                return self._converted(operand, whole=type_ == "integer")
            case Call(function="length", arguments=arguments):
                return measured(self.text(arguments[0]), lambda text: float(len(text)))
            case Call(function="round", arguments=arguments):
                digits = int(cast("Number", arguments[1]).value) if len(arguments) > 1 else 0
                inner = self.number(arguments[0])
                return lambda sheet: np.round(inner(sheet), min(digits, 15))
            case Call(function="abs" | "floor" | "ceil" as function, arguments=arguments):
                return mapped_number(getattr(np, function), self.number(arguments[0]))
            case Call(function="least" | "greatest" as function, arguments=arguments):
                parts = [self.number(argument) for argument in arguments]
                extreme = np.fmin if function == "least" else np.fmax
                return lambda sheet: extreme.reduce([part(sheet) for part in parts])
            case Call():
                return self._either_of(node, self.number, chosen_numbers)
            case _:
                return lambda sheet: np.full(len(sheet), np.nan)

    def text(self, node: Expression) -> Reading[Texts]:
        match node:
            case Text(value=value):
                return lambda sheet: Texts(np.zeros(len(sheet), np.intp), [value])
            case Column(name=name):
                return lambda sheet: sheet.text(name)
            case Case():
                return self._case(node, self.text, chosen_texts)
            case Call(function="concat", arguments=arguments):
                return joined([self.text(argument) for argument in arguments])
            case Call(function="coalesce" | "nullif"):
                return self._either_of(node, self.text, chosen_texts)
            case Call(function=function, arguments=arguments):
                return mapped_text(_CHANGES[function](*map(_literal, arguments[1:])), self.text(arguments[0]))
            case _:
                return lambda sheet: Texts(np.zeros(len(sheet), np.intp), [None])

    def _type(self, *nodes: Expression) -> Type:
        found = (type_of(node, self._columns) for node in nodes)
        return next((type_ for type_ in found if type_ is not None), "number")

    def _compared(self, operator: str, left: Expression, right: Expression) -> Reading[Logic]:
        compare = _COMPARED[operator]
        match self._type(left, right):
            case "text":
                return text_pairs(compare, self.text(left), self.text(right))
            case "boolean":
                return same_truth(self.logic(left), self.logic(right), operator == "=")
            case _:
                return number_pairs(compare, self.number(left), self.number(right))

    def _among(self, node: In) -> Reading[Logic]:
        if all(isinstance(option, Text) for option in node.options):
            options = frozenset(cast("Text", option).value for option in node.options)
            return tested(self.text(node.operand), options.__contains__)
        found = self._compared("=", node.operand, node.options[0])
        for option in node.options[1:]:
            found = either(found, self._compared("=", node.operand, option))
        return found

    def _is_null(self, node: Expression) -> Reading[Logic]:
        absent = self._absent(node)

        def read(sheet: Sheet) -> Logic:
            nulls = absent(sheet)
            return Logic(nulls, ~nulls)

        return read

    def _absent(self, node: Expression) -> Callable[[Sheet], Bools]:
        match self._type(node):
            case "text":
                text = self.text(node)
                return lambda sheet: null_texts(text(sheet))
            case "boolean":
                logic = self.logic(node)
                return lambda sheet: ~np.logical_or(*logic(sheet))
            case _:
                number = self.number(node)
                return lambda sheet: np.isnan(number(sheet))

    def _case(self, node: Case, read: Callable[[Expression], Reading[V]], choose: "Choose[V]") -> Reading[V]:
        branches = [(self.logic(when), read(then)) for when, then in reversed(node.branches)]
        otherwise = read(node.otherwise)

        def chosen(sheet: Sheet) -> V:
            found = otherwise(sheet)
            for when, then in branches:
                found = choose(when(sheet).true, then(sheet), found)
            return found

        return chosen

    def _either_of(self, node: Call, read: Callable[[Expression], Reading[V]], choose: "Choose[V]") -> Reading[V]:
        """`coalesce` and `nullif`, of any type."""
        values = [read(argument) for argument in node.arguments]
        if node.function == "nullif":
            same, nothing = self._compared("=", *node.arguments[:2]), read(Null())
            return lambda sheet: choose(same(sheet).true, nothing(sheet), values[0](sheet))
        absent = [self._absent(argument) for argument in node.arguments]

        def first(sheet: Sheet) -> V:
            found = values[-1](sheet)
            for is_absent, value in zip(reversed(absent[:-1]), reversed(values[:-1]), strict=True):
                found = choose(is_absent(sheet), found, value(sheet))
            return found

        return first

    def _converted(self, node: Expression, whole: bool) -> Reading[Numbers]:
        match self._type(node):
            case "text":
                found = measured(self.text(node), lambda text: float(text) if _NUMBER.fullmatch(text) else np.nan)
            case "boolean":
                logic = self.logic(node)
                found = lambda sheet: numbered(logic(sheet))  # noqa: E731 - one of three
            case _:
                found = self.number(node)
        return mapped_number(np.trunc, found) if whole else found


def _literal(node: Expression) -> str | int:
    return cast("str | int", cast("Text | Number", node).value)
