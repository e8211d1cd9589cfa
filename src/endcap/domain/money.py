"""Money as int64 minor units with the exponent of ISO 4217. Knows no exchange rates."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

MAX_MINOR: Final = 10**15
_EXPONENTS: Final = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


def exponent(currency: str) -> int:
    """Decimal places of `currency` (ISO 4217); two unless the standard says otherwise."""
    return _EXPONENTS.get(currency, 2)


def minor_units(amount: str | float | Decimal, currency: str) -> int:
    """`amount` in minor units of `currency`, rounded half to even.

    >>> minor_units("12.99", "EUR"), minor_units(1200, "JPY"), minor_units("1.234", "KWD")
    (1299, 1200, 1234)

    Raises: ValueError where the amount is not a finite number within ± 10^15 minor units.
    """
    try:
        value = Decimal(str(amount).strip())
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount; expected a number such as 12.99") from None
    if not value.is_finite() or abs(value) * 10 ** exponent(currency) > MAX_MINOR:
        raise ValueError(f"{amount!r} is not a finite amount below 10^15 minor units")
    return int(value.scaleb(exponent(currency)).to_integral_value(ROUND_HALF_EVEN))


def major_units(minor: int, currency: str) -> str:
    """`minor` as decimal text with the places of `currency`.

    >>> major_units(1299, "EUR"), major_units(1200, "JPY")
    ('12.99', '1200')
    """
    return str(Decimal(minor).scaleb(-exponent(currency)))
