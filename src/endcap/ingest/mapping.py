"""Mapping files: which column, or typed expression over columns, is what. Knows TOML and names, opens no data.

Every value under `[fields]` and `[text]` is an expression: a column's name, a constant as `'purchase'`, or more.
"""

import tomllib
from collections.abc import Mapping as MappingType
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from endcap.domain.catalog import TEXT_ATTRIBUTES
from endcap.errors import InvalidFeed
from endcap.expressions import Expression, InvalidExpression, Type, parse


class Formula:
    """An expression with the text it was written as."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree: Expression = parse(source)


def _formula(given: object) -> Formula:
    match given:
        case Formula():
            return given
        case bool():
            return Formula(str(given).upper())
        case str() | int() | float():
            try:
                return Formula(str(given))
            except InvalidExpression as error:
                raise ValueError(str(error)) from error
        case _:
            raise ValueError(
                "expected a column's name, a constant such as 'purchase' in single quotes, or an expression"
            )


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; expected an IANA name such as Europe/London or UTC") from None
    return name


Written = Annotated[Any, BeforeValidator(_formula)]
Zone = Annotated[str, AfterValidator(_zone)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EventFields(_Table):
    """What an event has. One of the four ids of people and orders must be there in every row."""

    name: Written
    time: Written
    item_id: Written
    user_id: Written = None
    visitor_id: Written = None
    session_id: Written = None
    transaction_id: Written = None
    quantity: Written = None
    price: Written = None
    region: Written = None
    placement: Written = None
    recommendation_id: Written = None
    event_id: Written = None


class ItemFields(_Table):
    """What an item of the catalog has, by its Merchant names."""

    id: Written
    time: Written = None
    item_group_id: Written = None
    title: Written = None
    description: Written = None
    brand: Written = None
    product_type: Written = None
    price: Written = None
    sale_price: Written = None
    sale_start: Written = None
    sale_end: Written = None
    availability: Written = None
    stock: Written = None
    link: Written = None
    image_link: Written = None
