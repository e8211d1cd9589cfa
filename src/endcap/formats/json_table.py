"""JSON files as tables, for mappings: a column a key, of inner objects by dots as in "price.value", all of it text."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
import polars as pl

from endcap.errors import InvalidFeed
from endcap.formats.json_values import values
from endcap.formats.records import Record, RecordFile, Torn
from endcap.formats.sources import Source

_FIRST: Final = 10_000
"""Objects whose keys become the columns."""


def json_table(source: Source) -> RecordFile:
    """The objects of `source`. Raises InvalidFeed where the first ones hold no key."""
    names = dict.fromkeys(
        name for record in islice(_records(source), _FIRST) if not isinstance(record, Torn) for name in record
    )
    if not names:
        raise InvalidFeed(f"{source.path} holds no object with names and values; expected JSON lines or an array")
    return RecordFile(source, dict.fromkeys(names, pl.String()), _records)


def _records(source: Source) -> Iterator[Record]:
    for value in values(source):
        if isinstance(value, Torn):
            yield value
        elif isinstance(value, dict):
            yield dict(_flat(value, ""))
        else:
            yield Torn("is no object of names and values")


def _flat(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, str | None]]:
    for name, content in value.items():
        if isinstance(content, dict):
            yield from _flat(content, f"{before}{name}.")
        elif isinstance(content, bool):
            yield before + name, "true" if content else "false"
        elif isinstance(content, list):
            yield before + name, msgspec.json.encode(content).decode()
        else:
            yield before + name, None if content is None or content == "" else str(content)
