"""A disk under SQLite that counts syncs, fails on demand, and knows what a power cut would leave."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

SECTOR = 512


@dataclass
class Image:
    """One file: what is on the platter, and the writes and truncations that no sync has brought there yet."""

    durable: bytes = b""
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, kept: Callable[[], bool]) -> bytes:
        """The file when of the unsynced operations, each sector of a write for itself, only those `kept` arrived."""
        content = bytearray(self.durable)
        for offset, data in self.unsynced:
            if data is None:
                del content[offset:]
                continue
            for start in range(0, len(data), SECTOR):
                if kept():
                    piece = data[start : start + SECTOR]
                    content.extend(bytes(max(0, offset + start + len(piece) - len(content))))
                    content[offset + start : offset + start + len(piece)] = piece
        return bytes(content)


class Disk(apsw.VFS):
    """While it exists, every new connection writes through it."""

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.syncs = 0
        self.on_write: Callable[[], None] = lambda: None
        self.on_sync: Callable[[], None] = lambda: None
        self.using = threading.RLock()
        super().__init__("disk", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "DiskFile":  # noqa: N802 - SQLite's name
        return DiskFile(self, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        super().xDelete(name, syncdir)
        with self.using:
            self.images.pop(Path(name).name, None)

    def cut_power(self, folder: Path, seed: random.Random) -> None:
        """Write into `folder` what a power cut at this moment leaves."""
        folder.mkdir()
        with self.using:
            for name, image in self.images.items():
                (folder / name).write_bytes(image.after(_some(seed)))


def _some(seed: random.Random) -> Callable[[], bool]:
    share = seed.choice([0.0, 0.3, 0.7, 1.0])
    return lambda: seed.random() < share


class DiskFile(apsw.VFSFile):
    """One open file of a Disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self.disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.image = disk.images.setdefault(Path(path).name, Image()) if path else Image()
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self.disk.on_write()
        super().xWrite(data, offset)
        with self.disk.using:
            self.image.unsynced.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's name
        super().xTruncate(size)
        with self.disk.using:
            self.image.unsynced.append((size, None))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self.disk.on_sync()
        super().xSync(flags)
        with self.disk.using:
            self.image.durable = self.image.after(lambda: True)
            self.image.unsynced.clear()
            self.disk.syncs += 1


@pytest.fixture
def disk() -> Iterator[Disk]:
    found = Disk()
    yield found
    found.unregister()
