"""People of a simulated shop live by their own chances: each alone, again the same, and from an instant on anew."""

from itertools import pairwise

import pytest

from endcap.domain.instants import DAY, millis
from endcap.simulation import World, open_world
from endcap.simulation.catalog import Period


def test_a_person_does_the_same_however_many_others_there_are(world: World, period: Period) -> None:
    again = open_world(1, 5_000, period)
    assert again.history(17) == world.history(17)
    assert world.history(17) != world.history(18)


def test_what_happens_from_a_split_on_is_drawn_anew_and_what_was_before_is_not(world: World, period: Period) -> None:
    split = millis(period.end) - 20 * DAY
    number = next(n for n in range(200) if sum(line.time >= split for line in world.history(n)) > 40)
    draws = [world.history(number, split, drawn) for drawn in (0, 1, 2)]
    assert draws[0] == world.history(number)
    before = [[line for line in lines if line.time < split and line.event != "refund"] for lines in draws]
    after = [[line for line in lines if line.time >= split] for lines in draws]
    assert before[0] == before[1] == before[2]
    assert after[0] != after[1] != after[2]
    first = [min(line.time for line in lines if line.event != "refund") for lines in after]
    assert first[0] == first[1] == first[2]


def test_nobody_is_in_two_visits_at_once(world: World) -> None:
    for number in range(50):
        visits: dict[str, list[int]] = {}
        for line in world.history(number):
            if line.session_id:
                visits.setdefault(line.session_id, []).append(line.time)
        spans = sorted((min(times), max(times)) for times in visits.values())
        assert all(end < begin for (_, end), (begin, _) in pairwise(spans))


@pytest.mark.parametrize("items", [100, 700])
def test_small_shops_have_people_too(items: int, period: Period) -> None:
    world = open_world(3, items, period)
    assert len([line for number in range(10) for line in world.history(number)]) > 20
