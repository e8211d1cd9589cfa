"""What every registry keeps to; an adapter is one line in ADAPTERS."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from endcap.backends.registry import Registry
from endcap.backends.registry.directory import DirectoryRegistry
from endcap.errors import SnapshotRejected

ADAPTERS: dict[str, Callable[[Path], Registry]] = {
    "directory": lambda folder: DirectoryRegistry(folder / "registry"),
}


@pytest.fixture(params=list(ADAPTERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Registry]:
    return lambda: ADAPTERS[request.param](tmp_path)


@pytest.fixture
def registry(opened: Callable[[], Registry]) -> Registry:
    return opened()


@pytest.fixture
def built(tmp_path: Path) -> Callable[[str], Path]:
    """A directory to publish, with a file and a folder in it."""

    def build(content: str) -> Path:
        directory = tmp_path / f"built-{threading.get_ident()}-{content}"
        (directory / "arrays").mkdir(parents=True)
        (directory / "manifest.json").write_text(content)
        (directory / "arrays" / "a.npy").write_bytes(b"\x93NUMPY")
        return directory

    return build


def test_an_empty_registry_has_no_versions_and_no_labels(registry: Registry) -> None:
    assert registry.versions("snapshot") == []
    assert registry.current("snapshot") is None
    with pytest.raises(SnapshotRejected, match="holds no snapshot 'v1'"):
        registry.fetch("snapshot", "v1")


def test_a_published_version_is_fetched_whole_and_its_source_is_gone(
    opened: Callable[[], Registry], built: Callable[[str], Path]
) -> None:
    directory = built("one")
    opened().publish("snapshot", "v1", directory)
    found = opened().fetch("snapshot", "v1")
    assert (found / "manifest.json").read_text() == "one"
    assert (found / "arrays" / "a.npy").read_bytes() == b"\x93NUMPY"
    assert not directory.exists()


def test_versions_stand_in_the_order_of_publishing(registry: Registry, built: Callable[[str], Path]) -> None:
    for version in ("z", "b", "10", "9", "a-b.c_d"):
        registry.publish("snapshot", version, built(version))
    assert registry.versions("snapshot") == ["z", "b", "10", "9", "a-b.c_d"]
    assert registry.versions("policy") == []


def test_a_version_that_stands_is_left_as_it_is(registry: Registry, built: Callable[[str], Path]) -> None:
    registry.publish("policy", "v1", built("first"))
    second = built("second")
    registry.publish("policy", "v1", second)
    assert (registry.fetch("policy", "v1") / "manifest.json").read_text() == "first"
    assert registry.versions("policy") == ["v1"]
    assert not second.exists()


def test_a_label_moves_and_stays_after_reopening(opened: Callable[[], Registry], built: Callable[[str], Path]) -> None:
    registry = opened()
    for version in ("v1", "v2"):
        registry.publish("snapshot", version, built(version))
        registry.label("snapshot", "current", version)
    registry.label("snapshot", "previous", "v1")
    again = opened()
    assert (again.current("snapshot"), again.current("snapshot", "previous")) == ("v2", "v1")
    assert again.current("policy") is None


def test_a_label_cannot_point_to_what_is_not_there(registry: Registry, built: Callable[[str], Path]) -> None:
    registry.publish("snapshot", "v1", built("one"))
    registry.label("snapshot", "current", "v1")
    with pytest.raises(SnapshotRejected, match="holds no snapshot 'v2'; it holds v1"):
        registry.label("snapshot", "current", "v2")
    assert registry.current("snapshot") == "v1"


def test_a_version_without_files_is_refused(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SnapshotRejected, match="is empty"):
        registry.publish("snapshot", "v1", tmp_path / "empty")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\0b", "a\nb", "x" * 101, "-rf"])
def test_a_name_that_leads_elsewhere_is_refused(registry: Registry, built: Callable[[str], Path], name: str) -> None:
    directory = built("one")
    calls: list[Callable[[], object]] = [
        lambda: registry.publish("snapshot", name, directory),
        lambda: registry.fetch("snapshot", name),
        lambda: registry.label("snapshot", name, "v1"),
        lambda: registry.label("snapshot", "current", name),
        lambda: registry.current("snapshot", name),
    ]
    for call in calls:
        with pytest.raises(SnapshotRejected, match="is no name"):
            call()
    assert directory.exists()


def test_a_label_is_moved_only_from_where_it_was_expected(registry: Registry, built: Callable[[str], Path]) -> None:
    for version in ("v1", "v2", "v3"):
        registry.publish("snapshot", version, built(version))
    registry.label("snapshot", "current", "v1")
    assert registry.relabel("snapshot", "current", "v1", "v2")
    assert registry.current("snapshot") == "v2"
    assert not registry.relabel("snapshot", "current", "v1", "v3")
    assert registry.current("snapshot") == "v2"
    with pytest.raises(SnapshotRejected, match="holds no snapshot 'v9'"):
        registry.relabel("snapshot", "current", "v2", "v9")


def test_readers_of_a_moving_label_find_the_old_or_the_new(registry: Registry, built: Callable[[str], Path]) -> None:
    for version in ("v1", "v2-which-is-longer"):
        registry.publish("snapshot", version, built(version))
    registry.label("snapshot", "current", "v1")
    done = threading.Event()

    def read() -> set[str | None]:
        seen = set()
        while not done.is_set():
            seen.add(registry.current("snapshot"))
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for i in range(150):
            registry.label("snapshot", "current", ("v1", "v2-which-is-longer")[i % 2])
        done.set()
        assert set.union(*(reader.result() for reader in readers)) == {"v1", "v2-which-is-longer"}


def test_publishers_at_the_same_time_leave_every_version_once(
    opened: Callable[[], Registry], built: Callable[[str], Path]
) -> None:
    def publish(thread: int) -> None:
        for i in range(6):
            version = f"v{i}" if thread % 2 else f"w{thread}-{i}"
            opened().publish("snapshot", version, built(f"{thread}-{version}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(4)))
    versions = opened().versions("snapshot")
    assert sorted(versions) == sorted({f"v{i}" for i in range(6)} | {f"w{t}-{i}" for t in (0, 2) for i in range(6)})
