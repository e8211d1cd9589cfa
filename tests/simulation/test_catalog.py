"""The demo shop's feed looks like a shop's."""

import polars as pl

from endcap.simulation.catalog import Period, catalog


def test_the_same_seed_gives_the_same_feed_and_another_seed_another(feed: pl.DataFrame, period: Period) -> None:
    assert catalog(1, 3000, period).equals(feed)
    assert not catalog(8, 3000, period).equals(feed)


def test_every_item_has_its_own_id_and_nearly_every_one_its_own_title(feed: pl.DataFrame) -> None:
    assert feed.height == 3000
    assert feed["id"].is_unique().all()
    assert feed["title"].n_unique() > 0.95 * feed.height


def test_categories_are_paths_of_three_and_all_departments_have_products(feed: pl.DataFrame) -> None:
    paths = feed["product_type"].str.split(" > ")
    assert (paths.list.len() == 3).all()
    assert set(paths.list.first()) == {"Fashion", "Outdoor", "Home", "Electronics", "Kids"}
    assert feed["product_type"].n_unique() >= 30
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


def test_a_few_items_are_sold_out_and_say_so(feed: pl.DataFrame) -> None:
    out = feed["availability"] == "out_of_stock"
    assert 0.01 < out.mean() < 0.06  # type: ignore[operator]  # polars: any value
    assert ((feed["stock"] == 0) == out).all()


def test_some_products_are_new_and_the_rest_is_older_than_the_period(feed: pl.DataFrame, period: Period) -> None:
    new = feed["added"] >= period.start
    assert 0.12 < new.mean() < 0.25  # type: ignore[operator]  # polars: any value
    assert (feed["added"] < period.end).all()
    assert feed["added"].is_sorted()
    assert feed.filter(new)["added"].dt.date().n_unique() > 20
