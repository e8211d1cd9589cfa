"""The search: what it may see, that it repeats, goes on and ends in time, and that it finds what is there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import optuna
import polars as pl
import pytest
from rich.console import Console

from endcap.backends.encoder.lexical import fit_lexical
from endcap.domain.instants import DAY, iso
from endcap.errors import InvalidRequest
from endcap.evaluation import read_dataset
from endcap.training import Learned, Protocol
from endcap.training.folds import TEST, ends, standing
from endcap.training.profile import BASKETS, REVIEWS, SESSIONS, Profile
from endcap.training.sources import ALONE, fit_source, fit_sources
from endcap.tuning import (
    Budget,
    Task,
    Tuned,
    parse_profile,
    profile_text,
    sequence_task,
    time_task,
    tune,
    tuned_summary,
)
from endcap.tuning.scores import Alone
from endcap.tuning.spaces import KNOBS, RANKER, values_of, with_values
from evaluation.sets import SPLIT, made, orders, sequences, with_other_items
from shops import START, aisles

QUICK = Budget(60, 3)
FAST = replace(SESSIONS, ranker=replace(SESSIONS.ranker, trees=40), sequel=replace(SESSIONS.sequel, epochs=1))


def silent(words: str) -> None:
    """Nobody reads it."""


def next_items(folder: Path, frame: pl.DataFrame, base: Profile = FAST) -> Task:
    task = sequence_task(read_dataset(made(folder, events=frame), "next-item", "", fit_lexical))
    known: dict[str, Learned] = {}

    def learned(profile: Profile, report: Callable[[str], None]) -> Learned:
        """As the task does, but each profile once a file of tests."""
        text = profile_text(profile)
        if text not in known:
            known[text] = task.learn(profile, report)
        return known[text]

    return replace(task, base=base, learn=learned)


def frame() -> pl.DataFrame:
    return sequences("session_id", units=60, longest=20)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return next_items(tmp_path_factory.mktemp("sessions"), frame())


def without_ranker(task: Task) -> Task:
    """The sources' searches alone: whole hybrids take most of a test's time."""

    def learned(profile: Profile, report: object) -> object:
        raise KeyboardInterrupt

    return replace(task, learn=learned)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tuned(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return tune(task, tmp_path_factory.mktemp("once") / "study", QUICK, silent)


@pytest.mark.parametrize("default", [SESSIONS, BASKETS, REVIEWS], ids=lambda profile: profile.shape)
def test_every_default_lies_in_its_space_and_every_corner_can_be_written(default: Profile) -> None:
    for knobs in KNOBS.values():
        values = values_of(default, knobs)
        assert [k.field for k in knobs if not k.low <= values[k.field] <= k.high] == []
        for bound in ("low", "high"):
            given = {k.field: (int if k.whole else float)(getattr(k, bound)) for k in knobs}
            corner = with_values(default, given)
            assert parse_profile(profile_text(corner), "file") == corner


def test_a_source_by_itself_is_the_one_among_all(task: Task, tmp_path: Path) -> None:
    dataset = read_dataset(made(tmp_path, events=frame()), "next-item", "", fit_lexical)
    shop = standing(dataset.corpus, task.known)
    everything = {each.name: each for each in fit_sources(task.known, shop, task.at, FAST).sources}
    compared = set(ALONE) & set(everything)
    assert compared == {"sessions", "cooccurrence", "transitions", "sequel"}
    for name in compared:
        alone = fit_source(name, task.known, task.content, task.at, FAST)
        for case in task.asked(20):
            moment = Alone.moment(case)
            one, other = (each.propose(case.request, moment, 50) for each in (alone, everything[name]))
            assert one.rows.tobytes() == other.rows.tobytes()
            assert one.votes.tobytes() == other.votes.tobytes()


def test_all_sources_and_hybrids_are_compared(tuned: Tuned) -> None:
    assert {gain.name for gain in tuned.gains} == {*KNOBS} - {RANKER}
    assert {gain.trials for gain in tuned.gains if gain.default} == {3}
    assert tuned.whole is not None
    assert tuned.whole.tuned >= tuned.whole.default > 0
    assert parse_profile(profile_text(tuned.profile), "file") == tuned.profile
    console = Console(width=120, record=True, quiet=True)
    console.print(tuned_summary(tuned))


def test_the_same_search_finds_the_same(task: Task, tuned: Tuned, tmp_path: Path) -> None:
    assert tune(task, tmp_path / "study", QUICK, silent) == tuned


def test_a_search_that_was_interrupted_ends_like_one_that_was_not(task: Task, tuned: Tuned, tmp_path: Path) -> None:
    told = []

    def impatient(words: str) -> None:
        told.append(words)
        if len(told) == 7:
            raise KeyboardInterrupt

    first = tune(task, tmp_path / "study", QUICK, impatient)
    assert first.interrupted
    assert first.whole is None
    assert 0 < sum(gain.trials for gain in first.gains) < sum(gain.trials for gain in tuned.gains)
    assert tune(task, tmp_path / "study", QUICK, silent) == tuned


def test_what_is_in_the_study_is_not_done_again(task: Task, tmp_path: Path) -> None:
    budget = Budget(60, 2)
    found = tune(without_ranker(task), tmp_path / "study", budget, silent)
    told: list[str] = []
    assert tune(without_ranker(task), tmp_path / "study", budget, told.append) == found
    assert len(told) == 1


def test_a_spent_budget_still_gives_a_profile(task: Task, tmp_path: Path) -> None:
    found = tune(task, tmp_path / "study", Budget(0), silent)
    assert (found.profile, found.gains, found.whole, found.interrupted) == (FAST, (), None, False)


def test_time_is_a_bound(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: Iterator[float] = iter(range(10_000))
    monkeypatch.setattr("endcap.tuning.search.perf_counter", lambda: float(next(ticks)))
    found = tune(without_ranker(task), tmp_path / "study", Budget(20), silent)
    assert 3 <= sum(gain.trials for gain in found.gains) <= 12


def test_a_better_setting_is_found(tmp_path: Path) -> None:
    near = replace(FAST.near, step_decay=1.0, most=64, half_life_days=5_000.0)
    poor = replace(FAST, near=near, left_out=frozenset({"sessions", "sequel", "transitions"}))
    found = tune(without_ranker(next_items(tmp_path, frame(), poor)), tmp_path / "study", Budget(60, 12), silent)
    gains = {gain.name: gain for gain in found.gains}
    assert gains["near"].counts
    assert gains.keys() == {"near", "cooccurrence", "personal"}
    assert found.profile.near != poor.near


@pytest.mark.parametrize("protocol", ["next-item", "leave-one-out", "next-basket"])
def test_nothing_of_the_test_is_seen(protocol: Protocol, tmp_path: Path) -> None:
    key = "shopper_id" if protocol == "leave-one-out" else "session_id"
    one = orders() if protocol == "next-basket" else sequences(key, units=60, longest=20)
    split = SPLIT if protocol == "next-basket" else ""
    dataset = read_dataset(made(tmp_path / "one", events=one), protocol, split, fit_lexical)
    tests = pl.Series(np.flatnonzero(dataset.label == TEST))
    if protocol == "next-basket":
        tests = pl.Series(np.flatnonzero(one["time"].dt.epoch("ms").to_numpy() >= dataset.split))
    assert len(tests) > 10
    other = with_other_items(one, tests)
    assert (other["item_id"] != one["item_id"]).sum() >= 10
    changed = read_dataset(made(tmp_path / "other", events=other), protocol, split, fit_lexical)

    found = []
    for each in (dataset, changed):
        task = time_task(each.corpus, protocol, each.split, None) if split else sequence_task(each)
        assert len(list(task.asked(50))) > 10
        sources = Alone(task)
        scores = [sources.score(name, task.base) for name in ("sessions", "cooccurrence", "near", "personal")]
        found.append((task.digest(), scores))
    assert found[0] == found[1]
    assert sum(found[0][1]) > 0


@cache
def shop_task() -> Task:
    return time_task(aisles(3, 100), "time-split", START + 36 * DAY, None)


def test_a_shop_s_validation_ends_where_its_test_begins() -> None:
    task = shop_task()
    cases = list(task.asked(100))
    assert len(cases) > 20
    assert task.at <= min(case.request.at for case in cases)
    assert max(case.request.at for case in cases) < START + 36 * DAY
    assert ends(task.known) <= task.at
    assert iso(START + 36 * DAY)[:10] in task.told
    assert Alone(task).score("sessions", task.base) > 0


def test_a_study_of_other_data_is_refused(task: Task, tmp_path: Path) -> None:
    tune(task, tmp_path / "study", Budget(0), silent)
    with pytest.raises(InvalidRequest, match="is of other data, another protocol or other defaults; delete it"):
        tune(shop_task(), tmp_path / "study", Budget(0), silent)
    (tmp_path / "notes.txt").write_text("bread, milk")
    with pytest.raises(InvalidRequest, match=r"notes\.txt is no study file"):
        tune(task, tmp_path / "notes.txt", Budget(0), silent)


def test_a_trial_that_is_interrupted_leaves_no_trace(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = replace(task, base=replace(FAST, left_out=FAST.left_out | {"sequel"}))
    whole = tune(without_ranker(quick), tmp_path / "whole", QUICK, silent)
    calls, score = iter(range(1_000)), Alone.score

    def stopped(alone: Alone, study: str, profile: Profile) -> float:
        if next(calls) == 7:
            raise KeyboardInterrupt
        return score(alone, study, profile)

    monkeypatch.setattr(Alone, "score", stopped)
    tune(without_ranker(quick), tmp_path / "study", QUICK, silent)
    url = f"sqlite:///{tmp_path / 'study'}"
    studies = [optuna.load_study(study_name=name, storage=url) for name in optuna.get_all_study_names(url)]
    assert {trial.state.name for study in studies for trial in study.trials} == {"COMPLETE", "FAIL"}
    assert tune(without_ranker(quick), tmp_path / "study", QUICK, silent) == whole
