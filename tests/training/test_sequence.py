"""The model of what follows what: a planted order is learned, to the same bytes every time."""

import numpy as np
import pytest

from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.features.following import Sequel
from endcap.training.history import History
from endcap.training.sequence import SequelConfig, fit_sequel
from shops import START, corpus_of

CONFIG = SequelConfig(dimension=8, epochs=12, reach=3, negatives=8, rate=0.1)
TOUCHED = 12
UNKNOWN = np.zeros((60, 1), np.float32)
"""Vectors of items without a text."""


def cycles() -> History:
    """Sessions of eight items, each followed by the next of its cycle: 0 1 2, 3 4 5, 6 7 8 or 9 10 11."""
    lines = []
    for visit in range(160):
        cycle, begin = visit % 4, visit // 4 % 3
        for place in range(8):
            at = START + (visit % 30) * DAY + place * 1_000 + visit
            lines.append((visit, at, Kind.VIEW, cycle * 3 + (begin + place) % 3))
    return corpus_of(sorted(lines, key=lambda line: line[1])).history()


@pytest.fixture(scope="module")
def learned() -> Sequel:
    return fit_sequel(cycles(), UNKNOWN, CONFIG)


def test_what_follows_in_a_planted_cycle_is_most_likely(learned: Sequel) -> None:
    for row in range(TOUCHED):
        scores = learned.outward[:TOUCHED] @ learned.trail(np.array([row], np.int32)) + learned.bias[:TOUCHED]
        assert int(np.argmax(scores)) == row // 3 * 3 + (row + 1) % 3


def test_rows_without_a_line_are_0_and_the_others_are_not(learned: Sequel) -> None:
    for part in (learned.inward, learned.outward, learned.bias):
        assert part.dtype == np.float32
        assert len(part) == 60
        assert not part[TOUCHED:].any()
        assert part[:TOUCHED].reshape(TOUCHED, -1).any(axis=1).all()
    assert learned.places.shape == (CONFIG.reach,)


def test_equal_lines_give_equal_bytes(learned: Sequel) -> None:
    again = fit_sequel(cycles(), UNKNOWN, CONFIG)
    for name in ("inward", "outward", "bias", "places"):
        assert getattr(again, name).tobytes() == getattr(learned, name).tobytes()


def test_a_trail_of_rows_that_were_never_learned_is_0(learned: Sequel) -> None:
    assert not learned.trail(np.array([40, 99], np.int32)).any()
    assert not learned.trail(np.empty(0, np.int32)).any()


@pytest.mark.parametrize("kind", [Kind.VIEW, Kind.IMPRESSION])
def test_lines_that_follow_none_and_lines_that_do_not_count_teach_nothing(kind: Kind) -> None:
    history = corpus_of([(shopper, START, kind, shopper) for shopper in range(3)]).history()
    assert not fit_sequel(history, UNKNOWN, CONFIG).bias.any()


def test_an_item_with_one_line_stays_near_its_like() -> None:
    history, content = cycles(), np.zeros((60, CONFIG.dimension), np.float32)
    content[[0, 20], 3] = 1
    alone = [(shopper, START + shopper, Kind.VIEW, row) for shopper, row in ((500, 20), (501, 21))]
    lines = zip(
        history.shopper.tolist(), history.time.tolist(), history.kind.tolist(), history.group.tolist(), strict=True
    )
    joined = corpus_of(sorted([*lines, *alone], key=lambda line: line[1])).history()
    inward = fit_sequel(joined, content, CONFIG).inward
    assert np.linalg.norm(inward[20] - content[20]) < 0.5
    assert inward[20] @ inward[0] > inward[21] @ inward[0]
