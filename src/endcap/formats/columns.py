"""Expressions over the columns of a file, compiled to polars. Knows how a column's stored type reads; knows no mapping.

Inside, a text is String, a number Int64 or Float64 without NaN, a boolean Boolean, a time Datetime(ms, UTC).
"""

import functools
import operator as operators
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never, cast

import polars as pl

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

UTC_MS: Final = pl.Datetime("ms", "UTC")
_NUMBER: Final = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_YES, _NO = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_EXACT: Final = 2.0**53
_BINARY: Final[dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "AND": operators.and_,
    "OR": operators.or_,
    "=": operators.eq,
    "!=": operators.ne,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}
_ARITHMETIC: Final[dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "+": operators.add,
    "-": operators.sub,
    "*": operators.mul,
    "/": operators.truediv,
    "%": operators.mod,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that expressions may read: their types, which hold integers, and how naive times are meant.

    `declared` columns are read as another type than the one in `types` that they are stored as.
    """

    types: Mapping[str, Type]
    integers: frozenset[str]
    timezone: str
    time_format: str | None = None
    declared: Mapping[str, Type] = field(default_factory=dict)

    def readable(self) -> dict[str, Type]:
        """The columns with the types that expressions see."""
        return {**self.types, **self.declared}


def stored_type(dtype: pl.DataType) -> Type | None:
    """What a column of `dtype` reads as; None where expressions cannot read it (lists, structs, binary)."""
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if isinstance(dtype, pl.Date | pl.Datetime):
        return "time"
    return "boolean" if dtype == pl.Boolean else None


def canonical(name: str, dtype: pl.DataType, timezone: str) -> pl.Expr:
    """The stored column `name` in the one form that compiled expressions read."""
    column = pl.col(name)
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.cast(UTC_MS)
    if isinstance(dtype, pl.Date | pl.Datetime):
        return _zoned(column.cast(pl.Datetime("ms")), timezone)
    return column.cast(pl.Boolean if dtype == pl.Boolean else pl.String)


def _zoned(naive: pl.Expr, timezone: str) -> pl.Expr:
    """Naive times in `timezone`: of two meanings the earlier; one that was skipped as if clocks had not yet moved."""

    def read(moment: pl.Expr) -> pl.Expr:
        return moment.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null").cast(UTC_MS)

    hour = pl.duration(hours=1)
    return read(naive) if timezone == "UTC" else pl.coalesce(read(naive), read(naive - hour) + hour)


def converted(value: pl.Expr, given: Type | None, wanted: Type, layout: Layout, integer: bool = False) -> pl.Expr:
    """`value` of type `given` as `wanted`; NULL where it does not convert. `integer`: the number holds integers."""
    if given is None:
        return value.cast(_STORED[wanted])
    if given != "number":
        value = value.cast(_STORED[given])
    if given == wanted:
        return value
    match given, wanted:
        case "text", "time":
            return _read_time(value.str.strip_chars(), layout)
        case "number", "text" if integer:
            return value.cast(pl.String)
        case pair:
            return _CONVERSIONS[pair](value)


def _text_number(text: pl.Expr) -> pl.Expr:
    trimmed = text.str.strip_chars()
    return pl.when(trimmed.str.contains(_NUMBER)).then(trimmed).cast(pl.Float64, strict=False)


def _text_boolean(text: pl.Expr) -> pl.Expr:
    word = text.str.strip_chars().str.to_lowercase()
    return pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)


def _number_text(value: pl.Expr) -> pl.Expr:
    real = value.cast(pl.Float64)
    whole = (real == real.floor()) & (real.abs() < _EXACT)
    return pl.when(whole).then(real.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(real.cast(pl.String))


_STORED: Final[dict[Type, pl.DataType]] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "time": UTC_MS,
}
_CONVERSIONS: Final[dict[tuple[Type, Type], Callable[[pl.Expr], pl.Expr]]] = {
    ("text", "number"): _text_number,
    ("text", "boolean"): _text_boolean,
    ("number", "text"): _number_text,
    ("number", "boolean"): lambda number: number != 0,
    ("number", "time"): lambda number: number.cast(pl.Int64, strict=False).cast(UTC_MS, strict=False),
    ("boolean", "text"): lambda truth: truth.cast(pl.String),
    ("boolean", "number"): lambda truth: truth.cast(pl.Int64),
    ("time", "text"): lambda time: time.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
    ("time", "number"): lambda time: time.dt.epoch("ms"),
}


def _read_time(text: pl.Expr, layout: Layout) -> pl.Expr:
    """ISO 8601 (space or T, seconds and fraction optional, Z or an offset), or the layout's own format."""

    def naive(format_: str) -> pl.Expr:
        return _zoned(text_.str.to_datetime(format_, time_unit="ms", strict=False), layout.timezone)

    text_ = text
    if layout.time_format is not None:
        return naive(layout.time_format)
    text_ = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[tT ]", "${1}T").str.replace("[zZ]$", "+00:00")
    aware = [
        text_.str.to_datetime(f"%Y-%m-%dT%H:%M{seconds}%#z", time_unit="ms", time_zone="UTC", strict=False)
        for seconds in (":%S%.f", "")
    ]
    day = text_.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms"))
    return pl.coalesce(naive("%Y-%m-%dT%H:%M:%S%.f"), naive("%Y-%m-%dT%H:%M"), _zoned(day, layout.timezone), *aware)


# One branch a kind of node: flat, and mypy sees that none is missing.
def compiled(node: Expression, layout: Layout) -> pl.Expr:  # noqa: C901, PLR0911
    """The polars expression of `node`, which `type_of` accepts over `layout.readable()`, over canonical columns."""

    def inner(child: Expression) -> pl.Expr:
        return compiled(child, layout)

    match node:
        case Null():
            return pl.lit(None)
        case Truth(value=value) | Number(value=value) | Text(value=value):
            return pl.lit(value)
        case Column(name=name):
            return _column(name, layout)
        case Unary(operator=operator, operand=operand):
            return ~inner(operand).cast(pl.Boolean) if operator == "NOT" else -_real(inner(operand))
        case Binary():
            return _binary(node, inner(node.left), inner(node.right))
        case IsNull(operand=operand):
            return inner(operand).is_null()
        case In(operand=operand, options=options):
            return pl.any_horizontal(_equal(inner(operand), inner(option)) for option in options)
        case Between(operand=operand, low=low, high=high):
            return (inner(operand) >= inner(low)) & (inner(operand) <= inner(high))
        case Case(branches=branches, otherwise=otherwise):
            return _choice([(inner(when), inner(then)) for when, then in branches], inner(otherwise))
        case Cast():
            return _cast(node, inner(node.operand), layout)
        case Call(function=function, arguments=arguments):
            return _CALLS[function](node, [inner(argument) for argument in arguments])
        case _:
            assert_never(node)


def _column(name: str, layout: Layout) -> pl.Expr:
    if name not in layout.declared:
        return pl.col(name)
    return converted(pl.col(name), layout.types[name], layout.declared[name], layout, name in layout.integers)


def _real(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.Float64)


def _equal(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    return (left == right).cast(pl.Boolean)


def _binary(node: Binary, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    match node.operator:
        case "AND" | "OR":
            return _BINARY[node.operator](left.cast(pl.Boolean), right.cast(pl.Boolean))
        case "LIKE":
            return left.cast(pl.String).str.contains(like_pattern(cast("Text", node.right).value))
        case "+" | "-" | "*":
            return _ARITHMETIC[node.operator](_real(left), _real(right))
        case "/" | "%":
            return pl.when(_real(right) != 0).then(_ARITHMETIC[node.operator](_real(left), _real(right)))
        case comparison:
            return _BINARY[comparison](left, right)


def like_pattern(pattern: str) -> str:
    """The regular expression of a LIKE pattern: % is any text, _ any one character."""
    signs = {"%": ".*", "_": "."}
    return "(?s)^" + "".join(signs.get(sign) or re.escape(sign) for sign in pattern) + "$"


def _choice(branches: list[tuple[pl.Expr, pl.Expr]], otherwise: pl.Expr) -> pl.Expr:
    return functools.reduce(
        lambda rest, branch: pl.when(branch[0].cast(pl.Boolean)).then(branch[1]).otherwise(rest),
        reversed(branches),
        otherwise,
    )


def _cast(node: Cast, value: pl.Expr, layout: Layout) -> pl.Expr:
    given = type_of(node.operand, layout.readable())
    if node.type != "integer":
        return converted(value, given, node.type, layout, integral(node.operand, layout))
    return converted(value, given, "number", layout).cast(pl.Int64, strict=False)


def integral(node: Expression, layout: Layout) -> bool:
    """Whether the number that `node` gives is stored as an integer, so that its text is exact."""
    match node:
        case Column(name=name):
            return name in layout.integers and name not in layout.declared
        case Number(value=value):
            return isinstance(value, int)
        case Cast(type="integer"):
            return True
        case _:
            return False


def _literal(node: Call, position: int) -> str:
    return cast("Text", node.arguments[position]).value


def _count(node: Call, position: int) -> int | None:
    if position >= len(node.arguments):
        return None
    return int(cast("Number", node.arguments[position]).value)


def _split_part(node: Call, text: pl.Expr) -> pl.Expr:
    part = text.str.split(_literal(node, 1)).list.get((_count(node, 2) or 1) - 1, null_on_oob=True)
    return pl.when(text.is_not_null()).then(part.fill_null(""))


def _nullif(value: pl.Expr, other: pl.Expr) -> pl.Expr:
    return pl.when(_equal(value, other)).then(None).otherwise(value)


_CALLS: Final[dict[str, Callable[[Call, list[pl.Expr]], pl.Expr]]] = {
    "lower": lambda _, given: given[0].cast(pl.String).str.to_lowercase(),
    "upper": lambda _, given: given[0].cast(pl.String).str.to_uppercase(),
    "trim": lambda _, given: given[0].cast(pl.String).str.strip_chars(),
    "length": lambda _, given: given[0].cast(pl.String).str.len_chars().cast(pl.Int64),
    "substring": lambda node, given: given[0].cast(pl.String).str.slice((_count(node, 1) or 1) - 1, _count(node, 2)),
    "replace": lambda node, given: (
        given[0].cast(pl.String).str.replace_all(_literal(node, 1), _literal(node, 2), literal=True)
    ),
    "concat": lambda _, given: pl.concat_str([text.cast(pl.String) for text in given], ignore_nulls=True),
    "split_part": lambda node, given: _split_part(node, given[0].cast(pl.String)),
    "starts_with": lambda node, given: given[0].cast(pl.String).str.starts_with(_literal(node, 1)),
    "ends_with": lambda node, given: given[0].cast(pl.String).str.ends_with(_literal(node, 1)),
    "contains": lambda node, given: given[0].cast(pl.String).str.contains(_literal(node, 1), literal=True),
    "matches": lambda node, given: given[0].cast(pl.String).str.contains(_literal(node, 1)),
    "abs": lambda _, given: _real(given[0]).abs(),
    "round": lambda node, given: _real(given[0]).round(_count(node, 1) or 0),
    "floor": lambda _, given: _real(given[0]).floor(),
    "ceil": lambda _, given: _real(given[0]).ceil(),
    "coalesce": lambda _, given: pl.coalesce(given),
    "nullif": lambda _, given: _nullif(*given),
    "least": lambda _, given: pl.min_horizontal(given),
    "greatest": lambda _, given: pl.max_horizontal(given),
}
"""By name, with the call for its literals and the compiled arguments; a bare NULL is given a type first."""
