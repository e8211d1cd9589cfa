"""Opaque bytes by key, with a time to live: shopper state, recent decisions, checkpoints."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class KV(Protocol):
    """Look-ups cost the same however many keys there are. Keys are bytes with a readable prefix such as `shopper:`."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values in the order of `keys`, None where a key is absent or has expired."""

    def set_many(self, values: Mapping[bytes, bytes], ttl_ms: int | None = None) -> None:
        """Set all of `values`; they expire `ttl_ms` after now, or never."""

    def delete_many(self, keys: Sequence[bytes]) -> None:
        """Delete `keys`; one that is absent is no error."""

    def scrub(self, keys: Sequence[bytes]) -> None:
        """Save, and let nothing of the deleted `keys` be left in any file."""

    def delete_prefix(self, prefix: bytes) -> int:
        """Delete every key that starts with `prefix`; the number deleted."""

    def save(self) -> None:
        """Make all that was set durable, atomically; adapters that are durable at once do nothing."""

    def close(self) -> None:
        """Save and release."""
