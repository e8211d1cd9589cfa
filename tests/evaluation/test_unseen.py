"""The protocols on data sets that the code has never seen: nothing crashes, nothing leaks, ids are the file's."""

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
    Split,
    Terms,
    evaluate,
    evaluate_dataset,
    open_policy,
    read_dataset,
    write_predictions,
)
from endcap.training import Protocol
from endcap.training.folds import TEST, TRAIN, VALIDATION, Fold, Hides, asked_fold
from endcap.training.history import History
from endcap.training.profile import SESSIONS
from evaluation.sets import SPLIT, catalog, last_rows, made, orders, sequences, with_other_items

PROFILE: Final = replace(SESSIONS, ranker=replace(SESSIONS.ranker, trees=20), most_cases=300)
"""Fast, and as apt to leak as any other."""
KEYS: Final[dict[Protocol, str]] = {"next-item": "session_id", "leave-one-out": "shopper_id"}


def frame_of(protocol: Protocol) -> pl.DataFrame:
    if protocol == "next-basket":
        return orders()
    ordered = pl.int_range(pl.len()).over("shopper_id") if protocol == "leave-one-out" else pl.lit(None, pl.Int64)
    frame = sequences(KEYS[protocol]).with_columns(order=ordered)
    return frame if protocol == "leave-one-out" else frame.drop("order")


def read(folder: Path, protocol: Protocol) -> Dataset:
    return read_dataset(folder, protocol, SPLIT if protocol == "next-basket" else "", fit_lexical)


def answers(folder: Path, protocol: Protocol, frame: pl.DataFrame) -> pl.Series:
    """The rows with the last item of every test session or shopper; of orders, all after the split."""
    label = read(folder, protocol).label
    tests = pl.Series([row for row, found in enumerate(label.tolist()) if found == TEST])
    if protocol == "next-basket":
        return tests
    last = last_rows(frame, KEYS[protocol])
    return last.filter(last.is_in(tests.implode()))


def evaluated(dataset: Dataset) -> Evaluation:
    if dataset.protocol != "next-basket":
        return evaluate_dataset(dataset, Terms(), PROFILE, lambda words: None)
    found = evaluate(dataset.corpus, dataset.protocol, Split(SPLIT, dataset.split), open_policy(), lambda words: None)
    return replace(found, predictions=found.predictions.renamed(dataset.named))


def lists(folder: Path, protocol: Protocol) -> Path:
    """The file of predictions."""
    dataset = read(folder, protocol)
    write_predictions(evaluated(dataset).predictions, dataset.corpus.keys, folder / "lists.parquet")
    return folder / "lists.parquet"


def by_case(file: Path) -> dict[str, pl.DataFrame]:
    return {str(case): lines for (case,), lines in pl.read_parquet(file).group_by("case_id", maintain_order=True)}


class Told:
    """One protocol's data set, the same with other answers, and the lists for the first."""

    def __init__(self, folder: Path, protocol: Protocol) -> None:
        self.frame, self.protocol = frame_of(protocol), protocol
        self.folder = made(folder / "one", events=self.frame, catalog=catalog())
        other = with_other_items(self.frame, answers(self.folder, protocol, self.frame))
        assert (other["item_id"] != self.frame["item_id"]).sum() >= 10
        self.other = made(folder / "other", events=other, catalog=catalog())
        self.cases = by_case(lists(self.folder, protocol))


@pytest.fixture(scope="module", params=["next-item", "leave-one-out", "next-basket"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp(request.param), request.param)


def test_other_answers_leave_the_lists_of_all_cases_that_stay_as_they_are(told: Told) -> None:
    after = by_case(lists(told.other, told.protocol))

    both = told.cases.keys() & after.keys()
    assert len(both) > 25
    assert [case for case in sorted(both) if not told.cases[case].equals(after[case])] == []


def test_lists_rank_each_item_once_with_scores_that_never_rise_and_only_items_learned_from(told: Told) -> None:
    learned = (TRAIN, VALIDATION) if told.protocol == "next-item" else (TRAIN,)
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
    elif told.protocol == "leave-one-out":
        assert cases == set(frame["shopper_id"])
    else:
        late = frame["time"] >= pl.Series([SPLIT]).str.to_datetime()[0]
        assert cases == set(frame.filter(late)["shopper_id"]) & set(frame.filter(~late)["shopper_id"]) - {None}


def test_a_planted_leak_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(history: History, learned: Bools, target: Ints, hides: Hides) -> Fold:
        return asked_fold(history, learned | True, target, hides)

    monkeypatch.setattr("endcap.evaluation.stages.asked_fold", leaking)
    frame = sequences("shopper_id", units=60, longest=20)
    folder = made(tmp_path / "one", events=frame)
    made(tmp_path / "other", events=with_other_items(frame, answers(folder, "leave-one-out", frame)))

    seen, after = (by_case(lists(tmp_path / name, "leave-one-out")) for name in ("one", "other"))
    assert any(not seen[case].equals(after[case]) for case in seen)
