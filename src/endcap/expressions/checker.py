"""Whether a tree fits its columns: names, numbers of arguments, types. Reads no value."""

import re
from collections.abc import Mapping
from typing import Final, NoReturn, assert_never

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
    children,
    written,
)  # fmt: skip
from endcap.expressions.parser import suggestion
from endcap.expressions.signatures import FUNCTIONS, Parameter, Signature
from endcap.expressions.tokens import InvalidExpression

MAX_COUNT: Final = 10_000
_ORDERED: Final = frozenset({"number", "time"})
_NO_CAST: Final = frozenset({("boolean", "time"), ("time", "boolean")})


def columns_of(expression: Expression) -> frozenset[str]:
    """The names of all columns in `expression`.

    >>> sorted(columns_of(Binary("+", Column("b"), Column("a"))))
    ['a', 'b']
    """
    if isinstance(expression, Column):
        return frozenset((expression.name,))
    return frozenset().union(*(columns_of(child) for child in children(expression)))


def type_of(expression: Expression, columns: Mapping[str, Type], source: str = "") -> Type | None:
    """The type of `expression` over `columns`; None for a bare NULL, which fits every type.

    Errors point into `source`, the text that `expression` was parsed from, where it is given.

    Raises: InvalidExpression where a column is unknown, or an operand has a type that its operator does not take.
    """
    try:
        return _type(expression, columns)
    except _Misfit as misfit:
        text, position = (source, misfit.node.at) if source else (written(misfit.node), 0)
        raise InvalidExpression(misfit.message, text, position) from None


class _Misfit(Exception):
    def __init__(self, message: str, node: Expression) -> None:
        super().__init__(message)
        self.message, self.node = message, node


# One branch a kind of node: flat, and mypy sees that none is missing.
def _type(expression: Expression, columns: Mapping[str, Type]) -> Type | None:
    match expression:
        case Null():
            return None
        case Truth():
            return "boolean"
        case Number():
            return "number"
        case Text():
            return "text"
        case Column(name=name):
            if name not in columns:
                _fail(_unknown(name, columns), expression)
            return columns[name]
        case Unary(operator=operator, operand=operand):
            wanted: Type = "boolean" if operator == "NOT" else "number"
            _want(operand, wanted, columns, f"{operator} takes")
            return wanted
        case Binary():
            return _binary(expression, columns)
        case IsNull(operand=operand):
            _type(operand, columns)
            return "boolean"
        case In(operand=operand, options=options):
            _same((operand, *options), columns)
            return "boolean"
        case Between(operand=operand, low=low, high=high):
            _comparable(_same((operand, low, high), columns), "BETWEEN", expression)
            return "boolean"
        case Case(branches=branches, otherwise=otherwise):
            for condition, _ in branches:
                _want(condition, "boolean", columns, "WHEN takes")
            return _same((*(value for _, value in branches), otherwise), columns)
        case Cast(operand=operand, type=type_):
            given = _type(operand, columns)
            if (given, type_) in _NO_CAST:
                _fail(f"a {given} cannot become a {type_}", expression)
            return "number" if type_ == "integer" else type_
        case Call(function=function):
            return _call(expression, FUNCTIONS[function], columns)
        case _:
            assert_never(expression)


def _binary(node: Binary, columns: Mapping[str, Type]) -> Type:
    match node.operator:
        case "AND" | "OR":
            for operand in (node.left, node.right):
                _want(operand, "boolean", columns, f"{node.operator} takes")
            return "boolean"
        case "LIKE":
            _want(node.left, "text", columns, "LIKE takes")
            if not isinstance(node.right, Text):
                _fail("the pattern of LIKE must be a text in single quotes", node.right)
            return "boolean"
        case "+" | "-" | "*" | "/" | "%":
            hint = "; texts are joined by concat(a, b)" if node.operator == "+" else ""
            for operand in (node.left, node.right):
                _want(operand, "number", columns, f"{node.operator} takes", hint)
            return "number"
        case "=" | "!=":
            _same((node.left, node.right), columns)
            return "boolean"
        case _:
            _comparable(_same((node.left, node.right), columns), node.operator, node)
            return "boolean"


