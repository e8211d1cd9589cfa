"""The tree of an expression, and the text that parses back to it. Equal trees compare equal wherever they stood."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, assert_never

Type: TypeAlias = Literal["text", "number", "boolean", "time"]
CastType: TypeAlias = Literal["text", "number", "integer", "boolean", "time"]
Operator: TypeAlias = Literal["AND", "OR", "=", "!=", "<", "<=", ">", ">=", "LIKE", "+", "-", "*", "/", "%"]

CAST_TYPES: Final[tuple[CastType, ...]] = ("text", "number", "integer", "boolean", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`at` is where the node's own sign stands in the source, for error messages."""

    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Null(Node):
    """The absent value; it fits every type."""


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number without a sign."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A text in single quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Column(Node):
    """A column by its exact name."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """NOT of a boolean, or minus of a number."""

    operator: Literal["NOT", "-"]
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Two operands and what stands between them; the right one of LIKE is a Text."""

    operator: Operator
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """Whether the operand is NULL; never NULL itself."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class In(Node):
    """Whether the operand equals one of the options."""

    operand: "Expression"
    options: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Between(Node):
    """Whether low <= operand <= high."""

    operand: "Expression"
    low: "Expression"
    high: "Expression"


@dataclass(frozen=True, slots=True)
class Case(Node):
    """The value of the first branch whose condition is TRUE, else `otherwise`."""

    branches: tuple[tuple["Expression", "Expression"], ...]
    otherwise: "Expression"


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """The operand in another type."""

    operand: "Expression"
    type: CastType


@dataclass(frozen=True, slots=True)
class Call(Node):
    """One of the allowed functions."""

    function: str
    arguments: tuple["Expression", ...]


Expression: TypeAlias = (
    Null | Truth | Number | Text | Column | Unary | Binary | IsNull | In | Between | Case | Cast | Call
)


def children(node: Expression) -> tuple[Expression, ...]:
    """The direct operands of `node`, in the order in which they are written."""
    match node:
        case Null() | Truth() | Number() | Text() | Column():
            return ()
        case Unary(operand=operand) | IsNull(operand=operand) | Cast(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case In(operand=operand, options=options):
            return (operand, *options)
        case Between(operand=operand, low=low, high=high):
            return (operand, low, high)
        case Case(branches=branches, otherwise=otherwise):
            return (*(part for branch in branches for part in branch), otherwise)
        case Call(arguments=arguments):
            return arguments
        case _:
            assert_never(node)


# One branch a kind of node: flat, and mypy sees that none is missing.
def written(node: Expression) -> str:
    """The text of `node`; `parse` gives an equal tree back.

    >>> written(Binary("AND", Column("in stock"), IsNull(Column("price"))))
    '("in stock" AND (price IS NULL))'
    """
    parts = [written(child) for child in children(node)]
    match node:
        case Null():
            return "NULL"
        case Truth(value=value):
            return "TRUE" if value else "FALSE"
        case Number(value=value):
            return repr(value)
        case Text(value=value):
            return "'" + value.replace("'", "''") + "'"
        case Column(name=name):
            return written_column(name)
        case Unary(operator=operator):
            return f"({operator} {parts[0]})"
        case Binary(operator=operator):
            return f"({parts[0]} {operator} {parts[1]})"
        case IsNull():
            return f"({parts[0]} IS NULL)"
        case In():
            return f"({parts[0]} IN ({', '.join(parts[1:])}))"
        case Between():
            return f"({parts[0]} BETWEEN {parts[1]} AND {parts[2]})"
        case Case():
            whens = "".join(f" WHEN {when} THEN {then}" for when, then in zip(parts[:-1:2], parts[1:-1:2], strict=True))
            return f"CASE{whens} ELSE {parts[-1]} END"
        case Cast(type=type_):
            return f"CAST({parts[0]} AS {type_})"
        case Call(function=function):
            return f"{function}({', '.join(parts)})"
        case _:
            assert_never(node)


RESERVED: Final = frozenset("AND OR NOT IN BETWEEN LIKE IS NULL TRUE FALSE CASE WHEN THEN ELSE END CAST AS".split())


def written_column(name: str) -> str:
    """A column's name as it is written: bare where the grammar allows it, else in double quotes."""
    bare = name.isidentifier() and name.isascii() and name.upper() not in RESERVED
    return name if bare else '"' + name.replace('"', '""') + '"'
