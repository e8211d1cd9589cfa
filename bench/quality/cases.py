"""What may be learned from, and who is asked what: the protocols over a directory of events.

Written from the protocols' definitions alone and sharing no code with the product, so that it can check it. Knows no
method and no figure. Rankable are items of which an event may be learned from, and candidates that are given; no other
item is ever a right answer.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Stage: TypeAlias = Literal["test", "validation"]

UNRANKABLE: Final = -1
_DAY_MS: Final = 86_400_000
_PAIR: Final = ("case", "item_id")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs [n] of a case's number and an item, cases rising."""

    case: Ints
    item: Ints

    def part(self, low: int, high: int) -> "Pairs":
        """The pairs of the cases from `low` to below `high`, which count from 0 there."""
        lines = slice(*np.searchsorted(self.case, (low, high)).tolist())
        return Pairs(self.case[lines] - low, self.item[lines])


@dataclass(frozen=True, slots=True)
class Lines:
    """Items [n] of sequences one after the other, each from its first step to its last.

    `step` rises within a sequence; the lines of one basket share it. `age` is in days; of sessions without a time how
    many began later; else 0. Nobody's lines are those of sessions without a shopper where others have one.
    """

    sequence: Ints
    item: Ints
    step: Ints
    age: NDArray[np.float64]
    nobody: NDArray[np.bool_]

    def only(self, lines: slice | NDArray[np.bool_]) -> "Lines":
        """Some of the lines."""
        return Lines(self.sequence[lines], self.item[lines], self.step[lines], self.age[lines], self.nobody[lines])

    def back(self) -> Ints:
        """How many steps before the sequence's last every line stands, from 0."""
        last = np.zeros(int(self.sequence.max(initial=-1)) + 1, np.int64)
        np.maximum.at(last, self.sequence, self.step)
        return last[self.sequence] - self.step

    def part(self, low: int, high: int) -> "Lines":
        """The lines of the sequences from `low` to below `high`, which count from 0 there."""
        found = self.only(slice(*np.searchsorted(self.sequence, (low, high)).tolist()))
        return replace(found, sequence=found.sequence - low)


@dataclass(frozen=True, slots=True)
class Cases:
    """What is known of each case (its sequence in `known`), what is wanted, and what is not ranked for it.

    `unit` int64 [cases] numbers the session or shopper, as the sequences learned from are numbered. Where `among` is
    given, only these items are ranked.
    """

    ids: tuple[str, ...]
    unit: Ints
    known: Lines
    wanted: Pairs
    barred: Pairs
    among: Pairs | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, kept: Ints) -> "Cases":
        """Some of the cases, rising, counted from 0."""
        number = np.full(len(self), -1)
        number[kept] = np.arange(len(kept))

        def pairs(given: Pairs) -> Pairs:
            case = number[given.case]
            return Pairs(case[case >= 0], given.item[case >= 0])

        known = self.known.only(number[self.known.sequence] >= 0)
        known = replace(known, sequence=number[known.sequence])
        ids, among = tuple(self.ids[case] for case in kept.tolist()), self.among and pairs(self.among)
        return Cases(ids, self.unit[kept], known, pairs(self.wanted), pairs(self.barred), among)

    def part(self, low: int, high: int) -> "Cases":
        """The cases from `low` to below `high`."""
        among = None if self.among is None else self.among.part(low, high)
        wanted, barred = self.wanted.part(low, high), self.barred.part(low, high)
        return Cases(self.ids[low:high], self.unit[low:high], self.known.part(low, high), wanted, barred, among)


@dataclass(frozen=True, slots=True)
class Task:
    """The rankable `items` by number, what may be learned from, and the cases; `titles` by item where they are read."""

    items: tuple[str, ...]
    learned: Lines
    cases: Cases
    titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """Frames of cases: `known` has case, item_id, step and age, the others case and item_id."""

    ids: pl.Series
    unit: pl.Series
    known: pl.DataFrame
    wanted: pl.DataFrame
    barred: pl.DataFrame
    among: pl.DataFrame | None = None


