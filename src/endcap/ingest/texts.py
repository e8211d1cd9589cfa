"""Titles and links by row: a fold of catalog changes like the shelf's, kept apart because no decision depends on it.

Knows its own log offset.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from endcap.backends.kv import KV
from endcap.backends.log import Log
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Change

SHOWN: Final = ("title", "link", "image_link")
FORMAT: Final = 2
_KEY: Final = b"checkpoint:texts"
_NOTHING: Final = msgspec.msgpack.encode({})
_BATCH: Final = 20_000

Told: TypeAlias = dict[str, tuple[int, str]]
"""By name, the time of the change that told it last, and what it said."""


class _Checkpoint(msgspec.Struct):
    """Per row the MessagePack of a `Told`."""

    offset: int
    packed: list[bytes]
    format: int = 1


class Texts:
    """One small packed value a row, so that a million items stay a few hundred MB."""

    def __init__(self, checkpoint: _Checkpoint | None = None) -> None:
        self._kept = checkpoint or _Checkpoint(0, [], FORMAT)
        self._saved = self._kept.offset

    @property
    def offset(self) -> int:
        """The log offset up to which changes are taken in."""
        return self._kept.offset

    def get(self, row: int) -> Mapping[str, str]:
        """What is known of `row`."""
        return {name: text for name, (_, text) in self._told(row).items() if text}

    def _told(self, row: int) -> Told:
        kept = self._kept.packed
        return msgspec.msgpack.decode(kept[row], type=Told) if row < len(kept) else {}

    def apply(self, offset: int, change: Change) -> None:
        """Take in one change; what is known of a name from later on stays."""
        kept = self._kept
        if offset <= kept.offset:
            return
        kept.offset = offset
        if change.text.keys().isdisjoint(SHOWN):
            return
        kept.packed.extend([_NOTHING] * (change.row + 1 - len(kept.packed)))
        told = self._told(change.row) if kept.packed[change.row] != _NOTHING else {}
        for name in SHOWN:
            if name in change.text and change.at >= told.get(name, (-1, ""))[0]:
                told[name] = change.at, change.text[name]
        kept.packed[change.row] = msgspec.msgpack.encode(told)

    def apply_all(self, changes: Iterable[tuple[int, Change]], last: int) -> None:
        """Take in changes at their offsets, all that the log has up to `last`."""
        for offset, change in changes:
            self.apply(offset, change)
        self._kept.offset = max(self.offset, last)

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
    """The texts of the last checkpoint; none yet where there is none, or one of an older format."""
    packed = kv.get_many([_KEY])[0]
    checkpoint = msgspec.msgpack.decode(packed, type=_Checkpoint) if packed else None
    return Texts(checkpoint if checkpoint and checkpoint.format == FORMAT else None)
