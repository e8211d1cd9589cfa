"""Expressions in polars against a small evaluator in Python, on random trees and rows."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endcap.domain.instants import millis
from endcap.expressions import Expression, Type, parse, type_of
from endcap.expressions.nodes import (
    Between,
    Binary,
    Call,
    Case,
    Cast,
    Column,
    In,
    IsNull,
    Null,
    Number,
    Text,
    Truth,
    Unary,
    written,
)
from endcap.formats.columns import UTC_MS, Layout, canonical, compiled, converted, stored_type

TYPES: dict[str, Type] = {"s": "text", "t": "text", "n": "number", "i": "number", "b": "boolean", "at": "time"}
LAYOUT = Layout(TYPES, frozenset({"i"}), "UTC")
LETTERS = "aAbBé 1%_.'\n"

# ---- the reference: None is NULL, times are milliseconds ----


def value_of(node: Expression, row: Mapping[str, Any]) -> Any:
    def inner(child: Expression) -> Any:
        return value_of(child, row)

    match node:
        case Null():
            return None
        case Truth(value=value) | Number(value=value) | Text(value=value):
            return value
        case Column(name=name):
            return row[name]
        case Unary(operator=operator, operand=operand):
            given = inner(operand)
            return None if given is None else (not given if operator == "NOT" else -given)
        case Binary(operator="AND", left=left, right=right):
            return _and(inner(left), inner(right))
        case Binary(operator="OR", left=left, right=right):
            return _or([inner(left), inner(right)])
        case Binary(operator=operator, left=left, right=right):
            both = inner(left), inner(right)
            return None if None in both else _operate(operator, *both)
        case IsNull(operand=operand):
            return inner(operand) is None
        case In(operand=operand, options=options):
            return _or([_equal(inner(operand), inner(option)) for option in options])
        case Between(operand=operand, low=low, high=high):
            given, least, most = inner(operand), inner(low), inner(high)
            above = None if None in {given, least} else given >= least
            return _and(above, None if None in {given, most} else given <= most)
        case Case(branches=branches, otherwise=otherwise):
            return next((inner(then) for when, then in branches if inner(when)), inner(otherwise))
        case Cast(operand=operand, type=type_):
            return _cast(inner(operand), type_of(operand, TYPES), type_)
        case Call(function=function, arguments=arguments):
            return _call(function, [inner(argument) for argument in arguments])


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(values: list[bool | None]) -> bool | None:
    if any(values):
        return True
    return None if None in values else False


def _equal(left: Any, right: Any) -> bool | None:
    return None if left is None or right is None else left == right


def _operate(operator: str, left: Any, right: Any) -> Any:
    if operator == "LIKE":
        pattern = "".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in right)
        return re.fullmatch(pattern, left, re.DOTALL) is not None
    if operator in "/%":
        return None if right == 0 else (left / right if operator == "/" else left % right)
    known = {
        "=": left == right, "!=": left != right, "+": lambda: left + right, "-": lambda: left - right,
        "*": lambda: left * right, "<": lambda: left < right, "<=": lambda: left <= right,
        ">": lambda: left > right, ">=": lambda: left >= right,
    }[operator]  # fmt: skip
    return known() if callable(known) else known


def _cast(given: Any, from_: Type | None, to: str) -> Any:
    if given is None or from_ == to:
        return given
    match from_, to:
        case "text", "number" | "integer":
            number = float(given) if re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)\s*", given) else None
            return math.trunc(number) if number is not None and to == "integer" else number
        case _, "integer":
            return math.trunc(given)
        case "text", "boolean":
            word = given.strip().lower()
            return (
                True
                if word in {"true", "t", "yes", "y", "1"}
                else False
                if word in {"false", "f", "no", "n", "0"}
                else None
            )
        case "number", "text":
            return str(int(given)) if given == int(given) else repr(given)
        case "boolean", "text":
            return str(given).lower()
        case "time", "text":
            moment = datetime.fromtimestamp(given // 1000, UTC)
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{given % 1000:03d}Z"
        case _, "boolean":
            return given != 0
        case _:
            return int(given)


def _call(function: str, given: list[Any]) -> Any:
    some = [value for value in given if value is not None]
    match function:
        case "concat":
            return "".join(some)
        case "coalesce":
            return some[0] if some else None
        case "least":
            return min(some, default=None)
        case "greatest":
            return max(some, default=None)
        case "nullif":
            return None if _equal(*given) else given[0]
        case _:
            return None if given[0] is None else _SIMPLE[function](*given)


_SIMPLE: dict[str, Any] = {
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
    "length": len,
    "substring": lambda text, start, count=None: text[start - 1 : None if count is None else start - 1 + count],
    "replace": str.replace,
    "split_part": lambda text, mark, part: (text.split(mark) + [""] * part)[part - 1],
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": lambda text, other: other in text,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "abs": abs,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
}

# ---- random typed trees ----

Trees = st.SearchStrategy[Expression]
WORDS = st.text(LETTERS, max_size=4)


def _trees(depth: int) -> dict[str, Trees]:
    small = st.integers(0, 20).map(Number) | st.sampled_from([0.25, 1.5]).map(Number)
    text: Trees = st.one_of(st.sampled_from(["s", "t"]).map(Column), WORDS.map(Text), st.builds(Null))
    number: Trees = st.one_of(st.sampled_from(["n", "i"]).map(Column), small, st.builds(Null))
    truth: Trees = st.one_of(st.builds(Column, st.just("b")), st.booleans().map(Truth), st.builds(Null))
    time: Trees = st.builds(Column, st.just("at"))
    if not depth:
        return {"text": text, "number": number, "boolean": truth, "time": time}
    below = _trees(depth - 1)
    anything = [below[name] for name in ("text", "number", "time")]

    def case(value: Trees) -> Trees:
        return st.builds(Case, st.lists(st.tuples(below["boolean"], value), min_size=1, max_size=2).map(tuple), value)

    def call(function: str, *arguments: Trees) -> Trees:
        return st.builds(lambda *given: Call(function, given), *arguments)

    mark, some = st.sampled_from(["a", "1", "b "]).map(Text), st.integers(1, 3).map(Number)
    pattern = st.sampled_from(["^a", r"\d{2}", "[ab]+$", "(?:a|1)b", r"\.", "é"]).map(Text)
    compared = [st.builds(Binary, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), kind, kind) for kind in anything]
    text |= st.one_of(
        case(below["text"]),
        st.builds(Cast, below["number"] | below["boolean"] | time, st.just("text")),
        *(call(name, below["text"]) for name in ("lower", "upper", "trim")),
        call("concat", below["text"], below["text"]),
        call("replace", below["text"], mark, WORDS.map(Text)), call("substring", below["text"], some, some),
        call("substring", below["text"], some), call("split_part", below["text"], mark, some),
        call("coalesce", below["text"], below["text"]), call("nullif", below["text"], below["text"]),
    )  # fmt: skip
    number |= st.one_of(
        case(below["number"]), st.builds(Unary, st.just("-"), below["number"]), call("length", below["text"]),
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "%"]), below["number"], below["number"]),
        st.builds(Cast, below["text"], st.sampled_from(["number", "integer"])),
        st.builds(Cast, time, st.just("integer")),
        st.builds(Cast, below["boolean"], st.just("number")),
        *(call(name, below["number"]) for name in ("abs", "round", "floor", "ceil")),
        *(call(name, below["number"], below["number"]) for name in ("least", "greatest", "coalesce", "nullif")),
    )  # fmt: skip
    truth |= st.one_of(
        *compared, case(below["boolean"]), st.builds(Unary, st.just("NOT"), below["boolean"]),
        st.builds(Binary, st.sampled_from(["AND", "OR", "=", "!="]), below["boolean"], below["boolean"]),
        *(st.builds(IsNull, kind) for kind in anything),
        *(st.builds(Between, kind, kind, kind) for kind in anything),
        *(st.builds(In, kind, st.lists(kind, min_size=1, max_size=3).map(tuple)) for kind in anything),
        st.builds(Binary, st.just("LIKE"), below["text"], WORDS.map(Text)), call("matches", below["text"], pattern),
        *(call(name, below["text"], mark) for name in ("starts_with", "ends_with", "contains")),
        st.builds(Cast, below["text"] | below["number"], st.just("boolean")),
    )  # fmt: skip
    return {"text": text, "number": number, "boolean": truth, "time": time | case(time) | call("greatest", time, time)}


TREES = st.one_of(*_trees(2).values())
ROW = st.fixed_dictionaries(
    {
        "s": st.none() | WORDS,
        "t": st.none() | st.sampled_from(["12", "-1.5", "yes", "abc", "", " 7 "]),
        "n": st.none() | st.sampled_from([0.0, 0.25, 1.5, -2.5, 3.0]),
        "i": st.none() | st.integers(-9, 9),
        "b": st.none() | st.booleans(),
        "at": st.none() | st.integers(0, 10**12),
    }
)


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    stored = {"s": pl.String, "t": pl.String, "n": pl.Float64, "i": pl.Int64, "b": pl.Boolean, "at": pl.Int64}
    return pl.DataFrame(rows, schema=stored).with_columns(pl.col("at").cast(UTC_MS))


def _values(node: Expression, frame: pl.DataFrame) -> list[Any]:
    column = frame.select(value=compiled(node, LAYOUT)).to_series()
    if column.dtype == UTC_MS:
        column = column.dt.epoch("ms")
    values = column.to_list()
    return values * len(frame) if len(values) == 1 else values


def _agree(found: Any, expected: Any) -> bool:
    if isinstance(found, float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == expected) and isinstance(found, bool) == isinstance(expected, bool)


@settings(max_examples=200, deadline=None)
@given(TREES, st.lists(ROW, min_size=1, max_size=6))
def test_polars_and_the_reference_agree(tree: Expression, rows: list[dict[str, Any]]) -> None:
    type_of(tree, TYPES)
    assert parse(written(tree)) == tree
    expected = [value_of(tree, row) for row in rows]
    found = _values(tree, _frame(rows))
    assert len(found) == len(expected)
    assert all(map(_agree, found, expected)), f"{written(tree)} gives {found}, expected {expected}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2011-10-01", datetime(2011, 10, 1)),
        ("2011-10-01 07:45", datetime(2011, 10, 1, 7, 45)),
        ("2011-10-01T07:45:12.5", datetime(2011, 10, 1, 7, 45, 12, 500_000)),
        ("2011-03-27 01:30:00", datetime(2011, 3, 27, 1, 30)),
        ("2011-10-30 01:30:00", datetime(2011, 10, 30, 1, 30)),
        ("2011-10-01T07:45:12Z", datetime(2011, 10, 1, 7, 45, 12, tzinfo=UTC)),
        ("2011-10-01 07:45:12+02:00", datetime(2011, 10, 1, 5, 45, 12, tzinfo=UTC)),
        ("2011-10-01 07:45-0330", datetime(2011, 10, 1, 11, 15, tzinfo=UTC)),
        ("1.10.2011", None),
        ("2011-13-01", None),
        ("", None),
    ],
)
def test_times_are_read_as_the_domain_reads_them(text: str, moment: datetime | None) -> None:
    layout = Layout({"x": "text"}, frozenset(), "Europe/London")
    found = pl.DataFrame({"x": [text]}).select(converted(pl.col("x"), "text", "time", layout).dt.epoch("ms")).item()
    assert found == (None if moment is None else millis(moment, "Europe/London"))


def test_a_format_of_its_own_reads_other_times() -> None:
    layout = Layout({"x": "text"}, frozenset(), "UTC", "%d/%m/%Y %H:%M")
    found = pl.DataFrame({"x": ["1/12/2010 8:26", "2010-12-01"]}).select(converted(pl.col("x"), "text", "time", layout))
    assert found.to_series().dt.epoch("ms").to_list() == [millis(datetime(2010, 12, 1, 8, 26)), None]


def test_stored_columns_take_one_form() -> None:
    stored = pl.DataFrame(
        {
            "id": pl.Series([1, None], dtype=pl.UInt32),
            "price": pl.Series([math.nan, 2.5], dtype=pl.Float32),
            "color": pl.Series(["red", None], dtype=pl.Categorical),
            "day": [date(2011, 7, 1), None],
            "naive": pl.Series([datetime(2011, 7, 1), None], dtype=pl.Datetime("ns")),
            "aware": pl.Series([datetime(2011, 7, 1, tzinfo=ZoneInfo("Europe/London")), None]),
        }
    )
    types = {name: stored_type(dtype) for name, dtype in stored.schema.items()}
    assert types == {
        "id": "number",
        "price": "number",
        "color": "text",
        "day": "time",
        "naive": "time",
        "aware": "time",
    }
    found = stored.select(canonical(name, dtype, "Europe/London").alias(name) for name, dtype in stored.schema.items())
    summer = datetime(2011, 6, 30, 23, tzinfo=UTC)
    assert found.rows() == [(1, None, "red", summer, summer, summer), (None, 2.5, None, None, None, None)]


def test_whole_numbers_become_text_without_a_fraction() -> None:
    frame = pl.DataFrame({"n": [13085.0, 1.5], "i": [2**60 + 1, -3]})
    texts = frame.select(
        pl.col("n").pipe(lambda n: converted(n, "number", "text", LAYOUT)), i=compiled(parse("CAST(i AS text)"), LAYOUT)
    )
    assert texts.rows() == [("13085", str(2**60 + 1)), ("1.5", "-3")]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("n / 0", None),
        ("n % i", None),
        ("-7 % 3", 2.0),
        ("7 / 2", 3.5),
        ("i / i", None),
        ("NULL OR TRUE", True),
        ("NULL AND FALSE", False),
        ("NOT NULL", None),
        ("s IN ('b', NULL)", None),
        ("s IN ('a', NULL)", True),
        ("concat(s, NULL, '!')", "a!"),
        ("least(NULL, 2, n)", 1.5),
        ("CASE WHEN NULL THEN 1 END", None),
        ("CAST('x' AS number)", None),
        ("CAST('-2.9' AS integer)", -2),
        ("round(2.5) + round(3.5)", 6.0),
        ("split_part('a-b', '-', 3)", ""),
        ("'a\nb' LIKE 'a_b'", True),
    ],
)
def test_the_corners_of_the_grammar(source: str, value: object) -> None:
    frame = _frame([{"s": "a", "t": None, "n": 1.5, "i": 0, "b": None, "at": None}])
    assert _values(parse(source), frame) == [value]


def test_lists_cannot_be_read() -> None:
    assert stored_type(pl.List(pl.String)) is None
