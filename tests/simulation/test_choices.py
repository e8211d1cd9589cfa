"""People of a simulated shop choose by the law that is told of their choices, and redraws follow the same law."""

import numpy as np
from numpy.random import Generator, Philox

from endcap.simulation import Choice, Scene, World
from endcap.simulation.choices import LEAVES


def expected(choice: Choice) -> np.ndarray:
    """The chance of each product to be opened: by its own, unless she has seen enough before."""
    stays = np.cumprod(1 - choice.chances * LEAVES)
    return np.asarray(choice.chances * np.r_[1, stays[:-1]])


def test_what_people_open_of_lists_is_what_the_law_expects(world: World) -> None:
    opened, told, spread = 0, 0.0, 0.0
    for number in range(250):
        for visit in world.visits(number):
            lists = [choice for choice in visit.choices if not choice.one]
            clicks = [line.time for line in visit.lines if line.event == "select_item"]
            opened += len(clicks)
            for choice in lists:
                chance = expected(choice)
                told, spread = told + chance.sum(), spread + (chance * (1 - chance)).sum()
    assert opened > 1_500
    assert abs(opened - told) < 3 * np.sqrt(spread)


def test_redraws_open_something_fresh_by_the_same_law() -> None:
    chances, fresh = np.array([0.6, 0.3, 0.05]), np.array([False, True, True])
    choice = Choice(1, Scene(1, "browse"), np.arange(3), chances, fresh)
    taken = choice.redraws(Generator(Philox(1)), 40_000)
    assert not taken[:, 0].any()
    assert taken.any(axis=1).all()
    reached = 1 - LEAVES * chances[0]
    second = reached * chances[1]
    third = (reached - second * LEAVES) * chances[2]
    both = second * (1 - LEAVES) * chances[2]
    assert np.allclose(taken[:, 1:].mean(axis=0), np.array([second, third]) / (second + third - both), atol=0.01)


def test_of_one_page_just_one_product_is_opened() -> None:
    choice = Choice(1, Scene(1, "browse"), np.arange(2), np.array([0.1, 0.3]), np.array([True, True]), one=True)
    taken = choice.redraws(Generator(Philox(1)), 20_000)
    assert (taken.sum(axis=1) == 1).all()
    assert abs(taken[:, 1].mean() - 0.75) < 0.01
