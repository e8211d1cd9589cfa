"""A directory with any data set as what training reads: events and catalog from Parquet, labelled by a protocol.

Knows how each protocol orders and parts the lines. Does not know models or figures. Rows, people and sessions are
numbered so that nothing which is only asked decides any number of what is learned, not even how many there are.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
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
from endcap.domain.arrays import Bools, Ints
from endcap.domain.catalog import SINCE_EVER, Change
from endcap.domain.events import KINDS
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, SECOND, iso, parse_day
from endcap.errors import InvalidFeed, InvalidRequest
from endcap.evaluation.files import CATALOG, EVENTS, PAGE, SPLITS, read_catalog, read_events, refuse
from endcap.training import Corpus, Protocol
from endcap.training.folds import TEST, TRAIN, VALIDATION
from endcap.training.history import WEIGHTS

BY_TIME: Final = ("next-basket", "time-split")
"""Protocols that part the lines at one instant, as for a shop; the others part sequences."""

NOMINAL_DAYS: Final = 150
"""Sessions without a time are spread evenly over so many days, in the order of the file."""
UNKNOWN_ROWS: Final = 1_024
"""Items of which nothing can be learned share so many rows, whatever is asked for and however many they are."""
_END: Final = parse_day("2025-01-01")
_LATEST_SHARE: Final = 0.1
_LABELS: Final = dict(zip(SPLITS, (TRAIN, VALIDATION, TEST), strict=True))
_COUNTED: Final = [name for name, kind in KINDS.items() if WEIGHTS[kind]]
_MINOR_UNITS: Final = 100


@dataclass(frozen=True, slots=True)
class Dataset:
    """What training reads, and what a protocol makes of each line of the file [n], by `offset` of the corpus' lines.

    `label` uint8 is TRAIN, VALIDATION or TEST. `unit` int64 is the line's session, else person, an index of `units`,
    the file's ids; `place` int64 how many items come before it there, -1 where an event of its kind is no interaction.
    `people` are the file's ids by number, `rows` the row of every item that a layer may know of, and `asked` the items
    that only the test has. Without `timed` only order is known. `split` is the instant of a protocol by time (ms UTC).
    """

    corpus: Corpus
    protocol: Protocol
    label: NDArray[np.uint8]
    unit: Ints
    place: Ints
    units: tuple[str, ...]
    people: tuple[str, ...]
    rows: Mapping[str, int]
    asked: frozenset[str]
    timed: bool
    split: int

    def person(self, key: bytes) -> str:
        """The file's id of the person with the shopper key `key`."""
        return self.people[int.from_bytes(key, "big") - 1]

    def row(self, item: str) -> int:
        """The row of `item`, known or not."""
        return self.rows.get(item, _unknown(item, len(self.rows)))

    def named(self, case_id: str) -> str:
        """The id of a case of a protocol by time, with the file's id of the person in place of the key."""
        key, *rest = case_id.split(":")
        return ":".join([self.person(bytes.fromhex(key)), *rest])


def read_dataset(
    directory: Path, protocol: Protocol, split: str, fit_encoder: Callable[[Sequence[str]], Encoder]
) -> Dataset:
    """The data set in `directory`, its lines labelled for `protocol`; `split` an ISO date, empty: none given.

    Raises: InvalidFeed where a file is missing or not as expected, InvalidRequest where `split` does not fit.
    """
    frame = read_events(directory, "purchase" if protocol == "next-basket" else "view_item")
    catalog = read_catalog(directory)
    path, timed = directory / EVENTS, "time" in frame.columns
    at = _instant(frame, protocol, split, path)
    frame = _ordered(_persons(frame, protocol, path), protocol)
    frame = frame.with_columns(label=_label(frame, protocol, at)).sort("line")
    rows = _rows(frame, catalog)
    place = dict(zip(rows, range(len(rows)), strict=True))
    changes = [] if catalog is None else _changes(catalog, place)
    if protocol in BY_TIME:
        changes += _sold(frame, place)
    people, units = (frame[name].unique(maintain_order=True) for name in ("person", "unit"))
    corpus = Corpus(
        interactions=_interactions(frame, place, people, units),
        changes=tuple(Recorded(0, change) for change in changes),
        keys=(*(ItemKey("item", item) for item in rows), *(ItemKey("item", "") for _ in range(UNKNOWN_ROWS))),
        offset=len(frame),
        fit_encoder=fit_encoder,
        as_filed=True,
    )
    return Dataset(
        corpus=corpus,
        protocol=protocol,
        label=frame["label"].to_numpy(),
        unit=_numbers(frame["unit"], units),
        place=frame["place"].to_numpy(),
        units=tuple(frame.unique("unit", keep="first", maintain_order=True)["unit_id"]),
        people=tuple(frame.unique("person", keep="first", maintain_order=True)["person_id"]),
        rows=place,
        asked=frozenset(frame["item_id"].unique().to_list()) - place.keys(),
        timed=timed,
        split=at,
    )


