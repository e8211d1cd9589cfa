import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec import structs

from endcap.backends.log import RecordKind
from endcap.backends.log.bodies import Noun, pack, pack_events, unpack
from endcap.domain.catalog import Assignment, Change
from endcap.domain.decisions import Decision, Evidence
from endcap.domain.events import Event, Events, Kind, Line
from endcap.domain.ids import ItemKey
from endcap.domain.lines import Lines
from endcap.domain.people import Erasure, Link, Turn
from endcap.domain.requests import Dropped, Offsets, Reason, Request, Shown
from endcap.errors import BackendUnavailable

int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
text = st.text(max_size=20)
lines = st.builds(Line, row=int32, quantity=int32, price=int64)
events = st.builds(
    Event, st.sampled_from(Kind), int64, int64, st.binary(max_size=16), st.lists(lines, max_size=4).map(tuple),
    int64, int64, st.booleans(), text, text, text, st.booleans(),
)  # fmt: skip
changes = st.builds(
    Change, int32, int64, price=st.none() | int64, listed=st.none() | st.booleans(), brand=st.none() | text,
    category=st.none() | st.lists(text, max_size=3).map(tuple), text=st.dictionaries(text, text, max_size=3),
)  # fmt: skip
assignments = st.builds(Assignment, int32, st.builds(ItemKey, st.sampled_from(["item", "group"]), text))

keys = st.binary(min_size=16, max_size=16)
links = st.builds(Link, keys, st.integers(0, 2**31), keys, st.just(b"") | keys, int64)
erasures = st.builds(
    Erasure, st.lists(keys, max_size=4).map(tuple),
    st.lists(st.builds(Turn, keys, st.integers(0, 9), int64), max_size=3).map(tuple), int64,
)  # fmt: skip


def decision(votes: np.ndarray, features: np.ndarray) -> Decision:
    session = Events(
        np.array([1, 2], np.int64), np.array([7, 8], np.int32), np.array([1, 4], np.uint8), np.array([0, 5], np.int64)
    )
    request = Request("home", 1, 2**64 - 1, 3, b"p" * 16, np.array([4], np.int32), session, region="DE")
    evidence = Evidence(np.array([7, 8], np.int32), ("a", "b"), votes, ("x",), features)
    return Decision(
        request, Offsets(5, 6), "snapshot", "policy", "R0", ("late",),
        (Shown(7, 0.1 + 0.2, 1, 1.0, Reason("bought_together", 4)), Shown(8, float("nan"), 2, 1.0, Reason("popular"))),
        (Dropped("in_stock", np.array([9, 10], np.int32)),), 2, "", evidence,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["event", "change", "row", "link", "erasure"])
@given(data=st.data())
def test_a_noun_comes_back_equal(kind: RecordKind, data: st.DataObject) -> None:
    nouns: dict[str, st.SearchStrategy[Noun]] = {
        "event": events, "change": changes, "row": assignments, "link": links, "erasure": erasures,
    }  # fmt: skip
    noun = data.draw(nouns[kind])
    found = unpack(kind, 1, pack(noun))
    assert found == noun
    assert type(found) is type(noun)


def test_an_event_keeps_its_types() -> None:
    event = Event(Kind.CART, 1, 2, b"p", (Line(3),))
    found = unpack("event", 1, pack(event))
    assert type(found.kind) is Kind
    assert type(found.shopper) is bytes
    assert type(found.lines) is tuple


@given(
    array=arrays.arrays(
        st.sampled_from(["<f4", ">f4", "<f8", "<i4", "|u1", "|b1", "<i8", "<u2"]),
        arrays.array_shapes(min_dims=1, min_side=0),
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_decision_s_arrays_keep_dtype_shape_and_every_bit(array: np.ndarray, seed: int) -> None:
    """NaN payloads and the sign of zero included, for a decision is replayed bit for bit."""
    noise = (
        np.random.Generator(np.random.Philox(seed)).bytes(array.nbytes) if array.dtype.kind != "b" else array.tobytes()
    )
    votes = np.frombuffer(noise, array.dtype).reshape(array.shape)
    features = np.asfortranarray(votes)
    found = unpack("decision", 1, pack(decision(votes, features)))
    for before, after in ((votes, found.evidence.votes), (features, found.evidence.features)):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert after.tobytes() == before.tobytes()


def test_a_decision_comes_back_field_by_field() -> None:
    before = decision(np.zeros((2, 2), np.float32), np.full((1, 2), np.nan, np.float32))
    after = unpack("decision", 1, pack(before))
    assert pack(after) == pack(before)
    assert after.slate[0] == before.slate[0]
    assert np.isnan(after.slate[1].score)
    assert after.request.session.kind.dtype == np.uint8
    assert (after.request.seed, after.offsets, after.dropped[0].rule) == (2**64 - 1, Offsets(5, 6), "in_stock")
    assert after.dropped[0].rows.tolist() == [9, 10]


@pytest.mark.parametrize(("kind", "version"), [("event", 3), ("event", 0), ("judgement", 1)])
def test_another_kind_or_format_is_refused_with_the_remedy(kind: RecordKind, version: int) -> None:
    body = pack(Event(Kind.VIEW, 1, 2, b"", ()))
    with pytest.raises(
        BackendUnavailable, match=rf"{kind}.* in format {version} .*reads formats 1 and 2.*upgrade endcap"
    ):
        unpack(kind, version, body)


@given(cut=st.integers(0, 60))
def test_a_cut_body_is_an_error_never_a_noun(cut: int) -> None:
    body = pack(Event(Kind.VIEW, 1, 2, b"p" * 16, (Line(1), Line(2)), region="DE"))
    with pytest.raises(BackendUnavailable, match="damaged"):
        unpack("event", 1, body[:cut])


def test_a_numpy_scalar_is_refused_when_it_is_packed() -> None:
    shown = Shown(7, np.float32(0.5), 1, 1.0, Reason("popular"))  # type: ignore[arg-type]  # the mistake to catch
    empty = np.empty((0, 1), np.float32)
    before = decision(empty, empty)
    broken = dataclasses.replace(before, slate=(shown,))
    with pytest.raises(TypeError, match="float32"):
        pack(broken)


@given(
    st.lists(
        st.builds(
            Event, st.sampled_from(Kind), int64, st.just(7), st.binary(min_size=16, max_size=16),
            st.lists(lines, min_size=1, max_size=20).map(tuple), int64, st.just(0) | int64, st.booleans(),
            st.just("") | text, st.just("") | text, text, st.booleans(),
        ), max_size=6,
    )
)  # fmt: skip
def test_events_packed_from_columns_read_like_events_packed_one_by_one(given: list[Event]) -> None:
    packed = pack_events(Lines.of(given, range(len(given))), 7)
    assert [unpack("event", 1, body) for body in packed] == given


def test_a_change_without_a_cost_is_written_as_it_was_before_there_were_costs() -> None:
    before = {
        "row": 3, "at": 5, "group": None, "listed": True, "price": 1299, "sale_price": None, "sale_start": None,
        "sale_end": None, "stock": None, "brand": "Acme", "category": ["A", "B"], "text": {"title": "Mug"},
    }  # fmt: skip
    old = msgspec.msgpack.encode(before)
    change = Change(3, 5, listed=True, price=1299, brand="Acme", category=("A", "B"), text={"title": "Mug"})
    assert pack(change) == old
    assert unpack("change", 1, old) == change
    assert unpack("change", 1, pack(structs.replace(change, cost=7))) == structs.replace(change, cost=7)
