"""Snapshots as files: signed, verified before anything is parsed, opened without copying; whose sessions, sealed."""

from endcap.releases.files import read_sides, read_snapshot, write_snapshot
from endcap.releases.keys import new_signing_key, public_key_of
from endcap.releases.seal import SEALED, Gone, hidden_in, hidden_sessions, sealed

__all__ = [
    "SEALED",
    "Gone",
    "hidden_in",
    "hidden_sessions",
    "new_signing_key",
    "public_key_of",
    "read_sides",
    "read_snapshot",
    "sealed",
    "write_snapshot",
]
