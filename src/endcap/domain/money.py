"""Money as int64 minor units with the exponent of ISO 4217. Knows no exchange rates."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

MAX_MINOR: Final = 10**15
AMOUNT: Final = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
"""The pattern of an amount, for `re` and for polars; it has no groups of its own."""
_AMOUNT: Final = re.compile(AMOUNT)
_EXPONENTS: Final = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}

CURRENCIES: Final = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF "
    "GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD "
    "LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP "
    "PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP "
    "TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)
"""The codes of ISO 4217 that money is held in; without metals, funds for testing and what went out of use."""


def exponent(currency: str) -> int:
    """Decimal places of `currency` (ISO 4217); two unless the standard says otherwise."""
    return _EXPONENTS.get(currency, 2)


def minor_units(amount: str | float | Decimal, currency: str) -> int:
    """`amount` in minor units of `currency`, rounded half to even.

    >>> minor_units("12.99", "EUR"), minor_units(1200, "JPY"), minor_units("1.234", "KWD")
    (1299, 1200, 1234)

    Raises: ValueError where the amount is no plain number within ± 10^15 minor units.
    """
    value = _decimal(amount)
    if abs(value) * 10 ** exponent(currency) > MAX_MINOR:
        raise ValueError(f"{amount!r} is not an amount up to 10^15 minor units")
    return int(value.scaleb(exponent(currency)).to_integral_value(ROUND_HALF_EVEN))


def price_units(amount: str | float, currency: str) -> int:
    """`minor_units` of a price. Raises: ValueError where it is negative, too, by however little."""
    if _decimal(amount) < 0:
        raise ValueError(f"{amount!r} is negative; expected a price from 0")
    return minor_units(amount, currency)


def _decimal(amount: str | float | Decimal) -> Decimal:
    if isinstance(amount, Decimal):
        return amount
    text = amount.strip() if isinstance(amount, str) else str(amount)
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{amount!r} is not an amount; expected a number such as 12.99")
    return Decimal(text)


def major_units(minor: int, currency: str) -> str:
    """`minor` as decimal text with the places of `currency`.

    >>> major_units(1299, "EUR"), major_units(1200, "JPY")
    ('12.99', '1200')
    """
    return str(Decimal(minor).scaleb(-exponent(currency)))
