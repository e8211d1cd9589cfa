"""How a history of events is shaped: how unequal items are, how long visits, how often people buy again."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike


class Figures(NamedTuple):
    """Gini coefficients of purchase lines and of views per item that has any, mean views of a visit that has any.

    `repeat_share` is the share of a person's first basket of the last quarter that the same person had bought before,
    averaged over the people who have an earlier basket.
    """

    gini_purchases: float
    repeat_share: float
    gini_views: float
    session_length: float


REAL: Final = Figures(gini_purchases=0.66, repeat_share=0.39, gini_views=0.56, session_length=4.85)
"""Of real shops: the first two of UCI Online Retail II, the others of Diginetica."""


def figures(events: Path) -> Figures:
    """The figures of an events export, a line an event and item; NaN where nothing is there to count."""
    lines = pl.scan_parquet(events, glob=False).filter(pl.col("event").is_in(["view_item", "purchase"]))
    table = lines.select("event", "time", "visitor_id", "session_id", "item_id", "transaction_id").collect()
    views, bought = (table.filter(pl.col("event") == event) for event in ("view_item", "purchase"))
    return Figures(
        gini(bought["item_id"].value_counts()["count"]),
        _repeat_share(bought.sort("time", maintain_order=True)),
        gini(views["item_id"].value_counts()["count"]),
        views.height / max(1, views["session_id"].n_unique()),
    )


def gini(counts: ArrayLike) -> float:
    """The Gini coefficient of positive `counts` [n]: 0 where all are equal, near 1 where one has all.

    Half the relative mean absolute difference (Gini 1912), by the sorted form.

    >>> gini([3, 3, 3]), round(gini([1, 0, 0, 0]), 2)
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(counts, np.float64))
    place = np.arange(1, len(ordered) + 1)
    return float((2 * place - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum())) if len(ordered) else np.nan


def _repeat_share(bought: pl.DataFrame) -> float:
    """As in `Figures`; `bought` by time."""
    if bought.is_empty():
        return np.nan
    first, last = bought["time"].min(), bought["time"].max()
    split = last - (last - first) / 4  # type: ignore[operator]  # polars: any value
    before = bought.filter(pl.col("time") < split).select("visitor_id", "item_id").unique()
    after = bought.filter(pl.col("time") >= split, pl.col("visitor_id").is_in(before["visitor_id"].implode()))
    basket = after.filter(pl.col("transaction_id") == pl.col("transaction_id").first().over("visitor_id"))
    known = basket.join(before.with_columns(known=1.0), on=["visitor_id", "item_id"], how="left")
    share = known.group_by("visitor_id").agg(pl.col("known").fill_null(0.0).mean())["known"].mean()
    return float(share) if share is not None else np.nan  # type: ignore[arg-type]  # polars: any value
