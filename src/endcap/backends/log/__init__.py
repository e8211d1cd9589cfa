"""The append-only, replayable log: the truth from which state, lake and catalog are rebuilt."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

Stream: TypeAlias = Literal["events", "decisions"]
"""`events` holds events, row assignments, catalog changes, links of people and erasures in one offset space;
`decisions` what was answered."""

RecordKind: TypeAlias = Literal["event", "row", "change", "link", "erasure", "decision"]


class Entry(NamedTuple):
    """What is appended.

    `key` is the dedupe key (empty: never a duplicate), `shopper` the person it is about (or empty). `at` is when it
    happened (ms UTC); `body` is MessagePack of the noun, whose format version stands in `version`.
    """

    kind: RecordKind
    key: bytes
    shopper: bytes
    at: int
    body: bytes
    version: int = 2


class Record(NamedTuple):
    """An entry at its offset; offsets start at 1 and grow by 1, and what is forgotten leaves its offset unused."""

    offset: int
    entry: Entry


class Appended(NamedTuple):
    """Offsets in the order of the entries, those of the first copy for duplicates; `fresh` says which are new."""

    offsets: list[int]
    fresh: list[bool]


class Log(Protocol):
    """At least once in, once in effect; an append is durable when it returns."""

    def append(self, stream: Stream, entries: Sequence[Entry]) -> Appended:
        """All of `entries` or none, in one transaction that also finds the duplicates, within the call and before."""

    def read(self, stream: Stream, after: int, limit: int) -> list[Record]:
        """At most `limit` records with an offset above `after`, in order."""

    def person(self, stream: Stream, shopper: bytes) -> list[Record]:
        """All records about one person, in order."""

    def of_kind(self, stream: Stream, kind: RecordKind) -> list[Record]:
        """All records of one kind, in order; links and erasures are found without reading the others."""

    def shoppers(self, stream: Stream) -> list[bytes]:
        """The distinct people whom records are about."""

    def forget(self, people: Collection[bytes], until: Mapping[Stream, int]) -> int:
        """Remove for good all records about `people` up to an offset of each stream; how many there were.

        On return nothing of them is left in any file. Their dedupe keys stay, so that none can come back, and no offset
        is ever used again.
        """

    def find(self, stream: Stream, key: bytes) -> Record | None:
        """The record with the dedupe key `key`, None where there is none."""

    def end(self, stream: Stream) -> int:
        """The last offset, 0 where the stream is empty."""

    def commit(self, consumer: str, offset: int) -> None:
        """Remember that `consumer` has taken in everything up to `offset`; never goes back."""

    def committed(self, consumer: str) -> int:
        """What `consumer` committed last, 0 at first."""

    def close(self) -> None:
        """Release the file; the log is not usable after."""
