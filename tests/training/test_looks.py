"""What looks at pages teach, and that nothing is learned of them where they are not told."""

from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.arrays import Floats
from endcap.domain.events import Kind
from endcap.domain.instants import HOUR, SECOND
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features.looks import Looks
from endcap.state import NEWCOMER, Shelf, Shopper, fold, observe
from endcap.training.history import History
from endcap.training.statistics import fit_looks
from shops import START, corpus_of

LATER = START + 90 * HOUR
VECTORS = np.repeat(np.eye(2, dtype=np.float32), 30, axis=0)
"""The first thirty items are alike, and so are the others."""


@pytest.fixture(scope="module")
def history() -> History:
    """Twenty people look at item 1 for ten seconds and at item 40 for ninety."""
    rows = [(n % 20, START + n * HOUR, Kind.VIEW, 1 if n < 20 else 40) for n in range(40)]
    plain = corpus_of(rows).history()
    return replace(plain, dwell=np.where(plain.row == 1, 10, 90).astype(np.uint16))


def test_where_no_look_is_told_there_is_no_family(history: History) -> None:
    assert fit_looks(replace(history, dwell=np.zeros(len(history), np.uint16)), VECTORS, LATER) == []


def test_a_look_that_is_not_over_teaches_nothing(history: History) -> None:
    (looks,) = fit_looks(history, VECTORS, START + 20 * HOUR + 89 * SECOND)
    assert np.isnan(looks.usual[40])


def test_a_long_look_is_closer_than_a_short_one(history: History) -> None:
    (looks,) = fit_looks(history, VECTORS, LATER)
    assert looks.usual[40] > 0 > looks.usual[1]
    assert np.isnan(looks.usual[2])


def test_a_look_counts_from_when_it_is_over_and_speaks_for_what_is_like_it(history: History) -> None:
    (looks,) = fit_looks(history, VECTORS, LATER)
    shelf, at = Shelf(), LATER
    shelf.reserve(60)
    seen = history.events(slice(0, 1))
    shopper = fold(NEWCOMER, replace(seen, time=np.array([at]), dwell=np.array([300], np.uint16)))
    columns = [_columns(looks, (shopper, at + seconds * SECOND), shelf) for seconds in (299, 301)]
    assert np.isnan(columns[0][1:]).all()
    own, alike = columns[1][1], columns[1][4]
    assert own[0] > 0
    assert np.isnan(own[1:]).all()
    assert alike[1] > alike[2] == 0


def _columns(looks: Looks, known: tuple[Shopper, int], shelf: Shelf) -> Floats:
    """For items 1, 2 and 41."""
    shopper, at = known
    request = Request("home", at, 1, 10)
    pool = Pool(np.array([1, 2, 41], np.int32), (), *np.empty((2, 0, 3), np.float32))
    return looks.columns(request, observe(request, shopper, shelf), pool)
