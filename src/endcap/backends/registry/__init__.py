"""Immutable versions of snapshots and policies, and the labels that point to them."""

from pathlib import Path
from typing import Literal, Protocol, TypeAlias

Artefact: TypeAlias = Literal["snapshot", "policy"]


class Registry(Protocol):
    """A version, once published, never changes; a label moves atomically."""

    def publish(self, artefact: Artefact, version: str, directory: Path) -> None:
        """Move `directory` in as `version`; a version that stands already is left as it is and `directory` removed."""

    def fetch(self, artefact: Artefact, version: str) -> Path:
        """The directory of `version`. Raises SnapshotRejected where it is not there."""

    def versions(self, artefact: Artefact) -> list[str]:
        """All versions, oldest first."""

    def label(self, artefact: Artefact, label: str, version: str) -> None:
        """Point `label` to `version`; readers see the old or the new, never neither."""

    def relabel(self, artefact: Artefact, label: str, former: str, version: str) -> bool:
        """Point `label` to `version` if it still points to `former`; whether it did."""

    def current(self, artefact: Artefact, label: str = "current") -> str | None:
        """The version that `label` points to."""
