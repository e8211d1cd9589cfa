"""Which format a file is in, by its first bytes and names. Knows the list of formats; each has a module of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from endcap.errors import InvalidFeed
from endcap.formats import Format, Kind, Sample, Table, ga4, json_ld, merchant, merchant_xml, segment
from endcap.formats.json_values import AROUND, DEEP, deep, inside
from endcap.formats.sources import Source

_OBJECTS: Final = 20

FORMATS: Final[Mapping[Kind, tuple[Format, ...]]] = {
    "catalog": (*json_ld.FORMATS, *merchant.FORMATS, *merchant_xml.FORMATS),
    "events": (*ga4.FORMATS, *segment.FORMATS),
}
"""In the order in which they are tried; a format of events is added here from its own module."""


class Opened(NamedTuple):
    """A recognised file: the name of its format, and its rows."""

    format: str
    table: Table


def opened(path: Path, kind: Kind, encoding: str | None = None) -> Opened:
    """The file `path` as the rows of what it is. Raises InvalidFeed where no format of `kind` fits."""
    sample = sampled(Source(path, encoding))
    for format_ in FORMATS[kind]:
        if format_.fits(sample):
            return Opened(format_.name, format_.open(sample))
    known = ", ".join(format_.name for format_ in FORMATS[kind])
    names = ", ".join((sample.columns or tuple(sample.objects[0] if sample.objects else ()))[:8])
    raise InvalidFeed(
        f"{path} is in no format that is known for {kind} ({known}){': it has ' + names if names else ''}; "
        "say what its columns mean with --map MAP.toml"
    )


def sampled(source: Source) -> Sample:
    """The beginning of `source`. Raises InvalidFeed where it is empty or cannot be read."""
    if source.is_parquet():
        try:
            with pq.ParquetFile(source.path) as file:
                return Sample(source, "parquet", tuple(file.schema_arrow.names))
        except (pa.ArrowException, OSError) as error:
            raise InvalidFeed(f"{source.path} cannot be read: {error}; export it again as Parquet") from error
    text = source.head()
    begin = text.lstrip()[0]
    if begin == "<":
        return Sample(source, "xml", text=text)
    if begin in "{[":
        return Sample(source, "json", objects=_objects(source, text), text=text)
    header = text.splitlines()[0]
    separator = max("\t,;|", key=header.count)
    columns = tuple(name.strip().strip('"') for name in header.split(separator))
    return Sample(source, "table", columns, text=text, separator=separator)


def _objects(source: Source, text: str) -> tuple[dict[str, Any], ...]:
    """The first objects of JSON lines, of an array, or of one document, as many as are whole in `text`."""
    found = _from(source, text, 0)
    around = AROUND.match(text)
    return found or (_from(source, text, around.end()) if around else ())


def _from(source: Source, text: str, place: int) -> tuple[dict[str, Any], ...]:
    decoder, begin = json.JSONDecoder(), place
    found: list[dict[str, Any]] = []
    while len(found) < _OBJECTS:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        try:
            value, place = decoder.raw_decode(text, place)
        except RecursionError:
            if found or (not begin and AROUND.match(text)):
                break
            raise InvalidFeed(f"{source.path} {DEEP}") from None
        except ValueError:
            break
        values = value if isinstance(value, list) else inside(value)
        every = [value] if values is None else values
        found += [each for each in every if isinstance(each, dict) and not deep(each, text)]
    return tuple(found[:_OBJECTS])
