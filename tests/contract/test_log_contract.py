"""What every log keeps to; an adapter is one line in ADAPTERS."""

import pkgutil
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endcap.backends.log import Entry, Log, Stream
from endcap.errors import BackendUnavailable

ADAPTERS = {
    "sqlite": "endcap.backends.log.sqlite:SqliteLog",
}
ALL: dict[Stream, int] = {"events": 2**62, "decisions": 2**62}
WRITER = Path(__file__).with_name("log_writer.py")


@pytest.fixture(params=list(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> str:
    return ADAPTERS[request.param]


@pytest.fixture
def opened(adapter: str, tmp_path: Path) -> Iterator[Callable[..., Log]]:
    """Opens one and the same log, any number of times."""
    logs: list[Log] = []

    def open_log(name: str = "log", **options: bool) -> Log:
        logs.append(pkgutil.resolve_name(adapter)(tmp_path / name, **options))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


@pytest.fixture
def log(opened: Callable[..., Log]) -> Log:
    return opened()


def entry(key: bytes = b"", shopper: bytes = b"", body: bytes = b"body", at: int = 0) -> Entry:
    return Entry("event", key, shopper, at, body)


def test_offsets_start_at_one_and_grow_by_one_in_each_stream(log: Log) -> None:
    assert log.append("events", [entry(), entry()]).offsets == [1, 2]
    assert log.append("decisions", [entry()]).offsets == [1]
    assert log.append("events", [entry()]).offsets == [3]
    assert (log.end("events"), log.end("decisions")) == (3, 1)


def test_a_record_comes_back_as_it_was_appended(log: Log) -> None:
    given_entries = [
        Entry("row", b"k\x00\xff", b"", 0, b"", 1),
        Entry("change", b"", b"p" * 16, -1, bytes(range(256)), 2),
        Entry("decision", b"d", b"s", 2**62, b"x", 3),
    ]
    log.append("events", given_entries)
    assert [record.entry for record in log.read("events", 0, 10)] == given_entries


def test_an_empty_log_has_nothing(log: Log) -> None:
    assert log.end("events") == 0
    assert log.read("events", 0, 10) == []
    assert log.person("events", b"nobody") == []
    assert log.find("events", b"key") is None
    assert log.committed("fold") == 0


def test_an_empty_append_changes_nothing(log: Log) -> None:
    assert log.append("events", []) == ([], [])
    assert log.end("events") == 0


def test_read_gives_what_lies_after_an_offset_up_to_the_limit(log: Log) -> None:
    log.append("events", [entry(at=i) for i in range(10)])
    assert [record.offset for record in log.read("events", 4, 3)] == [5, 6, 7]
    assert [record.entry.at for record in log.read("events", 8, 100)] == [8, 9]
    assert log.read("events", 10, 100) == []


def test_a_key_counts_once_within_a_call(log: Log) -> None:
    appended = log.append("events", [entry(b"a", at=1), entry(b"b"), entry(b"a", at=2)])
    assert appended == ([1, 2, 1], [True, True, False])
    assert [record.entry.at for record in log.read("events", 0, 10)] == [1, 0]


def test_a_key_counts_once_across_calls_and_after_reopening(opened: Callable[..., Log]) -> None:
    log = opened()
    log.append("events", [entry(b"a"), entry(b"b")])
    log.close()
    assert opened().append("events", [entry(b"c"), entry(b"b"), entry(b"a")]) == ([3, 2, 1], [True, False, False])


def test_entries_without_key_are_never_duplicates(log: Log) -> None:
    assert log.append("events", [entry(), entry()]).fresh == [True, True]
    assert log.append("events", [entry()]).fresh == [True]


def test_a_key_of_one_stream_is_free_in_the_other(log: Log) -> None:
    log.append("events", [entry(b"a")])
    assert log.append("decisions", [entry(b"a")]).fresh == [True]


def test_keys_are_found_in_a_call_of_thousands(log: Log) -> None:
    keys = [f"key {i}".encode() for i in range(3_000)]
    log.append("events", [entry(key) for key in keys[::2]])
    fresh = log.append("events", [entry(key) for key in keys]).fresh
    assert fresh == [i % 2 == 1 for i in range(3_000)]
    assert log.end("events") == 3_000


def test_find_gives_the_first_record_with_a_key(log: Log) -> None:
    log.append("events", [entry(), entry(b"a", at=7), entry(b"a", at=8)])
    found = log.find("events", b"a")
    assert found is not None
    assert (found.offset, found.entry.at) == (2, 7)
    assert log.find("events", b"") is None
    assert log.find("decisions", b"a") is None


def test_person_gives_all_records_about_one_person_in_order(log: Log) -> None:
    log.append("events", [entry(shopper=b"p", at=3), entry(shopper=b"q"), entry(), entry(shopper=b"p", at=1)])
    log.append("events", [entry(shopper=b"p", at=2)])
    assert [(record.offset, record.entry.at) for record in log.person("events", b"p")] == [(1, 3), (4, 1), (5, 2)]
    assert log.person("events", b"") == []


def test_records_of_a_kind_come_in_order(log: Log) -> None:
    log.append(
        "events", [entry(), Entry("link", b"", b"p", 3, b"one"), Entry("erasure", b"", b"", 4, b"gone"), entry()]
    )
    log.append("events", [Entry("link", b"", b"q", 1, b"two")])
    assert [(found.offset, found.entry.body) for found in log.of_kind("events", "link")] == [(2, b"one"), (5, b"two")]
    assert [found.offset for found in log.of_kind("events", "erasure")] == [3]
    assert [found.offset for found in log.of_kind("events", "event")] == [1, 4]
    assert log.of_kind("decisions", "link") == []


def test_people_are_told_once_each(log: Log) -> None:
    log.append("events", [entry(shopper=b"p"), entry(shopper=b"q"), entry(), entry(shopper=b"p")])
    assert sorted(log.shoppers("events")) == [b"p", b"q"]
    assert log.shoppers("decisions") == []


def test_people_are_forgotten_in_every_stream_and_others_stay(opened: Callable[..., Log]) -> None:
    log = opened()
    log.append("events", [entry(b"1", b"p"), entry(b"2", b"q"), entry(b"3"), entry(b"4", b"r"), entry(b"5", b"p")])
    log.append("decisions", [entry(b"d", b"p"), entry(b"e", b"q")])
    assert log.forget([b"p", b"r", b"nobody", b""], ALL) == 4
    assert log.forget([b"p"], ALL) == 0
    for each in (log, opened(readonly=True)):
        assert [found.entry.key for found in each.read("events", 0, 9)] == [b"2", b"3"]
        assert [found.entry.key for found in each.read("decisions", 0, 9)] == [b"e"]
        assert each.person("events", b"p") == []
        assert each.find("decisions", b"d") is None
        assert sorted(each.shoppers("events")) == [b"q"]


def test_what_came_after_stays(log: Log) -> None:
    log.append("events", [entry(b"1", b"p"), entry(b"2", b"p"), entry(b"3", b"p")])
    log.append("decisions", [entry(b"d", b"p")])
    assert log.forget([b"p"], {"events": 2}) == 2
    assert [found.offset for found in log.person("events", b"p")] == [3]
    assert [found.offset for found in log.person("decisions", b"p")] == [1]


def test_what_is_forgotten_does_not_come_back_and_leaves_its_offset_unused(opened: Callable[..., Log]) -> None:
    log = opened()
    log.append("events", [entry(b"1", b"q"), entry(b"2", b"p")])
    log.append("decisions", [entry(b"d", b"p")])
    log.forget([b"p"], ALL)
    log.close()
    log = opened()
    assert (log.end("events"), log.end("decisions")) == (2, 1)
    assert log.append("events", [entry(b"2", b"p"), entry(b"3", b"p")]) == ([2, 3], [False, True])
    assert log.append("decisions", [entry(b"d", b"p"), entry(b"e", b"q")]) == ([1, 2], [False, True])
    assert log.find("decisions", b"d") is None
    assert [found.offset for found in log.read("events", 0, 9)] == [1, 3]


def test_no_byte_of_a_forgotten_person_stays_in_any_file(opened: Callable[..., Log], tmp_path: Path) -> None:
    """Thousands of people in random order split many pages, whose unused parts keep copies of cells that moved."""
    generator = random.Random(5)
    people = [generator.randbytes(16) for _ in range(400)]
    log = opened()
    for _ in range(40):
        some = [generator.choice(people) for _ in range(200)]
        log.append("events", [entry(generator.randbytes(16), who, b"body of " + who) for who in some])
        log.append(
            "decisions", [entry(generator.randbytes(16), who, who * generator.randrange(900)) for who in some[:9]]
        )
    gone = people[:50]
    kept = [found for found in log.read("events", 0, 10_000) if found.entry.shopper not in gone]
    log.forget(gone, ALL)
    assert log.read("events", 0, 10_000) == kept
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert [who.hex() for who in gone if who in content] == []
    assert all(who in content for who in people[50:])


def test_forgetting_goes_on_beside_writers(log: Log) -> None:
    def send(number: int) -> None:
        for _ in range(40):
            log.append("events", [entry(shopper=b"%d" % number)])

    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(send, number) for number in range(4)]
        for _ in range(10):
            log.forget([b"0"], ALL)
        for each in sent:
            each.result()
    log.forget([b"0"], ALL)
    assert [len(log.person("events", b"%d" % n)) for n in range(4)] == [0, 40, 40, 40]
    assert log.end("events") == 160


def test_a_body_of_megabytes_comes_back_whole(log: Log) -> None:
    body = random.Random(1).randbytes(3_000_000)
    log.append("events", [entry(body=body), entry()])
    assert [record.entry.body for record in log.read("events", 0, 2)] == [body, b"body"]


def test_a_consumer_never_goes_back(opened: Callable[..., Log]) -> None:
    log = opened()
    log.commit("fold", 5)
    log.commit("fold", 3)
    log.commit("other", 1)
    assert (log.committed("fold"), log.committed("other")) == (5, 1)
    log.close()
    assert opened().committed("fold") == 5


def test_a_call_with_an_impossible_entry_stores_nothing_of_it(log: Log) -> None:
    log.append("events", [entry(b"a")])
    with pytest.raises((TypeError, OverflowError, BackendUnavailable)):
        log.append("events", [entry(b"b"), entry(b"c", at=2**70)])
    assert log.append("events", [entry(b"b")]) == ([2], [True])


def test_threads_append_without_loss_or_double(log: Log) -> None:
    """Each key is sent by two threads; offsets of one thread's calls grow, and the records are what was sent."""

    def send(thread: int) -> list[int]:
        keys = [f"{thread % 4}-{i}".encode() for i in range(60)]
        return [log.append("events", [entry(key), entry(shopper=b"%d" % thread)]).offsets[0] for key in keys]

    with ThreadPoolExecutor(8) as pool:
        offsets = list(pool.map(send, range(8)))
    records = log.read("events", 0, 10_000)
    keyed = [record.entry.key for record in records if record.entry.key]
    assert [record.offset for record in records] == list(range(1, 4 * 60 + 8 * 60 + 1))
    assert len(set(keyed)) == len(keyed) == 4 * 60
    assert all(offsets[i] == offsets[i + 4] == sorted(offsets[i]) for i in range(4))
    assert [len(log.person("events", b"%d" % thread)) for thread in range(8)] == [60] * 8


def test_a_failing_call_fails_no_other_that_shares_its_commit(log: Log) -> None:
    start = threading.Barrier(8)

    def send(thread: int) -> int:
        start.wait()
        failed = 0
        for i in range(40):
            try:
                log.append("events", [entry(b"%d-%d" % (thread, i)), entry(at=2**70 if thread % 2 else 0)])
            except (TypeError, OverflowError, BackendUnavailable):
                failed += 1
        return failed

    with ThreadPoolExecutor(8) as pool:
        failed = list(pool.map(send, range(8)))
    assert failed == [0, 40] * 4
    assert [record.offset for record in log.read("events", 0, 1_000)] == list(range(1, 4 * 40 * 2 + 1))


def test_a_reader_sees_whole_calls_while_another_thread_writes(log: Log) -> None:
    done = threading.Event()

    def send() -> None:
        for _ in range(150):
            log.append("events", [entry()] * 5)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        while not done.is_set():
            assert log.end("events") % 5 == 0
        sent.result()


def test_a_second_writer_is_refused_by_the_name_of_the_first(opened: Callable[..., Log]) -> None:
    log = opened()
    with pytest.raises(BackendUnavailable, match=r"being written by process \d+ \(.+\); a log has one writer"):
        opened()
    log.close()
    opened().append("events", [entry()])


def test_a_reader_may_open_the_log_meanwhile_and_sees_what_is_appended(opened: Callable[..., Log]) -> None:
    log = opened()
    log.append("events", [entry(b"a")])
    reader = opened(readonly=True)
    assert reader.end("events") == 1
    log.append("events", [entry(b"b")])
    assert [record.entry.key for record in reader.read("events", 0, 10)] == [b"a", b"b"]
    for write in (
        lambda: reader.append("events", [entry()]),
        lambda: reader.commit("fold", 1),
        lambda: reader.forget([b"p"], ALL),
    ):
        with pytest.raises(BackendUnavailable, match="opened for reading"):
            write()


def test_a_closed_log_refuses_every_call(opened: Callable[..., Log]) -> None:
    log = opened()
    log.close()
    log.close()
    calls: list[Callable[[], object]] = [
        lambda: log.append("events", [entry()]),
        lambda: log.read("events", 0, 1),
        lambda: log.end("events"),
        lambda: log.commit("fold", 1),
    ]
    for call in calls:
        with pytest.raises(BackendUnavailable):
            call()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.lists(st.sampled_from([b"", b"a", b"b", b"c", b"d"]), max_size=6), max_size=8), seed=st.randoms()
)
def test_any_calls_give_what_a_list_and_a_dict_give(
    opened: Callable[..., Log], calls: list[list[bytes]], seed: random.Random
) -> None:
    name = f"log {time.monotonic_ns()}"
    log = opened(name)
    stored: list[bytes] = []
    for keys in calls:
        if seed.random() < 0.3:
            log.close()
            log = opened(name)
        expected = []
        for key in keys:
            fresh = not key or key not in stored
            if fresh:
                stored.append(key)
            expected.append((len(stored) if fresh else stored.index(key) + 1, fresh))
        assert list(zip(*log.append("events", [entry(key) for key in keys]), strict=True)) == expected
    assert [record.entry.key for record in log.read("events", 0, 100)] == stored
    log.close()


def test_what_was_acknowledged_survives_kill_9_and_counts_once(
    adapter: str, opened: Callable[..., Log], tmp_path: Path
) -> None:
    """Six writers are killed at random moments; every batch is sent twice (this cannot see a missing sync)."""
    pause = random.Random(4)
    acknowledged: list[str] = []
    for round_ in range(6):
        command = [sys.executable, str(WRITER), adapter, str(tmp_path / "log"), str(round_)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged.append(child.stdout.readline())
            time.sleep(pause.uniform(0.01, 0.12))
            child.kill()
            acknowledged += [line for line in child.stdout if line.endswith("\n")]
    log = opened()
    records = log.read("events", 0, 10_000_000)
    keys = [record.entry.key.decode() for record in records]
    batches = [key.rpartition("-")[0] for key in keys]
    assert {line.split()[1] for line in acknowledged} == {"True"}
    assert {line.split()[0] for line in acknowledged} <= set(batches)
    assert len(set(keys)) == len(keys)
    assert {batches.count(batch) for batch in set(batches[-700:])} == {7}, "a batch was stored in part"
    assert [record.offset for record in records] == list(range(1, len(records) + 1))
    assert log.append("events", [entry(record.entry.key) for record in records[-100:]]).fresh == [False] * 100
