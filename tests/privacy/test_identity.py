"""Who is who: logins, logouts, shared devices, late rows, and files that are read twice."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endcap.backends.log.bodies import unpack
from endcap.backends.log.sqlite import SqliteLog
from endcap.domain.ids import NOBODY, keyed_hash
from endcap.domain.people import Erasure, Link, Turn, device_key, forgotten, visitor_key
from endcap.privacy import Identities, open_identities

SECRET = b"s" * 32
ANN, BEN = (keyed_hash(SECRET, "user", name) for name in ("ann", "ben"))
COOKIE = keyed_hash(SECRET, "visitor", "cookie")

MOVES = st.lists(
    st.tuples(st.sampled_from(["ann", "ben", "cid", "", "out"]), st.sampled_from(["c", "d"]), st.integers(0, 12)),
    max_size=12,
)


@pytest.fixture
def people() -> Identities:
    return Identities(SECRET)


def links(people: Identities) -> list[Link]:
    return [unpack("link", entry.version, entry.body) for entry in people.unlogged()]


def test_ids_alone_are_their_own_people(people: Identities) -> None:
    assert people.shopper("ann", "") == ANN
    assert people.shopper("", "cookie") == COOKIE
    assert people.shopper("", "") == NOBODY
    assert people.unlogged() == []


def test_a_login_makes_the_visitor_the_user_from_then_on_and_once(people: Identities) -> None:
    assert people.meet("ann", "cookie", 100)
    assert not people.meet("ann", "cookie", 200)
    assert people.shopper("", "cookie") == ANN
    assert people.shopper("", "cookie", at=100) == ANN
    assert links(people) == [Link(device_key(SECRET, "cookie"), 0, COOKIE, ANN, 100)]


def test_a_row_from_before_the_login_keeps_its_key(people: Identities) -> None:
    people.meet("ann", "cookie", 100)
    assert people.shopper("", "cookie", at=99) == COOKIE


def test_after_a_logout_the_device_is_a_new_person_that_shares_no_key(people: Identities) -> None:
    people.meet("ann", "cookie", 100)
    assert people.leave("cookie", 200)
    newcomer = people.shopper("", "cookie")
    assert newcomer not in (ANN, COOKIE, NOBODY)
    assert [people.shopper("", "cookie", at) for at in (99, 150, 200, 201)] == [COOKIE, ANN, ANN, newcomer]
    assert people.meet("ben", "cookie", 300)
    assert people.shopper("", "cookie") == BEN
    assert people.shopper("", "cookie", at=250) == newcomer
    assert people.shopper("", "cookie", at=150) == ANN


def test_another_user_begins_the_next_generation(people: Identities) -> None:
    people.meet("ann", "cookie", 100)
    assert people.meet("ben", "cookie", 200)
    assert people.shopper("", "cookie") == BEN
    assert people.shopper("", "cookie", at=199) == ANN
    assert [link.generation for link in links(people)] == [0, 1]
    assert people.meet("ann", "cookie", 300)
    assert [link.generation for link in links(people)] == [0, 1, 2]


def test_a_strange_user_in_a_device_s_past_changes_nothing(people: Identities) -> None:
    people.meet("ann", "cookie", 100)
    people.leave("cookie", 200)
    assert not people.meet("ben", "cookie", 150)
    assert not people.leave("cookie", 150)
    assert people.shopper("", "cookie", at=150) == ANN


def test_a_late_login_names_who_had_the_device_then(people: Identities) -> None:
    people.leave("cookie", 200)
    assert people.meet("ann", "cookie", 150)
    assert people.shopper("", "cookie", at=160) == ANN
    assert people.shopper("", "cookie") == visitor_key(SECRET, "cookie", 1)


def test_two_users_in_one_instant_are_not_told_apart(people: Identities) -> None:
    assert people.meet("ann", "cookie", 100)
    assert not people.meet("ben", "cookie", 100)


def test_no_visitor_id_gives_the_key_of_another_s_generation(people: Identities) -> None:
    keys = {visitor_key(SECRET, name, generation) for name in ("a", "a#1", "a#1:", "1:a") for generation in range(3)}
    assert len(keys) == 12
    assert visitor_key(SECRET, "a") == keyed_hash(SECRET, "visitor", "a") != device_key(SECRET, "a")


def told(people: Identities, moves: list[tuple[str, str, int]]) -> list[bytes]:
    keys = []
    for user, visitor, at in moves:
        if user == "out":
            people.leave(visitor, at)
        else:
            keys.append(people.shopper(user, visitor, at))
            if user:
                people.meet(user, visitor, at)
    return keys


@given(MOVES)
def test_what_is_told_again_in_order_of_time_changes_nothing(moves: list[tuple[str, str, int]]) -> None:
    people = Identities(SECRET)
    moves = sorted(moves, key=lambda move: move[2])
    told(people, moves)
    known = people.unlogged()
    told(people, moves)
    assert people.unlogged() == known


@given(MOVES)
def test_the_log_alone_gives_the_same_people(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, str, int]]
) -> None:
    live = Identities(SECRET)
    log = SqliteLog(tmp_path_factory.mktemp("log") / "log.sqlite")
    for move, _ in pairwise([*moves, ("", "", 0)]):
        told(live, [move])
        entries = live.unlogged()
        log.append("events", [*entries, *entries])
        live.logged(entries)
    again = open_identities(SECRET, log)
    for visitor in ("c", "d"):
        assert again.stays(device_key(SECRET, visitor)) == live.stays(device_key(SECRET, visitor))
    assert live.unlogged() == []
    log.close()


def test_an_erased_person_s_old_rows_are_refused_and_new_ones_are_another_person(people: Identities) -> None:
    people.meet("ann", "cookie", 100)
    device = device_key(SECRET, "cookie")
    people.adopt(Erasure((forgotten(ANN), forgotten(COOKIE)), (Turn(device, 0, -(2**63)), Turn(device, 1, 501)), 500))
    for at in (50, 100, 500):
        assert people.erased(people.shopper("", "cookie", at), at)
        assert people.erased(people.shopper("ann", "cookie", at), at)
        assert not people.meet("ben", "cookie", at)
    assert not people.erased(people.shopper("ann", "", 501), 501)
    newcomer = people.shopper("", "cookie")
    assert newcomer == people.shopper("", "cookie", at=501) not in (ANN, COOKIE)
    assert not people.erased(newcomer, 501)
    assert people.meet("ann", "cookie", 600)
    assert people.unlogged() != []


def test_an_erasure_takes_back_what_is_not_logged_yet(people: Identities) -> None:
    people.meet("ann", "cookie", 100)
    people.meet("ben", "other", 100)
    people.adopt(Erasure((forgotten(ANN), forgotten(COOKIE)), (), 500))
    assert [link.user for link in links(people)] == [BEN]