def next_item(directory: Path, stage: Stage = "test", *, exclude_current: bool = False) -> Task:
    """Every prefix of every session asked for its next item, repeats ranked.

    With `exclude_current` a prefix's last item is not ranked, and a prefix that it follows is no case. Where no session
    is marked for validation, the latest training sessions are, as many as there are for test.
    """
    lines = _sequences(directory, "session_id")
    if stage == "validation":
        tests = lines.filter(pl.col("split") == "test")["sequence"].n_unique()
        lines = lines.filter(pl.col("split") != "test")
        if not (lines["split"] == stage).any():
            latest = pl.col("sequence") > pl.col("sequence").max() - tests
            lines = lines.with_columns(pl.when(latest).then(pl.lit(stage)).otherwise("split").alias("split"))
    lines = lines.with_columns((pl.col("sequence").max() - pl.col("sequence")).cast(pl.Float64).alias("age"))
    learned, sessions = lines.filter(pl.col("split") != stage), lines.filter(pl.col("split") == stage)
    again = (pl.col("item_id") == pl.col("item_id").shift()) & exclude_current
    asked = _before(sessions, sessions.select((pl.col("step") > 0) & ~again.fill_null(value=False)).to_series())
    ids = asked.ids + ":" + asked.known.group_by("case", maintain_order=True).len()["len"].cast(pl.String)
    current = asked.known.group_by("case", maintain_order=True).last() if exclude_current else asked.barred.head(0)
    return _task(learned, replace(asked, ids=ids, barred=current.select(_PAIR)))


def leave_one_out(directory: Path, stage: Stage = "test", *, fold_validation: bool = False) -> Task:
    """Every shopper's last item (test) or last but one (validation); what the shopper had before is not ranked.

    The last but one is known to the test's cases, but learned from only with `fold_validation`.
    """
    lines = _sequences(directory, "shopper_id")
    left = pl.col("step").max().over("sequence") - pl.col("step")
    learned = lines.filter(left >= (1 if fold_validation else 2))
    target = (left == (stage == "validation")) & (pl.col("step") > 0)
    return _task(learned, _before(lines, lines.select(target).to_series()))


def rerank(directory: Path, candidates: Path) -> Task:
    """Every listed shopper's last item among the listed ones, by what came before; no last item is learned from.

    A candidate is ranked whether or not anything is learned of it.
    """
    lines = _sequences(directory, "shopper_id")
    last = pl.col("step") == pl.col("step").max().over("sequence")
    listed = pl.read_parquet(candidates)
    asked = _before(lines, lines.select(last & pl.col("unit").is_in(listed["case_id"].implode())).to_series())
    number = pl.DataFrame({"case": np.arange(len(asked.ids)), "case_id": asked.ids})
    among = number.join(listed, on="case_id", maintain_order="left").explode("item_ids").rename({"item_ids": "item_id"})
    learned = lines.filter(~last)
    items = pl.concat([learned["item_id"], among["item_id"]])
    task = _task(learned, replace(asked, barred=asked.barred.head(0), among=among), items)
    titles = dict(pl.read_parquet(directory / "catalog.parquet").select("id", "title").iter_rows())
    return replace(task, titles=tuple(titles.get(item) or "" for item in task.items))


def next_basket(directory: Path, split: datetime, until: datetime | None = None) -> Task:
    """The first basket on or after `split` of every shopper with an earlier one, repeats ranked; nothing after `until`.

    A basket's time is its earliest line's, ties go to the smaller id. Baskets of nobody are learned from.
    """
    lines = _baskets(pl.read_parquet(directory / "events.parquet"), until)
    age = (pl.lit(split) - pl.col("time")).dt.total_milliseconds() / _DAY_MS
    lines = lines.with_columns(age.alias("age"), pl.col("shopper_id").is_null().alias("nobody"))
    learned = lines.filter(pl.col("time") < split)
    first = lines.filter((pl.col("time") >= split) & pl.col("shopper_id").is_not_null())
    first = first.filter(pl.col("step") == pl.col("step").min().over("sequence"))
    first = first.join(learned.select("sequence").unique(), on="sequence", how="semi", maintain_order="left")
    cases = first.select("sequence", "shopper_id").unique(maintain_order=True).with_row_index("case")
    case = cases.select("sequence", pl.col("case").cast(pl.Int64))
    known = learned.join(case, on="sequence", maintain_order="right_left")
    wanted = first.join(case, on="sequence", maintain_order="left")
    return _task(learned, _Asked(cases["shopper_id"], cases["sequence"], known, wanted, wanted.head(0)))


