"""Mapping files: which column, or typed expression over columns, is what. Knows TOML and names, opens no data.

Every value under `[fields]` and `[text]` is an expression: a column's name, a constant as `'purchase'`, or more.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from endcap.errors import InvalidFeed
from endcap.expressions import Expression, InvalidExpression, Type, parse
from endcap.expressions.parser import suggestion


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression and the text it was written as."""

    source: str
    tree: Expression


def _formula(given: object) -> Formula:
    if not isinstance(given, str | int | float):
        raise ValueError(  # noqa: TRY004 (pydantic collects ValueError only)
            "expected a column's name, a constant such as 'purchase' in single quotes, or an expression"
        )
    source = str(given).upper() if isinstance(given, bool) else str(given)
    try:
        return Formula(source, parse(source))
    except InvalidExpression as error:
        raise ValueError(str(error)) from error


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; expected an IANA name such as Europe/London or UTC") from None
    return name


Written = Annotated[Formula, BeforeValidator(_formula)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class EventFields(_Table):
    """What an event has. `name` is a GA4 name; at least one of the ids of people and orders is there in every row.

    Rows of one `event_id`, or one after the other with the same value of `event`, are the lines of one event.
    """

    name: Written
    time: Written
    item_id: Written
    user_id: Written | None = None
    visitor_id: Written | None = None
    session_id: Written | None = None
    transaction_id: Written | None = None
    quantity: Written | None = None
    price: Written | None = None
    region: Written | None = None
    placement: Written | None = None
    recommendation_id: Written | None = None
    event_id: Written | None = None
    event: Written | None = None
    currency: Written | None = None
    user_agent: Written | None = None
    device: Written | None = None
    referrer: Written | None = None
    search_term: Written | None = None
    engagement_time_msec: Written | None = None
    percent_scrolled: Written | None = None


class ItemFields(_Table):
    """What an item has, by Merchant names; `category` is a path, `sale_start` and `sale_end` bound the sale's price.

    A price is a number or a text such as "12.99 EUR"; `cost` is what the shop pays for one.
    """

    id: Written
    time: Written | None = None
    item_group_id: Written | None = None
    title: Written | None = None
    description: Written | None = None
    link: Written | None = None
    image_link: Written | None = None
    brand: Written | None = None
    category: Written | None = None
    price: Written | None = None
    sale_price: Written | None = None
    sale_start: Written | None = None
    sale_end: Written | None = None
    availability: Written | None = None
    stock: Written | None = None
    cost: Written | None = None


class Mapping(_Table):
    """What both kinds have. Without `timezone` and `currency` those of the shop hold.

    `types` says how columns that hold text are read, as in a CSV; `keep` which rows count at all.
    """

    path: Path = Field(exclude=True)
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    separator: str = Field(default=",", min_length=1, max_length=1)
    time_format: str | None = None
    types: dict[str, Type] = {}
    keep: Written | None = None

    def formulas(self) -> dict[str, Formula]:
        """The expressions by field, those that are given, in the order of the fields."""
        fields: _Table = getattr(self, "fields")  # noqa: B009 (each kind has its own fields)
        return {name: formula for name, formula in fields if formula is not None}


class EventsMapping(Mapping):
    """How rows become events."""

    kind: Literal["events"]
    fields: EventFields


class CatalogMapping(Mapping):
    """How rows become items; `derived` says that the rows are transactions, of which each tells title and price then.

    `text` holds further attributes by their Merchant names, such as color.
    """

    kind: Literal["catalog"]
    derived: bool = False
    category_separator: str = Field(default=">", min_length=1)
    fields: ItemFields
    text: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,63}$")], Written] = {}

    def formulas(self) -> dict[str, Formula]:
        """The expressions by field, those of `text` after the rest."""
        return {**super().formulas(), **self.text}

    @model_validator(mode="after")
    def _consistent(self) -> "CatalogMapping":
        if twice := sorted(self.text.keys() & ItemFields.model_fields.keys()):
            raise ValueError(f"[text] holds {twice[0]!r}, which belongs under [fields]")
        if self.derived and self.fields.time is None:
            raise ValueError("a derived catalog needs fields.time, the time of each transaction")
        refused = {"item_group_id", "sale_price", "sale_start", "sale_end", "availability", "stock", "cost"}
        if self.derived and (wrong := sorted(refused & self.formulas().keys())):
            raise ValueError(f"a derived catalog cannot have fields.{wrong[0]}; transactions tell titles and prices")
        return self


M = TypeVar("M", EventsMapping, CatalogMapping)


def read_mapping(path: Path, kind: type[M]) -> M:
    """The mapping in the file `path`. Raises InvalidFeed with every mistake: file, key, what was given and expected."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidFeed(
            f"the mapping {path} cannot be read: {error.strerror}; give the path of a TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidFeed(f"the mapping {path} is no TOML: {error}") from error
    try:
        return kind.model_validate({**content, "path": path})
    except ValidationError as error:
        complaints = "\n".join(_complaint(detail, kind) for detail in error.errors())
        raise InvalidFeed(f"the mapping {path} does not fit:\n{complaints}") from error


def _complaint(detail: ErrorDetails, kind: type[Mapping]) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    given: Any = detail["input"]
    match detail["type"]:
        case "missing":
            return f"  {key} is missing; give a column's name or an expression" if "." in key else f"  {key} is missing"
        case "extra_forbidden":
            *tables, name = detail["loc"]
            fields = kind.model_fields["fields"].annotation
            known = getattr(fields if tables == ["fields"] else kind, "model_fields", {}).keys() - {"path"}
            return f"  {key} is not known; {suggestion(str(name), known)}"
        case "literal_error" if key == "kind":
            expected = detail.get("ctx", {}).get("expected", "")
            return f"  kind is {given!r}, and a mapping with kind = {expected} is needed here"
        case _:
            shown = "" if isinstance(given, dict) else f" is {given!r}"
            return f"  {key}{shown}: {detail['msg'].removeprefix('Value error, ')}"
