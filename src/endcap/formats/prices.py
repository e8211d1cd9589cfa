"""Prices as feeds write them: "12.99 EUR", "EUR 12.99" or a plain number, and what they are in minor units."""

from datetime import date
from decimal import Decimal
from typing import Final

import polars as pl

from endcap.domain.money import AMOUNT, MAX_MINOR, exponent, minor_units
from endcap.formats.rates import Rates

_PATTERN: Final = rf"^(?:([A-Za-z]{{3}})\s*)?({AMOUNT})(?:\s*([A-Za-z]{{3}}))?$"

COMMA: Final = "is ambiguous: a comma may part thousands or decimals; write 1299.00, with a point and no comma"
NO_PRICE: Final = "is no price; expected a number such as 12.99, or one with its currency such as 12.99 EUR"


def has_comma(text: pl.Expr) -> pl.Expr:
    """Whether a comma stands in a price."""
    return text.str.contains(",", literal=True)


def amount(text: pl.Expr) -> pl.Expr:
    """The number of a price as text, NULL where it is none."""
    both = text.str.extract(_PATTERN, 1).is_not_null() & text.str.extract(_PATTERN, 3).is_not_null()
    return pl.when(~both).then(text.str.extract(_PATTERN, 2))


def currency(text: pl.Expr) -> pl.Expr:
    """The currency that a price names, in capitals, NULL where it names none."""
    return pl.coalesce(text.str.extract(_PATTERN, 1), text.str.extract(_PATTERN, 3)).str.to_uppercase()


class Prices:
    """Prices in minor units of `base`, other currencies by the rates of a day; counts those that have no rate."""

    def __init__(self, base: str, rates: Rates, on: date) -> None:
        self._base, self._rates, self._on = base, rates, on
        self._simple = rf"^([0-9]{{1,12}})(?:\.([0-9]{{0,{exponent(base)}}}))?(?:\s*{base})?$"
        self.unconverted = 0

    def minor(self, texts: pl.Series) -> pl.Series:
        """int64 minor units of prices that the checks have accepted; -1 unknown. Exact: rounded as decimals."""
        places = exponent(self._base)
        whole, part = texts.str.extract(self._simple, 1), texts.str.extract(self._simple, 2)
        cents = part.fill_null("").str.pad_end(places, "0").str.slice(0, places)
        digits = pl.select(pl.concat_str(whole, cents)).to_series() if places else whole
        minor = digits.cast(pl.Int64, strict=False)
        minor = minor.zip_with(minor <= MAX_MINOR, pl.Series([None], dtype=pl.Int64))
        rest = texts.filter(minor.is_null() & texts.is_not_null())
        if len(rest):
            worth = {text: self._worth(text) for text in rest.unique().to_list()}
            self.unconverted += int(rest.replace_strict(worth, return_dtype=pl.Int64).eq(-1).sum())
            other = texts.replace_strict(worth, default=None, return_dtype=pl.Int64)
            minor = minor.fill_null(other) if other.null_count() < len(other) else minor
        return minor.fill_null(-1).rename(texts.name)

    def foreign(self, texts: pl.Series) -> pl.Series | None:
        """The prices that name another currency, as they are given, "" for the others; None where no price does."""
        found = texts.to_frame("text").select(
            pl.when(currency(pl.col("text")) != self._base).then(pl.col("text")).otherwise(pl.lit(""))
        )
        column = found.to_series()
        return column if (column != "").any() else None

    def _worth(self, text: str) -> int:
        row = pl.DataFrame({"text": [text]}).select(amount(pl.col("text")), currency=currency(pl.col("text"))).row(0)
        given = row[1] or self._base
        rate = Decimal(1) if given == self._base else self._rates.rate(given, self._on)
        try:
            return -1 if rate is None else minor_units(Decimal(row[0]) * rate, self._base)
        except ValueError:
            return -1
