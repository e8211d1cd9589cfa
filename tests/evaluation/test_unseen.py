"""The protocols on data sets that the code has never seen: nothing crashes, nothing leaks, ids are the file's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from endcap.backends.encoder.lexical import fit_lexical
from endcap.domain.arrays import Bools, Ints
from endcap.evaluation import (
    Dataset,
    Evaluation,
    Given,
    Split,
    Terms,
    evaluate,
    evaluate_dataset,
    open_policy,
    read_dataset,
    read_lists,
    write_predictions,
)
from endcap.training import Protocol
from endcap.training.folds import TEST, TRAIN, VALIDATION, Fold, Hides, asked_fold, next_item_fold
from endcap.training.history import History
from endcap.training.profile import BASKETS, SESSIONS
from evaluation.sets import SPLIT, candidates, catalog, last_rows, made, orders, sequences, with_other_items

PROFILE: Final = replace(SESSIONS, ranker=replace(SESSIONS.ranker, trees=20), most_cases=300)
OF_BASKETS: Final = replace(BASKETS, ranker=replace(BASKETS.ranker, models=1, trees=20))
"""Fast, and as apt to leak as any other."""
FRAMES: Final[dict[Protocol, Callable[[], pl.DataFrame]]] = {
    "next-item": lambda: sequences("session_id"),
    "leave-one-out": lambda: sequences("shopper_id").with_columns(order=pl.int_range(pl.len()).over("shopper_id")),
    "next-basket": orders,
    "rerank": lambda: sequences("shopper_id", longest=60),
}


def read(folder: Path, protocol: Protocol) -> Dataset:
    return read_dataset(folder, protocol, SPLIT if protocol == "next-basket" else "", fit_lexical)


def silent(words: str) -> None:
    """Nobody reads it."""


def answers(folder: Path, protocol: Protocol, frame: pl.DataFrame) -> pl.Series:
    """The rows with the last item of every test session or shopper; of orders, all after the split."""
    label = read(folder, protocol).label
    tests = pl.Series([row for row, found in enumerate(label.tolist()) if found == TEST])
    if protocol == "next-basket":
        return tests
    last = last_rows(frame, "session_id" if protocol == "next-item" else "shopper_id")
    return last.filter(last.is_in(tests.implode()))


def evaluated(folder: Path, dataset: Dataset) -> Evaluation:
    if dataset.protocol == "rerank":
        listed = read_lists(folder / "candidates.parquet", dataset, silent)
        return evaluate_dataset(dataset, Terms(), PROFILE, silent, listed)
    if dataset.protocol != "next-basket":
        return evaluate_dataset(dataset, Terms(), PROFILE, silent)
    split = Split(SPLIT, dataset.split)
    found = evaluate(dataset.corpus, dataset.protocol, split, open_policy(), silent, Given(OF_BASKETS))
    return replace(found, predictions=found.predictions.renamed(dataset.named))


def lists(folder: Path, protocol: Protocol) -> Path:
    """The file of predictions."""
    dataset = read(folder, protocol)
    write_predictions(evaluated(folder, dataset).predictions, dataset.corpus.keys, folder / "lists.parquet")
    return folder / "lists.parquet"


def by_case(file: Path) -> dict[str, pl.DataFrame]:
    return {str(case): lines for (case,), lines in pl.read_parquet(file).group_by("case_id", maintain_order=True)}


class Told:
    """One protocol's data set, the same with other answers, and the lists for the first."""

    def __init__(self, folder: Path, protocol: Protocol) -> None:
        self.frame, self.protocol = FRAMES[protocol](), protocol
        files = {"catalog": catalog()}
        if protocol == "rerank":
            files["candidates"] = candidates(self.frame)
        self.folder = made(folder / "one", events=self.frame, **files)
        other = with_other_items(self.frame, answers(self.folder, protocol, self.frame))
        assert (other["item_id"] != self.frame["item_id"]).sum() >= 10
        self.other = made(folder / "other", events=other, **files)
        self.cases = by_case(lists(self.folder, protocol))


@pytest.fixture(scope="module", params=list(FRAMES))
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp(request.param), request.param)


def test_other_answers_leave_the_lists_of_all_cases_that_stay_as_they_are(told: Told) -> None:
    after = by_case(lists(told.other, told.protocol))

    both = told.cases.keys() & after.keys()
    assert len(both) > 25
    assert [case for case in sorted(both) if not told.cases[case].equals(after[case])] == []


def test_lists_rank_each_item_once_with_scores_that_never_rise_and_only_items_learned_from(told: Told) -> None:
    learned = (TRAIN, VALIDATION) if told.protocol in ("next-item", "rerank") else (TRAIN,)
    labelled = told.frame.with_columns(label=pl.Series(read(told.folder, told.protocol).label))
    rankable = set(labelled.filter(pl.col("label").is_in(learned))["item_id"])
    for lines in told.cases.values():
        assert lines["rank"].to_list() == list(range(1, len(lines) + 1))
        assert len(lines) <= 100
        assert lines["item_id"].n_unique() == len(lines)
        assert (lines["score"].diff().drop_nulls() <= 0).all()
        assert rankable.issuperset(lines["item_id"])


def test_cases_carry_the_ids_of_the_file(told: Told) -> None:
    frame, cases = told.frame, set(told.cases)
    if told.protocol == "next-item":
        lengths = {session: len(lines) for (session,), lines in frame.group_by("session_id")}
        tests = {case.rpartition(":")[0] for case in cases}
        assert len(tests) >= 5
        assert cases == {f"{session}:{n}" for session in tests for n in range(1, lengths[session])}
    elif told.protocol == "rerank":
        listed = dict(candidates(frame).iter_rows())
        assert cases == set(listed)
        assert all(set(lines["item_id"]) <= set(listed[case]) for case, lines in told.cases.items())
    elif told.protocol == "leave-one-out":
        assert cases == set(frame["shopper_id"])
    else:
        late = frame["time"] >= pl.Series([SPLIT]).str.to_datetime()[0]
        assert cases == set(frame.filter(late)["shopper_id"]) & set(frame.filter(~late)["shopper_id"]) - {None}


def of_all(history: History, learned: Bools, target: Ints, hides: Hides) -> Fold:
    return asked_fold(history, learned | True, target, hides)


def of_all_sessions(history: History, learned: Bools, lines: tuple[Ints, Ints], hides: Hides = "none") -> Fold:
    return next_item_fold(history, learned | True, lines, hides)


@pytest.mark.parametrize(
    ("protocol", "key", "name", "leaking"),
    [
        ("leave-one-out", "shopper_id", "asked_fold", of_all),
        ("next-item", "session_id", "next_item_fold", of_all_sessions),
    ],
)
def test_a_planted_leak_is_seen(
    protocol: Protocol, key: str, name: str, leaking: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"endcap.evaluation.stages.{name}", leaking)
    frame = sequences(key, units=60, longest=20)
    folder = made(tmp_path / "one", events=frame)
    made(tmp_path / "other", events=with_other_items(frame, answers(folder, protocol, frame)))

    seen, after = (by_case(lists(tmp_path / at, protocol)) for at in ("one", "other"))
    both = seen.keys() & after.keys()
    assert any(not seen[case].equals(after[case]) for case in both)