def _same(operands: tuple[Expression, ...], columns: Mapping[str, Type]) -> Type | None:
    found: Type | None = None
    for operand in operands:
        given = _type(operand, columns)
        if found is not None and given not in {None, found}:
            _fail(
                f"{_short(operand)} is a {given} beside a {found}; write CAST({_short(operand)} AS {found})",
                operand,
            )
        found = found or given
    return found


def _want(node: Expression, wanted: Type, columns: Mapping[str, Type], who: str, hint: str = "") -> None:
    given = _type(node, columns)
    if given not in {None, wanted}:
        _fail(
            f"{who} a {wanted}, and {_short(node)} is a {given}{hint or f'; write CAST({_short(node)} AS {wanted})'}",
            node,
        )


def _comparable(type_: Type | None, operator: str, node: Expression) -> None:
    if type_ == "boolean":
        _fail(f"{operator} has no meaning for booleans; compare with = or !=", node)


def _call(call: Call, signature: Signature, columns: Mapping[str, Type]) -> Type | None:
    given, takes = len(call.arguments), signature.takes
    if given < signature.required or (given > len(takes) and not signature.more):
        expected = f"{', '.join(takes)}{', …' if signature.more else ''}"
        _fail(f"{call.function}() has {given} arguments; expected {call.function}({expected})", call)
    parameters = (*takes, *[takes[-1]] * (given - len(takes)))
    for parameter, argument in zip(parameters, call.arguments, strict=False):
        _argument(call.function, parameter, argument, columns)
    if signature.returns != "same":
        return signature.returns
    type_ = _same(call.arguments, columns)
    if parameters[0] == "ordered" and type_ not in {None, *_ORDERED}:
        _fail(f"{call.function}() takes numbers or times, not a {type_}", call)
    return type_


def _argument(function: str, parameter: Parameter, argument: Expression, columns: Mapping[str, Type]) -> None:
    match parameter:
        case "same" | "ordered":
            _type(argument, columns)
        case "text literal" | "pattern":
            if not isinstance(argument, Text):
                _fail(f"{function}() takes a text in single quotes here, not {_short(argument)}", argument)
            if parameter == "pattern":
                _pattern(argument)
        case "count literal":
            if not (isinstance(argument, Number) and isinstance(argument.value, int) and argument.value <= MAX_COUNT):
                _fail(f"{function}() takes a whole number up to {MAX_COUNT:,} here, not {_short(argument)}", argument)
            if not argument.value and function in {"substring", "split_part"}:
                _fail(f"{function}() counts from 1", argument)
        case _:
            _want(argument, parameter, columns, f"{function}() takes")


_ESCAPES: Final = re.compile(r"\\(?:[dDwWsSbB]|[^\w\s])", re.ASCII)
_REFUSED: Final = re.compile(r"\\|\(\?(?!:)|[*+?}]\+|&&|\[\[|~~|--")


def _pattern(literal: Text) -> None:
    """Only what every engine reads alike: no look-around, back-reference, flag or possessive repeat."""
    try:
        re.compile(literal.value)
    except re.error as error:
        _fail(f"{literal.value!r} is not a regular expression: {error}", literal)
    refused = _REFUSED.search(_ESCAPES.sub("x", literal.value))
    if refused:
        _fail(
            f"{refused.group()!r} in a regular expression is not supported; use literals, classes, \\d \\w \\s \\b, "
            "groups (?:…), alternatives and repeats",
            literal,
        )


def _unknown(name: str, columns: Mapping[str, Type]) -> str:
    return f"unknown column {name!r}; {suggestion(name, columns)} A text constant stands in single quotes: '{name}'"


def _short(node: Expression) -> str:
    text = written(node)
    return text if len(text) <= 40 else text[:37] + "…"


def _fail(message: str, node: Expression) -> NoReturn:
    raise _Misfit(message, node)
