"""Whether what a killed server left behind is what it had acknowledged: nothing lost, doubled, torn or folded wrongly.

Works on a copy of the files, as they lay on the disk when the process ended; knows nothing of how they came about.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

from endcap import app
from endcap.backends.kv import KV
from endcap.backends.kv.memory import MemoryKV
from endcap.backends.log import Log
from endcap.backends.log.bodies import unpack
from endcap.domain.catalog import Assignment, Change
from endcap.domain.events import Event
from endcap.domain.ids import ItemKey
from endcap.ingest.loader import event_key
from endcap.serving.floor import batches
from torture.load import Batch, Ledger

FLUSHED_AFTER_S: Final = 1.0
"""A decision that was answered longer than this before the end is in the log (DESIGN: at most one second is lost)."""

_NEEDED: Final = ("endcap.toml", "policy.toml", "keys", "*.sqlite", "*.sqlite-wal", "*.sqlite-journal")


@dataclass
class Findings:
    """How often each fault was seen, with the first example of it; and how much was looked at."""

    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    events: int = 0
    decisions: int = 0

    def note(self, fault: str, example: object) -> None:
        """One more of `fault`."""
        self.faults[fault] += 1
        self.examples.setdefault(fault, str(example)[:500])


@dataclass(frozen=True)
class _Stored:
    """What the log holds, by the names that the load gave; `lines` are kept in the order of the log."""

    events: Counter[str]
    prices: set[int]
    assigned: list[Assignment]
    decisions: Counter[bytes]
    offsets: list[int]


def examine(shop: Path, scratch: Path, ledger: Ledger, ended: float, findings: Findings) -> None:
    """Note what is wrong in `shop`, whose server ended at `ended` (monotonic seconds) and has answered `ledger`."""
    copy = copied(shop, scratch / "as-left")
    for path in sorted(copy.glob("*.sqlite")):
        _check_integrity(path, findings)
    opened = app.open_shop(copy, {})
    with closing(opened.log(readonly=True)) as log:
        stored = _stored(log)
        _check_events(ledger.batches, stored.events, findings)
        _check_keys(log, opened.secret(), ledger.batches, findings)
    _check_records(stored, ledger, ended, findings)
    _check_state(copy, stored, findings)
    findings.events, findings.decisions = len(stored.events), len(stored.decisions)


def examine_answers(ledger: Ledger, findings: Findings) -> None:
    """Note answers that contradict each other: a call is taken in whole or not at all, and once."""
    for refusal in ledger.refused:
        findings.note("refused", refusal)
    for batch in ledger.batches:
        size, accepted = len(batch.names), sum(each for each, _ in batch.answers)
        if any(sum(answer) != size or answer[0] not in (0, size) for answer in batch.answers) or accepted > size:
            findings.note("answered wrongly", f"{size} events in {batch.sent} calls: {batch.answers}")
        elif batch.sent == len(batch.answers) and accepted != size:
            findings.note("answered wrongly", f"{size} events, every call answered: {batch.answers}")


def examine_end(shop: Path, scratch: Path, findings: Findings) -> None:
    """Note where the state that a server saved when it ended in peace differs from a rebuild; nothing is caught up."""
    copy = copied(shop, scratch / "as-ended")
    with closing(app.open_shop(copy, {}).kv()) as kv:
        saved = _entries(kv)
    (copy / "state.sqlite").unlink()
    rebuilt = _folded(copy)[0]
    for folded in (saved, rebuilt):
        folded.pop(b"checkpoint:texts", None)  # says how far it has looked, which is further after a rebuild
    _compare(saved, rebuilt, "state at the end", findings)


def copied(shop: Path, to: Path) -> Path:
    """The files of `shop` that hold what it knows, in the folder `to`, which is made anew."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for path in [found for pattern in _NEEDED for found in shop.glob(pattern)]:
        (shutil.copytree if path.is_dir() else shutil.copy)(path, to / path.name)
    return to


def _check_integrity(path: Path, findings: Findings) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        told = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    if told != ["ok"]:
        findings.note("integrity", f"{path.name}: {told[:3]}")


