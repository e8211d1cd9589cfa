"""Filters: the same truths as the importer's engine finds, NULL admits nothing, a group passes by one variant."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from endcap import slate
from endcap.domain.catalog import Change
from endcap.domain.instants import DAY
from endcap.domain.placements import Placement
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.errors import InvalidRequest
from endcap.expressions import parse
from endcap.formats.columns import Layout, compiled
from endcap.slate.filters import FILTER_COLUMNS, LONGEST, MOST_TERMS, admitted, passing
from endcap.slate.vectors import like
from endcap.state import NEWCOMER, Shelf, observe

AT = 1_700_000_000_000
REQUEST = Request("home", AT, 1, 4)
PLACEMENT = Placement("home")
ITEMS: tuple[dict[str, object], ...] = (
    {"price": 1299, "stock": 4, "brand": "Acme", "category": ("Shoes", "Boots"), "color": "Dark Red", "size": "42"},
    {"price": 500, "sale_price": 400, "brand": "Brook", "category": ("Shoes",), "color": "blue", "size": "9.5"},
    {"price": 0, "stock": 1, "brand": "ACME & Sons", "category": ("Home", "Mugs", "Tall", "Deep"), "size": "XL"},
    {"price": -1, "color": "red_50%", "gender": "female"},
    {"brand": "", "color": "", "category": ()},
    {"price": 99_999, "sale_price": 88_888, "stock": 70, "brand": "Ünal", "custom_label_0": "7 up\nnext"},
)


OWN = ("price", "sale_price", "stock", "brand", "category")


def shelf_of(items: tuple[dict[str, object], ...] = ITEMS) -> Shelf:
    shelf = Shelf()
    for row, item in enumerate(items):
        text = {name: value for name, value in item.items() if name not in OWN}
        own = {name: value for name, value in item.items() if name not in text}
        window = {"sale_start": 0, "sale_end": AT + 1} if "sale_price" in item else {}
        shelf.apply(Change(row, AT - (row + 1) * DAY if row else 0, listed=True, text=text, **own, **window))  # type: ignore[arg-type]
    return shelf


FRAME = pl.DataFrame(
    {
        "price": [12.99, 4.0, 0.0, None, None, 888.88],
        "on_sale": [False, True, False, None, None, True],
        "stock": [4.0, None, 1.0, None, None, 70.0],
        "age_days": [None, 2.0, 3.0, 4.0, 5.0, 6.0],
        "brand": ["Acme", "Brook", "ACME & Sons", None, None, "Ünal"],
        "category": ["Shoes > Boots", "Shoes", "Home > Mugs > Tall > Deep", None, None, None],
        "category_1": ["Shoes", "Shoes", "Home", None, None, None],
        "category_2": ["Boots", None, "Mugs", None, None, None],
        "category_3": [None, None, "Tall", None, None, None],
        "color": ["Dark Red", "blue", None, "red_50%", None, None],
        "size": ["42", "9.5", "XL", None, None, None],
        "gender": [None, None, None, "female", None, None],
        "custom_label_0": [None] * 5 + ["7 up\nnext"],
    }
)

FILTERS = (
    "price < 100",
    "price <= 12.99 AND NOT on_sale",
    "price < 5 OR color = 'red_50%'",
    "NOT (price < 5 OR color = 'red_50%')",
    "price BETWEEN 4 AND 12.99",
    "price NOT BETWEEN 4 AND 12.99",
    "on_sale",
    "on_sale = FALSE",
    "on_sale != TRUE OR stock > 3",
    "on_sale IS NULL",
    "on_sale IS NOT NULL AND TRUE",
    "stock IS NULL",
    "stock + 1 >= 5 AND stock * 2 < 10",
    "price / stock > 3",
    "price / 0 IS NULL",
    "stock % 3 = 1 OR -stock % 3 = 1",
    "age_days < 4.5",
    "brand = 'Acme'",
    "brand != 'Acme'",
    "brand = category",
    "brand < category",
    "brand >= 'B'",
    "brand IN ('Acme', 'Brook')",
    "brand NOT IN ('Acme', 'Brook')",
    "brand IN ('Acme', NULL)",
    "brand NOT IN ('Acme', NULL)",
    "brand IN (category_1, 'Ünal')",
    "stock IN (4, 70, NULL)",
    "lower(brand) LIKE 'acme%'",
    "upper(brand) = 'ÜNAL'",
    "color LIKE '%red%'",
    "color LIKE 'red!_50!%'",
    "color LIKE 'red_50_'",
    "color LIKE '_%_e'",
    "custom_label_0 LIKE '7%next'",
    "color NOT LIKE '%red%'",
    "category = 'Shoes > Boots'",
    "category LIKE 'Shoes%'",
    "category_1 = 'Shoes' AND category_2 IS NULL",
    "category_3 = 'Tall'",
    "contains(lower(color), 'red')",
    "starts_with(brand, 'A') AND ends_with(brand, 's')",
    "length(trim(concat(' ', brand, ' '))) = 4",
    "concat(brand, ' ', color) = 'Acme Dark Red'",
    "concat(color, gender) = 'blue'",
    "substring(brand, 2, 3) = 'cme'",
    "substring(brand, 4) = 'e'",
    "split_part(category, ' > ', 2) = 'Boots'",
    "split_part(category, ' > ', 9) = ''",
    "CAST(size AS number) > 9",
    "CAST(size AS integer) = 9",
    "CAST(on_sale AS number) = 1",
    "coalesce(color, gender, 'none') = 'none'",
    "coalesce(stock, 0) = 0",
    "coalesce(on_sale, TRUE)",
    "nullif(brand, 'Acme') IS NULL",
    "nullif(stock, 4) IS NULL",
    "least(price, stock) < 4.5",
    "greatest(price, stock) > 80",
    "abs(price - 10) < 5",
    "round(price) = 13 OR floor(price) = 4 OR ceil(price) = 889",
    "round(price, 1) = 13",
    "CASE WHEN on_sale THEN price > 100 WHEN stock > 3 THEN TRUE ELSE FALSE END",
    "CASE WHEN on_sale THEN 'yes' WHEN stock > 3 THEN brand END = 'yes'",
    "CASE WHEN stock > 3 THEN price END > 100",
    "NULL OR price < 5",
    "NULL AND price < 5",
    "price = NULL",
    "NOT (price = NULL)",
    "age_group IS NULL",
    "brand = 'Acme' AND (color LIKE '%Red' OR material = 'oak') AND price < 13 AND stock >= 1",
)


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_is_as_true_as_in_an_import(text: str) -> None:
    frame = FRAME.with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in FILTER_COLUMNS if name not in FRAME.columns)
    )
    layout = Layout(FILTER_COLUMNS, frozenset(), "UTC")
    expected = frame.select(found=compiled(parse(text), layout).cast(pl.Boolean)).to_series().fill_null(False).to_list()
    request = replace(REQUEST, filter=slate.check_filter(text))
    assert passing(PLACEMENT, request, shelf_of(), np.arange(6, dtype=np.int32)).tolist() == expected


def test_the_cases_above_decide_something() -> None:
    rows, decided = np.arange(6, dtype=np.int32), set()
    for text in FILTERS:
        decided.add(tuple(passing(PLACEMENT, replace(REQUEST, filter=text), shelf_of(), rows).tolist()))
    assert len(decided) > 20


def test_amounts_have_the_decimals_of_the_currency() -> None:
    yen = replace(REQUEST, filter="price = 1299", decimals=0)
    assert passing(PLACEMENT, yen, shelf_of(), np.arange(6, dtype=np.int32)).tolist() == [True] + 5 * [False]


UNKNOWN = "unknown column 'colour'; did you mean color? A text constant stands in single quotes: 'colour'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour > ''", f"{UNKNOWN} (at character 1)"),
        ("price <", "expected a column, a literal or a function, not the end (at character 8)"),
        ("price = 'x'", "'x' is a text beside a number; write CAST('x' AS number) (at character 9)"),
        ("price", "a filter says what must be true; this is a number (at character 1)"),
        ("NULL", "a filter says what must be true; this is a NULL (at character 1)"),
        (
            "on_sale OR matches(brand, '(a+)+$')",
            "matches() is not for filters; write LIKE, contains(), starts_with() or ends_with() (at character 12)",
        ),
        (
            "replace(brand, 'a', 'aa') = 'a'",
            "replace() is not for filters; write LIKE, contains(), starts_with() or ends_with() (at character 1)",
        ),
        ("CAST(price AS time) IS NULL", "a filter casts to number or integer, not to time (at character 1)"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_used_says_why(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        slate.check_filter(text)
    assert str(refused.value) == f"filter: {message}"


def test_length_depth_and_terms_of_a_filter_are_bounded() -> None:
    assert slate.check_filter("") == ""
    assert slate.check_filter("price < 1" + " " * (LONGEST - 9))
    with pytest.raises(InvalidRequest, match="2,001 characters; at most 2,000 are read"):
        slate.check_filter("price < 1" + " " * (LONGEST - 8))
    with pytest.raises(InvalidRequest, match="nested deeper than 40 levels"):
        slate.check_filter("(" * 50 + "on_sale" + ")" * 50)
    most = " OR ".join(["price < 1"] * (MOST_TERMS // 2))
    assert slate.check_filter(most)
    with pytest.raises(InvalidRequest, match="62 operators and functions; at most 60 are read"):
        slate.check_filter(most + " OR price < 2 OR on_sale")


def test_no_like_pattern_is_slow() -> None:
    assert not like("%a" * 200 + "b")("a" * 100_000)
    assert like("%" + "a%" * 200)("a" * 100_000)


def group_shelf() -> Shelf:
    """Group 9 of rows 0 (red, out of stock), 1 (blue) and 2 (red, unlisted); group 10 of row 3 (red)."""
    shelf = Shelf()
    rows = (("red", 0, True, 9), ("blue", 2, True, 9), ("red", 2, False, 9), ("red", 2, True, 10), ("red", 2, True, 4))
    for row, (color, stock, listed, group) in enumerate(rows):
        shelf.apply(Change(row, 1, group=group, listed=listed, stock=stock, text={"color": color}))
    return shelf


def test_a_group_passes_by_a_variant_that_may_be_sold() -> None:
    shelf = group_shelf()
    red, blue = (replace(REQUEST, filter=f"color = '{color}'") for color in ("red", "blue"))
    rows = np.array([9, 10, 4], np.int32)
    assert admitted(PLACEMENT, red, shelf, rows).tolist() == [False, True, True]
    assert admitted(PLACEMENT, blue, shelf, rows).tolist() == [True, False, False]
    shelf.apply(Change(0, 2, stock=3))
    assert admitted(PLACEMENT, red, shelf, rows).tolist() == [True, True, True]


def test_an_item_that_was_sold_out_lately_is_found_when_it_is_back() -> None:
    shelf = shelf_of(({"stock": 4}, {"stock": 4}, {"stock": 4}))
    for row, days, stock in ((0, 40, 0), (0, 39, 5), (1, 3, 0), (1, 2, 5), (2, 3, 0)):
        shelf.apply(Change(row, AT - days * DAY, stock=stock))
    back = Placement("back_in_stock", filter="sold_out_days < 30")
    assert passing(back, REQUEST, shelf, np.arange(3, dtype=np.int32)).tolist() == [False, True, False]


def test_the_filters_of_placement_and_request_must_both_be_true() -> None:
    cheap, rows = Placement("cheap", filter="price < 10"), np.arange(6, dtype=np.int32)
    assert passing(cheap, REQUEST, shelf_of(), rows).tolist() == [False, True, True, False, False, False]
    request = replace(REQUEST, filter="on_sale")
    assert passing(cheap, request, shelf_of(), rows).tolist() == [False, True, False, False, False, False]


def test_the_variant_shown_is_one_that_passes() -> None:
    shelf = group_shelf()
    shelf.apply(Change(0, 2, stock=3))
    for color, shown in (("red", 0), ("blue", 1)):
        request = replace(REQUEST, filter=f"color = '{color}'")
        assert slate.variants(PLACEMENT, request, observe(request, NEWCOMER, shelf), np.array([9], np.int32)) == [shown]


def test_what_fails_the_filter_is_dropped_under_its_name_after_all_other_rules() -> None:
    shelf, votes = group_shelf(), np.ones((1, 3), np.float32)
    request = replace(REQUEST, filter="color = 'blue'", exclude=np.array([4], np.int32), shown=np.array([1], np.int32))
    pool = Pool(np.array([9, 10, 4], np.int32), ("popularity",), votes, votes)
    kept, dropped = slate.admit(Placement("home"), request, observe(request, NEWCOMER, shelf), pool)
    assert not len(kept)
    assert {rule.rule: rule.rows.tolist() for rule in dropped} == {
        "excluded": [4], "shown_on_page": [9], "filter": [10],
    }  # fmt: skip
