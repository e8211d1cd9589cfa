import os
import stat
from pathlib import Path

import pytest

from endcap.backends.registry.directory import DirectoryRegistry
from endcap.errors import BackendUnavailable


def built(path: Path) -> Path:
    path.mkdir()
    (path / "manifest.json").write_text("{}")
    return path


def test_a_publish_that_stopped_before_its_rename_leaves_no_version(tmp_path: Path) -> None:
    """A version is a folder with a number; whatever else a crash leaves beside is not one."""
    registry = DirectoryRegistry(tmp_path / "registry")
    registry.publish("snapshot", "v1", built(tmp_path / "one"))
    built(tmp_path / "registry" / "snapshot" / "half")
    (tmp_path / "registry" / "labels" / "snapshot").mkdir(parents=True)
    (tmp_path / "registry" / "labels" / "snapshot" / "current.unfinished").write_text("v9")
    assert registry.versions("snapshot") == ["v1"]
    assert registry.current("snapshot") is None


def test_hard_links_to_an_older_version_s_files_are_kept(tmp_path: Path) -> None:
    registry = DirectoryRegistry(tmp_path / "registry")
    registry.publish("snapshot", "v1", built(tmp_path / "one"))
    child = tmp_path / "two"
    child.mkdir()
    os.link(registry.fetch("snapshot", "v1") / "manifest.json", child / "manifest.json")
    registry.publish("snapshot", "v2", child)
    assert (registry.fetch("snapshot", "v2") / "manifest.json").stat().st_nlink == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(BackendUnavailable, match="check disk and rights"):
        DirectoryRegistry(tmp_path / "registry").label("snapshot", "current", "v1")


def test_a_registry_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("")
    with pytest.raises(BackendUnavailable, match="cannot be written"):
        DirectoryRegistry(tmp_path / "registry").publish("snapshot", "v1", built(tmp_path / "one"))
