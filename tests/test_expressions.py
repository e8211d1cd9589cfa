"""The grammar: what parses to what, what is refused with which words, and that printing is parsing's inverse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.expressions import InvalidExpression, columns_of, parse, type_of
from endcap.expressions.nodes import (
    CAST_TYPES,
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
    written,
)
from endcap.expressions.signatures import FUNCTIONS

COLUMNS: dict[str, Type] = {"title": "text", "price": "number", "sold": "boolean", "at": "time"}

LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Null),
    st.builds(Truth, st.booleans()),
    st.builds(Number, st.integers(0, 2**63 - 1) | st.floats(0, 1e308, allow_nan=False)),
    st.builds(Text, st.text(max_size=8)),
    st.builds(Column, st.text(min_size=1, max_size=8) | st.sampled_from(["and", "Null", "case", "price"])),
)


def _branching(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    binary = st.sampled_from(["AND", "OR", "=", "!=", "<", "<=", ">", ">=", "LIKE", "+", "-", "*", "/", "%"])
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Unary, st.sampled_from(["NOT", "-"]), inner),
        st.builds(Binary, binary, inner, inner),
        st.builds(IsNull, inner),
        st.builds(In, inner, some),
        st.builds(Between, inner, inner, inner),
        st.builds(Case, st.lists(st.tuples(inner, inner), min_size=1, max_size=2).map(tuple), inner),
        st.builds(Cast, inner, st.sampled_from(CAST_TYPES)),
        st.builds(Call, st.sampled_from(sorted(FUNCTIONS)), some),
    )


@given(st.recursive(LEAVES, _branching, max_leaves=12))
def test_printing_a_tree_and_parsing_it_again_is_identity(tree: Expression) -> None:
    again = parse(written(tree))
    assert again == tree
    assert repr(again) == repr(tree)


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("-1 - -2", "((- 1) - (- 2))"),
        ("-a * b % c", "(((- a) * b) % c)"),
        ("a = 1 or b = 2 and not c = 3", "((a = 1) OR ((b = 2) AND (NOT (c = 3))))"),
        ("a not in (1, 2)", "(NOT (a IN (1, 2)))"),
        ("a between 1 and 2 and b", "((a BETWEEN 1 AND 2) AND b)"),
        ("a not like 'x%' or b is not null", "((NOT (a LIKE 'x%')) OR (NOT (b IS NULL)))"),
        ("case when a then 1 end", "CASE WHEN a THEN 1 ELSE NULL END"),
        ("cast(a as Number) <> 'it''s'", "(CAST(a AS number) != 'it''s')"),
        ('"unit price" >= .5e1', '("unit price" >= 5.0)'),
        ("Lower(a) = ''", "(lower(a) = '')"),
        ('"and" + 1', '("and" + 1)'),
    ],
)
def test_precedence_and_spelling(source: str, same: str) -> None:
    assert written(parse(source)) == same


@pytest.mark.parametrize(
    ("source", "says", "position"),
    [
        ("", "expected a column", 0),
        ("price >", "not the end", 7),
        ("price > 5 5", "expected an operator or the end, not '5'", 10),
        ("price == 5", "write =", 6),
        ("title = 'open", "never closed", 8),
        ("title = 'a' AND 3d > 1", "double quotes", 16),
        ("price & 1", "'&' is not part", 6),
        ("lenght(title)", "did you mean length?", 0),
        ("(price", "to close the parenthesis", 6),
        ("price NOT 5", "after NOT", 10),
        ("CASE price WHEN 1 THEN 2 END", "expected WHEN", 5),
        ("CAST(price AS nubmer)", "did you mean number?", 14),
        ("__import__('os')", "unknown function", 0),
        ("title[0]", "'['", 5),
        ("9223372036854775808", "too large", 0),
        ("9" * 400, "too large", 0),
        ("(" * 100 + "1" + ")" * 100, "nested deeper", 40),
        ("+".join(["1"] * 300), "operators", 401),
        ("a" * 10_001, "10,000", 10_000),
        ("preis > 5", "did you mean price?", 0),
        ("price > 1 AND tilte = 'x'", "did you mean title?", 14),
        ("price = 'x'", "'x' is a text beside a number", 8),
        ("title + 'x'", "concat", 0),
        ("title > 1", "1 is a number beside a text", 8),
        ("price AND sold", "AND takes a boolean, and price is a number", 0),
        ("NOT price", "NOT takes a boolean", 4),
        ("sold < TRUE", "= or !=", 5),
        ("at > '2011-01-01'", "CAST('2011-01-01' AS time)", 5),
        ("title LIKE title", "single quotes", 11),
        ("length(price)", "length() takes a text", 7),
        ("length()", "has 0 arguments; expected length(text)", 0),
        ("nullif(title)", "nullif(same, same)", 0),
        ("least(title, title)", "numbers or times", 0),
        ("coalesce(title, price)", "price is a number beside a text", 16),
        ("CASE WHEN price THEN 1 END", "WHEN takes a boolean", 10),
        ("CASE WHEN sold THEN 1 ELSE 'a' END", "'a' is a text beside a number", 27),
        ("CAST(sold AS time)", "cannot become", 0),
        ("matches(title, '(')", "not a regular expression", 15),
        ("matches(title, '(?=a)b')", "not supported", 15),
        ("matches(title, '(a)\\1')", "not supported", 15),
        ("matches(title, title)", "single quotes here", 15),
        ("substring(title, 0)", "counts from 1", 17),
        ("round(price, 1.5)", "whole number", 13),
        ("price IN (1, 'a')", "beside", 13),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_pointed_at(source: str, says: str, position: int) -> None:
    with pytest.raises(InvalidExpression) as error:
        type_of(parse(source), COLUMNS, source)
    assert says in str(error.value)
    assert error.value.position == position
    *_, line, caret = str(error.value).split("\n")
    if len(source) < 60:
        assert (line[2:], caret.index("^") - 2) == (source, position)


@pytest.mark.parametrize(
    ("source", "type_"),
    [
        ("NULL", None),
        ("price / 2 + length(title)", "number"),
        ("title LIKE 'a%' AND sold", "boolean"),
        ("coalesce(NULL, at)", "time"),
        ("CASE WHEN NULL THEN NULL ELSE title END", "text"),
        ("CAST(at AS integer)", "number"),
        ("greatest(at, CAST('2011-01-01' AS time))", "time"),
        ("price IN (1, NULL)", "boolean"),
        ("matches(title, '^[0-9]{5}\\.(?:a|b)+$')", "boolean"),
    ],
)
def test_types_follow_from_the_columns(source: str, type_: Type | None) -> None:
    assert type_of(parse(source), COLUMNS) == type_


def test_the_columns_of_an_expression_are_named_once() -> None:
    assert columns_of(parse('a + "b c" > a AND d IN (e)')) == {"a", "b c", "d", "e"}


def test_a_long_list_of_literals_is_no_deep_expression() -> None:
    options = ", ".join(str(number) for number in range(1_500))
    assert type_of(parse(f"price IN ({options})"), COLUMNS) == "boolean"
