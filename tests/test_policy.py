"""The policy: read from text, versioned by it, with errors that name the key and the remedy."""

import pytest

from endcap.errors import InvalidPolicy, InvalidRequest
from endcap.policy import DEFAULT_POLICY, parse_policy


def test_the_default_policy_has_the_surfaces_and_their_modules() -> None:
    placements = parse_policy(DEFAULT_POLICY).placements
    assert list(placements)[:4] == ["home", "discovery", "product", "cart"]
    assert {"trending", "new", "price_drops", "back_in_stock", "continue", "similar", "complete"} <= set(placements)


def test_the_version_is_that_of_the_text() -> None:
    first, again = parse_policy(DEFAULT_POLICY), parse_policy(DEFAULT_POLICY)
    assert first.version == again.version
    assert parse_policy(DEFAULT_POLICY + "\n").version != first.version


def test_a_policy_from_before_new_items_holds_and_keeps_no_place_for_them() -> None:
    before = "".join(line for line in DEFAULT_POLICY.splitlines(keepends=True) if not line.startswith("new_items"))
    placements = parse_policy(before).placements
    assert [placements[name].new_items for name in ("home", "discovery", "product", "cart")] == [0, 0, 0, 0]
    assert placements["home"].quotas == {"personal": 200}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "policy: no placement; expected at least one [placements.NAME]"),
        ("[placement.home]", "policy: policy has no key 'placement'; did you mean 'placements'?"),
        ("[placements.home]\nqouta = 3", "policy: placements.home has no key 'qouta'; did you mean 'quota'?"),
        ("[placements.home]\nquota = -1", "placements.home.quota is -1; expected a whole number from 0 to 1000"),
        ("[placements.home]\nquota = true", "placements.home.quota is True; expected a whole number from 0 to 1000"),
        ("[placements.home]\ndiversity = 2", "placements.home.diversity is 2; expected a number from 0 to 1"),
        ("[placements.home]\ndiversity = nan", "placements.home.diversity is nan; expected a number from 0 to 1"),
        (
            "[placements.home]\ndiversity = 0.6\nbreadth = 0.5",
            "placements.home.diversity and breadth are 0.6 and 0.5; expected at most 1 together",
        ),
        ('[placements.home]\npurchased = "no"', 'placements.home.purchased is \'no\'; expected "show" or "hide"'),
        ('[placements.home]\ncategory = "samme"', 'category is \'samme\'; expected "any", "same" or "other"'),
        (
            "[placements.home]\nfilter = 3",
            "placements.home.filter is 3; expected a text such as 'on_sale AND price < 50'",
        ),
        (
            '[placements.home]\nfilter = "on_sail"',
            "placements.home.filter: unknown column 'on_sail'; did you mean on_sale?",
        ),
        ("[placements]\nhome = 3", "policy: placements.home is 3; expected a table"),
        ("placements = [", "policy: not TOML"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(InvalidPolicy) as error:
        parse_policy(text)
    assert message in str(error.value)


def test_an_unknown_placement_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidRequest, match="placement 'hoem' is unknown; did you mean 'home'\\?"):
        parse_policy(DEFAULT_POLICY).placement("hoem")
