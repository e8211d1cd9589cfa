"""What a price means: feeds, read in columns, and items put over HTTP, read one by one, must not differ."""

from datetime import date

import polars as pl
import pytest

from endcap.domain.ids import ItemKey
from endcap.formats.prices import Prices
from endcap.formats.rates import NO_RATES
from endcap.ingest.checks import price_checks
from endcap.ingest.rows import RowBook
from endcap.privacy import Identities
from endcap.serving.edge import Edge, WrongFields
from endcap.serving.goods import CatalogItemCall, change
from endcap.state import Shelf

REFUSED = None
UNKNOWN = -1
CASES: dict[tuple[str, str], int | None] = {
    ("12.99", "EUR"): 1299, ("12.99 EUR", "EUR"): 1299, ("EUR 12.99", "EUR"): 1299, ("eur12.99", "EUR"): 1299,
    ("12.99eur", "EUR"): 1299, ("12.99\u00a0EUR", "EUR"): 1299, ("  12.99  ", "EUR"): 1299, ("+5", "EUR"): 500,
    ("5.", "EUR"): 500, (".5", "EUR"): 50, ("0", "EUR"): 0, ("-0", "EUR"): 0, ("007", "EUR"): 700,
    ("12.995", "EUR"): 1300, ("12.985", "EUR"): 1298, ("0.004", "EUR"): 0, ("1e3", "EUR"): 100_000,
    ("1.5E+2 EUR", "EUR"): 15_000, ("1e-999", "EUR"): 0, ("10000000000000", "EUR"): 10**15,
    ("9999999999999.99", "EUR"): 10**15 - 1, ("", "EUR"): UNKNOWN, ("   ", "EUR"): UNKNOWN,
    ("1200", "JPY"): 1200, ("1200.5 JPY", "JPY"): 1200, ("1201.5", "JPY"): 1202, ("1.2345", "KWD"): 1234,
    ("12.99 USD", "EUR"): UNKNOWN, ("usd 12.99", "EUR"): UNKNOWN, ("0 USD", "EUR"): UNKNOWN,
    ("-0.001", "EUR"): REFUSED, ("-1", "EUR"): REFUSED, ("-1 USD", "EUR"): REFUSED, ("NaN", "EUR"): REFUSED,
    ("inf", "EUR"): REFUSED, ("free", "EUR"): REFUSED, ("EUR", "EUR"): REFUSED, (".", "EUR"): REFUSED,
    ("1,50", "EUR"): REFUSED, ("1.299,00", "EUR"): REFUSED, ("1 299.00", "EUR"): REFUSED, ("1_000", "EUR"): REFUSED,
    ("€12.99", "EUR"): REFUSED, ("12.99 XXQ", "EUR"): REFUSED, ("12.99 XAU", "EUR"): REFUSED,
    ("EUR 12.99 USD", "EUR"): REFUSED, ("EUR 12.99 EUR", "EUR"): REFUSED, ("12.99 EURO", "EUR"): REFUSED,
    ("1e308", "EUR"): REFUSED, ("1e999", "EUR"): REFUSED, ("1e9999999", "EUR"): REFUSED,
    ("1e999999999999999999", "EUR"): REFUSED, ("1e-99999999999999999999", "EUR"): REFUSED, ("9" * 400, "EUR"): REFUSED,
    ("10000000000001", "EUR"): REFUSED, ("\u0661\u0662", "EUR"): REFUSED, ("0x10", "EUR"): REFUSED,
    ("1e5e5", "EUR"): REFUSED, ("12.9.9", "EUR"): REFUSED, ("--5", "EUR"): REFUSED,
}  # fmt: skip


def in_columns(text: str, currency: str) -> int | None:
    """As an import of a feed does it, which trims every text and takes an empty one for none."""
    price = pl.Series("price", [text.strip() or None], pl.String)
    if any(price.to_frame().select(check.bad).item() for check in price_checks("price", currency)):
        return REFUSED
    minor: int = Prices(currency, NO_RATES, date(2026, 1, 1)).minor(price)[0]
    return minor


def one_by_one(text: str, currency: str) -> int | None:
    """As `PUT /v1/catalog/items` does it."""
    edge = Edge(bytes(32), currency, "UTC", RowBook([ItemKey("item", "A")]), Shelf(), Identities(bytes(32)))
    try:
        return change(CatalogItemCall("A", price=text), edge, 0).price
    except WrongFields:
        return REFUSED


@pytest.mark.parametrize(("text", "currency"), CASES)
def test_a_price_means_the_same_in_a_feed_and_over_http(text: str, currency: str) -> None:
    expected = CASES[text, currency]
    assert (in_columns(text, currency), one_by_one(text, currency)) == (expected, expected)
