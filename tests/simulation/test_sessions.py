"""What shoppers do in the demo shop is plausible, and nothing happens that could not."""

from datetime import timedelta
from itertools import pairwise

import polars as pl

from endcap.domain.events import KINDS
from endcap.simulation.catalog import Period
from endcap.simulation.sessions import events


def _count(lines: pl.DataFrame, event: str) -> int:
    return lines.filter(pl.col("event") == event).height


def test_the_same_seed_gives_the_same_events_and_another_seed_others(feed: pl.DataFrame, period: Period) -> None:
    few = events(1, feed, 100, period)
    assert events(1, feed, 100, period).equals(few)
    assert not events(8, feed, 100, period).equals(few)


def test_the_default_shop_has_tens_of_thousands_of_lines_with_ga4_names(lines: pl.DataFrame) -> None:
    assert 60_000 < lines.height < 120_000
    assert set(lines["event"]) <= set(KINDS)


def test_few_views_become_carts_and_fewer_purchases(lines: pl.DataFrame) -> None:
    views, carts, orders = (_count(lines, event) for event in ("view_item", "add_to_cart", "purchase"))
    assert 0.05 < carts / views < 0.15
    assert 0.02 < orders / views < 0.08
    assert 0 < _count(lines, "refund") < 0.1 * orders
    bought = lines.filter(pl.col("event") == "purchase")
    visits = lines.filter(pl.col("session_id") != "")["session_id"].n_unique()
    assert 0.05 < bought["session_id"].n_unique() / visits < 0.3


def test_events_are_of_items_that_exist_and_are_sold_by_then(
    feed: pl.DataFrame, lines: pl.DataFrame, period: Period
) -> None:
    placed = lines.join(feed.select(item_id="id", added="added"), on="item_id")
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
    fits = []
    rows = list(views.select("session_id", "path", "title").iter_rows())
    for (session, path, title), (next_session, next_path, next_title) in pairwise(rows):
        if session == next_session and path.endswith("Smartphones") and next_path.endswith("Cases"):
            fits.append(f" {title.split(' smartphone')[0]}," in f" {next_title},")
    assert len(fits) > 30
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
