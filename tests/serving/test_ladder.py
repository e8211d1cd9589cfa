"""Which rung answers, and that rules hold on each."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endcap import app
from endcap.domain.ids import NOBODY, keyed_hash
from endcap.domain.requests import Request
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.serving.floor import Floor
from endcap.serving.lists import RUNGS, Situation, answer, walk
from endcap.state import NEWCOMER, Shopper, State


@pytest.fixture(scope="module")
def floor(trained: Path) -> Iterator[Floor]:
    with closing(app.open_floor(app.open_shop(trained, {}), readonly=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
def situation(floor: Floor) -> Situation:
    packed = floor.ground.kv.get_many([SHOPPER_PREFIX + keyed_hash(floor.ground.secret, "visitor", "v3")])[0]
    assert packed
    return Situation(
        State(Shopper.unpacked(packed), floor.shelf), floor.shelf, floor.current(), floor.ground.policy(), 0.0
    )


REQUEST = Request("home", app.now_ms(), 7, 10)


@pytest.mark.parametrize(
    ("waited", "readable", "rung", "codes"),
    [
        (0.0, True, "R0", ()),
        (0.49, True, "R0", ()),
        (0.5, True, "R2", ("deadline_half_spent",)),
        (1.0, True, "R4", ("deadline_half_spent", "deadline_spent")),
        (0.0, False, "R3", ("shopper_state_unreadable",)),
        (0.7, False, "R3", ("shopper_state_unreadable",)),
        (1.0, False, "R4", ("shopper_state_unreadable", "deadline_spent")),
    ],
)
def test_the_first_rung_that_nothing_keeps_from_it_answers(
    situation: Situation, waited: float, readable: bool, rung: str, codes: tuple[str, ...]
) -> None:
    found = replace(situation, waited=waited, state=situation.state if readable else None)
    decision = walk(REQUEST, found)
    assert (decision.rung, decision.degraded) == (rung, codes)
    assert len(decision.slate) == 10


@pytest.mark.parametrize("rung", [rung.name for rung in RUNGS])
def test_stock_exclusions_and_anchors_bind_on_every_rung(situation: Situation, floor: Floor, rung: str) -> None:
    assert situation.state
    state, versions = situation.state, (situation.snapshot, situation.policy)
    free = answer(rung, REQUEST, state, versions)
    first, second, third = (shown.row for shown in free.slate[:3])
    bound = replace(REQUEST, k=200, exclude=np.array([first], np.int32), anchors=np.array([second], np.int32))
    floor.shelf.available[third] = False
    try:
        shown = {each.row for each in answer(rung, bound, state, versions).slate}
    finally:
        floor.shelf.available[third] = True
    assert shown
    assert not shown & {first, second, third}


@pytest.mark.parametrize("rung", ["R3", "R4"])
def test_the_rungs_without_state_give_a_person_what_a_stranger_gets(
    situation: Situation, floor: Floor, rung: str
) -> None:
    versions = situation.snapshot, situation.policy
    assert situation.state
    known = answer(rung, REQUEST, situation.state, versions)
    stranger = answer(rung, REQUEST, State(NEWCOMER, floor.shelf), versions)
    assert known.slate == stranger.slate
    assert known.offsets.shopper == 0
    assert known.request.shopper == NOBODY
