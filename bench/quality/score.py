"""Score the lists of `endcap evaluate --predictions` against the events alone, by code that is not the product's.

    python bench/quality/score.py --data .bench/quality/diginetica --protocol next-item --predictions lists.parquet

Prints the means of all figures with their 95 % intervals. The discovery list of `next-basket` is not among the
predictions; `endcap evaluate --json` gives it.
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from cases import Task, leave_one_out, next_basket, next_item, rerank
from measure import Figures, figures, pessimistic, summed_up


class Refused(Exception):
    """Predictions that do not keep to the protocol."""


def scored(predictions: Path, task: Task) -> Figures:
    """The figures of every case of `task`; a case without a line found nothing.

    Raises: Refused where lines answer no case, repeat an item, are out of order or rank what the protocol does not.
    """
    cases = task.cases
    number = pl.DataFrame({"case_id": cases.ids, "case": np.arange(len(cases))})
    items = pl.DataFrame({"item_id": task.items, "item": np.arange(len(task.items))})
    lists = pl.read_parquet(predictions, columns=["case_id", "rank", "item_id", "score"])
    lists = lists.join(number, on="case_id", how="left").join(items, on="item_id", how="left").sort("case", "rank")
    _check(lists, task)
    wanted = pl.DataFrame({"case": cases.wanted.case, "item": cases.wanted.item}).with_row_index("line")
    own = lists.join(wanted, on=("case", "item")).select("line", "case", own="score")
    ahead = own.join(lists.select("case", "score"), on="case").filter(pl.col("score") >= pl.col("own"))
    score, count = np.full(len(wanted), -np.inf), np.zeros(len(wanted), np.int64)
    score[own["line"].to_numpy()] = own["own"].to_numpy()
    np.add.at(count, ahead["line"].to_numpy(), 1)
    place = pessimistic(cases.wanted.case, score, count)
    return figures(cases.wanted, place, len(cases))


def _check(lists: pl.DataFrame, task: Task) -> None:
    first = {
        "answers no case of the protocol": lists.filter(pl.col("case").is_null()),
        "has no number for a score": lists.filter(~pl.col("score").is_finite()),
        "repeats an item of its list": lists.filter(pl.struct("case_id", "item_id").is_duplicated()),
        "scores more than the line before": lists.filter(pl.col("score") > pl.col("score").shift().over("case")),
        "ranks an item that nothing is learned of": lists.filter(pl.col("item").is_null()),
    }
    barred = pl.DataFrame({"case": task.cases.barred.case, "item": task.cases.barred.item})
    first["ranks an item that the protocol leaves out"] = lists.join(barred, on=("case", "item"), how="semi")
    if task.cases.among is not None:
        among = pl.DataFrame({"case": task.cases.among.case, "item": task.cases.among.item})
        first["ranks an item that is no candidate"] = lists.join(among, on=("case", "item"), how="anti")
    for what, lines in first.items():
        if len(lines):
            raise Refused(f"{len(lines):,} lines: {lines.row(0)[:3]} {what}")


def main() -> None:
    """Score one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--protocol", choices=("next-item", "leave-one-out", "next-basket", "rerank"), required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--exclude-current", action="store_true")
    parser.add_argument("--fold-validation", action="store_true")
    parser.add_argument("--split", type=datetime.fromisoformat, help="for next-basket")
    parser.add_argument("--candidates", type=Path, help="for rerank")
    given = parser.parse_args()
    try:
        task = _task(given)
        found = summed_up(scored(given.predictions, task), task.cases.unit)
    except Refused as error:
        sys.exit(f"score.py: {given.predictions}: {error}")
    print(f"{len(task.cases):,} cases, {len(task.items):,} rankable items")
    for name, (mean, low, high) in found.items():
        print(f"  {name:<13} {mean:.4f}  [{low:.4f}, {high:.4f}]")


def _task(given: argparse.Namespace) -> Task:
    match given.protocol:
        case "next-item":
            return next_item(given.data, exclude_current=given.exclude_current)
        case "leave-one-out":
            return leave_one_out(given.data, fold_validation=given.fold_validation)
        case "next-basket":
            if given.split is None:
                sys.exit("score.py: next-basket needs --split DATE")
            return next_basket(given.data, given.split)
        case _:
            return rerank(given.data, given.candidates or given.data / "candidates.parquet")


if __name__ == "__main__":
    main()
