"""From text to tree: precedence climbing (Pratt, 1973) over the tokens. Knows the grammar, not types or columns."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from math import isinf
from typing import Final, cast

from endcap.expressions.nodes import (
    CAST_TYPES,
    Between,
    Binary,
    Call,
    Case,
    Cast,
    CastType,
    Column,
    Expression,
    In,
    IsNull,
    Null,
    Number,
    Operator,
    Text,
    Truth,
    Unary,
)
from endcap.expressions.signatures import FUNCTIONS
from endcap.expressions.tokens import InvalidExpression, Token, tokens

MAX_DEPTH: Final = 40
MAX_OPERATORS: Final = 200
_MAX_INTEGER: Final = 2**63 - 1
_COMPARISON: Final = 4
_SUM: Final = 5
_NOT: Final = 3
_MINUS: Final = 7
_BINDING: Final[dict[str, int]] = {
    "OR": 1, "AND": 2,
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">=", "IN", "BETWEEN", "LIKE", "IS", "NOT"), _COMPARISON),
    **dict.fromkeys(("+", "-"), _SUM), **dict.fromkeys(("*", "/", "%"), 6),
}  # fmt: skip


def parse(source: str) -> Expression:
    """The tree of `source`.

    >>> parse("a * 2 > b").left
    Binary(operator='*', left=Column(name='a'), right=Number(value=2))

    Raises: InvalidExpression, pointing at what could not be read.
    """
    parser = _Parser(source)
    expression = parser.expression(0)
    parser.expect_end()
    return expression


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = 0
        self._depth = 0
        self._operators = 0

    def expression(self, binding: int) -> Expression:
        """What follows, up to an operator that binds no tighter than `binding`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"nested deeper than {MAX_DEPTH} levels; split the expression", self._token)
        left = self._operand()
        while (tight := self._tightness()) > binding:
            left = self._infix(left, tight)
        self._depth -= 1
        return left

    def expect_end(self) -> None:
        if self._token.kind != "end":
            raise self._wrong(f"expected an operator or the end, not {_shown(self._token)}", self._token)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _tightness(self) -> int:
        return _BINDING.get(self._token.value, 0) if self._token.kind in {"sign", "word"} else 0

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _accept(self, value: str) -> bool:
        found = self._token.kind in {"sign", "word"} and self._token.value == value
        self._next += found
        return found

    def _expect(self, value: str, why: str) -> None:
        if not self._accept(value):
            raise self._wrong(f"expected {value} {why}, not {_shown(self._token)}", self._token)

    def _wrong(self, message: str, token: Token) -> InvalidExpression:
        return InvalidExpression(message, self._source, token.at)

    def _count(self, token: Token) -> None:
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise self._wrong(f"more than {MAX_OPERATORS} operators and functions; split the expression", token)

    def _operand(self) -> Expression:
        token = self._take()
        match token.kind:
            case "number":
                return self._number(token)
            case "text":
                return Text(token.value, at=token.at)
            case "quoted":
                return Column(token.value, at=token.at)
            case "name":
                return self._call(token) if self._accept("(") else Column(token.value, at=token.at)
            case _:
                return self._prefix(token)

    def _prefix(self, token: Token) -> Expression:
        self._count(token)
        match token.value if token.kind != "end" else "":
            case "(":
                inner = self.expression(0)
                self._expect(")", "to close the parenthesis")
                return inner
            case "-":
                return Unary("-", self.expression(_MINUS), at=token.at)
            case "NOT":
                return Unary("NOT", self.expression(_NOT), at=token.at)
            case "NULL":
                return Null(at=token.at)
            case "TRUE" | "FALSE":
                return Truth(token.value == "TRUE", at=token.at)
            case "CASE":
                return self._case(token)
            case "CAST":
                return self._cast(token)
            case _:
                raise self._wrong(f"expected a column, a literal or a function, not {_shown(token)}", token)

    def _number(self, token: Token) -> Number:
        value = float(token.value)
        if not token.value.isdigit() and not isinf(value):
            return Number(value, at=token.at)
        if value > _MAX_INTEGER or int(token.value) > _MAX_INTEGER:
            raise self._wrong(f"the number is too large; at most {_MAX_INTEGER}, or a decimal fraction", token)
        return Number(int(token.value), at=token.at)

    def _call(self, name: Token) -> Call:
        self._count(name)
        function = name.value.lower()
        if function not in FUNCTIONS:
            raise self._wrong(f"unknown function {name.value!r}; {suggestion(function, FUNCTIONS)}", name)
        arguments = () if self._accept(")") else self._listed("to close the call")
        return Call(function, arguments, at=name.at)

    def _listed(self, why: str) -> tuple[Expression, ...]:
        found = [self.expression(0)]
        while self._accept(","):
            found.append(self.expression(0))
        self._expect(")", why)
        return tuple(found)

    def _case(self, token: Token) -> Case:
        branches = []
        while self._accept("WHEN"):
            condition = self.expression(0)
            self._expect("THEN", "after the condition of WHEN")
            branches.append((condition, self.expression(0)))
        if not branches:
            raise self._wrong(
                f"expected WHEN after CASE, not {_shown(self._token)}; write CASE WHEN x = 1 THEN …", self._token
            )
        otherwise: Expression = self.expression(0) if self._accept("ELSE") else Null(at=token.at)
        self._expect("END", "to close CASE")
        return Case(tuple(branches), otherwise, at=token.at)

    def _cast(self, token: Token) -> Cast:
        self._expect("(", "after CAST")
        operand = self.expression(0)
        self._expect("AS", "and a type")
        type_ = self._take()
        if type_.kind != "name" or type_.value.lower() not in CAST_TYPES:
            raise self._wrong(f"unknown type {_shown(type_)}; {suggestion(type_.value.lower(), CAST_TYPES)}", type_)
        self._expect(")", "to close CAST")
        return Cast(operand, cast("CastType", type_.value.lower()), at=token.at)

    def _infix(self, left: Expression, tight: int) -> Expression:
        token = self._take()
        self._count(token)
        match token.value:
            case "NOT":
                return self._negated(left, token)
            case "IN" | "BETWEEN" | "LIKE":
                return self._tested(left, token)
            case "IS":
                negated = self._accept("NOT")
                self._expect("NULL", "after IS")
                test = IsNull(left, at=token.at)
                return Unary("NOT", test, at=token.at) if negated else test
            case operator:
                return Binary(cast("Operator", operator), left, self.expression(tight), at=token.at)

    def _negated(self, left: Expression, token: Token) -> Unary:
        if self._token.kind != "word" or self._token.value not in {"IN", "BETWEEN", "LIKE"}:
            raise self._wrong(f"expected IN, BETWEEN or LIKE after NOT, not {_shown(self._token)}", self._token)
        return Unary("NOT", self._tested(left, self._take()), at=token.at)

    def _tested(self, left: Expression, token: Token) -> Expression:
        tests: dict[str, Callable[[], Expression]] = {
            "IN": lambda: self._in(left, token),
            "BETWEEN": lambda: self._between(left, token),
            "LIKE": lambda: Binary("LIKE", left, self.expression(_COMPARISON), at=token.at),
        }
        return tests[token.value]()

    def _in(self, left: Expression, token: Token) -> In:
        self._expect("(", "after IN")
        return In(left, self._listed("to close the list of IN"), at=token.at)

    def _between(self, left: Expression, token: Token) -> Between:
        low = self.expression(_COMPARISON)
        self._expect("AND", "between the bounds of BETWEEN")
        return Between(left, low, self.expression(_COMPARISON), at=token.at)


def _shown(token: Token) -> str:
    return "the end" if token.kind == "end" else repr(token.value)


def suggestion(given: str, known: Iterable[str]) -> str:
    """'did you mean …?' where something known is close to `given`, else all that is known."""
    names = sorted(known)
    close = get_close_matches(given, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}."