def _instant(frame: pl.DataFrame, protocol: Protocol, split: str, path: Path) -> int:
    """The instant of `split`, 0 where none is given, if `protocol` and the lines allow for it."""
    if protocol in BY_TIME and "time" not in frame.columns:
        raise InvalidFeed(f"{path} has no column time; --protocol {protocol} parts the lines by time; {PAGE}")
    if not split:
        if protocol in BY_TIME:
            raise InvalidRequest(f"--protocol {protocol} needs --split DATE with --data")
        return 0
    if protocol not in (*BY_TIME, "next-item"):
        raise InvalidRequest(f"--split {split}: --protocol {protocol} asks for last items, whenever; leave --split out")
    given = {"time", "split"} & set(frame.columns)
    if protocol == "next-item" and given != {"time"}:
        reason = "has a column split" if "split" in given else "has no column time"
        raise InvalidRequest(f"--split {split}: {path} {reason}; leave --split out")
    try:
        at = parse_day(split)
    except ValueError:
        raise InvalidRequest(f"--split {split} is no date; expected one such as 2011-10-01") from None
    first, last = (int(frame.select(bound).item()) for bound in (pl.col("time").min(), pl.col("time").max()))
    if not first < at <= last:
        raise InvalidRequest(f"--split {split} lies outside of {path}: after {iso(first)[:10]}, to {iso(last)[:10]}")
    return at


def _persons(frame: pl.DataFrame, protocol: Protocol, path: Path) -> pl.DataFrame:
    """Whose every line is (`person`, a guest where only a session is known) and its `unit`: session, else person.

    Lines of a session with a shopper in other lines are that shopper's.
    """
    owners = frame.select("session_id", owner="shopper_id").drop_nulls().unique(maintain_order=True)
    if protocol == "next-item":
        shared = pl.col("session_id").is_in(owners.filter(pl.col("session_id").is_duplicated())["session_id"].implode())
        complaint = "has a session_id of more than one shopper_id; expected session ids that differ"
        refuse(frame, shared, path, complaint, pl.col("session_id"))
    owners = owners.unique("session_id", keep="first")
    frame = frame.join(owners, on="session_id", how="left", maintain_order="left")
    known = pl.coalesce("shopper_id", "owner")
    frame = frame.with_columns(
        person_id=pl.coalesce(known, "session_id"), person=pl.coalesce("s:" + known, "g:" + pl.col("session_id"))
    )
    session = pl.col("person") + "\n" + pl.col("session_id")
    return frame.with_columns(
        unit=pl.coalesce(session, "person"),
        unit_id=pl.coalesce("session_id", "person_id"),
        guest=pl.col("person").str.starts_with("g:") & pl.lit(protocol in BY_TIME),
    ).with_columns(first=pl.col("line").min().over("unit"))


