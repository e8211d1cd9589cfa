"""Files of exchange rates: what is wrong with one is said by its line or key."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from endcap.errors import InvalidFeed
from endcap.formats.rates import read_rates

NO_RATE = "is no rate; expected a number above 0 such as 0.92"


def test_rates_are_read_from_toml_exactly_as_they_are_written(written: Callable[[str, str], Path]) -> None:
    rates = read_rates(written("rates.TOML", 'base = "EUR"\n[rates]\nUSD = 0.92\nGBP = "1.150"\nSEK = 1\n'), "EUR")
    found = [rates.rate(currency, date(2020, 1, 1)) for currency in ("USD", "GBP", "SEK", "CHF")]
    assert found == [Decimal("0.92"), Decimal("1.150"), Decimal(1), None]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[rates", " are no TOML: Expected ']' at the end of a table declaration (at end of document)"),
        ('base = "USD"\n[rates]\nGBP = 1.2', " are to USD, and the shop's currency is EUR; give rates to EUR"),
        ("", " name no rate; expected a table [rates] with lines such as USD = 0.92"),
        ("rates = 5", " name no rate; expected a table [rates] with lines such as USD = 0.92"),
        ("USD = 0.92", " name no rate; expected a table [rates] with lines such as USD = 0.92"),
        ("[rates]\nUSX = 0.92", ", rates.USX: 'USX' is no currency of ISO 4217, such as USD"),
        ("[rates]\nusd = 0.92", ", rates.usd: 'usd' is no currency of ISO 4217, such as USD"),
        ("[rates]\nUSD = -1", f", rates.USD: '-1' {NO_RATE}"),
        ("[rates]\nUSD = 0", f", rates.USD: '0' {NO_RATE}"),
        ("[rates]\nUSD = nan", f", rates.USD: 'nan' {NO_RATE}"),
        ("[rates]\nUSD = inf", f", rates.USD: 'inf' {NO_RATE}"),
        ("[rates]\nUSD = true", f", rates.USD: 'True' {NO_RATE}"),
        ('[rates]\nUSD = "0,92"', f", rates.USD: '0,92' {NO_RATE}"),
        ("[rates.USD]\nday = 1", f", rates.USD: \"{{'day': 1}}\" {NO_RATE}"),
    ],
)
def test_a_wrong_toml_of_rates_is_refused_by_its_key(written: Callable[[str, str], Path], text: str, says: str) -> None:
    path = written("rates.toml", text)
    with pytest.raises(InvalidFeed) as refused:
        read_rates(path, "EUR")
    assert str(refused.value) == f"the rates {path}{says}"


def test_rates_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidFeed, match=r"the rates .*none\.toml cannot be read: .*; give a CSV or TOML file in UTF-8"
    ):
        read_rates(tmp_path / "none.toml", "EUR")
