"""Turn the public data sets into directories that `endcap evaluate --data` reads.

    python bench/quality/convert.py diginetica amazon-beauty --shared ../shared/data

Knows the four sources, which of their rows count (each source's README says why) and how a small sample is drawn. Does
not know protocols. The same files give the same bytes.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

ROOT: Final = Path(__file__).resolve().parents[2]
SHARED: Final = ROOT.parent / "shared" / "data"
OUT: Final = ROOT / ".bench" / "quality"

CANDIDATES: Final = 20
"""How many items of the `random` list are ranked again."""
_SESSIONS_A_TEST_SESSION: Final = 12
"""As in the whole file: 186,670 training sessions, 15,963 test sessions."""

Frames: TypeAlias = dict[str, pl.DataFrame]
"""What stands in a directory: file stem -> rows."""


class Missing(Exception):
    """A source that is not there, and what to do about it."""


def diginetica(source: Path, sample: int | None) -> Frames:
    """Clicks of anonymous sessions in the order of time, with the fixed split of the papers and without times.

    A sample is `sample` test sessions, the earliest, after the latest training sessions in the usual proportion.
    """
    sessions = pl.read_parquet(source / "diginetica" / "sessions.parquet").sort("session_idx")
    if sample is not None:
        test = sessions.filter(pl.col("split") == "test").head(sample)
        sessions = pl.concat(
            [sessions.filter(pl.col("split") == "train").tail(_SESSIONS_A_TEST_SESSION * sample), test]
        )
    events = sessions.select(
        pl.col("session_idx").cast(pl.String).alias("session_id"),
        pl.col("items").cast(pl.List(pl.String)).alias("item_id"),
        pl.int_ranges(0, pl.col("items").list.len(), dtype=pl.Int32).alias("order"),
        pl.col("split").cast(pl.String),
    )
    return {"events": events.explode("item_id", "order")}


def amazon_beauty(source: Path, sample: int | None) -> Frames:
    """Reviews in the order of time, without times; a digest of the title and names of categories and brand.

    A sample holds the shoppers with most of the items with most reviews, and these items: few of others meet.
    """
    folder = source / "amazon_beauty_s3rec"
    events = pl.read_parquet(folder / "interactions.parquet").select(
        pl.col("user_id").alias("shopper_id"),
        pl.col("asin").alias("item_id"),
        pl.col("position").cast(pl.Int32).alias("order"),
    )
    items = pl.read_parquet(folder / "items.parquet").select(
        pl.col("asin").alias("id"), pl.col("text_id").alias("title"), pl.col("attribute_names").alias("attributes")
    )
    events = _dense(events, sample)
    return {"events": events, "catalog": items if sample is None else _of(events["item_id"], items)}


def online_retail(source: Path, sample: int | None) -> Frames:
    """Lines of invoices: which count, and as what, as in `examples/online_retail/events.toml`.

    A title is the item's first in time, so that nothing later than its first sale is learned from it. Rows without a
    customer are sessions of nobody; a sample has none of them.
    """
    rows = pl.read_parquet(source / "uci_online_retail_ii" / "transactions_2y.parquet")
    cancelled, refunded = pl.col("is_cancellation"), pl.col("is_cancellation") | (pl.col("quantity") < 0)
    counted = pl.col("stock_code").str.contains("^[0-9]{5}") & (
        cancelled | ((pl.col("quantity") > 0) & (pl.col("unit_price") > 0))
    )
    events = rows.filter(counted).select(
        pl.col("customer_id").cast(pl.String).alias("shopper_id"),
        pl.col("invoice_no").alias("session_id"),
        pl.col("stock_code").alias("item_id"),
        pl.col("invoice_ts").dt.cast_time_unit("ms").alias("time"),
        pl.when(refunded).then(pl.lit("refund")).otherwise(pl.lit("purchase")).alias("event"),
        pl.col("quantity").abs(),
        pl.col("unit_price").alias("price"),
        pl.col("invoice_no").alias("basket_id"),
        pl.col("country"),
        pl.col("description").alias("title"),
    )
    if sample is not None:
        events = _spread(events.drop_nulls("shopper_id"), "shopper_id", sample)
    sold = events.filter((pl.col("event") == "purchase") & pl.col("title").is_not_null())
    titles = sold.sort("time", maintain_order=True).group_by("item_id", maintain_order=True).first()
    catalog = titles.select(pl.col("item_id").alias("id"), "title").sort("id")
    return {"events": events.drop("title"), "catalog": catalog}


def amazon_games(source: Path, sample: int | None) -> Frames:
    """Reviews in order with titles, and for 6,000 users 20 random items, the last of them replaced by the true one."""
    folder = source / "amazon_games_titles"
    events = pl.read_parquet(folder / "interactions.parquet").select(
        pl.col("user_idx").cast(pl.String).alias("shopper_id"),
        pl.col("item_idx").cast(pl.String).alias("item_id"),
        pl.col("position").cast(pl.Int32).alias("order"),
    )
    true = events.group_by("shopper_id").agg(pl.col("item_id").sort_by("order").last().alias("true"))
    lists = pl.read_parquet(folder / "llmrank_candidates_6000users.parquet").select(
        pl.col("user_idx").cast(pl.String).alias("case_id"),
        pl.col("random").list.head(CANDIDATES).cast(pl.List(pl.String)).alias("item_ids"),
    )
    lists = lists.join(true, left_on="case_id", right_on="shopper_id", how="left", maintain_order="left")
    replaced = pl.concat_list(pl.col("item_ids").list.head(CANDIDATES - 1), "true")
    holds = pl.col("item_ids").list.contains(pl.col("true"))
    candidates = lists.select("case_id", pl.when(holds).then("item_ids").otherwise(replaced).alias("item_ids"))
    if sample is not None:
        asked = _spread(candidates, "case_id", sample)
        others = events.join(candidates, left_on="shopper_id", right_on="case_id", how="anti", maintain_order="left")
        kept = pl.concat([asked["case_id"], _spread(others, "shopper_id", 2 * sample)["shopper_id"]])
        candidates, events = asked, events.filter(pl.col("shopper_id").is_in(kept.implode()))
    items = pl.read_parquet(folder / "items.parquet").select(pl.col("item_idx").cast(pl.String).alias("id"), "title")
    if sample is not None:
        items = _of(pl.concat([events["item_id"], candidates["item_ids"].explode()]), items)
    return {"events": events, "catalog": items, "candidates": candidates}


SOURCES: Final[dict[str, Callable[[Path, int | None], Frames]]] = {
    "diginetica": diginetica,
    "amazon-beauty": amazon_beauty,
    "online-retail": online_retail,
    "amazon-games": amazon_games,
}


def convert(name: str, shared: Path, out: Path, sample: int | None = None) -> Path:
    """The directory of the data set `name` under `out`, written where it is not there yet.

    `sample` keeps about as many test sessions or shoppers, always the same ones.

    Raises: Missing where the source is not there.
    """
    directory = out / (name if sample is None else f"{name}-{sample}")
    last = directory / "events.parquet"
    if last.exists():
        return directory
    if not shared.is_dir():
        raise Missing(f"{shared} is no directory; expected the public data sets there; name another with --shared")
    try:
        frames = SOURCES[name](shared, sample)
    except FileNotFoundError as error:
        raise Missing(f"{name}: {error}; expected it under {shared}; name another with --shared") from error
    directory.mkdir(parents=True, exist_ok=True)
    for stem, rows in sorted(frames.items(), reverse=True):  # events last: they say that the directory is whole
        half = directory / f"{stem}.half"
        rows.write_parquet(half, compression="zstd")
        half.rename(directory / f"{stem}.parquet")
    return directory


def _of(kept: pl.Series, items: pl.DataFrame) -> pl.DataFrame:
    return items.filter(pl.col("id").is_in(kept.unique().implode()))


def _dense(events: pl.DataFrame, wanted: int | None) -> pl.DataFrame:
    """The events of the `wanted` shoppers with most of the `wanted` items that occur most often, with these items."""
    if wanted is None:
        return events
    for key in ("item_id", "shopper_id"):
        often = events.group_by(key).len().sort("len", key, descending=True).head(wanted)
        events = events.join(often, on=key, how="semi", maintain_order="left")
    return events


def _spread(rows: pl.DataFrame, key: str, wanted: int | None) -> pl.DataFrame:
    """The rows of every n-th value of `key` in sorted order, about `wanted` values."""
    if wanted is None:
        return rows
    every = max(rows[key].n_unique() // wanted, 1)
    return rows.filter((pl.col(key).rank("dense") - 1) % every == 0)


def main() -> None:
    """Convert the data sets that are named, all of them where none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SOURCES))
    parser.add_argument("--shared", type=Path, default=SHARED, help="the public data sets (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="where directories are made (%(default)s)")
    parser.add_argument("--sample", type=int, help="about as many test sessions or shoppers")
    given = parser.parse_args()
    unknown = set(given.names) - set(SOURCES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: expected {', '.join(SOURCES)}")
    for name in given.names or SOURCES:
        try:
            print(convert(name, given.shared, given.out, given.sample))
        except Missing as error:
            sys.exit(f"convert.py: {error}")


if __name__ == "__main__":
    main()
