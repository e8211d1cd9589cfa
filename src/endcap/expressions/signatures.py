"""The functions that an expression may call: names, types, meaning. Does not compute them."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from endcap.expressions.nodes import Type

Parameter: TypeAlias = Type | Literal["same", "ordered", "text literal", "pattern", "count literal"]
"""`same`: one type for all such arguments. `ordered`: the same, number or time. `pattern`: a regular expression."""


@dataclass(frozen=True, slots=True)
class Signature:
    """`takes` names the parameters; those from `required` on may be left out; with `more`, the last one repeats."""

    takes: tuple[Parameter, ...]
    returns: Type | Literal["same"]
    required: int
    more: bool = False


def _signature(takes: str, returns: Type | Literal["same"], optional: int = 0, more: bool = False) -> Signature:
    parameters: tuple[Parameter, ...] = tuple(takes.split(", "))  # type: ignore[arg-type]
    return Signature(parameters, returns, len(parameters) - optional, more)


FUNCTIONS: Final[dict[str, Signature]] = {
    "lower": _signature("text", "text"),
    "upper": _signature("text", "text"),
    "trim": _signature("text", "text"),
    "length": _signature("text", "number"),
    "substring": _signature("text, count literal, count literal", "text", optional=1),
    "replace": _signature("text, text literal, text literal", "text"),
    "concat": _signature("text", "text", more=True),
    "split_part": _signature("text, text literal, count literal", "text"),
    "starts_with": _signature("text, text literal", "boolean"),
    "ends_with": _signature("text, text literal", "boolean"),
    "contains": _signature("text, text literal", "boolean"),
    "matches": _signature("text, pattern", "boolean"),
    "abs": _signature("number", "number"),
    "round": _signature("number, count literal", "number", optional=1),
    "floor": _signature("number", "number"),
    "ceil": _signature("number", "number"),
    "coalesce": _signature("same", "same", more=True),
    "nullif": _signature("same, same", "same"),
    "least": _signature("ordered", "same", more=True),
    "greatest": _signature("ordered", "same", more=True),
}
"""NULL in, NULL out, but for `concat` (skips NULL), `coalesce`, `least` and `greatest` (of what is not NULL).

`substring(text, start, count)` and `split_part(text, separator, n)` count from 1; a part that is not there is ''.
`matches` finds the pattern anywhere in the text; `^` and `$` tie it to the ends. `round` rounds half to even.
"""
