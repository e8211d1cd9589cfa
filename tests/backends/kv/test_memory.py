import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from endcap.backends.kv.memory import MemoryKV
from endcap.errors import BackendUnavailable


def now() -> int:
    return 1_000


def test_without_a_path_nothing_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kv = MemoryKV(None, now)
    kv.set_many({b"a": b"1"})
    kv.close()
    assert list(tmp_path.iterdir()) == []


def test_without_a_path_nothing_is_kept_for_a_save_that_never_comes() -> None:
    at = [0]
    kv = MemoryKV(None, lambda: at[0])

    def turns(count: int) -> int:
        """Bytes that are still held after `count` keys came and went."""
        tracemalloc.start()
        for number in range(at[0], at[0] + count):
            at[0] = number + 1
            kv.set_many({b"%064d" % number: b"1"}, 1)
        kv.delete_many([b"%064d" % (at[0] - 1)])
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held

    assert turns(5_000) < 100_000


def test_a_save_that_fails_is_made_good_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    kv = MemoryKV(folder / "state.sqlite", now)
    kv.set_many({b"a": b"1"})
    with pytest.raises(BackendUnavailable, match="cannot be used"):
        kv.save()
    folder.mkdir()
    kv.save()
    assert MemoryKV(folder / "state.sqlite", now).get_many([b"a"]) == [b"1"]


def test_a_save_writes_only_what_changed(tmp_path: Path) -> None:
    """Another process's value of an untouched key stays, which a rewrite of the file would undo."""
    path = tmp_path / "state.sqlite"
    kv = MemoryKV(path, now)
    kv.set_many({b"a": b"1", b"b": b"1"})
    kv.save()
    other = MemoryKV(path, now)
    other.set_many({b"a": b"2"})
    other.save()
    kv.set_many({b"b": b"2"})
    kv.save()
    kv.save()
    assert MemoryKV(path, now).get_many([b"a", b"b"]) == [b"2", b"2"]


def no_sqlite(path: Path) -> None:
    path.write_bytes(b"GIF89a" * 1_000)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id)")
    connection.close()


def newer(path: Path) -> None:
    kv = MemoryKV(path, now)
    kv.set_many({b"a": b"1"})
    kv.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()


@pytest.mark.parametrize("plant", [no_sqlite, foreign, newer])
def test_a_file_that_is_no_state_of_this_format_is_refused_and_left_as_it_is(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    path = tmp_path / "state.sqlite"
    plant(path)
    content = path.read_bytes()
    with pytest.raises(BackendUnavailable, match="delete the file and it is rebuilt from the log"):
        MemoryKV(path, now)
    assert path.read_bytes() == content


def test_expired_values_leave_the_file_at_the_next_save(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    clock = iter([0, 0, 0, 50, 50])
    kv = MemoryKV(path, lambda: next(clock))
    kv.set_many({b"a": b"secret"}, ttl_ms=10)
    kv.save()
    kv.set_many({b"b": b"1"})
    kv.save()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT key FROM entries").fetchall() == [(b"b",)]
    connection.close()
