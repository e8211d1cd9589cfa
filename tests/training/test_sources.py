"""What is fitted from which shape of data."""

import numpy as np

from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.domain.requests import Request
from endcap.state import NEWCOMER, observe
from endcap.training import Shop
from endcap.training.folds import ends
from endcap.training.profile import REVIEWS, SESSIONS
from endcap.training.sources import fit_source, fit_sources
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