def _stored(log: Log) -> _Stored:
    events: Counter[str] = Counter()
    prices, assigned, offsets = set(), [], []
    for records in batches(log, 0):
        for offset, entry in records:
            offsets.append(offset)
            noun = unpack(entry.kind, entry.version, entry.body)
            if isinstance(noun, Event) and noun.recommendation_id:
                events[noun.recommendation_id] += 1
            elif isinstance(noun, Change) and noun.price is not None:
                prices.add(noun.price)
            elif isinstance(noun, Assignment):
                assigned.append(noun)
    return _Stored(events, prices, assigned, Counter(_decisions(log)), offsets)


def _decisions(log: Log) -> Iterator[bytes]:
    after = 0
    while records := log.read("decisions", after, 5_000):
        yield from (record.entry.key for record in records)
        after = records[-1].offset


def _check_events(sent: list[Batch], stored: Counter[str], findings: Findings) -> None:
    for batch in sent:
        counts = [stored[name] for name in batch.names]
        for name, count in zip(batch.names, counts, strict=True):
            if not count and batch.acknowledged:
                findings.note("lost", name)
            if count > 1:
                findings.note("twice", f"{name}: {count} times")
        if 0 < sum(count > 0 for count in counts) < len(counts):
            findings.note("in part", f"{sum(map(bool, counts))} of {len(counts)} events of one call")


def _check_keys(log: Log, secret: bytes, sent: list[Batch], findings: Findings) -> None:
    """The latest acknowledged events by their dedupe keys, as a second sending would look for them."""
    for batch in [each for each in sent if each.acknowledged][-20:]:
        for name, event_id in zip(batch.names, batch.ids, strict=True):
            if event_id and log.find("events", event_key(secret, event_id)) is None:
                findings.note("not found by its key", name)


def _check_records(stored: _Stored, ledger: Ledger, ended: float, findings: Findings) -> None:
    if stored.offsets != list(range(1, len(stored.offsets) + 1)):
        findings.note("offsets", "the offsets of the log have gaps")
    if [each.row for each in stored.assigned] != list(range(len(stored.assigned))):
        findings.note("rows", "rows were not given one after the other")
    if len({each.key for each in stored.assigned}) != len(stored.assigned):
        findings.note("rows", "an item has two rows")
    for price in set(ledger.offers) - stored.prices:
        findings.note("offer lost", price)
    for key, count in stored.decisions.items():
        if count > 1:
            findings.note("decision twice", key)
    for name, answered in ledger.lists.items():
        if answered < ended - FLUSHED_AFTER_S and not stored.decisions[name.encode()]:
            findings.note("decision lost", f"{name}, answered {ended - answered:.2f} s before the end")


def _check_state(copy: Path, stored: _Stored, findings: Findings) -> None:
    """What the last checkpoint becomes by catching up, against a fold of the log alone, byte for byte."""
    caught_up, keys = _folded(copy)
    (copy / "state.sqlite").unlink(missing_ok=True)
    _compare(caught_up, _folded(copy)[0], "state", findings)
    if keys != [each.key for each in stored.assigned]:
        findings.note("rows", "catalog and log name different items")


def _folded(folder: Path) -> tuple[dict[bytes, bytes], list[ItemKey]]:
    """State as a server that starts in `folder` has it, and the item of each row."""
    with closing(app.open_floor(app.open_shop(folder, {}), readonly=True)) as floor:
        floor.stage()
        return _entries(floor.ground.kv), list(floor.rows.keys())


def _entries(kv: KV) -> dict[bytes, bytes]:
    assert isinstance(kv, MemoryKV)
    return {key: value for key, (value, _) in kv._values.items()}


def _compare(found: dict[bytes, bytes], rebuilt: dict[bytes, bytes], fault: str, findings: Findings) -> None:
    differing = [key for key in found.keys() | rebuilt.keys() if found.get(key) != rebuilt.get(key)]
    for key in sorted(differing):
        findings.note(fault, key)
