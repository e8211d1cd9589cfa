"""What is fitted from which shape of data."""

import numpy as np
import pytest

from endcap.domain.events import Events, Kind
from endcap.domain.instants import DAY
from endcap.domain.requests import Request
from endcap.features.journeys import Journeys
from endcap.retrieval.journeys import Onward
from endcap.retrieval.tables import Table
from endcap.state import NEWCOMER, Memory, Moment, Shelf, fold, observe
from endcap.training import Shop
from endcap.training.folds import ends
from endcap.training.profile import REVIEWS, SESSIONS
from endcap.training.sources import fit_source, fit_sources
from endcap.training.statistics import fit_journeys
from shops import START, corpus_of

TOGETHER = {"cooccurrence", "sessions", "sequel"}


def test_reviews_that_lie_months_apart_still_stand_together() -> None:
    draw = np.random.Generator(np.random.Philox(2))
    lines = [
        (shopper, START + place * 40 * DAY + shopper, Kind.VIEW, int(draw.integers(20)))
        for shopper in range(60)
        for place in range(5)
    ]
    corpus = corpus_of(sorted(lines, key=lambda line: line[1]))
    history = corpus.history()
    shop = Shop(corpus, history)
    shop.advance(ends(history))
    names = {
        profile.shape: {source.name for source in fit_sources(history, shop, ends(history), profile).sources}
        for profile in (REVIEWS, SESSIONS)
    }
    assert names["reviews"] >= TOGETHER
    assert not names["sessions"] & TOGETHER
    content = np.zeros((len(corpus.keys), 1), np.float32)
    alone = fit_source("cooccurrence", history, content, ends(history), REVIEWS)
    request = Request("home", ends(history), 1, 10, anchors=np.array([3], np.int32))
    assert len(alone.propose(request, observe(request, NEWCOMER, shop.shelf), 10).rows)


def test_journeys_tell_where_visits_turn_after_the_categories_of_this_one_and_of_earlier_ones() -> None:
    """Each item has a category of its own; a visit goes from 1 to 2 or from 4 to 5, the next one then to 3 or 6."""
    lines = []
    for person in range(40):
        for day, items in enumerate(((4, 5), (6,)) if person % 2 else ((1, 2), (3,))):
            lines += [(person, START + (day + 3 * person) * DAY + item, Kind.VIEW, item) for item in items]
    history = corpus_of(lines).history()
    found = fit_journeys(history, np.arange(7, dtype=np.int32), Memory(step_decay=0.9, half_life_days=30, most=9))
    assert np.exp(found.share).sum() == pytest.approx(1)
    assert found.within[1, 2] > 0 > found.within[1, 5]
    assert found.across[1, 3] > 0 > found.across[1, 6]
    assert not found.across[3].any()
    moment = moment_of(found, anchors=(1,))
    turns = found.turns(moment)
    assert turns.sum() == pytest.approx(1)
    assert turns[1] == 0
    assert turns.argmax() == 2
    assert not len(found.turns(moment_of(found, anchors=())))
    empty = Table(np.zeros(8, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    onward = Onward("journeys", found, empty, 2)
    assert onward.turns(moment, np.array([6, 2, 9], np.int32)).tolist() == [turns[6], turns[2], 0]
    assert not len(onward.turns(moment_of(found, anchors=()), np.array([6], np.int32)))


def test_what_somebody_did_before_tells_where_a_visit_turns_that_has_begun() -> None:
    """All begin with 3, and who was in 1 before goes on to 4, the others to 5; nobody begins with 4 or 5."""
    lines = []
    for person in range(40):
        for day, items in enumerate(((2,), (3, 5)) if person % 2 else ((1,), (3, 4))):
            lines += [(person, START + (day + 3 * person) * DAY + item, Kind.VIEW, item) for item in items]
    history = corpus_of(lines).history()
    found = fit_journeys(history, np.arange(6, dtype=np.int32), Memory(step_decay=0.9, half_life_days=30, most=9))
    assert found.across[1, 4] == found.across[1, 5] == 0
    assert found.besides[1, 4] > 0 > found.besides[1, 5]
    before = {row: moment_of(found, anchors=(3,), before=row) for row in (1, 2)}
    assert [int(found.turns(moment).argmax()) for moment in before.values()] == [4, 5]
    assert found.told(before[1])[1].tolist() == found.besides[1].tolist()
    assert found.told(moment_of(found, anchors=(), before=1))[1].tolist() == found.across[1].tolist()


def moment_of(journeys: Journeys, anchors: tuple[int, ...], before: int = -1) -> Moment:
    shelf = Shelf()
    shelf.reserve(len(journeys.category))
    view = Events(*(np.array([each]) for each in (START - DAY, np.int32(before), np.uint8(Kind.VIEW), 0)))
    request = Request("product", START, 1, 10, anchors=np.array(anchors, np.int32))
    return observe(request, NEWCOMER if before < 0 else fold(NEWCOMER, view), shelf)
