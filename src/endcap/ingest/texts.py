"""Titles and links by row: a fold of catalog changes like the shelf's, kept apart because no decision depends on it.

Knows its own log offset.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from endcap.backends.kv import KV
from endcap.backends.log import Log
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Change

SHOWN: Final = ("title", "link", "image_link")
_KEY: Final = b"checkpoint:texts"
_NOTHING: Final = msgspec.msgpack.encode({})
_BATCH: Final = 20_000


class _Checkpoint(msgspec.Struct):
    """Format 1: per row the MessagePack of what is shown, and the time of the change it is from."""

    offset: int
    packed: list[bytes]
    changed: list[int]


class Texts:
    """One small packed value a row, so that a million items stay a few hundred MB."""

    def __init__(self, checkpoint: _Checkpoint | None = None) -> None:
        self._kept = checkpoint or _Checkpoint(0, [], [])
        self._saved = self._kept.offset

    @property
    def offset(self) -> int:
        """The log offset up to which changes are taken in."""
        return self._kept.offset

    def get(self, row: int) -> Mapping[str, str]:
        """What is known of `row`."""
        kept = self._kept.packed
        if row >= len(kept):
            return {}
        return msgspec.msgpack.decode(kept[row], type=dict[str, str])

    def apply(self, offset: int, change: Change) -> None:
        """Take in one change; an older one than what the row shows changes nothing."""
        kept = self._kept
        kept.offset = max(kept.offset, offset)
        if change.text.keys().isdisjoint(SHOWN):
            return
        missing = change.row + 1 - len(kept.packed)
        if missing > 0:
            kept.packed.extend([_NOTHING] * missing)
            kept.changed.extend([-1] * missing)
        if change.at >= kept.changed[change.row]:
            kept.changed[change.row] = change.at
            text = dict(self.get(change.row))
            text.update((name, change.text[name]) for name in SHOWN if name in change.text)
            kept.packed[change.row] = msgspec.msgpack.encode({name: value for name, value in text.items() if value})

    def catch_up(self, log: Log) -> None:
        """Take in the changes that the log has after `offset`."""
        while records := log.read("events", self.offset, _BATCH):
            for record in records:
                if record.entry.kind == "change":
                    self.apply(record.offset, unpack("change", record.entry.version, record.entry.body))
            self._kept.offset = records[-1].offset

    def save(self, kv: KV) -> None:
        """Keep a checkpoint in `kv`, if there is news since the last."""
        if self._saved != self.offset:
            kv.set_many({_KEY: msgspec.msgpack.encode(self._kept)})
            self._saved = self.offset


def open_texts(kv: KV) -> Texts:
    """The texts of the last checkpoint, or none yet."""
    packed = kv.get_many([_KEY])[0]
    return Texts(msgspec.msgpack.decode(packed, type=_Checkpoint) if packed else None)
