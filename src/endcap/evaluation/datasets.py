"""A directory with any data set as what training reads: events and catalog from Parquet, labelled by a protocol.

Knows the columns and how each protocol parts the lines. Does not know models or figures. Rows, people and sessions are
numbered so that nothing which is only asked decides any number of what is learned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from endcap.backends.db import Recorded
from endcap.backends.encoder import Encoder
from endcap.backends.tables import INTERACTIONS
from endcap.domain.arrays import Ints
from endcap.domain.catalog import SINCE_EVER, Change
from endcap.domain.events import KINDS
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, SECOND, parse_day
from endcap.errors import InvalidFeed, InvalidRequest
from endcap.training import Corpus, Protocol
from endcap.training.folds import TEST, TRAIN, VALIDATION

EVENTS: Final = "events.parquet"
CATALOG: Final = "catalog.parquet"
DATA_PROTOCOLS: Final[tuple[Protocol, ...]] = ("time-split", "next-item", "leave-one-out", "next-basket", "rerank")

NOMINAL_DAYS: Final = 150
"""Sessions without a time are spread evenly over so many days, in the order of the file."""
_END: Final = parse_day("2025-01-01")
_LATEST_SHARE: Final = 0.1
_LABELS: Final = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
_MINOR_UNITS: Final = 100


@dataclass(frozen=True, slots=True)
class Dataset:
    """What training reads, and what a protocol makes of each line.

    `label` uint8 [n] (TRAIN, VALIDATION, TEST), `place` int64 [n] the number of the line in its session (or history,
    without sessions) from 0, both by `offset` of the corpus' lines. `people` and `sessions` are the file's ids, by
    number (a session's is its number less 1). Without `timed` only order is known.
    """

    corpus: Corpus
    protocol: Protocol
    label: NDArray[np.uint8]
    place: Ints
    people: tuple[str, ...]
    sessions: tuple[str, ...]
    timed: bool
    split: int

    def person(self, key: bytes) -> str:
        """The file's id of the person with the shopper key `key`."""
        return self.people[int.from_bytes(key, "big") - 1]

    def named(self, case_id: str) -> str:
        """The id of a case of a time protocol, with the file's id of the person in place of the key."""
        key, *rest = case_id.split(":")
        return ":".join([self.person(bytes.fromhex(key)), *rest])


def read_dataset(
    directory: Path, protocol: Protocol, split: str, fit_encoder: Callable[[Sequence[str]], Encoder]
) -> Dataset:
    """The data set in `directory`, its lines labelled for `protocol`; `split` an ISO date, empty: none given.

    Raises: InvalidFeed where a file is missing or not as expected, InvalidRequest where the protocol needs a split.
    """
    frame = _events(directory / EVENTS, protocol)
    catalog = _catalog(directory / CATALOG)
    timed = "time" in frame.columns
    frame = _ordered(frame, protocol)
    frame, at = _labelled(frame, protocol, split)
    items = _items(frame, catalog)
    place = {item: row for row, item in enumerate(items)}
    changes = [] if catalog is None else _changes(catalog, place)
    if protocol in ("next-basket", "time-split"):
        changes += _sold(frame, place)
    people = frame["person"].unique(maintain_order=True)
    sessions = frame["session_id"].drop_nulls().unique(maintain_order=True)
    corpus = Corpus(
        interactions=_interactions(frame, place, people, sessions),
        changes=tuple(Recorded(0, change) for change in changes),
        keys=tuple(ItemKey("item", item) for item in items),
        offset=len(frame),
        fit_encoder=fit_encoder,
        as_filed=True,
    )
    return Dataset(
        corpus, protocol, frame["label"].to_numpy(), frame["place"].to_numpy(), tuple(_unprefixed(people)),
        tuple(sessions.to_list()), timed, at,
    )  # fmt: skip


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidFeed(f"{path}: cannot be read as Parquet ({error}); see docs/evaluation.md") from None


def _events(path: Path, protocol: Protocol) -> pl.DataFrame:
    """The file with all columns that are read, typed; `person` is the shopper, else the session."""
    if not path.is_file():
        raise InvalidFeed(f"{path} is missing; expected events with item_id and shopper_id or session_id")
    frame = _read(path)
    if "item_id" not in frame.columns or not {"shopper_id", "session_id"} & set(frame.columns):
        raise InvalidFeed(f"{path}: columns {', '.join(frame.columns)}; expected item_id and shopper_id or session_id")
    known = {"shopper_id": pl.String, "session_id": pl.String, "basket_id": pl.String, "event": pl.String,
             "quantity": pl.Int32, "price": pl.Float64, "order": pl.Int64, "split": pl.String}  # fmt: skip
    kind = "purchase" if protocol == "next-basket" else "view_item"
    try:
        frame = frame.with_columns(pl.col("item_id").cast(pl.String)).with_columns(
            pl.col(name).cast(dtype) for name, dtype in known.items() if name in frame.columns
        )
        if "time" in frame.columns:
            frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ms")).dt.timestamp("ms"))
    except pl.exceptions.PolarsError as error:
        raise InvalidFeed(f"{path}: {error}") from None
    frame = frame.with_columns(
        pl.lit(None, dtype).alias(name)
        for name, dtype in known.items()
        if name not in frame.columns and name not in ("order", "split")
    ).with_row_index("line")
    frame = frame.with_columns(
        pl.col("event").fill_null(kind),
        person=pl.coalesce("s:" + pl.col("shopper_id"), "g:" + pl.col("session_id")),
        guest=pl.col("shopper_id").is_null() & pl.lit(protocol in ("next-basket", "time-split")),
    )
    _check(frame, path)
    return frame


def _check(frame: pl.DataFrame, path: Path) -> None:
    names = {"person": "shopper_id or session_id"}
    for name in ("item_id", "person", *(each for each in ("time", "order") if each in frame.columns)):
        missing = frame.filter(pl.col(name).is_null())["line"]
        if len(missing):
            raise InvalidFeed(f"{path}: row {missing[0]} (of {len(missing):,}) has no {names.get(name, name)}")
    for name, known in (("event", KINDS), ("split", _LABELS)):
        if name in frame.columns:
            odd = frame.filter(~pl.col(name).is_in(list(known)))
            if len(odd):
                raise InvalidFeed(
                    f"{path}: row {odd['line'][0]}: {name} {odd[name][0]!r}; expected one of {', '.join(known)}"
                )
    if not len(frame):
        raise InvalidFeed(f"{path}: no row; expected events")


def _catalog(path: Path) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    frame = _read(path)
    if "id" not in frame.columns:
        raise InvalidFeed(f"{path}: columns {', '.join(frame.columns)}; expected id (the item_id) and attributes")
    return frame.with_columns(pl.col("id").cast(pl.String)).unique("id", keep="first", maintain_order=True)


def _ordered(frame: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Lines by unit (session, else person; units as the file has them) and order; `time` int64 ms, nominal if none.

    Where the order of single lines counts, no two lines of a person share an instant.
    """
    unit = pl.coalesce("session_id", "person") if frame["session_id"].null_count() == 0 else pl.col("person")
    frame = frame.with_columns(unit=unit).with_columns(first=pl.col("line").min().over("unit"))
    by = "order" if "order" in frame.columns else "time" if "time" in frame.columns else "line"
    frame = frame.sort("first", by, "line").with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64).over("unit"))
    if "time" not in frame.columns:
        frame = frame.with_columns(time=_nominal(frame))
    if protocol in ("next-item", "leave-one-out", "rerank"):
        if "order" not in frame.columns:
            frame = frame.sort("time", maintain_order=True)
        frame = frame.with_columns(turn=pl.int_range(pl.len(), dtype=pl.Int64).over("person"))
        frame = frame.with_columns(time=(pl.col("time") - pl.col("turn")).cum_max().over("person") + pl.col("turn"))
        frame = frame.sort("first", "place")
    return frame


def _nominal(frame: pl.DataFrame) -> pl.Series:
    """Times in seconds' steps: of sessions spread over NOMINAL_DAYS in the file's order, of people up to one end."""
    if frame["session_id"].null_count() == 0:
        begin = pl.col("first").rank("dense") - 1
        spread = NOMINAL_DAYS * DAY / pl.col("first").n_unique()
        times = _END - NOMINAL_DAYS * DAY + (begin * spread).cast(pl.Int64) + pl.col("place") * SECOND
    else:
        times = _END - (pl.len().over("unit").cast(pl.Int64) - pl.col("place")) * SECOND
    return frame.select(times.cast(pl.Int64)).to_series()


def _labelled(frame: pl.DataFrame, protocol: Protocol, split: str) -> tuple[pl.DataFrame, int]:
    """The lines with their `label`, and the instant of the split (0 where the protocol has none)."""
    at = _instant(split) if split else 0
    if protocol in ("next-basket", "time-split"):
        if not split:
            raise InvalidRequest(f"--protocol {protocol} needs --split DATE with --data")
        return frame.with_columns(label=pl.when(pl.col("time") >= at).then(TEST).otherwise(TRAIN).cast(pl.UInt8)), at
    if protocol in ("leave-one-out", "rerank"):
        left = pl.len().over("person") - 1 - pl.int_range(pl.len()).over("person")
        label = pl.when(left == 0).then(TEST).when(left == 1).then(VALIDATION).otherwise(TRAIN)
    elif "split" in frame.columns:
        label = pl.col("split").replace_strict(_LABELS, return_dtype=pl.UInt8)
    else:
        begin = pl.col("time").min().over("unit")
        at = at or int(frame.select(begin.quantile(1 - _LATEST_SHARE)).item())
        label = pl.when(begin >= at).then(TEST).otherwise(TRAIN)
    return frame.with_columns(label=label.cast(pl.UInt8)), 0


def _instant(split: str) -> int:
    try:
        return parse_day(split)
    except ValueError:
        raise InvalidRequest(f"--split {split} is no date; expected one such as 2011-10-01") from None


def _items(frame: pl.DataFrame, catalog: pl.DataFrame | None) -> list[str]:
    """Item ids by row: those of training first, in the file's order, then the catalog's, then what is only asked."""
    trained = frame.filter(pl.col("label") == TRAIN).sort("line")["item_id"]
    asked = frame.filter(pl.col("label") != TRAIN)["item_id"].unique().sort()
    parts = [trained, *([] if catalog is None else [catalog["id"]]), asked]
    return pl.concat(parts).unique(maintain_order=True).to_list()


def _changes(catalog: pl.DataFrame, place: dict[str, int]) -> list[Change]:
    """What the catalog says of each item, as told before everything else; nothing of it is on sale by that."""
    changes = []
    for item in catalog.iter_rows(named=True):
        text = {name: _text(value) for name, value in item.items() if name not in _NO_TEXT and value is not None}
        category = item.get("product_type") or item.get("google_product_category")
        changes.append(
            Change(
                row=place[item["id"]],
                at=SINCE_EVER,
                price=_minor(item.get("price")),
                brand=_text(item["brand"]) if item.get("brand") else None,
                category=tuple(part.strip() for part in _text(category).split(">")) if category else None,
                text=text,
            )
        )
    return changes


def _sold(frame: pl.DataFrame, place: dict[str, int]) -> list[Change]:
    """Items with a training event are listed from the first on; a price holds from the day on that it changed."""
    trained = frame.filter(pl.col("label") == TRAIN).sort("time", maintain_order=True)
    firsts = trained.group_by("item_id", maintain_order=True).agg(pl.col("time").first())
    changes = [Change(place[item], at, listed=True) for item, at in firsts.iter_rows()]
    minor = (pl.col("price") * _MINOR_UNITS).round().cast(pl.Int64)
    prices = trained.filter(pl.col("price") > 0).with_columns(minor=minor, day=pl.col("time") // DAY)
    prices = prices.unique(["item_id", "day"], keep="last", maintain_order=True)
    moved = prices.filter((pl.col("minor") != pl.col("minor").shift(1).over("item_id")).fill_null(value=True))
    told = moved.select("item_id", "time", "minor").iter_rows()
    return changes + [Change(place[item], at, price=price) for item, at, price in told]


_NO_TEXT: Final = frozenset(("id", "price", "brand", "product_type", "google_product_category", "sale_price"))


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _minor(price: Any) -> int | None:
    if price is None:
        return None
    try:
        return round(float(str(price).split()[0]) * _MINOR_UNITS)
    except (ValueError, IndexError):
        raise InvalidFeed(f"{CATALOG}: price {price!r}; expected a number, or one and a currency") from None


def _interactions(frame: pl.DataFrame, place: dict[str, int], people: pl.Series, sessions: pl.Series) -> pa.Table:
    n = len(frame)
    row = frame["item_id"].replace_strict(list(place), list(place.values()), return_dtype=pl.Int32)
    person = _numbers(frame["person"], people)
    shopper = np.zeros((n, 2), ">u8")
    shopper[:, 1] = person + 1
    session = np.zeros(n, np.int64)
    given = frame["session_id"].is_not_null().to_numpy()
    session[given] = _numbers(frame["session_id"].drop_nulls(), sessions) + 1
    basket = frame["basket_id"].rank("dense").fill_null(0).cast(pl.Int64)
    price = (frame["price"] * _MINOR_UNITS).round().fill_null(-1).cast(pl.Int64)
    kind = frame["event"].replace_strict({name: int(kind) for name, kind in KINDS.items()}, return_dtype=pl.UInt8)
    columns: dict[str, Any] = {
        "offset": np.arange(n),
        "line": np.zeros(n, np.int32),
        "time": frame["time"].to_numpy(),
        "shopper": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), n, [None, pa.py_buffer(shopper.tobytes())]),
        "guest": frame["guest"].to_arrow(),
        "bot": np.zeros(n, np.bool_),
        "session": session,
        "basket": basket.to_numpy(),
        "kind": kind.to_numpy(),
        "row": row.to_numpy(),
        "quantity": frame["quantity"].fill_null(1).to_numpy(),
        "price": price.to_numpy(),
        "region": pa.array(np.full(n, "")).dictionary_encode(),
        "placement": pa.array(np.full(n, "")).dictionary_encode(),
        "recommendation_id": pa.nulls(n, pa.string()),
    }
    return pa.table([pa.array(columns[name]) for name in INTERACTIONS.names], schema=INTERACTIONS)


def _numbers(values: pl.Series, distinct: pl.Series) -> Ints:
    numbers: Ints = values.replace_strict(distinct, np.arange(len(distinct)), return_dtype=pl.Int64).to_numpy()
    return numbers


def _unprefixed(people: pl.Series) -> list[str]:
    names: list[str] = people.str.slice(2).to_list()
    return names
