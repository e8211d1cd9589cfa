"""The files of a data set as typed frames: which columns are read, of which types, and what is refused.

Whatever is refused is told by file, row (counted from 1) and remedy. Does not know order, labels or numbers.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from endcap.domain.events import KINDS
from endcap.domain.instants import parse_day
from endcap.errors import InvalidFeed

EVENTS: Final = "events.parquet"
CATALOG: Final = "catalog.parquet"
SPLITS: Final = ("train", "validation", "test")
PAGE: Final = "see docs/evaluation.md"

_EARLIEST, _LATEST = "1970-01-02", "2149-06-06"
"""Days are kept as uint16 since 1970."""


class _Kind(NamedTuple):
    """What a column may be, in words and by its type, and what it is read as."""

    words: str
    fits: Callable[[pl.DataType], bool]
    dtype: pl.DataType


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _is_id(dtype: pl.DataType) -> bool:
    return _is_text(dtype) or dtype.is_integer()


def _holds_ids(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List) and _is_id(pl.DataFrame(schema={"": dtype.inner}).schema[""])


_ID: Final = _Kind("texts or integers", _is_id, pl.String())
_WORD: Final = _Kind("texts", _is_text, pl.String())
_INSTANT: Final = _Kind("timestamps", lambda dtype: isinstance(dtype, pl.Datetime | pl.Date), pl.Int64())
_ORDER: Final = _Kind("integers", lambda dtype: dtype.is_integer(), pl.Int64())
_COUNT: Final = _Kind("integers", lambda dtype: dtype.is_integer(), pl.Int32())
_NUMBER: Final = _Kind("numbers", lambda dtype: dtype.is_numeric(), pl.Float64())
_LIST: Final = _Kind("lists of texts or integers", _holds_ids, pl.List(pl.String()))

_COLUMNS: Final[Mapping[str, _Kind]] = {
    "shopper_id": _ID, "session_id": _ID, "item_id": _ID, "basket_id": _ID, "event": _WORD, "split": _WORD,
    "time": _INSTANT, "order": _ORDER, "quantity": _COUNT, "price": _NUMBER,
}  # fmt: skip
_ALWAYS: Final = ("shopper_id", "session_id", "basket_id", "event", "quantity", "price")
"""Columns that are there, with nulls alone, where the file lacks them."""


def read_events(directory: Path, usual: str) -> pl.DataFrame:
    """The lines in the file's order, `line` being its row from 0; `event` is `usual` where none is given.

    `time` int64 stands in ms UTC, `instant` int64 the same in the file's own unit, for ties; both only where there is
    a time. A naive time is read as UTC.

    Raises: InvalidFeed.
    """
    path = directory / EVENTS
    if not path.is_file():
        raise InvalidFeed(f"{path} is missing; expected events with item_id and shopper_id or session_id; {PAGE}")
    held = _schema(path)
    if "item_id" not in held or not {"shopper_id", "session_id"} & set(held):
        raise InvalidFeed(
            f"{path}: columns {', '.join(held)}; expected item_id and shopper_id or session_id, both or one; {PAGE}"
        )
    frame = _typed(path, {name: kind for name, kind in _COLUMNS.items() if name in held}).with_row_index("line")
    if not len(frame):
        raise InvalidFeed(f"{path}: no row; expected events")
    frame = frame.with_columns(pl.lit(None, _COLUMNS[name].dtype).alias(name) for name in _ALWAYS if name not in held)
    frame = frame.with_columns(pl.col("event").fill_null(usual))
    _check(frame, path)
    return frame


def read_catalog(directory: Path) -> pl.DataFrame | None:
    """Items by `id`, texts and numbers as the file has them; None without a file. Of rows with one id the last counts.

    Raises: InvalidFeed.
    """
    path = directory / CATALOG
    if not path.is_file():
        return None
    held = _schema(path)
    if "id" not in held:
        raise InvalidFeed(f"{path}: columns {', '.join(held)}; expected id (the item_id) and attributes; {PAGE}")
    _expect(path, "id", held["id"], _ID)
    frame = _read(path, list(held)).with_columns(pl.col("id").cast(pl.String))
    refuse(frame.with_row_index("line"), pl.col("id").is_null(), path, "has no id")
    return frame.unique("id", keep="last", maintain_order=True)


def read_candidates(path: Path) -> pl.DataFrame:
    """`case_id` and the texts `item_ids` of every case. Raises: InvalidFeed."""
    if not path.is_file():
        raise InvalidFeed(f"{path} is missing; expected Parquet with case_id and item_ids (a list); {PAGE}")
    held = _schema(path)
    if not {"case_id", "item_ids"} <= set(held):
        raise InvalidFeed(f"{path}: columns {', '.join(held)}; expected case_id and item_ids (a list); {PAGE}")
    frame = _typed(path, {"case_id": _ID, "item_ids": _LIST}).with_row_index("line")
    items = pl.col("item_ids")
    refuse(frame, pl.col("case_id").is_null(), path, "has no case_id")
    refuse(frame, pl.col("case_id").is_duplicated(), path, "has the case_id of another row; expected one row a case")
    refuse(frame, items.is_null() | (items.list.len() == 0), path, "has no item_ids; expected some, or no such row")
    refuse(frame, items.list.contains(None), path, "has a null among its item_ids")
    repeats = items.list.n_unique() < items.list.len()
    refuse(frame, repeats, path, "has an item twice among its item_ids; expected each once")
    return frame


def refuse(frame: pl.DataFrame, odd: pl.Expr, path: Path, complaint: str, shown: pl.Expr | None = None) -> None:
    """Refuse `frame` (with a column `line`) if a row is `odd`. Raises: InvalidFeed, with what is `shown` of the row."""
    found = frame.filter(odd)
    if not len(found):
        return
    value = "" if shown is None else f" ({found.select(shown.cast(pl.String)).item(0, 0)})"
    others = f", and {len(found) - 1:,} other rows do" if len(found) > 1 else ""
    raise InvalidFeed(f"{path}: row {found['line'][0] + 1:,}{value} {complaint}{others}")


def _schema(path: Path) -> dict[str, pl.DataType]:
    try:
        return dict(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidFeed(f"{path}: cannot be read as Parquet ({_first_line(error)}); {PAGE}") from None


def _read(path: Path, columns: list[str]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidFeed(f"{path}: cannot be read as Parquet ({_first_line(error)}); {PAGE}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _expect(path: Path, name: str, dtype: pl.DataType, kind: _Kind) -> None:
    if not (kind.fits(dtype) or isinstance(dtype, pl.Null)):
        raise InvalidFeed(f"{path}: column {name} holds {dtype}; expected {kind.words}; {PAGE}")


def _typed(path: Path, kinds: Mapping[str, _Kind]) -> pl.DataFrame:
    frame = _read(path, list(kinds))
    for name, kind in kinds.items():
        _expect(path, name, frame.schema[name], kind)
    instants = [name for name, kind in kinds.items() if kind is _INSTANT]
    try:
        if instants:
            frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ms")).dt.timestamp("ms"), _own_unit())
        return frame.with_columns(pl.col(name).cast(kinds[name].dtype) for name in kinds if name not in instants)
    except pl.exceptions.PolarsError as error:
        raise InvalidFeed(f"{path}: {_first_line(error)}; {PAGE}") from None


def _own_unit() -> pl.Expr:
    return pl.col("time").to_physical().cast(pl.Int64).alias("instant")


def _check(frame: pl.DataFrame, path: Path) -> None:
    nobody = pl.col("shopper_id").is_null() & pl.col("session_id").is_null()
    refuse(frame, nobody, path, "has neither shopper_id nor session_id")
    for name in ("item_id", *(each for each in ("time", "order") if each in frame.columns)):
        refuse(frame, pl.col(name).is_null(), path, f"has no {name}")
    for name, known in (("event", tuple(KINDS)), ("split", SPLITS)):
        if name in frame.columns:
            odd = ~pl.col(name).is_in(known) | pl.col(name).is_null()
            refuse(frame, odd, path, f"has another {name}; expected one of {', '.join(known)}", pl.col(name))
    if "time" in frame.columns:
        inside = pl.col("time").is_between(parse_day(_EARLIEST), parse_day(_LATEST), closed="left")
        shown = pl.from_epoch("time", time_unit="ms")
        refuse(frame, ~inside, path, f"has a time outside of {_EARLIEST} to {_LATEST}", shown)
