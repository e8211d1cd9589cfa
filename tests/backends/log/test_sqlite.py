import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from endcap.backends.log import Entry
from endcap.backends.log.sqlite import _OF_KIND, SqliteLog
from endcap.errors import BackendUnavailable

ENTRY = Entry("event", b"", b"", 0, b"body")
HOLD = """
import sys, pathlib
from endcap.backends.log.sqlite import SqliteLog
log = SqliteLog(pathlib.Path(sys.argv[2]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(path)
    yield log
    log.close()


def test_an_append_is_synced_before_it_returns(disk: Any, log: SqliteLog) -> None:
    for _ in range(5):
        before = disk.syncs
        log.append("events", [ENTRY])
        assert disk.syncs > before


def test_calls_that_wait_for_a_commit_share_the_next_sync(disk: Any, log: SqliteLog) -> None:
    """The first commit is held at its sync until eight more calls wait; then two syncs serve nine calls."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go_on.wait(10)

    disk.on_sync = hold
    before = disk.syncs
    assert log._commits is not None
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(log.append, "events", [ENTRY])
        assert held.wait(10)
        others = [pool.submit(log.append, "events", [ENTRY]) for _ in range(8)]
        while len(log._commits._waiting) < 8:
            time.sleep(0.001)
        assert not any(other.done() for other in others)
        go_on.set()
        offsets = sorted(call.result().offsets[0] for call in [first, *others])
    assert offsets == list(range(1, 10))
    assert disk.syncs == before + 2


def test_power_cuts_lose_nothing_acknowledged_and_leave_no_call_in_part(disk: Any, path: Path, tmp_path: Path) -> None:
    """Power goes before random writes, and unsynced sectors are lost at random.

    The log is closed now and then, so cuts fall into checkpoints too. With synchronous=NORMAL this fails.
    """
    seed = random.Random(11)
    acknowledged = 0
    cuts: list[tuple[Path, int]] = []

    def maybe_cut() -> None:
        if acknowledged and seed.random() < 0.12:
            cuts.append((tmp_path / f"cut-{len(cuts)}", acknowledged))
            disk.cut_power(cuts[-1][0], seed)

    disk.on_write = maybe_cut
    for _ in range(6):
        log = SqliteLog(path)
        for _ in range(seed.randrange(1, 12)):
            keys = [b"%d" % (acknowledged + i) for i in range(3)]
            log.append("events", [Entry("event", key, b"p", 0, seed.randbytes(3_000)) for key in keys])
            acknowledged += 3
        log.close()
    disk.on_write = lambda: None
    assert len(cuts) > 30
    for folder, acknowledged_then in cuts:
        after = SqliteLog(folder / path.name)
        keys = [record.entry.key for record in after.read("events", 0, 1_000)]
        assert keys == [b"%d" % i for i in range(len(keys))]
        assert len(keys) in (acknowledged_then, acknowledged_then + 3)
        after.close()


def test_a_failed_sync_is_no_acknowledgement_and_ends_all_writing_until_the_log_is_opened_anew(
    disk: Any, log: SqliteLog, path: Path
) -> None:
    log.append("events", [ENTRY])

    def fail() -> None:
        raise apsw.IOError("planted: sync failed")

    disk.on_sync = fail
    with pytest.raises(BackendUnavailable, match="cannot be written"):
        log.append("events", [Entry("event", b"lost?", b"", 0, b"")])
    disk.on_sync = lambda: None
    with pytest.raises(BackendUnavailable):
        log.append("events", [ENTRY])
    assert log.end("events") == 1
    log.close()
    again = SqliteLog(path)
    assert again.append("events", [Entry("event", b"lost?", b"", 0, b"")]).offsets == [2]
    again.close()


def test_a_full_disk_stores_nothing_of_the_call_and_the_log_goes_on_when_there_is_space(
    disk: Any, log: SqliteLog
) -> None:
    log.append("events", [Entry("event", b"a", b"", 0, b"")])

    def fail() -> None:
        raise apsw.FullError("planted: no space")

    disk.on_write = fail
    with pytest.raises(BackendUnavailable, match="free disk space"):
        log.append("events", [Entry("event", b"b", b"", 0, b"x" * 100_000), ENTRY])
    disk.on_write = lambda: None
    assert log.end("events") == 1
    assert log.append("events", [Entry("event", b"b", b"", 0, b"")]) == ([2], [True])


def test_a_writer_in_another_process_is_named_and_its_death_frees_the_log(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, "serve", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(BackendUnavailable, match=rf"by process {child.pid} \(-c serve\)"):
            SqliteLog(path)
        child.kill()
    SqliteLog(path).close()


def test_a_file_that_is_no_sqlite_file_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"GIF89a" * 1_000)
    with pytest.raises(BackendUnavailable, match="no log of Endcap"):
        SqliteLog(path)
    assert path.read_bytes() == b"GIF89a" * 1_000


def test_another_program_s_sqlite_file_is_refused_and_left_as_it_is(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (id)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(BackendUnavailable, match="no log of Endcap"):
        SqliteLog(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("readonly", [False, True])
def test_a_log_of_a_newer_format_is_refused_with_the_remedy(path: Path, readonly: bool) -> None:
    SqliteLog(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(BackendUnavailable, match=r"has format 3, this release reads formats 1 and 2; upgrade endcap"):
        SqliteLog(path, readonly=readonly)


def test_a_log_of_the_format_before_is_read_as_it_is_and_brought_up_by_its_writer(path: Path) -> None:
    log = SqliteLog(path)
    log.append("events", [ENTRY, Entry("link", b"", b"p", 0, b"link")])
    log.close()
    connection = sqlite3.connect(path)
    connection.executescript("DROP INDEX events_identities; PRAGMA user_version = 1")
    connection.close()
    for readonly, version in ((True, 1), (False, 2), (False, 2)):
        log = SqliteLog(path, readonly=readonly)
        assert (log.end("events"), [found.offset for found in log.of_kind("events", "link")]) == (2, [2])
        log.close()
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        connection.close()


def test_links_and_erasures_are_found_through_their_index(path: Path) -> None:
    SqliteLog(path).close()
    connection = apsw.Connection(str(path))
    for condition in _OF_KIND.values():
        query = "EXPLAIN QUERY PLAN SELECT * FROM events WHERE :condition ORDER BY offset"
        plan = connection.execute(query.replace(":condition", condition)).get
        assert "events_identities" in str(plan)
    connection.close()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_missing_folder_is_named(tmp_path: Path, readonly: bool) -> None:
    with pytest.raises(BackendUnavailable, match="check that the folder exists"):
        SqliteLog(tmp_path / "nowhere" / "log.sqlite", readonly=readonly)


def test_a_refused_log_leaves_no_lock(path: Path) -> None:
    path.write_bytes(b"GIF89a" * 1_000)
    with pytest.raises(BackendUnavailable):
        SqliteLog(path)
    path.unlink()
    SqliteLog(path).close()
