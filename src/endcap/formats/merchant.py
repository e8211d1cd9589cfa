"""Google Merchant names: what a feed's columns, elements and keys are called, and tables and JSON that use them.

Knows the attributes of https://support.google.com/merchants/answer/7052112 and of the Merchant API's ProductAttributes;
does not know what becomes of one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from endcap.errors import InvalidFeed
from endcap.formats import Batch, Format, Sample
from endcap.formats.files import TableFile, open_table
from endcap.formats.json_values import values
from endcap.formats.records import Record, RecordFile, Torn
from endcap.formats.sources import Source

CORE: Final = (
    "id item_group_id title description link image_link brand product_type google_product_category price sale_price "
    "sale_price_effective_date availability quantity cost_of_goods_sold"
).split()
"""Attributes that become fields of their own."""

TEXTS: Final = (
    "additional_image_link mobile_link canonical_link lifestyle_image_link video_link virtual_model_link short_title "
    "condition adult age_group gender color size size_type size_system material pattern gtin mpn identifier_exists "
    "availability_date expiration_date multipack is_bundle item_group_title product_detail product_highlight "
    "product_length product_width product_height product_weight energy_efficiency_class certification warranty "
    "unit_pricing_measure unit_pricing_base_measure installment subscription_cost loyalty_program loyalty_points "
    "custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 promotion_id shipping shipping_label "
    "shipping_weight shipping_length shipping_width shipping_height min_handling_time max_handling_time tax "
    "maximum_retail_price auto_pricing_min_price popularity_rank related_products external_seller_id pause "
    "included_destination excluded_destination"
).split()
"""Attributes that are kept as text."""

ATTRIBUTES: Final = (*CORE, *TEXTS)
REPEATED: Final = frozenset(
    "additional_image_link product_highlight product_detail promotion_id shipping included_destination "
    "excluded_destination certification related_products lifestyle_image_link".split()
)
"""Attributes of several values, which are joined by commas; of any other the first value counts."""

_ALIASES: Final = {
    "offer_id": "id",
    "sku": "id",
    "name": "title",
    "image": "image_link",
    "url": "link",
    "group_id": "item_group_id",
    "stock": "quantity",
    "inventory": "quantity",
    "sell_on_google_quantity": "quantity",
    "google_category": "google_product_category",
    "sizes": "size",
}
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=[0-9])")
_NESTED: Final = ("attributes", "productAttributes", "product_attributes")
_MICROS: Final = re.compile(r"-?[0-9]{1,18}")
_PREFIX: Final = re.compile(r"^(?:g[:_]|\w+:)\s*", re.IGNORECASE)
_KNOWN: Final = frozenset(ATTRIBUTES)


def _plain(name: str) -> str:
    plain = _PREFIX.sub("", name.strip())
    return re.sub(r"[\s\-_]+", "_", _HUMP.sub("_", plain)).lower().strip("_")


@lru_cache(4096)
def attribute(name: str) -> str | None:
    """The Merchant name of a column, element or key; None where it has none.

    >>> [attribute(name) for name in ("g:price", "Image Link", "additionalImageLinks", "customLabel0", "colour")]
    ['price', 'image_link', 'additional_image_link', 'custom_label_0', None]
    """
    plain = _plain(name)
    for candidate in (plain, plain.removesuffix("s"), re.sub(r"ies$", "y", plain)):
        known = _ALIASES.get(candidate, candidate)
        if known in _KNOWN:
            return known
    return None


@dataclass(frozen=True, slots=True)
class MerchantTable:
    """A table whose columns have Merchant names, read under the canonical ones; `given` has the file's own by those."""

    table: TableFile
    given: dict[str, str]

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.table.path

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns that are understood."""
        return {
            name: pl.String() if isinstance(dtype := self.table.schema[given], pl.List) else dtype
            for name, given in self.given.items()
        }

    @property
    def rows(self) -> int | None:
        """The number of rows, of Parquet."""
        return self.table.rows

    @property
    def torn(self) -> list[tuple[int, str]]:
        """Rows that cannot be read."""
        return self.table.torn

    @property
    def ignored(self) -> tuple[str, ...]:
        """The file's columns that mean nothing here."""
        return tuple(name for name in self.table.schema if name not in self.given.values())

    def digest(self) -> str:
        """16 hexadecimal digits that name the content."""
        return self.table.digest()

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """`columns` of all rows, in order. Raises InvalidFeed where the file is damaged."""
        for numbers, frame in self.table.batches([self.given[name] for name in columns]):
            yield Batch(numbers, frame.select(_named(frame.schema[self.given[n]], self.given[n], n) for n in columns))


