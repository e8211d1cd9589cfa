"""A process of its own: makes all decisions of a folder again from its log and registry, and prints what differs."""

import json
import sys
from functools import cache
from pathlib import Path

from endcap.backends.log.bodies import unpack
from endcap.backends.log.sqlite import SqliteLog
from endcap.backends.registry.directory import DirectoryRegistry
from endcap.domain.catalog import Assignment
from endcap.policy import Policy, parse_policy
from endcap.releases import read_snapshot
from endcap.serving.floor import batches
from endcap.serving.replay import Replay
from endcap.snapshot import Snapshot


def main(folder: Path) -> None:
    """Read `log.sqlite`, `registry/` and `keys/signing.pub` of `folder`, and nothing else."""
    log, registry = SqliteLog(folder / "log.sqlite", readonly=True), DirectoryRegistry(folder / "registry")
    rows = (unpack("row", record.entry.version, record.entry.body)
            for batch in batches(log, 0) for record in batch if record.entry.kind == "row")  # fmt: skip
    keys = [noun.key for noun in sorted(rows, key=_row)]

    @cache
    def snapshot(version: str) -> Snapshot:
        return read_snapshot(registry.fetch("snapshot", version), (folder / "keys" / "signing.pub").read_bytes(), keys)

    @cache
    def policy(version: str) -> Policy:
        (text,) = registry.fetch("policy", version).iterdir()
        return parse_policy(text.read_text(encoding="utf-8"))

    json.dump([[each.recommendation_id, each.differs] for each in Replay(log, snapshot, policy).run()], sys.stdout)


def _row(noun: Assignment) -> int:
    return noun.row


if __name__ == "__main__":
    main(Path(sys.argv[1]))
