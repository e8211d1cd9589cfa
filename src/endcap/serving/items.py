"""What items are called at the edge: rows and ids in both directions, titles and links by row.

Rows are given here to items first heard of in events. Texts are a fold of catalog changes like the shelf's, kept apart
because no decision depends on them; they know their own log offset.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from endcap.backends.kv import KV
from endcap.backends.log import Entry, Log
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Assignment, Change
from endcap.domain.ids import ItemKey
from endcap.ingest.rows import Directory, assignment_entry

SHOWN: Final = ("title", "link", "image_link")
_KEY: Final = b"checkpoint:texts"
_NOTHING: Final = msgspec.msgpack.encode({})
_BATCH: Final = 20_000


class RowBook:
    """All rows. What was assigned here stays `unlogged` until its log entry is durable, and precedes any use of it.

    >>> book = RowBook([ItemKey("item", "A")])
    >>> book.ensure(ItemKey("item", "B")), book.key(1).id, len(book.unlogged(at=0))
    (1, 'B', 1)
    """

    def __init__(self, keys: Sequence[ItemKey]) -> None:
        self._keys = list(keys)
        self._directory = Directory(keys)
        self._unlogged: list[Assignment] = []

    def find(self, key: ItemKey) -> int | None:
        """The row of `key`, None where it has none."""
        return self._directory.row(key)

    def key(self, row: int) -> ItemKey:
        """What `row` stands for."""
        return self._keys[row]

    def keys(self) -> Sequence[ItemKey]:
        """One key a row."""
        return self._keys

    def ensure(self, key: ItemKey) -> int:
        """The row of `key`, a new one where it has none."""
        row = self._directory.row(key)
        if row is None:
            planned = self._directory.plan([key])
            self._directory.adopt(planned)
            self._keys.append(key)
            self._unlogged += planned
            row = planned[0].row
        return row

    def unlogged(self, at: int) -> list[Entry]:
        """The log entries of all rows whose entry is not durable yet; one that is twice in the log counts once."""
        return [assignment_entry(assignment, at) for assignment in self._unlogged]

    def logged(self, entries: Iterable[Entry]) -> None:
        """`entries` of `unlogged` are durable now."""
        durable = {entry.key for entry in entries}
        self._unlogged = [each for each in self._unlogged if assignment_entry(each, 0).key not in durable]


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
