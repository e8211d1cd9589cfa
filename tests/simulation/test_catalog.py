"""The simulated shop's feed looks like a shop's, and what changes later is told as it happens."""

from dataclasses import fields
from datetime import UTC, datetime

import polars as pl
import pytest

from endcap.domain.instants import millis
from endcap.simulation import EVERY_EFFECT, NO_EFFECT, World
from endcap.simulation.catalog import Period, catalog, changes, feed


def test_the_same_seed_gives_the_same_products_and_another_seed_others(period: Period) -> None:
    few = catalog(1, 300, period, EVERY_EFFECT)
    assert catalog(1, 300, period, EVERY_EFFECT) == few
    assert catalog(8, 300, period, EVERY_EFFECT) != few


def test_every_item_has_its_own_id_and_nearly_every_one_its_own_title(feed: pl.DataFrame) -> None:
    assert feed.height == 5_000
    assert feed["id"].is_unique().all()
    assert feed["title"].n_unique() > 0.95 * feed.height


def test_categories_are_paths_of_three_and_all_departments_have_products(feed: pl.DataFrame) -> None:
    paths = feed["product_type"].str.split(" > ")
    assert (paths.list.len() == 3).all()
    assert set(paths.list.first()) == {"Fashion", "Outdoor", "Home", "Electronics", "Kids"}
    assert feed["product_type"].n_unique() >= 40
    assert feed.group_by("product_type").len()["len"].min() >= 10  # type: ignore[operator]  # polars: any value


def test_variants_share_their_group_and_differ_in_colour_or_size(feed: pl.DataFrame) -> None:
    groups = feed.filter(pl.col("item_group_id") != "").group_by("item_group_id")
    told = groups.agg(
        pl.len(), pl.col("brand", "description", "price").n_unique(), looks=pl.struct("color", "size").n_unique()
    )
    assert told.height > 300
    assert (told["len"] >= 2).all()
    assert (told.select("brand", "description", "price") == 1).to_numpy().all()
    assert (told["looks"] == told["len"]).all()


def test_an_item_without_variants_has_no_group(feed: pl.DataFrame) -> None:
    alone = feed.filter(pl.col("item_group_id") == "")
    assert alone.height > 300
    assert not alone["id"].str.contains("-").any()


def test_prices_are_euros_with_the_endings_of_shelves(feed: pl.DataFrame) -> None:
    price = feed["price"].str.extract(r"^(\d+\.\d\d) EUR$").cast(pl.Float64)
    cents = (price * 100).round().cast(pl.Int64)
    assert price.is_not_null().all()
    assert ((cents % 100).is_in([49, 79, 90, 95, 99]) | (cents % 1000 == 900)).all()
    medians = feed.group_by("product_type").agg(
        price=pl.col("price").str.split(" ").list.first().cast(pl.Float64).median()
    )
    by_path = dict(medians.iter_rows())
    assert by_path["Electronics > Phones > Smartphones"] > 250
    assert by_path["Home > Household > Cleaning & laundry"] < 12


def test_what_is_made_of_something_says_so(feed: pl.DataFrame) -> None:
    made = feed.filter(pl.col("material") != "")
    assert 0.1 < made.height / feed.height < 0.8
    told = [material.lower() in title.lower() for material, title in made.select("material", "title").iter_rows()]
    assert all(told)


def test_a_few_items_are_sold_out_and_say_so(feed: pl.DataFrame) -> None:
    out = feed["availability"] == "out_of_stock"
    assert 0.01 < out.mean() < 0.06  # type: ignore[operator]  # polars: any value
    assert ((feed["stock"] == 0) == out).all()


def test_some_products_are_new_and_the_rest_is_older_than_the_period(feed: pl.DataFrame, period: Period) -> None:
    new = feed["time"] >= period.start
    assert 0.12 < new.mean() < 0.25  # type: ignore[operator]  # polars: any value
    assert (feed["time"] < period.end).all()
    assert feed["time"].is_sorted()
    assert feed.filter(new)["time"].dt.date().n_unique() > 20


def test_a_change_tells_what_holds_from_then_on(world: World) -> None:
    later = changes(world.truth.stock.products, world.period)
    assert later["time"].is_sorted()
    assert (later["time"] < world.period.end).all()
    reduced = later.filter(pl.col("sale_price") != "")
    assert (reduced["sale_start"] <= reduced["time"]).all()
    assert (reduced["time"] < reduced["sale_end"]).all()
    for product in world.truth.stock.products:
        told = later.filter(pl.col("id") == product.item(0))
        if product.added < product.out.begins < product.out.ends < millis(world.period.end):
            gone = told.filter(pl.col("time") == datetime.fromtimestamp(product.out.begins / 1000, UTC))
            assert gone["availability"].to_list() == ["out_of_stock"]
            back = told.filter(pl.col("time") == datetime.fromtimestamp(product.out.ends / 1000, UTC))
            assert back["stock"].to_list() == [product.variants[0][2]]
            break
    else:
        pytest.fail("no product ran out")


def test_a_shop_larger_than_the_grammar_has_words_for_sells_editions(period: Period) -> None:
    titles = [product.draft.title for product in catalog(1, 20_000, period, EVERY_EFFECT)]
    assert len(set(titles)) == len(titles)
    assert any(", edition " in title for title in titles)


def test_the_null_shop_has_no_arrivals_sales_or_empty_shelves(period: Period) -> None:
    products = catalog(1, 500, period, NO_EFFECT)
    assert not any(getattr(NO_EFFECT, field.name) for field in fields(NO_EFFECT))
    assert {product.added for product in products} == {millis(period.start) - 86_400_000}
    assert changes(products, period).is_empty()
    assert (feed(products)["stock"] > 0).all()
