"""Whose sessions: sealed, found again for the erased alone, masked as if the index had never held them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endcap.domain.people import forgotten
from endcap.errors import SnapshotRejected
from endcap.pipeline import rank
from endcap.policy import Policy
from endcap.releases import (
    SEALED,
    Gone,
    hidden_sessions,
    new_signing_key,
    public_key_of,
    read_snapshot,
    sealed,
    write_snapshot,
)
from endcap.retrieval.sessions import SessionNeighbours, SessionPeople
from endcap.snapshot import Snapshot
from endcap.training import Case, Corpus, Learned, learn

SECRET = b"k" * 32
PEOPLE = SessionPeople(50, (b"a" * 16, b"b" * 16, b"c" * 16), np.array([1, 0, 1, 2, 1], np.int32))


def gone(offset: int, *keys: bytes) -> Gone:
    return Gone(offset, [forgotten(key * 16) for key in keys])


def test_the_sessions_of_the_erased_are_found_and_no_other_s() -> None:
    content = sealed(PEOPLE, SECRET)
    assert hidden_sessions(content, SECRET, []).tolist() == []
    assert sorted(hidden_sessions(content, SECRET, [gone(60, b"b", b"nobody"[:1])]).tolist()) == [0, 2, 4]
    assert sorted(hidden_sessions(content, SECRET, [gone(60, b"a"), gone(70, b"c")]).tolist()) == [1, 3]


def test_an_erasure_that_the_sessions_were_read_after_hides_nothing() -> None:
    assert hidden_sessions(sealed(PEOPLE, SECRET), SECRET, [gone(50, b"b")]).tolist() == []


def test_the_seal_shows_no_key_nor_digest_and_equal_people_give_equal_bytes() -> None:
    content = sealed(PEOPLE, SECRET)
    assert content == sealed(PEOPLE, SECRET) != sealed(PEOPLE, b"o" * 32)
    assert not any(key in content or forgotten(key) in content for key in PEOPLE.keys)


@pytest.mark.parametrize("spoilt", [lambda c: c[:-1], lambda c: b"\x00" + c[1:], lambda c: b""])
def test_a_damaged_seal_or_another_shop_s_is_refused(spoilt: object) -> None:
    with pytest.raises(SnapshotRejected, match=r"sessions\.sealed cannot be opened .* train again"):
        hidden_sessions(spoilt(sealed(PEOPLE, SECRET)), SECRET, [gone(60, b"a")])  # type: ignore[operator]
    with pytest.raises(SnapshotRejected):
        hidden_sessions(sealed(PEOPLE, b"o" * 32), SECRET, [gone(60, b"a")])


def test_nobody_s_sessions_are_sealed_too() -> None:
    none = SessionPeople(1, (), np.empty(0, np.int32))
    assert hidden_sessions(sealed(none, SECRET), SECRET, [gone(60, b"a")]).tolist() == []


@pytest.fixture(scope="module")
def learned(corpus: Corpus) -> Learned:
    return learn(corpus, None, None, lambda _: None)


def sessions(snapshot: Snapshot) -> SessionNeighbours:
    return next(source for source in snapshot.sources if isinstance(source, SessionNeighbours))


def test_every_session_is_its_shopper_s(learned: Learned, corpus: Corpus) -> None:
    history, items = corpus.history(), sessions(learned.snapshot).index.items
    of = {key: set(history.group[history.lines(number)].tolist()) for number, key in enumerate(history.keys)}
    assert len(learned.sessions.shopper) == len(items) > 100
    for number, shopper in enumerate(learned.sessions.shopper.tolist()):
        rows = items.rows[items.starts[number] : items.starts[number + 1]]
        assert set(rows.tolist()) <= of[learned.sessions.keys[shopper]]


def test_masked_sessions_are_never_found_and_the_others_are(learned: Learned) -> None:
    index = sessions(learned.snapshot).index
    hidden = np.array([0, 7, len(index.items) - 1], np.int32)
    masked = sessions(learned.snapshot.without_sessions(hidden)).index
    assert len(masked.sessions) == len(index.sessions)
    for row in range(len(index.sessions)):
        before = index.sessions.rows[index.sessions.starts[row] : index.sessions.starts[row + 1]]
        after = masked.sessions.rows[masked.sessions.starts[row] : masked.sessions.starts[row + 1]]
        assert after.tolist() == [number for number in before.tolist() if number not in hidden]
    assert not len(sessions(learned.snapshot.without_sessions(None)).index.sessions.rows)


def test_a_masked_snapshot_still_ranks(learned: Learned, states: list[Case], policy: Policy) -> None:
    masked = learned.snapshot.without_sessions(None)
    assert len(rank(states[0].request, states[0].state, masked, policy).rows) > 0


def test_the_seal_is_signed_and_no_part_of_the_version(learned: Learned, corpus: Corpus, tmp_path: Path) -> None:
    key = new_signing_key()
    plain = write_snapshot(learned.snapshot, tmp_path / "plain", key)
    whose = sealed(learned.sessions, SECRET)
    written = write_snapshot(learned.snapshot, tmp_path / "sealed", key, whose)
    assert written.version == plain.version
    assert read_snapshot(tmp_path / "sealed", public_key_of(key), corpus.keys).version == written.version
    assert (tmp_path / "sealed" / SEALED).read_bytes() == whose
    (tmp_path / "sealed" / SEALED).write_bytes(whose[:-1] + b"?")
    with pytest.raises(SnapshotRejected, match=r"sessions\.sealed is not the file that was signed"):
        read_snapshot(tmp_path / "sealed", public_key_of(key), corpus.keys)


def test_a_visitor_and_the_user_who_it_is_are_one_person_there(corpus: Corpus) -> None:
    assert replace(corpus, links=()).history().keys == corpus.history().keys