def _ordered(frame: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Lines by person and order, with their `place`, and a `time` (nominal if none) by which they stay in that order.

    `order` counts within the shopper, or, where a shopper has one twice, within the session; sessions then follow their
    times, or the file. Where whole baskets count, times stay as they are.
    """
    by: tuple[str, ...] = ("instant",) if "instant" in frame.columns else ()
    if "order" in frame.columns:
        by = ("order",)
        if frame.select(pl.struct("person", "order").is_duplicated().any()).item():
            begin = pl.col("time").min().over("unit") if "time" in frame.columns else pl.lit(0)
            frame, by = frame.with_columns(begin=begin), ("begin", "first", "order")
    frame = frame.with_columns(owner=pl.col("line").min().over("person")).sort("owner", *by, "line")
    frame = frame.with_columns(counted=pl.col("event").is_in(_COUNTED).cast(pl.Int64))
    before = pl.col("counted").cum_sum().over("first") - pl.col("counted")
    frame = frame.with_columns(place=pl.when(pl.col("counted") == 1).then(before).otherwise(-1))
    if "time" not in frame.columns:
        frame = frame.with_columns(time=_nominal(frame, protocol))
    if protocol in BY_TIME:
        return frame
    frame = frame.with_columns(turn=pl.int_range(pl.len(), dtype=pl.Int64).over("owner"))
    frame = frame.with_columns(time=pl.col("time") - pl.col("turn"))
    return frame.with_columns(time=pl.col("time").cum_max().over("owner") + pl.col("turn"))


def _nominal(frame: pl.DataFrame, protocol: Protocol) -> pl.Series:
    """Times in seconds' steps: of sessions spread over NOMINAL_DAYS in the file's order, of people up to one end."""
    turn = pl.int_range(pl.len(), dtype=pl.Int64)
    if protocol == "next-item" or frame["session_id"].null_count() == 0:
        begin = (pl.col("first").rank("dense") - 1) * (NOMINAL_DAYS * DAY / pl.col("first").n_unique())
        times = _END - NOMINAL_DAYS * DAY + begin.cast(pl.Int64) + turn.over("first") * SECOND
    else:
        times = _END - (pl.len().over("owner").cast(pl.Int64) - turn.over("owner")) * SECOND
    return frame.select(times.cast(pl.Int64)).to_series()


def _label(frame: pl.DataFrame, protocol: Protocol, at: int) -> pl.Series:
    """What each line is for; `frame` stands by person and order."""
    if protocol in BY_TIME:
        label = pl.when(pl.col("time") >= at).then(TEST).otherwise(TRAIN)
    elif protocol in ("leave-one-out", "rerank"):
        later = pl.col("counted").sum().over("owner") - pl.col("counted").cum_sum().over("owner")
        label = pl.when(later == 0).then(TEST).when(later == 1).then(VALIDATION).otherwise(TRAIN)
    elif "split" in frame.columns:
        label = pl.col("split").replace_strict(_LABELS, return_dtype=pl.UInt8)
    else:
        units = frame.group_by("unit").agg(pl.col("time").min(), pl.col("first").first()).sort("time", "first")
        latest = pl.int_range(pl.len()) >= pl.len() - (pl.len() * _LATEST_SHARE).ceil()
        tests = units.filter(pl.col("time") >= at if at else latest)["unit"]
        label = pl.when(pl.col("unit").is_in(tests.implode())).then(TEST).otherwise(TRAIN)
    return frame.select(label.cast(pl.UInt8)).to_series()


def _rows(frame: pl.DataFrame, catalog: pl.DataFrame | None) -> list[str]:
    """Item ids by row: those of training first, in the file's order, then those of validation and the catalog's."""
    parts = [frame.filter(pl.col("label") == label)["item_id"] for label in (TRAIN, VALIDATION)]
    return pl.concat([*parts, *([] if catalog is None else [catalog["id"]])]).unique(maintain_order=True).to_list()


def _unknown(item: str, known: int) -> int:
    """A row that stands for `item` and may stand for others, after the `known` ones."""
    return known + zlib.crc32(item.encode()) % UNKNOWN_ROWS


def _changes(catalog: pl.DataFrame, place: Mapping[str, int]) -> list[Change]:
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


def _sold(frame: pl.DataFrame, place: Mapping[str, int]) -> list[Change]:
    """Items with a training event are listed from the first on; a price holds from the day on that it changed."""
    trained = frame.filter(pl.col("label") == TRAIN).sort("time", maintain_order=True)
    counted = trained.filter(pl.col("place") >= 0)
    firsts = counted.group_by("item_id", maintain_order=True).agg(pl.col("time").first())
    changes = [Change(place[item], at, listed=True) for item, at in firsts.iter_rows()]
    minor = (pl.col("price") * _MINOR_UNITS).round().cast(pl.Int64)
    prices = trained.filter(_priced()).with_columns(minor=minor, day=pl.col("time") // DAY)
    prices = prices.unique(["item_id", "day"], keep="last", maintain_order=True)
    moved = prices.filter((pl.col("minor") != pl.col("minor").shift(1).over("item_id")).fill_null(value=True))
    told = moved.select("item_id", "time", "minor").iter_rows()
    return changes + [Change(place[item], at, price=price) for item, at, price in told]


def _priced() -> pl.Expr:
    return pl.col("price").is_finite() & pl.col("price").is_between(0, _HIGHEST_PRICE, closed="right")


_NO_TEXT: Final = frozenset(("id", "price", "brand", "product_type", "google_product_category", "sale_price"))
_HIGHEST_PRICE: Final = 10**12


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _minor(price: Any) -> int | None:
    if price is None:
        return None
    try:
        return round(float(str(price).split()[0]) * _MINOR_UNITS)
    except (ValueError, IndexError, OverflowError):
        raise InvalidFeed(f"{CATALOG}: price {price!r}; expected a number, or one and a currency") from None


def _interactions(frame: pl.DataFrame, place: Mapping[str, int], people: pl.Series, units: pl.Series) -> pa.Table:
    """The lines in the file's order."""
    n = len(frame)
    items = frame["item_id"].unique(maintain_order=True)
    row = np.array([place.get(item, _unknown(item, len(place))) for item in items.to_list()], np.int32)
    shopper = np.zeros((n, 2), ">u8")
    shopper[:, 1] = _numbers(frame["person"], people) + 1
    in_session: Bools = frame["session_id"].is_not_null().to_numpy()
    basket = frame["basket_id"].rank("dense").fill_null(0).cast(pl.Int64)
    minor = pl.when(_priced()).then((pl.col("price") * _MINOR_UNITS).round().cast(pl.Int64, strict=False))
    kind = frame["event"].replace_strict({name: int(kind) for name, kind in KINDS.items()}, return_dtype=pl.UInt8)
    columns: dict[str, Any] = {
        "offset": np.arange(n),
        "line": np.zeros(n, np.int32),
        "time": frame["time"].to_numpy(),
        "shopper": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), n, [None, pa.py_buffer(shopper.tobytes())]),
        "guest": frame["guest"].to_arrow(),
        "bot": np.zeros(n, np.bool_),
        "session": np.where(in_session, _numbers(frame["unit"], units) + 1, 0),
        "basket": basket.to_numpy(),
        "kind": kind.to_numpy(),
        "row": row[_numbers(frame["item_id"], items)],
        "quantity": frame["quantity"].fill_null(1).to_numpy(),
        "price": frame.select(minor.fill_null(-1)).to_series().to_numpy(),
        "region": pa.array(np.full(n, "")).dictionary_encode(),
        "placement": pa.array(np.full(n, "")).dictionary_encode(),
        "recommendation_id": pa.nulls(n, pa.string()),
        **{name: pa.array(np.full(n, "")).dictionary_encode() for name in ("device", "referrer", "terms")},
        "dwell": np.zeros(n, np.uint16),
        "scrolled": np.zeros(n, np.uint8),
    }
    return pa.table([pa.array(columns[name]) for name in INTERACTIONS.names], schema=INTERACTIONS)


def _numbers(values: pl.Series, distinct: pl.Series) -> Ints:
    numbers: Ints = values.replace_strict(distinct, np.arange(len(distinct)), return_dtype=pl.Int64).to_numpy()
    return numbers
