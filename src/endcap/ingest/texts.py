"""Titles and links by row: a fold of catalog changes like the shelf's, kept apart because no decision depends on it.

Knows its own log offset.
"""

import re
import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from endcap.backends.kv import KV
from endcap.backends.log import Log
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Change

if TYPE_CHECKING:
    from endcap.ingest import Ports

SHOWN: Final = ("title", "link", "image_link")
FORMAT: Final = 3
MOST_TERMS, LONGEST_TERM = 8, 40
MAX_TERMS: Final = MOST_TERMS * (LONGEST_TERM + 1)
"""Characters of the words of a search."""
_WORD: Final = re.compile(r"[^\W_]+")
_ADDRESS: Final = re.compile(r"\S*@\S*")
_KEY: Final = b"checkpoint:texts"
_PAGE: Final = 1 << 13
"""Rows that a checkpoint keeps together, under one key."""
_NOTHING: Final = msgspec.msgpack.encode({})
_BATCH: Final = 20_000
_REMEMBERED: Final = 20_000
"""Rows whose texts are kept as they were read."""

Told: TypeAlias = dict[str, tuple[int, str]]
"""By name, the time of the change that told it last, and what it said."""


class _Checkpoint(msgspec.Struct):
    """What is kept beside the pages."""

    offset: int
    rows: int = 0
    format: int = 1


class Texts:
    """One small packed value a row, so that a million items stay a few hundred MB."""

    def __init__(self, offset: int = 0, packed: list[bytes] | None = None) -> None:
        """`packed` holds per row the MessagePack of a `Told`; `offset` is the log's that it was kept up to."""
        self._offset, self._packed = offset, packed or []
        self._saved, self._news = offset, set[int]()
        self._words: set[str] | None = None
        self._read: dict[int, Mapping[str, str]] = {}

    @property
    def offset(self) -> int:
        """The log offset up to which changes are taken in."""
        return self._offset

    def get(self, row: int) -> Mapping[str, str]:
        """What is known of `row`; the same few are asked for again and again."""
        found = self._read.get(row)
        if found is None:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            found = self._read[row] = self._known(row)
        return found

    def _known(self, row: int) -> Mapping[str, str]:
        return {name: text for name, (_, text) in self._told(row).items() if text}

    @property
    def words(self) -> Collection[str]:
        """All words that a title has or had since they were gathered."""
        return self.gather_words()

    def gather_words(self) -> set[str]:
        """Find `words` unless that is done, which takes as long as reading all titles: better before somebody waits."""
        if self._words is None:
            titles = (self._known(row).get("title", "") for row in range(len(self._packed)))
            self._words = {word for title in titles for word in words_of(title)}
        return self._words

    def _told(self, row: int) -> Told:
        return msgspec.msgpack.decode(self._packed[row], type=Told) if row < len(self._packed) else {}

    def apply(self, offset: int, change: Change) -> None:
        """Take in one change; what is known of a name from later on stays."""
        if offset <= self._offset:
            return
        self._offset = offset
        if change.text.keys().isdisjoint(SHOWN):
            return
        first = min(change.row, len(self._packed))
        self._news.update(range(first // _PAGE, change.row // _PAGE + 1))
        self._packed.extend([_NOTHING] * (change.row + 1 - len(self._packed)))
        told = self._told(change.row) if self._packed[change.row] != _NOTHING else {}
        for name in SHOWN:
            if name in change.text and change.at >= told.get(name, (-1, ""))[0]:
                told[name] = change.at, change.text[name]
        self._packed[change.row] = msgspec.msgpack.encode(told)
        self._read.pop(change.row, None)
        if self._words is not None:
            self._words.update(words_of(change.text.get("title", "")))

    def apply_all(self, changes: Iterable[tuple[int, Change]], last: int) -> None:
        """Take in changes at their offsets, all that the log has up to `last`."""
        for offset, change in changes:
            self.apply(offset, change)
        self._offset = max(self.offset, last)

    def catch_up(self, log: Log) -> None:
        """Take in the changes that the log has after `offset`."""
        while records := log.read("events", self.offset, _BATCH):
            for record in records:
                if record.entry.kind == "change":
                    self.apply(record.offset, unpack("change", record.entry.version, record.entry.body))
            self._offset = records[-1].offset

    def save(self, kv: KV) -> None:
        """Keep a checkpoint in `kv`, if there is news since the last."""
        if self._saved == self.offset:
            return
        kept = {_KEY: msgspec.msgpack.encode(_Checkpoint(self.offset, len(self._packed), FORMAT))}
        for page in self._news:
            rows = self._packed[page * _PAGE : (page + 1) * _PAGE]
            kept[_page_key(page)] = zlib.compress(msgspec.msgpack.encode(rows), 1)
        kv.set_many(kept)
        self._saved, self._news = self.offset, set()


def words_of(text: str) -> list[str]:
    """The words of `text` as they are compared.

    >>> words_of("Rain-jacket, 3 L!")
    ['rain', 'jacket', '3', 'l']
    """
    return _WORD.findall(text.lower())


def known_terms(search: str, words: Collection[str]) -> str:
    """The first few words of a search that are among `words`, no part of an e-mail address; nothing else of it is kept.

    >>> known_terms("Tent for ann@example.org", {"tent", "for", "ann"})
    'tent for'
    """
    typed = words_of(_ADDRESS.sub(" ", search))
    return " ".join([word for word in typed if len(word) <= LONGEST_TERM and word in words][:MOST_TERMS])


def title_words(shop: "Ports") -> Collection[str]:
    """The words of all titles of `shop`."""
    if shop.texts is not None:
        return shop.texts.words
    titles = (recorded.change.text.get("title", "") for recorded in shop.catalog.changes())
    return {word for title in titles for word in words_of(title)}


def open_texts(kv: KV) -> Texts:
    """The texts of the last checkpoint; none yet where there is none, or one of an older format."""
    (kept,) = kv.get_many([_KEY])
    found = msgspec.msgpack.decode(kept, type=_Checkpoint) if kept else None
    if found is None or found.format != FORMAT:
        return Texts()
    packed: list[bytes] = []
    for page in kv.get_many([_page_key(page) for page in range(-(-found.rows // _PAGE))]):
        packed += msgspec.msgpack.decode(zlib.decompress(page), type=list[bytes]) if page else []
    return Texts(found.offset, packed) if len(packed) == found.rows else Texts()


def _page_key(page: int) -> bytes:
    return b"%b:%d" % (_KEY, page)
