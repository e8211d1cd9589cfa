"""A few seeds of each check that `make simulation-checks` runs on a hundred shops and more."""

import pytest

import checks

SEED = 1
LAYERS = {"collaborative", "content", "session", "hybrid"}


def test_layers_gain_in_null_shops_by_chance_alone() -> None:
    """Each does in one of forty, so more than two of these twelve are three times in a thousand."""
    found = [checks.null(seed) for seed in (101, 102, 103)]
    assert all(set(each) == LAYERS for each in found)
    assert sum(gained for each in found for (gained,) in each.values()) <= 2


def test_a_check_is_red_where_too_many_gain_or_too_few_are_told() -> None:
    null, _, story = checks.CHECKS
    gains: list[checks.Finding] = [{"content": [number < 8]} for number in range(100)]
    assert [row[1:] for row in null.judged(gains)] == [(8, 100, False)]
    assert [row[1:] for row in null.judged(gains[1:])] == [(7, 99, False)]
    assert [row[1:] for row in null.judged([*gains[1:], {"content": [False]}])] == [(7, 100, True)]
    told: list[checks.Finding] = [{"session": [True] * 17 + [False] * 3, "no session": [True] + [False] * 19}]
    assert [row.right for row in story.judged(told)] == [False, True]


def test_the_intervals_of_all_gains_hold_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["--only", "truth", "--seeds", str(SEED), "--jobs", "1"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {line[1] for line in lines[:-1]} == LAYERS
    assert {tuple(line[2:]) for line in lines[:-1]} == {("1", "of", "1", "as", "it", "must", "be")}


def test_kids_outdoor_things_are_shown_to_who_likes_the_outdoors_and_looks_at_things_for_kids() -> None:
    found = checks.story(SEED)
    assert sum(found["session"]) >= 0.9 * checks.STORIES
    assert sum(found["no session"]) <= 0.1 * checks.STORIES