def discovery(task: Task) -> Task:
    """The cases that want an item they did not have, with what they had not ranked and no longer wanted."""
    cases, size = task.cases, len(task.items)
    had, want = cases.known.sequence * size + cases.known.item, cases.wanted.case * size + cases.wanted.item
    new = (cases.wanted.item == UNRANKABLE) | ~np.isin(want, had)
    kept, case = np.unique(cases.wanted.case[new], return_inverse=True)
    found = cases.only(kept)
    found = replace(found, wanted=Pairs(case, cases.wanted.item[new]))
    return replace(task, cases=replace(found, barred=Pairs(found.known.sequence, found.known.item)))


def _sequences(directory: Path, key: str) -> pl.DataFrame:
    """Lines sorted by sequence and step: `unit` is the file's id of it, `sequence` counts them as they first appear."""
    events = pl.read_parquet(directory / "events.parquet").drop_nulls(key)
    by = [name for name in ("order", "time") if name in events.columns][:1]
    events = events.with_columns(_numbered(events[key]), pl.col(key).alias("unit"))
    events = events.sort("sequence", *by, maintain_order=True)
    step = pl.int_range(pl.len()).over("sequence").alias("step")
    return events.with_columns(step, pl.lit(0.0).alias("age"), pl.lit(value=False).alias("nobody"))


def _numbered(keys: pl.Series) -> pl.Series:
    """`sequence`: the number of every key, counted as they first appear."""
    distinct = keys.unique(maintain_order=True)
    return keys.replace_strict(distinct, np.arange(len(distinct)), return_dtype=pl.Int64).alias("sequence")


def _baskets(events: pl.DataFrame, until: datetime | None) -> pl.DataFrame:
    """Purchased lines, one a basket and item, sorted by sequence (a shopper, or a session of nobody) and basket."""
    nobody = pl.concat_str(pl.lit("session "), "session_id")
    owner = pl.coalesce(pl.concat_str(pl.lit("shopper "), "shopper_id"), nobody).alias("owner")
    lines = events.filter((pl.col("event") == "purchase") & (True if until is None else pl.col("time") < until))
    lines = lines.select("shopper_id", "item_id", "basket_id", pl.col("time").min().over(owner, "basket_id"), owner)
    lines = lines.unique(("owner", "basket_id", "item_id"), keep="first", maintain_order=True)
    lines = lines.with_columns(_numbered(lines["owner"])).sort("sequence", "time", "basket_id", maintain_order=True)
    fresh = pl.struct("time", "basket_id").rle_id().over("sequence").cast(pl.Int64)
    return lines.with_columns(fresh.alias("step"))


def _before(lines: pl.DataFrame, target: pl.Series) -> _Asked:
    """One case a line that is a `target`: wanted is its item, known and barred is what its sequence holds before."""
    places = np.flatnonzero(target.to_numpy())
    steps = lines["step"].to_numpy()[places]
    case = np.repeat(np.arange(len(places)), steps)
    offset = np.arange(len(case)) - np.repeat(np.cumsum(steps) - steps, steps)
    known = lines[np.repeat(places - steps, steps) + offset].with_columns(case=case)
    asked = lines[places].with_columns(case=np.arange(len(places)))
    return _Asked(asked["unit"], asked["sequence"], known, asked, known)


def _task(learned: pl.DataFrame, asked: _Asked, rankable: pl.Series | None = None) -> Task:
    items = (learned["item_id"] if rankable is None else rankable).unique().sort()
    number = pl.DataFrame({"item_id": items, "item": np.arange(len(items))})

    def numbered(rows: pl.DataFrame) -> pl.DataFrame:
        joined = rows.join(number, on="item_id", how="left", maintain_order="left")
        return joined.with_columns(pl.col("item").fill_null(UNRANKABLE))

    def lines(rows: pl.DataFrame, key: str) -> Lines:
        rows = numbered(rows).filter(pl.col("item") != UNRANKABLE)
        return Lines(*(rows[name].to_numpy() for name in (key, "item", "step", "age", "nobody")))

    def pairs(rows: pl.DataFrame, *, all_of_them: bool = False) -> Pairs:
        rows = numbered(rows).filter((pl.col("item") != UNRANKABLE) | all_of_them)
        return Pairs(rows["case"].to_numpy(), rows["item"].to_numpy())

    among = None if asked.among is None else pairs(asked.among)
    known, wanted = lines(asked.known, "case"), pairs(asked.wanted, all_of_them=True)
    cases = Cases(tuple(asked.ids), asked.unit.to_numpy(), known, wanted, pairs(asked.barred), among)
    return Task(tuple(items), lines(learned, "sequence"), cases)
