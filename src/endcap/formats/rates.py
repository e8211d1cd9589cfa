"""A file of exchange rates: what one unit of a currency is worth in the shop's own. TOML or CSV; knows no prices."""

import csv
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from endcap.domain.money import CURRENCIES
from endcap.errors import InvalidFeed


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates by currency, each list by day; `date.min` where the file gives none."""

    days: dict[str, list[tuple[date, Decimal]]]

    def rate(self, currency: str, on: date) -> Decimal | None:
        """What one unit of `currency` was worth on a day: the last rate not later, None where there is none."""
        return next((rate for day, rate in reversed(self.days.get(currency, [])) if day <= on), None)


NO_RATES = Rates({})


def read_rates(path: Path, base: str) -> Rates:
    """The rates in `path` to `base`: a CSV of currency, rate and, if wanted, date; or TOML with `base` and `[rates]`.

    Raises: InvalidFeed with the line or key that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFeed(f"the rates {path} cannot be read: {error}; give a CSV or TOML file in UTF-8") from error
    days: dict[str, list[tuple[date, Decimal]]] = {}
    for place, currency, rate, day in _toml(path, text, base) if path.suffix.lower() == ".toml" else _csv(path, text):
        days.setdefault(_currency(path, place, currency), []).append((_day(path, place, day), _rate(path, place, rate)))
    return Rates({currency: sorted(each) for currency, each in days.items()})


def _toml(path: Path, text: str, base: str) -> Iterable[tuple[str, str, str, str]]:
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidFeed(f"the rates {path} are no TOML: {error}") from error
    given = content.get("base", base)
    if given != base:
        raise InvalidFeed(f"the rates {path} are to {given}, and the shop's currency is {base}; give rates to {base}")
    rates = content.get("rates")
    if not isinstance(rates, dict) or not rates:
        raise InvalidFeed(f"the rates {path} name no rate; expected a table [rates] with lines such as USD = 0.92")
    return [(f"rates.{name}", name, str(rate), "") for name, rate in rates.items()]


def _csv(path: Path, text: str) -> Iterable[tuple[str, str, str, str]]:
    rows = csv.DictReader(text.splitlines())
    if not {"currency", "rate"} <= set(rows.fieldnames or ()):
        raise InvalidFeed(f"the rates {path} lack a column; expected the header currency,rate or currency,rate,date")
    return [
        (f"row {number}", row["currency"] or "", row["rate"] or "", row.get("date") or "")
        for number, row in enumerate(rows, 1)
    ]


def _currency(path: Path, place: str, given: str) -> str:
    if given not in CURRENCIES:
        raise InvalidFeed(f"the rates {path}, {place}: {given!r} is no currency of ISO 4217, such as USD")
    return given


def _rate(path: Path, place: str, given: str) -> Decimal:
    try:
        rate = Decimal(given)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or rate <= 0:
        raise InvalidFeed(f"the rates {path}, {place}: {given!r} is no rate; expected a number above 0 such as 0.92")
    return rate


def _day(path: Path, place: str, given: str) -> date:
    try:
        return date.fromisoformat(given) if given else date.min
    except ValueError:
        raise InvalidFeed(f"the rates {path}, {place}: {given!r} is no date; expected one such as 2026-11-21") from None