def _named(dtype: pl.DataType, given: str, name: str) -> pl.Expr:
    if isinstance(dtype, pl.List):
        return pl.col(given).cast(pl.List(pl.String)).list.drop_nulls().list.join(",").alias(name)
    return pl.col(given).alias(name)


def _open(sample: Sample) -> MerchantTable:
    table = open_table(sample.source, sample.separator or ",")
    found: dict[str, list[str]] = {}
    for name, dtype in table.schema.items():
        known = attribute(name)
        if known is not None and not isinstance(dtype, pl.Struct):
            found.setdefault(known, []).append(name)
    if "id" not in found:
        raise InvalidFeed(
            f"{table.path} has no column id; expected one with each item's own id, beside {', '.join(list(found)[:6])}"
        )
    return MerchantTable(table, {known: _only(table.path, known, names) for known, names in found.items()})


def _only(path: Path, known: str, names: list[str]) -> str:
    """The one column of an attribute: the one that has its name, where others only mean the same."""
    exact = [name for name in names if _plain(name) == known] or names
    if len(exact) > 1:
        raise InvalidFeed(f"{path} has the columns {exact[0]!r} and {exact[1]!r}, and both mean {known}; leave one out")
    return exact[0]


def _record(value: Any) -> Record:
    """One object with Merchant names as texts by canonical name; its other names say nothing."""
    if not isinstance(value, dict):
        return value if isinstance(value, Torn) else Torn("is no object of names and values")
    record: dict[str, str | None] = {}
    nested = [value.get(name) for name in _NESTED]
    for given in (value, *(each for each in nested if isinstance(each, dict))):
        for name, content in given.items():
            known = attribute(name)
            text = None if known is None else as_text(content, known)
            if known is not None and text and (record.get(known) is None or _plain(name) == known):
                record[known] = text
            elif known is not None and (content is None or content == ""):
                record.setdefault(known, None)
            elif known is None and name not in _NESTED:
                record.setdefault(name, None)
    return record


def as_text(content: object, known: str) -> str | None:
    """What a key holds, as a feed's text has it: money as "12.99 EUR", several values joined by commas."""
    text = ""
    match content:
        case bool():
            text = "true" if content else "false"
        case str() | int():
            text = str(content).strip()
        case list():
            texts = [each_text for each in content if (each_text := as_text(each, known))]
            text = ",".join(texts if known in REPEATED else texts[:1])
        case {"amountMicros": micros, **rest}:
            text = f"{_of_micros(str(micros))} {rest.get('currencyCode', '')}".strip()
        case {"value": amount, **rest}:
            text = f"{amount} {rest.get('currency') or rest.get('unit') or ''}".strip()
        case _:
            pass
    return text or None


def _of_micros(micros: str) -> str:
    """Millionths as a decimal number; what is no such number stays as it is, for the checks to refuse."""
    return f"{Decimal(micros).scaleb(-6).normalize():f}" if _MICROS.fullmatch(micros) else micros


def _records(source: Source) -> Iterator[Record]:
    return map(_record, values(source))


def _names_enough(names: Sequence[str]) -> bool:
    known = {attribute(name) for name in names} - {None}
    return ("id" in known and len(known) > 1) or len(known & {"title", "price", "availability", "image_link"}) > 2


def _objects_fit(sample: Sample) -> bool:
    return any(_names_enough(list(record)) for record in map(_record, sample.objects) if not isinstance(record, Torn))


SCHEMA: Final[dict[str, pl.DataType]] = dict.fromkeys(ATTRIBUTES, pl.String())
"""What a record of a format with Merchant names may hold."""

FORMATS: Final = (
    Format("Google Merchant TSV", lambda s: s.separator == "\t" and _names_enough(s.columns), _open),
    Format("Google Merchant CSV", lambda s: s.separator != "" and _names_enough(s.columns), _open),
    Format("Parquet with Merchant names", lambda s: s.container == "parquet" and _names_enough(s.columns), _open),
    Format(
        "JSON with Merchant names",
        lambda s: s.container == "json" and _objects_fit(s),
        lambda s: RecordFile(s.source, SCHEMA, _records),
    ),
)
