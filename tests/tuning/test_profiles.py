"""Profiles as files: what is written is read back, and what is wrong is told with the nearest name."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.errors import InvalidSettings
from endcap.training.profile import BASKETS, REVIEWS, SESSIONS, Profile
from endcap.tuning import differences, parse_profile, profile_text


def moved(value: Any) -> Any:
    """Another value of the same kind, in every field."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value / 2 + 0.125
        case frozenset():
            return frozenset({"sessions", "near_content"})
        case tuple():
            return (3, 7)
        case dict():
            return {"personal": 7, "sessions": 90}
        case _:
            pass
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: moved(getattr(value, field.name)) for field in fields(value)})
    return value


@pytest.mark.parametrize("default", [SESSIONS, BASKETS, REVIEWS], ids=lambda profile: profile.shape)
def test_every_field_is_written_and_read_back(default: Profile) -> None:
    other = moved(default)
    same = {field.name for field in fields(default) if getattr(other, field.name) == getattr(default, field.name)}
    assert same == {"shape"}
    assert parse_profile(profile_text(other, "tuned\non a day"), "file") == other


def test_a_default_is_its_shape_and_nothing_else() -> None:
    assert profile_text(REVIEWS) == 'shape = "reviews"\n'
    assert parse_profile('shape = "reviews"', "file") == REVIEWS
    assert differences(REVIEWS) == 0


def test_only_what_differs_is_written() -> None:
    profile = replace(SESSIONS, quota=60, ranker=replace(SESSIONS.ranker, trees=50))
    assert profile_text(profile, "Tuned.") == '# Tuned.\nshape = "sessions"\nquota = 60\n\n[ranker]\ntrees = 50\n'
    assert differences(profile) == 2


def test_a_whole_number_does_for_a_fraction() -> None:
    assert parse_profile('shape = "sessions"\n[near]\nhalf_life_days = 4', "file").near.half_life_days == 4.0


WRONG = [
    ("quota = 3", "file: shape is missing; expected one of sessions, baskets, reviews"),
    ('shape = "boxes"', "file: shape is 'boxes'; expected one of sessions, baskets, reviews"),
    ('shape = "sessions"\nquotta = 3', "file: quotta is unknown; did you mean 'quota'?"),
    ('shape = "sessions"\n[ranker]\nleaves = 31', "file: ranker.leaves is 31; expected a whole number above 0, to 16"),
    ('shape = "sessions"\n[ranker]\ntreees = 3', "file: ranker.treees is unknown; did you mean 'trees'?"),
    ('shape = "sessions"\nranker = 3', "file: ranker is 3; expected a table"),
    ('shape = "sessions"\nquota = "3"', "file: quota is '3'; expected a whole number above 0, to 1,000,000"),
    ('shape = "sessions"\nquota = true', "file: quota is True; expected a whole number above 0, to 1,000,000"),
    ('shape = "sessions"\nquota = 2.5', "file: quota is 2.5; expected a whole number above 0, to 1,000,000"),
    ('shape = "sessions"\nquota = 0', "file: quota is 0; expected a whole number above 0, to 1,000,000"),
    ('shape = "sessions"\n[near]\nstep_decay = 1.5', "file: near.step_decay is 1.5; expected a number from 0 to 1"),
    ('shape = "sessions"\n[near]\nhalf_life_days = nan', "file: near.half_life_days is nan; expected a number above"),
    ('shape = "sessions"\nwindows = []', "file: windows is []; expected a list of whole numbers"),
    ('shape = "sessions"\nleft_out = ["sesions"]', "file: left_out names 'sesions', which is no source; did you mean"),
    ('shape = "sessions"\nleft_out = "recent"', "file: left_out is 'recent'; expected a list of names"),
    ('shape = "sessions"\n[quotas]\nrecents = 3', "file: quotas names 'recents', which is no source; did you mean"),
    ('shape = "sessions"\n[quotas]\nrecent = -3', "file: quotas.recent is -3; expected a whole number from 0 to"),
    ('shape = "sessions', "file is not TOML: "),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_what_is_wrong_is_told(text: str, complaint: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        parse_profile(text, "file")
    assert str(refused.value).startswith(complaint)


@given(st.text())
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidSettings):
        parse_profile(text, "file")
