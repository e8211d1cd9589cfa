"""What every kv keeps to; an adapter is one line in ADAPTERS."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endcap.backends.kv import KV
from endcap.backends.kv.memory import MemoryKV

Open = Callable[[], KV]
ADAPTERS: dict[str, Callable[[Path, Callable[[], int]], KV]] = {
    "memory": lambda folder, now: MemoryKV(folder / "state.sqlite", now),
}


class Clock:
    """Ms UTC that pass when the test says so."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=list(ADAPTERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Open:
    return lambda: ADAPTERS[request.param](tmp_path, clock.now)


@pytest.fixture
def kv(opened: Open) -> Iterator[KV]:
    kv = opened()
    yield kv
    kv.close()


def test_values_come_in_the_order_of_the_keys(kv: KV) -> None:
    kv.set_many({b"a": b"1", b"b": b"", b"\x00\xff": bytes(range(256))})
    assert kv.get_many([b"b", b"none", b"\x00\xff", b"a", b"a"]) == [b"", None, bytes(range(256)), b"1", b"1"]
    assert kv.get_many([]) == []


def test_the_last_value_stands(kv: KV) -> None:
    kv.set_many({b"a": b"1"})
    kv.set_many({b"a": b"2"})
    assert kv.get_many([b"a"]) == [b"2"]


def test_a_value_expires_at_its_time_and_not_before(kv: KV, clock: Clock) -> None:
    kv.set_many({b"a": b"1"}, ttl_ms=100)
    kv.set_many({b"b": b"2"})
    clock.ms += 99
    assert kv.get_many([b"a", b"b"]) == [b"1", b"2"]
    clock.ms += 1
    assert kv.get_many([b"a", b"b"]) == [None, b"2"]


def test_setting_again_sets_the_time_to_live_again(kv: KV, clock: Clock) -> None:
    kv.set_many({b"a": b"1", b"b": b"1", b"c": b"1"}, ttl_ms=100)
    clock.ms += 50
    kv.set_many({b"a": b"2"}, ttl_ms=100)
    kv.set_many({b"b": b"2"})
    clock.ms += 60
    kv.set_many({b"other": b"x"})
    assert kv.get_many([b"a", b"b", b"c"]) == [b"2", b"2", None]


def test_deleted_keys_are_gone_after_reopening_too(opened: Open) -> None:
    kv = opened()
    kv.set_many({b"a": b"1", b"b": b"2", b"c": b"3"})
    kv.save()
    kv.delete_many([b"a", b"c", b"none"])
    assert kv.get_many([b"a", b"b", b"c"]) == [None, b"2", None]
    kv.close()
    again = opened()
    assert again.get_many([b"a", b"b", b"c"]) == [None, b"2", None]
    again.close()


def test_no_byte_of_a_forgotten_key_or_its_value_stays_in_any_file(opened: Open, tmp_path: Path) -> None:
    """Keys of random order split pages, whose unused parts keep copies of cells that moved."""
    generator = random.Random(3)
    keys = [b"shopper:" + generator.randbytes(16) for _ in range(600)]
    kv = opened()
    for start in range(0, 600, 60):
        kv.set_many({key: key[8:] * generator.randrange(1, 30) for key in keys[start : start + 60]})
        kv.save()
    kv.delete_many(keys[:60])
    kv.scrub([*keys[:60], b"shopper:nobody"])
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert [key for key in keys[:60] if key[8:] in content] == []
    assert all(key[8:] in content for key in keys[60:])
    assert kv.get_many(keys[:61])[:60] == [None] * 60


def test_delete_prefix_deletes_what_starts_with_it_and_counts_it(kv: KV, clock: Clock) -> None:
    kv.set_many({b"shopper:1": b"", b"shopper:2": b"", b"shop": b"", b"decision:1": b""})
    kv.set_many({b"shopper:old": b""}, ttl_ms=1)
    clock.ms += 1
    assert kv.delete_prefix(b"shopper:") == 2
    assert kv.delete_prefix(b"shopper:") == 0
    assert kv.get_many([b"shopper:1", b"shop", b"decision:1"]) == [None, b"", b""]


def test_what_was_saved_is_there_after_reopening_with_its_time_to_live(opened: Open, clock: Clock) -> None:
    kv = opened()
    kv.set_many({b"gone": b"0", b"stays": b"1"})
    kv.save()
    kv.set_many({b"short": b"2"}, ttl_ms=100)
    kv.set_many({b"long": b"3"}, ttl_ms=1_000)
    kv.delete_prefix(b"gone")
    kv.close()
    clock.ms += 500
    again = opened()
    assert again.get_many([b"gone", b"stays", b"short", b"long"]) == [None, b"1", None, b"3"]
    clock.ms += 500
    assert again.get_many([b"long"]) == [None]
    again.close()


def test_threads_set_without_loss_while_another_saves(opened: Open) -> None:
    kv = opened()

    def send(thread: int) -> None:
        for i in range(200):
            kv.set_many({b"%d:%d" % (thread, i): b"v"})
            if i % 50 == 0:
                kv.save()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    kv.close()
    again = opened()
    assert again.get_many([b"%d:%d" % (thread, i) for thread in range(4) for i in range(200)]) == [b"v"] * 800
    again.close()


keys = st.sampled_from([b"", b"a", b"ab", b"b"])
steps = st.one_of(
    st.tuples(st.just("set"), keys, st.none() | st.integers(1, 5)),
    st.tuples(st.just("delete"), keys, st.none()),
    st.tuples(st.just("wait"), st.just(b""), st.integers(1, 3)),
    st.tuples(st.just("reopen"), st.just(b""), st.none()),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, max_size=15))
def test_any_history_gives_what_a_dict_gives(
    opened: Open, clock: Clock, history: list[tuple[str, bytes, int | None]]
) -> None:
    kv = opened()
    kv.delete_prefix(b"")
    model: dict[bytes, tuple[bytes, float]] = {}
    for number, (step, key, amount) in enumerate(history):
        if step == "set":
            kv.set_many({key: b"%d" % number}, amount)
            model[key] = (b"%d" % number, clock.ms + (amount or float("inf")))
        elif step == "delete":
            live = [name for name, (_, until) in model.items() if clock.ms < until and name.startswith(key)]
            assert kv.delete_prefix(key) == len(live)
            model = {name: value for name, value in model.items() if not name.startswith(key)}
        elif step == "wait":
            clock.ms += amount or 0
        else:
            kv.close()
            kv = opened()
        expected = [value if clock.ms < until else None for value, until in model.values()]
        assert kv.get_many(list(model)) == expected
    kv.close()
