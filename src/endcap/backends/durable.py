"""Files that survive a power cut: what is written is on the disk, and under its name, before a function returns.

A rename is atomic but not durable until the folder that holds the name is synced. Knows nothing of contents.
"""

import mmap
import os
from pathlib import Path
from typing import Final

UNFINISHED: Final = ".unfinished"
"""What a file's name ends with until it is whole; such a file left by a crash may be removed."""


def sync(path: Path) -> None:
    """Bring the file, or the names in the folder, `path` to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(directory: Path) -> None:
    """Bring every file and folder of `directory` to the disk, itself last; links are not followed."""
    for folder, _, names in os.walk(directory, topdown=False):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                sync(path)
        sync(Path(folder))


def make_folder(folder: Path) -> None:
    """Make `folder` and its missing parents, with their names synced."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync(path.parent)


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Let `path` hold `content`: readers, and a crash, find the old content or the new.

    Writers of one path must take turns. What `mode` keeps from others is never readable by them, even half written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync(path.parent)


def holds(path: Path, content: bytes) -> bool:
    """Whether the file `path` has the bytes `content` anywhere, in use or not."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped.find(content) >= 0
