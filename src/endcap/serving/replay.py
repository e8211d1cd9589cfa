"""Replay: recorded decisions made again from log and snapshots alone, and what differs, which should be nothing.

The shelf is folded forward from the log; a shopper from that person's records and links; both by offset, never by
time, for late events carry old times. Knows no clock, no stored state and no server.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from endcap.backends.log import Log, Record
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Assignment, Change
from endcap.domain.decisions import Decision
from endcap.domain.events import Event, Events
from endcap.domain.people import Link
from endcap.policy import Policy
from endcap.serving.floor import batches
from endcap.serving.lists import answer
from endcap.snapshot import Snapshot
from endcap.state import NEWCOMER, Shelf, Shopper, State, fold


class Replayed(NamedTuple):
    """One decision made again: the fields in which it differs from its record, none where it is equal bit for bit."""

    recommendation_id: str
    differs: tuple[str, ...]


class Replay:
    """Makes the decisions of `log` again with the snapshots and policies that they name."""

    def __init__(self, log: Log, snapshot: Callable[[str], Snapshot], policy: Callable[[str], Policy]) -> None:
        self._log = log
        self._snapshot = snapshot
        self._policy = policy
        self._shelf = Shelf()
        self._records = (record for batch in batches(log, 0) for record in batch)
        self._ahead: Record | None = next(self._records, None)

    def run(self) -> Iterator[Replayed]:
        """Every decision, in the order of the shelves they saw."""
        decisions = [
            (record.entry.key.decode(), unpack("decision", record.entry.version, record.entry.body))
            for record in self._decisions()
        ]
        for recommendation_id, recorded in sorted(decisions, key=lambda each: each[1].offsets.shelf):
            yield Replayed(recommendation_id, differences(recorded, self.again(recorded)))

    def again(self, recorded: Decision) -> Decision:
        """The decision that the request of `recorded` gets, with what was known then."""
        self._advance(recorded.offsets.shelf)
        state = State(self._shopper(recorded), self._shelf)
        versions = self._snapshot(recorded.snapshot), self._policy(recorded.policy)
        return replace(answer(recorded.rung, recorded.request, state, versions), degraded=recorded.degraded)

    def known(self, records: Sequence[Record], recorded: Decision) -> list[Record]:
        """Those of a person's records that had been folded when `recorded` was made."""
        return [record for record in records if record.offset <= recorded.offsets.shopper]

    def _shopper(self, recorded: Decision) -> Shopper:
        if not recorded.request.shopper:
            return NEWCOMER
        shopper = NEWCOMER
        for record in self._person(recorded):
            noun = unpack(record.entry.kind, record.entry.version, record.entry.body)
            if isinstance(noun, Event) and not noun.bot:
                shopper = fold(shopper, Events.of([noun]), record.offset, noun.region)
            elif isinstance(noun, Link) and noun.user:
                shopper = replace(shopper, offset=max(shopper.offset, record.offset))
        return shopper

    def _person(self, recorded: Decision) -> list[Record]:
        """The known records of the request's person, and of the visitors that had been linked to that person."""
        known = self.known(self._log.person("events", recorded.request.shopper), recorded)
        for link in [record.entry for record in known if record.entry.kind == "link"]:
            visitor = unpack("link", link.version, link.body).shopper
            if visitor != recorded.request.shopper:
                known += self.known(self._log.person("events", visitor), recorded)
        return sorted(known, key=lambda record: record.offset)

    def _advance(self, offset: int) -> None:
        while self._ahead is not None and self._ahead.offset <= offset:
            noun = unpack(self._ahead.entry.kind, self._ahead.entry.version, self._ahead.entry.body)
            if isinstance(noun, Event) and not noun.bot:
                self._shelf.observe(Events.of([noun]))
            elif isinstance(noun, Assignment):
                self._shelf.reserve(noun.row + 1)
            elif isinstance(noun, Change):
                self._shelf.apply(noun)
            self._shelf.offset = self._ahead.offset
            self._ahead = next(self._records, None)

    def _decisions(self) -> Iterator[Record]:
        after = 0
        while records := self._log.read("decisions", after, 1_000):
            yield from records
            after = records[-1].offset


def differences(recorded: Any, again: Any, where: str = "") -> tuple[str, ...]:
    """The names of the fields in which two decisions differ by so much as a bit.

    >>> differences((1, float("nan")), (1, float("nan"))), differences((1, 2.0), (1, 2.5), "score")
    ((), ('score[1]',))
    """
    if isinstance(recorded, np.ndarray):
        same = recorded.dtype == again.dtype and recorded.shape == again.shape and recorded.tobytes() == again.tobytes()
        return () if same else (where,)
    if is_dataclass(recorded):
        names = [each.name for each in fields(recorded)]
        found = [
            differences(getattr(recorded, name), getattr(again, name), f"{where}.{name}".strip(".")) for name in names
        ]
        return tuple(name for part in found for name in part)
    if isinstance(recorded, tuple):
        if len(recorded) != len(again):
            return (where,)
        pairs = enumerate(zip(recorded, again, strict=True))
        return tuple(name for index, pair in pairs for name in differences(*pair, f"{where}[{index}]"))
    if isinstance(recorded, float):
        return () if np.float64(recorded).tobytes() == np.float64(again).tobytes() else (where,)
    return () if recorded == again else (where,)
