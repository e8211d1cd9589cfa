"""Snapshots as files: signed, verified before anything is parsed, opened without copying."""

from endcap.releases.files import read_snapshot, write_snapshot
from endcap.releases.keys import new_signing_key, public_key_of

__all__ = ["new_signing_key", "public_key_of", "read_snapshot", "write_snapshot"]
