"""Who is asked what, on files written by hand."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from cases import UNRANKABLE, Task, discovery, leave_one_out, next_basket, next_item, rerank


def written(folder: Path, **columns: list[Any]) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "events.parquet")
    return folder


def told(task: Task) -> dict[str, tuple[list[str], list[str | None], list[str]]]:
    """By case: what is known, wanted and barred."""
    cases, names = task.cases, {UNRANKABLE: None, **dict(enumerate(task.items))}
    return {
        name: (
            [task.items[item] for item in cases.known.item[cases.known.sequence == case]],
            [names[item] for item in cases.wanted.item[cases.wanted.case == case].tolist()],
            [task.items[item] for item in cases.barred.item[cases.barred.case == case]],
        )
        for case, name in enumerate(cases.ids)
    }


def sessions(folder: Path) -> Path:
    return written(
        folder,
        session_id=["p", "p", "q", "q", "r", "r", "r", "r"],
        item_id=["a", "b", "b", "c", "b", "b", "z", "a"],
        order=[0, 1, 0, 1, 0, 1, 2, 3],
        split=["train"] * 4 + ["test"] * 4,
    )


def test_every_prefix_of_a_test_session_is_asked_and_unlearned_items_are_misses(tmp_path: Path) -> None:
    task = next_item(sessions(tmp_path))

    assert task.items == ("a", "b", "c")
    assert told(task) == {
        "r:1": (["b"], ["b"], []),
        "r:2": (["b", "b"], [None], []),
        "r:3": (["b", "b"], ["a"], []),
    }


def test_without_the_item_on_screen_it_is_neither_ranked_nor_a_case(tmp_path: Path) -> None:
    assert told(next_item(sessions(tmp_path), exclude_current=True)) == {
        "r:2": (["b", "b"], [None], ["b"]),
        "r:3": (["b", "b"], ["a"], []),
    }


def test_the_latest_training_sessions_are_asked_for_validation_and_the_test_is_not_looked_at(tmp_path: Path) -> None:
    assert told(next_item(sessions(tmp_path), "validation")) == {"q:1": (["b"], [None], [])}


def shoppers(folder: Path) -> Path:
    return written(
        folder,
        shopper_id=["u", "v", "u", "u", "v", "u", "w"],
        item_id=["c", "b", "b", "a", "c", "d", "a"],
        order=[2, 0, 1, 0, 1, 3, 0],
    )


def test_the_last_item_is_asked_and_the_one_before_is_known_but_learned_from_only_if_folded_in(tmp_path: Path) -> None:
    plain, folded = leave_one_out(shoppers(tmp_path)), leave_one_out(tmp_path, fold_validation=True)

    assert (plain.items, folded.items) == (("a", "b"), ("a", "b", "c"))
    assert told(plain) == {"u": (["a", "b"], [None], ["a", "b"]), "v": (["b"], [None], ["b"])}
    assert told(folded) == {"u": (["a", "b", "c"], [None], ["a", "b", "c"]), "v": (["b"], ["c"], ["b"])}
    assert told(leave_one_out(tmp_path, "validation")) == {"u": (["a", "b"], [None], ["a", "b"])}


def test_only_candidates_of_the_listed_shoppers_are_ranked_again(tmp_path: Path) -> None:
    shoppers(tmp_path)
    pl.DataFrame({"id": ["a"], "title": ["An apple"]}).write_parquet(tmp_path / "catalog.parquet")
    pl.DataFrame({"case_id": ["v"], "item_ids": [["a", "c", "new"]]}).write_parquet(tmp_path / "some.parquet")

    task = rerank(tmp_path, tmp_path / "some.parquet")

    assert told(task) == {"v": (["b"], ["c"], [])}
    assert task.cases.among is not None
    assert [task.items[item] for item in task.cases.among.item] == ["a", "c", "new"]
    assert task.titles == ("An apple", "", "", "")


def baskets(folder: Path) -> Path:
    day = [datetime(2020, 1, each) for each in (1, 1, 2, 9, 9, 9, 8, 3)]
    return written(
        folder,
        shopper_id=["u", "u", "u", "u", "u", "u", None, "v"],
        session_id=["1", "1", "2", "4", "3", "3", "5", "6"],
        basket_id=["1", "1", "2", "4", "3", "3", "5", "6"],
        item_id=["a", "a", "b", "a", "b", "n", "g", "a"],
        event=["purchase"] * 8,
        time=day,
    )


def test_the_first_basket_after_the_split_is_asked_of_two_at_once_the_smaller_id(tmp_path: Path) -> None:
    task = next_basket(baskets(tmp_path), datetime(2020, 1, 9))

    assert task.items == ("a", "b", "g")
    assert told(task) == {"u": (["a", "b"], ["b", None], [])}
    assert told(discovery(task)) == {"u": (["a", "b"], [None], ["a", "b"])}
    assert task.learned.nobody.tolist() == [False, False, True, False]
    assert task.cases.known.age.tolist() == [8.0, 7.0]
    assert told(next_basket(tmp_path, datetime(2020, 1, 2), datetime(2020, 1, 9))) == {"u": (["a"], [None], [])}
