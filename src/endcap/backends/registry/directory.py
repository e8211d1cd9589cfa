"""The embedded registry: a folder per version, numbered in the order of publishing, and a file per label.

`registry/snapshot/000003-<version>/` appears by one rename, after its files are synced, and
`registry/labels/snapshot/current` is replaced by one rename. Knows names, not contents: who loads a version checks what
it holds.
"""

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from endcap.backends.durable import make_folder, replace_file, sync, sync_tree
from endcap.backends.registry import Artefact, Registry
from endcap.errors import BackendUnavailable, SnapshotRejected

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION_FOLDER: Final = re.compile(r"(\d{6,})-(.+)")


class DirectoryRegistry(Registry):
    """A registry in the folder `root`, made at the first write; several processes may publish and label.

    Names of versions and labels are letters, digits, `.`, `_` and `-`, at most 100, the first no sign.

    Raises: SnapshotRejected where a name is none or a version is not there; BackendUnavailable where the disk fails.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, artefact: Artefact, version: str, directory: Path) -> None:
        """Move `directory` in as `version`, durable on return; it must lie on the same disk as the registry.

        A version that stands already is left as it is and `directory` removed.
        """
        _check_name(version)
        if not any(directory.iterdir()):
            raise SnapshotRejected(f"{directory} is empty; a version of a {artefact} has files")
        with self._alone(artefact) as folder:
            stored = self._numbered(artefact)
            if version in stored.values():
                shutil.rmtree(directory)
                return
            sync_tree(directory)
            directory.rename(folder / f"{max(stored, default=0) + 1:06d}-{version}")
            sync(folder)
            sync(directory.parent)

    def fetch(self, artefact: Artefact, version: str) -> Path:
        """The directory of `version`. Raises SnapshotRejected where it is not there."""
        _check_name(version)
        for number, stored in self._numbered(artefact).items():
            if stored == version:
                return self._root / artefact / f"{number:06d}-{version}"
        raise SnapshotRejected(
            f"{self._root} holds no {artefact} {version!r}; it holds {', '.join(self.versions(artefact)) or 'none'}"
        )

    def versions(self, artefact: Artefact) -> list[str]:
        """All versions, in the order in which they were published."""
        return [version for _, version in sorted(self._numbered(artefact).items())]

    def label(self, artefact: Artefact, label: str, version: str) -> None:
        """Point `label` to `version`, durable on return. Raises SnapshotRejected where `version` is not there."""
        _check_name(label)
        self.fetch(artefact, version)
        with self._alone(artefact):
            self._point(artefact, label, version)

    def relabel(self, artefact: Artefact, label: str, former: str, version: str) -> bool:
        """Point `label` to `version`, durable on return, if it still points to `former`; whether it did."""
        self.fetch(artefact, version)
        with self._alone(artefact):
            same = self.current(artefact, label) == former
            if same:
                self._point(artefact, label, version)
        return same

    def _point(self, artefact: Artefact, label: str, version: str) -> None:
        labels = self._root / "labels" / artefact
        make_folder(labels)
        replace_file(labels / label, version.encode())

    def current(self, artefact: Artefact, label: str = "current") -> str | None:
        """The version that `label` points to, None where it was never set."""
        _check_name(label)
        try:
            return (self._root / "labels" / artefact / label).read_text()
        except FileNotFoundError:
            return None

    def _numbered(self, artefact: Artefact) -> dict[int, str]:
        folder = self._root / artefact
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        matches = [match for name in names if (match := _VERSION_FOLDER.fullmatch(name))]
        return {int(match[1]): match[2] for match in matches}

    @contextmanager
    def _alone(self, artefact: Artefact) -> Iterator[Path]:
        """The folder of `artefact`, which no other process or thread changes meanwhile."""
        folder = self._root / artefact
        try:
            make_folder(folder)
            with (folder / ".lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield folder
        except OSError as error:
            raise BackendUnavailable(
                f"the registry {self._root} cannot be written: {error}; check disk and rights, and that the directory "
                "to publish lies on the same disk"
            ) from error


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SnapshotRejected(f"{name!r} is no name of a version or label; expected letters, digits, '.', '_' or '-'")
