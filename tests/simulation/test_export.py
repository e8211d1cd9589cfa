"""What shoppers do in the demo shop is plausible, and nothing happens that could not."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from endcap.domain.events import KINDS
from endcap.simulation import World
from endcap.simulation.catalog import Period
from endcap.simulation.export import write_events


def _count(lines: pl.DataFrame, event: str) -> int:
    return lines.filter(pl.col("event") == event).height


def test_events_are_written_in_parts_and_come_out_as_one_table_by_time(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "this year's [new] shop"
    folder.mkdir()
    told: list[tuple[int, int]] = []
    count, people = write_events(world, 5_000, folder / "whole.parquet", lambda *done: told.append(done))
    monkeypatch.setattr("endcap.simulation.export._AT_ONCE", 700)
    assert write_events(world, 5_000, folder / "parts.parquet", lambda *done: told.append(done)) == (count, people)
    whole, parts = (pl.read_parquet(folder / f"{name}.parquet", glob=False) for name in ("whole", "parts"))
    assert whole.equals(parts)
    assert whole.height == count >= 5_000
    assert whole["visitor_id"].n_unique() == people
    assert told[0] == told[-1] == (5_000, 5_000)
    assert len(told) > 6
    assert {path.name for path in folder.iterdir()} == {"whole.parquet", "parts.parquet"}


def test_the_default_shop_has_as_many_lines_as_it_says_with_ga4_names(lines: pl.DataFrame) -> None:
    assert 300_000 <= lines.height < 302_000
    assert set(lines["event"]) <= set(KINDS)


def test_the_lines_of_an_event_are_of_one_instant_and_person_and_stand_together(lines: pl.DataFrame) -> None:
    events = lines.with_row_index().group_by("event_id").agg(
        pl.col("time", "event", "visitor_id", "search_term").n_unique(),
        spread=pl.col("index").max() - pl.col("index").min() + 1, size=pl.len(),
    )  # fmt: skip
    assert (events.select("time", "event", "visitor_id", "search_term") == 1).to_numpy().all()
    assert (events["spread"] == events["size"]).mean() > 0.99  # type: ignore[operator]  # polars: any value


def test_what_is_clicked_was_shown_at_that_place_and_is_looked_at_then(lines: pl.DataFrame) -> None:
    shown = lines.filter(pl.col("event") == "view_item_list").select("session_id", "item_id", "position")
    clicked = lines.filter(pl.col("event") == "select_item")
    assert clicked.join(shown, on=["session_id", "item_id", "position"], how="anti").is_empty()
    looked = lines.filter(pl.col("event") == "view_item").select("session_id", "item_id")
    assert clicked.join(looked, on=["session_id", "item_id"], how="anti").is_empty()
    assert shown.height > 3 * clicked.height


def test_people_look_longer_and_further_at_what_they_take(lines: pl.DataFrame) -> None:
    looked = lines.filter(pl.col("event") == "view_item")
    taken = lines.filter(pl.col("event") == "add_to_cart").select("session_id", "item_id", taken=pl.lit(value=True))
    means = looked.join(taken, on=["session_id", "item_id"], how="left").group_by(pl.col("taken").is_not_null()).agg(
        pl.col("engagement", "scrolled").mean()
    ).sort("taken")  # fmt: skip
    assert means["engagement"][1] > means["engagement"][0]
    assert means["scrolled"][1] > means["scrolled"][0]


def test_few_views_become_carts_and_fewer_purchases(lines: pl.DataFrame) -> None:
    views, carts, orders = (_count(lines, event) for event in ("view_item", "add_to_cart", "purchase"))
    assert 0.05 < carts / views < 0.3
    assert 0.02 < orders / views < 0.16
    assert 0 < _count(lines, "refund") < 0.1 * orders
    bought = lines.filter(pl.col("event") == "purchase")
    visits = lines.filter(pl.col("session_id") != "")["session_id"].n_unique()
    assert 0.05 < bought["session_id"].n_unique() / visits < 0.3


def test_events_are_of_items_that_exist_and_are_sold_by_then(
    feed: pl.DataFrame, lines: pl.DataFrame, period: Period
) -> None:
    placed = lines.join(feed.select(item_id="id", added="time"), on="item_id")
    assert placed.height == lines.height
    assert (placed["time"] >= placed["added"]).all()
    assert lines["time"].is_between(period.start, period.end, closed="left").all()
    assert lines["time"].is_sorted()


def test_nobody_puts_a_sold_out_item_into_the_cart(feed: pl.DataFrame, lines: pl.DataFrame) -> None:
    out = feed.filter(pl.col("stock") == 0)["id"].implode()
    taken = lines.filter(pl.col("event").is_in(["add_to_cart", "purchase"]))
    assert not taken["item_id"].is_in(out).any()


def test_a_session_is_one_person_without_a_long_pause(lines: pl.DataFrame) -> None:
    visits = lines.filter(pl.col("session_id") != "").group_by("session_id", maintain_order=True)
    told = visits.agg(pl.col("visitor_id").n_unique(), gap=pl.col("time").diff().max())
    assert (told["visitor_id"] == 1).all()
    assert (told["gap"].drop_nulls() < timedelta(minutes=30)).all()


def test_what_is_bought_was_in_the_cart_and_all_of_an_order_has_one_id_and_time(lines: pl.DataFrame) -> None:
    bought = lines.filter(pl.col("event") == "purchase")
    carted = lines.filter(pl.col("event") == "add_to_cart").select("session_id", "item_id", "quantity")
    assert bought.join(carted, on=["session_id", "item_id", "quantity"], how="anti").is_empty()
    orders = bought.group_by("transaction_id").agg(pl.col("time", "session_id").n_unique())
    assert "" not in orders["transaction_id"]
    assert (orders.select("time", "session_id") == 1).to_numpy().all()


def test_what_is_returned_was_bought_before(lines: pl.DataFrame) -> None:
    order = ["transaction_id", "item_id", "quantity", "price"]
    bought = lines.filter(pl.col("event") == "purchase").select(*order, bought="time")
    returned = lines.filter(pl.col("event") == "refund").join(bought, on=order, how="left")
    assert (returned["time"] - returned["bought"] > timedelta(days=3)).all()


def test_some_people_have_accounts_and_most_visits_are_anonymous(lines: pl.DataFrame) -> None:
    visits = lines.group_by("session_id").agg(pl.col("user_id").first())
    assert 0.2 < (visits["user_id"] != "").mean() < 0.6  # type: ignore[operator]  # polars: any value
    owners = lines.filter(pl.col("user_id") != "").group_by("user_id").agg(pl.col("visitor_id").n_unique())
    assert (owners["visitor_id"] == 1).all()


def test_a_phone_case_in_a_session_with_a_phone_mostly_fits_it(feed: pl.DataFrame, lines: pl.DataFrame) -> None:
    titles = lines.join(feed.select(item_id="id", title="title", path="product_type"), on="item_id")
    views = titles.filter(pl.col("event") == "view_item").sort("session_id", "time")
    fits: list[bool] = []
    phones: dict[str, str] = {}
    for session, path, title in views.select("session_id", "path", "title").iter_rows():
        if path.endswith("Smartphones"):
            phones[session] = title.split(" smartphone")[0]
        elif path.endswith("Cases") and session in phones:
            fits.append(f" {phones[session]}," in f" {title},")
    assert len(fits) > 20
    assert sum(fits) / len(fits) > 0.4


def test_consumables_are_bought_again(feed: pl.DataFrame, lines: pl.DataFrame) -> None:
    placed = lines.filter(pl.col("event") == "purchase").join(
        feed.select(item_id="id", path="product_type"), on="item_id"
    )
    again = placed.group_by("visitor_id", "item_id", "path").agg(orders=pl.col("transaction_id").n_unique())
    repeated = again.filter(pl.col("orders") > 1)
    assert repeated.height > 50
    assert repeated["path"].is_in(["Home > Pantry > Coffee & tea", "Kids > Care > Nappies & wipes"]).sum() > 10


def test_a_few_products_get_much_of_the_attention(lines: pl.DataFrame) -> None:
    counts = lines["item_id"].value_counts(sort=True)["count"]
    top = int(counts.head(len(counts) // 10).sum())
    assert 0.25 < top / lines.height < 0.7
