"""What a protocol makes of the lines of a file, on files written by hand."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from endcap.backends.encoder.lexical import fit_lexical
from endcap.domain.instants import DAY, parse_day
from endcap.errors import EndcapError, InvalidFeed, InvalidRequest
from endcap.evaluation import Dataset, Terms, read_dataset
from endcap.evaluation.datasets import UNKNOWN_ROWS
from endcap.evaluation.ladder import _named
from endcap.evaluation.stages import outer_fold
from endcap.training import Protocol, cases
from endcap.training.folds import TEST, TRAIN, VALIDATION, asked_cases, standing

ONE, TWO, THREE = datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 1, 3)


def written(folder: Path, name: str = "events", **columns: Any) -> Path:
    pl.DataFrame(columns).write_parquet(folder / f"{name}.parquet")
    return folder


def read(folder: Path, protocol: Protocol, split: str = "") -> Dataset:
    return read_dataset(folder, protocol, split, fit_lexical)


def item_of(dataset: Dataset, row: int) -> str:
    return {number: item for item, number in dataset.rows.items()}.get(row, "unknown")


def histories(folder: Path) -> dict[str, list[str]]:
    """The items of every person in the order in which they are learned from and asked."""
    dataset, items = read(folder, "leave-one-out"), pl.read_parquet(folder / "events.parquet")["item_id"]
    history = dataset.corpus.history()
    return {
        dataset.person(key): [items[line] for line in history.offset[history.lines(number)].tolist()]
        for number, key in enumerate(history.keys)
    }


def labels(dataset: Dataset) -> list[str]:
    names = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}
    return [names[label] for label in dataset.label.tolist()]


def test_order_wins_over_time(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["u"] * 3, item_id=["a", "b", "c"], order=[3, 1, 2], time=[ONE, TWO, THREE])

    assert histories(folder) == {"u": ["b", "c", "a"]}


def test_time_wins_over_the_order_of_rows_and_ties_keep_it(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["u"] * 4, item_id=["z", "b", "y", "a"], time=[TWO, ONE, TWO, ONE])

    assert histories(folder) == {"u": ["b", "a", "z", "y"]}


def test_ties_keep_the_order_of_rows_across_sessions_that_alternate(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 4, session_id=["s", "t", "s", "t"], item_id=["d", "c", "b", "a"], time=[ONE] * 4
    )

    assert histories(folder) == {"u": ["d", "c", "b", "a"]}


def test_times_closer_than_a_millisecond_are_no_ties(tmp_path: Path) -> None:
    times = pl.Series([1_700_000_000_000_000_900, 1_700_000_000_000_000_100]).cast(pl.Datetime("ns"))
    folder = written(tmp_path, shopper_id=["u", "u"], item_id=["later", "first"], time=times)

    assert histories(folder) == {"u": ["first", "later"]}


def test_with_neither_order_nor_time_rows_stand_as_they_are(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["v", "u", "v", "u"], item_id=["d", "c", "b", "a"])

    assert histories(folder) == {"v": ["d", "b"], "u": ["c", "a"]}


def test_an_order_within_sessions_leaves_the_sessions_in_the_order_of_their_times(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 4, session_id=["late", "late", "early", "early"], item_id=["d", "c", "b", "a"],
        order=[2, 1, 2, 1], time=[TWO, TWO, ONE, ONE],
    )  # fmt: skip

    assert histories(folder) == {"u": ["a", "b", "c", "d"]}


def test_an_order_within_the_shopper_puts_its_sessions_in_order_too(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 4, session_id=["late", "late", "early", "early"], item_id=["d", "c", "b", "a"],
        order=[4, 3, 2, 1],
    )  # fmt: skip

    assert histories(folder) == {"u": ["a", "b", "c", "d"]}


def test_leave_one_out_keeps_the_last_item_for_the_test_and_the_one_before_for_validation(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["u"] * 3 + ["v", "w", "w"], item_id=list("abcdef"), order=[1, 2, 3, 1, 1, 2])

    assert labels(read(folder, "leave-one-out")) == ["train", "validation", "test", "test", "validation", "test"]


def test_what_is_no_interaction_is_neither_asked_nor_counted(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 5, item_id=list("abcdc"), order=[1, 2, 3, 4, 5],
        event=["purchase", "view_item_list", "purchase", "purchase", "refund"],
    )  # fmt: skip
    dataset = read(folder, "leave-one-out")

    assert labels(dataset) == ["train", "train", "validation", "test", "test"]
    assert dataset.place.tolist() == [0, -1, 1, 2, -1]


@pytest.mark.parametrize(("protocol", "kind"), [("next-basket", 7), ("time-split", 1), ("leave-one-out", 1)])
def test_an_event_is_a_purchase_for_next_baskets_and_a_view_otherwise(
    tmp_path: Path, protocol: Protocol, kind: int
) -> None:
    folder = written(tmp_path, shopper_id=["u", "u"], item_id=["a", "b"], time=[ONE, TWO], event=["add_to_cart", None])
    split = "2024-01-02" if protocol != "leave-one-out" else ""

    assert read(folder, protocol, split).corpus.interactions["kind"].to_pylist() == [4, kind]


def test_a_fixed_split_labels_the_lines_of_next_items(tmp_path: Path) -> None:
    folder = written(
        tmp_path, session_id=["s", "s", "t", "u"], item_id=list("abcd"), split=["test", "test", "validation", "train"]
    )

    assert labels(read(folder, "next-item")) == ["test", "test", "validation", "train"]


def test_without_a_fixed_split_the_last_tenth_of_the_sessions_is_asked(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(20) for _ in range(2)]
    by_file = written(tmp_path, session_id=names, item_id=["a"] * 40)
    assert labels(read(by_file, "next-item")) == ["train"] * 36 + ["test"] * 4

    times = [datetime(2024, 1, 30 - number) for number in range(20) for _ in range(2)]
    by_time = written(tmp_path, session_id=names, item_id=["a"] * 40, time=times)
    assert labels(read(by_time, "next-item")) == ["test"] * 4 + ["train"] * 36


def test_a_date_parts_sessions_by_their_beginning(tmp_path: Path) -> None:
    folder = written(tmp_path, session_id=["s", "s", "t"], item_id=list("abc"), time=[ONE, THREE, TWO])

    assert labels(read(folder, "next-item", "2024-01-02")) == ["train", "train", "test"]


def test_without_sessions_a_shopper_is_one_however_far_apart_the_lines_are(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["u"] * 3, item_id=list("abc"), time=[ONE, TWO, THREE])
    dataset = read(folder, "next-item")

    assert dataset.place.tolist() == [0, 1, 2]
    assert [dataset.units[unit] for unit in dataset.unit.tolist()] == ["u", "u", "u"]


def test_sessions_that_follow_each_other_at_once_stay_two(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["u"] * 3, session_id=["s", "s", "t"], item_id=list("abc"), time=[ONE] * 3)
    history = read(folder, "next-item").corpus.history()

    assert (history.session - history.session[0]).tolist() == [0, 0, 1]


def test_rows_are_numbered_by_what_is_learned_from_and_none_is_added_for_what_is_only_asked(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"shopper_id": ["u"] * 4, "order": [1, 2, 3, 4]}
    some = read(written(tmp_path, item_id=["a", "b", "c", "new"], **columns), "leave-one-out")
    other = read(written(tmp_path, item_id=["a", "b", "c", "a"], **columns), "leave-one-out")

    assert dict(some.rows) == dict(other.rows) == {"a": 0, "b": 1, "c": 2}
    assert len(some.corpus.keys) == len(other.corpus.keys) == 3 + UNKNOWN_ROWS
    assert some.corpus.interactions["row"].to_pylist()[3] >= 3


def test_the_catalog_tells_of_items_without_putting_them_on_sale(tmp_path: Path) -> None:
    written(tmp_path, shopper_id=["u"] * 3, item_id=["a", "b", "a"], order=[1, 2, 3])
    folder = written(
        tmp_path, "catalog", id=["a", "c", "a"], title=["old", "C", "A"], price=["1", None, "12.50 EUR"],
        attributes=[["x"], None, ["wood", "oak"]], product_type=["Home", None, "Home > Chairs"],
    )  # fmt: skip
    dataset = read(folder, "leave-one-out")

    changes = {item_of(dataset, each.change.row): each.change for each in dataset.corpus.changes}
    assert changes["a"].text == {"title": "A", "attributes": "wood; oak"}
    assert (changes["a"].price, changes["a"].category, changes["a"].listed) == (1250, ("Home", "Chairs"), None)
    assert changes["c"].text == {"title": "C"}


def test_lines_without_a_shopper_are_guests_unless_their_session_has_one(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u", None, None], session_id=["s", "s", "t"], item_id=list("abc"), time=[ONE, TWO, THREE]
    )
    dataset = read(folder, "next-basket", "2024-01-03")

    assert dataset.corpus.interactions["guest"].to_pylist() == [False, False, True]
    assert dataset.people == ("u", "t")


def test_prices_and_first_sales_after_the_split_are_not_learned(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 4, item_id=["a", "a", "a", "b"], time=[ONE, TWO, THREE, THREE],
        price=[1.0, float("nan"), 3.0, 4.0],
    )  # fmt: skip
    changes = [each.change for each in read(folder, "next-basket", "2024-01-03").corpus.changes]

    assert [(change.row, change.at, change.listed, change.price) for change in changes] == [
        (0, parse_day("2024-01-01"), True, None),
        (0, parse_day("2024-01-01"), None, 100),
    ]


def test_dates_and_zones_are_read_as_utc(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"shopper_id": ["u", "u"], "item_id": ["a", "b"]}
    days = written(tmp_path, time=[date(2024, 1, 1), date(2024, 1, 2)], **columns)
    assert read(days, "time-split", "2024-01-02").corpus.interactions["time"].to_pylist() == [
        parse_day("2024-01-01"),
        parse_day("2024-01-02"),
    ]
    zoned = pl.Series([datetime(2024, 1, 1), datetime(2024, 1, 3)]).dt.replace_time_zone("Europe/Berlin")
    berlin = written(tmp_path, time=zoned, **columns)
    times = np.array(read(berlin, "time-split", "2024-01-02").corpus.interactions["time"])
    assert times[0] == parse_day("2024-01-01") - DAY // 24


WRONG: list[tuple[dict[str, Any], Protocol, str, type[EndcapError], str]] = [
    ({"item_id": ["a"]}, "leave-one-out", "", InvalidFeed, "columns item_id; expected item_id and shopper_id or"),
    ({"shopper_id": ["u"]}, "leave-one-out", "", InvalidFeed, "columns shopper_id; expected item_id"),
    ({"shopper_id": ["u"], "item_id": [1.5]}, "leave-one-out", "", InvalidFeed,
     "column item_id holds Float64; expected texts or integers"),
    ({"shopper_id": ["u"], "item_id": ["a"], "time": ["2024-01-01"]}, "time-split", "2024-01-01", InvalidFeed,
     "column time holds String; expected timestamps"),
    ({"shopper_id": ["u"], "item_id": ["a"], "order": [1.0]}, "leave-one-out", "", InvalidFeed,
     "column order holds Float64; expected integers"),
    ({"shopper_id": ["u"], "item_id": ["a"], "price": ["1"]}, "leave-one-out", "", InvalidFeed,
     "column price holds String; expected numbers"),
    ({"shopper_id": ["u", None, None], "item_id": ["a", "b", "c"]}, "leave-one-out", "", InvalidFeed,
     "row 2 has neither shopper_id nor session_id, and 1 other rows do"),
    ({"shopper_id": ["u", "u"], "item_id": ["a", None]}, "leave-one-out", "", InvalidFeed, "row 2 has no item_id"),
    ({"shopper_id": ["u"], "item_id": ["a"], "event": ["looked"]}, "leave-one-out", "", InvalidFeed,
     r"row 1 \(looked\) has another event; expected one of view_item, select_item"),
    ({"session_id": ["u"], "item_id": ["a"], "split": ["dev"]}, "next-item", "", InvalidFeed,
     r"row 1 \(dev\) has another split; expected one of train, validation, test"),
    ({"shopper_id": ["u"], "item_id": ["a"], "time": [datetime(9999, 1, 1)]}, "leave-one-out", "", InvalidFeed,
     "has a time outside of 1970-01-02 to 2149-06-06"),
    ({"shopper_id": pl.Series([], dtype=pl.String), "item_id": pl.Series([], dtype=pl.String)}, "leave-one-out", "",
     InvalidFeed, "no row; expected events"),
    ({"shopper_id": ["u", "v"], "session_id": ["s", "s"], "item_id": ["a", "b"]}, "next-item", "", InvalidFeed,
     "has a session_id of more than one shopper_id; expected session ids that differ"),
    ({"shopper_id": ["u"], "item_id": ["a"]}, "next-basket", "2024-01-01", InvalidFeed, "has no column time"),
    ({"shopper_id": ["u"], "item_id": ["a"], "time": [ONE]}, "next-basket", "", InvalidRequest,
     "next-basket needs --split DATE"),
    ({"shopper_id": ["u"], "item_id": ["a"], "time": [ONE]}, "time-split", "soon", InvalidRequest, "soon is no date"),
    ({"shopper_id": ["u"] * 2, "item_id": ["a"] * 2, "time": [ONE, TWO]}, "time-split", "2031-01-01", InvalidRequest,
     "lies outside of .*events.parquet: after 2024-01-01, to 2024-01-02"),
    ({"shopper_id": ["u"] * 2, "item_id": ["a"] * 2, "time": [ONE, TWO]}, "next-basket", "2024-01-01", InvalidRequest,
     "lies outside of"),
    ({"shopper_id": ["u"], "item_id": ["a"], "time": [ONE]}, "leave-one-out", "2024-01-01", InvalidRequest,
     "leave --split out"),
    ({"session_id": ["u"], "item_id": ["a"], "time": [ONE], "split": ["test"]}, "next-item", "2024-01-01",
     InvalidRequest, "has a column split; leave --split out"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "protocol", "split", "kind", "complaint"), WRONG)
def test_what_does_not_fit_is_told_with_place_and_remedy(
    tmp_path: Path,
    columns: dict[str, Any],
    protocol: Protocol,
    split: str,
    kind: type[EndcapError],
    complaint: str,
) -> None:
    with pytest.raises(kind, match=complaint):
        read(written(tmp_path, **columns), protocol, split)


def test_a_folder_without_events_and_a_file_that_is_no_parquet_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidFeed, match=r"events\.parquet is missing; expected events with item_id"):
        read(tmp_path / "nowhere", "leave-one-out")
    (tmp_path / "events.parquet").write_text("shopper_id,item_id\n")
    with pytest.raises(InvalidFeed, match="cannot be read as Parquet"):
        read(tmp_path, "leave-one-out")


def test_a_catalog_without_ids_or_with_an_odd_price_is_told(tmp_path: Path) -> None:
    written(tmp_path, shopper_id=["u"], item_id=["a"])
    written(tmp_path, "catalog", item=["a"])
    with pytest.raises(InvalidFeed, match="columns item; expected id"):
        read(tmp_path, "leave-one-out")
    written(tmp_path, "catalog", id=["a"], price=["dear"])
    with pytest.raises(InvalidFeed, match="price 'dear'; expected a number"):
        read(tmp_path, "leave-one-out")


def asked_of(folder: Path, terms: Terms) -> dict[str, tuple[list[str], str, list[str]]]:
    """By case: what is known, wanted and hidden of it."""
    dataset, items = read(folder, "next-item"), pl.read_parquet(folder / "events.parquet")["item_id"]
    history = dataset.corpus.history()
    fold = outer_fold(dataset, history, terms)
    shop = standing(dataset.corpus, history.where(fold.learned))
    names = dict(zip(history.row.tolist(), (items[line] for line in history.offset.tolist()), strict=True))
    return {
        _named(dataset, history, int(case.id)): (
            [names[row] for row in case.state.shopper.recent.row.tolist()],
            names[int(case.targets[0])],
            [names[row] for row in case.request.exclude.tolist()],
        )
        for case in asked_cases(history, fold, shop)
    }


def test_a_test_session_knows_its_prefix_and_what_is_learned_of_its_shopper_but_no_other_test_session(
    tmp_path: Path,
) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 7, session_id=["s", "t", "v", "t", "v", "t", "s"], item_id=list("aBCBDEb"),
        time=[datetime(2024, 1, day) for day in (1, 2, 3, 4, 5, 6, 1)],
        split=["train", "test", "test", "test", "test", "test", "train"],
    )  # fmt: skip

    assert asked_of(folder, Terms()) == {
        "t:1": (["a", "b", "B"], "B", []),
        "v:1": (["a", "b", "C"], "D", []),
        "t:2": (["a", "b", "B", "B"], "E", []),
    }
    assert asked_of(folder, Terms(exclude_current=True)) == {
        "v:1": (["a", "b", "C"], "D", ["C"]),
        "t:2": (["a", "b", "B", "B"], "E", ["B"]),
    }


def test_validation_never_sees_a_test_session(tmp_path: Path) -> None:
    folder = written(
        tmp_path, shopper_id=["u"] * 5, session_id=list("sttvv"), item_id=list("abcde"),
        split=["train", "test", "test", "validation", "validation"],
    )  # fmt: skip

    assert asked_of(folder, Terms("validation")) == {"v:1": (["a", "d"], "e", [])}


def test_a_case_by_time_carries_the_ids_of_the_file(tmp_path: Path) -> None:
    folder = written(tmp_path, shopper_id=["u:1", "u:1", "w"], item_id=list("abc"), time=[ONE, THREE, TWO])
    dataset = read(folder, "time-split", "2024-01-02")

    assert [dataset.named(case.id) for case in cases(dataset.corpus, dataset.split, "time-split")] == ["u:1:1"]
