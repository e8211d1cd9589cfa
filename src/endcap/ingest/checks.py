"""What both importers ask of a value, and the money they read. Knows limits; no file, no log."""

from pathlib import Path
from typing import Final

import polars as pl

from endcap.domain.events import UNKNOWN_PRICE
from endcap.domain.instants import DAY, MINUTE
from endcap.domain.links import EXPECTED, LINK
from endcap.domain.money import CURRENCIES, MAX_MINOR, exponent, minor_units
from endcap.errors import InvalidFeed
from endcap.formats import prices
from endcap.ingest import Ports
from endcap.ingest.binding import Check
from endcap.ingest.quarantine import Quarantine

CLOCK_SKEW: Final = 5 * MINUTE
LAST_DAY: Final = 65_535
"""Days since 1970 are stored in 16 bits."""

MAX_ID: Final = 256


def check_currency(shop: Ports, currency: str | None, path: Path) -> None:
    """Raises InvalidFeed where a mapping names another currency than the shop's."""
    if currency not in {None, shop.currency}:
        raise InvalidFeed(
            f"{path}: currency is {currency}, and the shop's is {shop.currency}; convert the prices first"
        )


def nothing_fits(file: Path, quarantine: Quarantine, kept: Path | None) -> InvalidFeed:
    """The error for a file of which no row fits."""
    return InvalidFeed(
        f"no row of {file} fits; {quarantine.count:,} are in {kept}, the first because {quarantine.first}"
    )


def price_check(field: str, currency: str) -> Check:
    """That an amount is not negative, nor beyond what is stored."""
    most = MAX_MINOR / 10 ** exponent(currency)
    price = pl.col(field)
    return Check(field, (price < 0) | (price > most), f"is not between 0 and {most:,.0f}")


def price_checks(field: str, currency: str) -> list[Check]:
    """That a text is a price: a number, perhaps with a currency, not negative, nor beyond what is stored."""
    text, most = pl.col(field), MAX_MINOR / 10 ** exponent(currency)
    amount = prices.amount(text).cast(pl.Float64, strict=False)
    named = prices.currency(text)
    return [
        Check(field, prices.has_comma(text), prices.COMMA),
        Check(field, text.is_not_null() & amount.is_null(), prices.NO_PRICE),
        Check(field, ~named.is_in(list(CURRENCIES)), "names no currency of ISO 4217, such as EUR"),
        Check(field, (amount < 0) | (amount > most), f"is not between 0 and {most:,.0f}"),
    ]


def nul_check(field: str) -> Check:
    """That a text holds no zero character, which no page can show."""
    return Check(field, pl.col(field).str.contains("\0", literal=True), "holds a NUL character")


def scheme_check(field: str) -> Check:
    """That a link leads to a page: one such as `javascript:` would run."""
    return Check(field, ~pl.col(field).str.strip_chars().str.contains(LINK), f"is not {EXPECTED}")


def time_check(field: str, now: int) -> Check:
    """That a time lies between 1970 and now, a little skew of clocks allowed."""
    at = pl.col(field).dt.epoch("ms")
    return Check(
        field, (at < 0) | (at >= LAST_DAY * DAY) | (at > now + CLOCK_SKEW), "lies before 1970 or in the future"
    )


def length_check(field: str, most: int) -> Check:
    """That a text has at most `most` characters."""
    return Check(field, pl.col(field).str.len_chars() > most, f"is longer than {most} characters")


def minor_column(amounts: pl.Series, currency: str) -> pl.Series:
    """int64 minor units of amounts that `price_check` has accepted; -1 for NULL. Exact: rounded as decimals."""
    distinct = amounts.drop_nulls().unique().to_list()
    minor = [minor_units(price, currency) for price in distinct]
    return amounts.replace_strict(distinct, minor, default=UNKNOWN_PRICE, return_dtype=pl.Int64)
