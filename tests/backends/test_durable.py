import os
from collections.abc import Callable
from pathlib import Path

import pytest

from endcap.backends import durable


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced and renamed, in order, by name."""
    done: list[str] = []

    def watched(operation: str, original: Callable[..., object]) -> Callable[..., object]:
        def call(subject: int | Path, *others: Path) -> object:
            path = Path(f"/proc/self/fd/{subject}").readlink() if isinstance(subject, int) else subject
            done.append(f"{operation} {path.name}")
            return original(subject, *others)

        return call

    monkeypatch.setattr(os, "fsync", watched("sync", os.fsync))
    monkeypatch.setattr(Path, "replace", watched("rename", Path.replace))
    return done


def test_a_replaced_file_is_synced_before_its_rename_and_its_folder_after(
    tmp_path: Path, operations: list[str]
) -> None:
    path = tmp_path / "label"
    path.write_text("old")
    durable.replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert operations == ["sync label.unfinished", "rename label.unfinished", f"sync {tmp_path.name}"]


def test_a_tree_is_synced_files_first_and_folders_after_what_they_hold(tmp_path: Path, operations: list[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("")
    (tmp_path / "y").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    durable.sync_tree(tmp_path)
    assert operations == ["sync x", "sync a", "sync y", f"sync {tmp_path.name}"]


def test_new_folders_are_synced_into_their_parents(tmp_path: Path, operations: list[str]) -> None:
    durable.make_folder(tmp_path / "a" / "b")
    durable.make_folder(tmp_path / "a" / "b")
    assert operations == [f"sync {tmp_path.name}", "sync a"]
