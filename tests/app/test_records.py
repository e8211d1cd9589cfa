"""What may enter the log from an import beside the server, and an append that fails as nobody foresaw."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace as altered

from endcap.backends.log import Appended, Entry, Log, Record
from endcap.backends.log.bodies import pack
from endcap.backends.log.sqlite import SqliteLog
from endcap.domain.catalog import Change
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import NOBODY, ItemKey
from endcap.domain.people import Link
from endcap.errors import BackendUnavailable, InvalidRequest
from endcap.serving.writing import Intake, check_entries, check_keys

NOW = 1_795_000_000_000
ANN = b"a" * 16
EVENT = Event(Kind.CART, NOW, NOW, ANN, (Line(3, 1, 500),))
CHANGE = Change(3, NOW, group=4, price=500, sale_price=-1, sale_start=0, sale_end=2**63 - 1, stock=-1, cost=-1)
LINK = Link(b"d" * 16, 0, ANN, b"u" * 16, NOW)


def _entry(noun: Event | Change | Link, **other: Any) -> Entry:
    kind: Any = type(noun).__name__.lower()
    shopper = {"event": ANN, "change": NOBODY, "link": b"u" * 16}[kind]
    return Entry(kind, b"k" * 16, shopper, NOW, pack(noun))._replace(**other)


@pytest.mark.parametrize("noun", [EVENT, CHANGE, LINK, replace(LINK, generation=3, user=NOBODY)])
def test_a_record_that_fits_is_taken(noun: Event | Change | Link) -> None:
    shopper = noun.person if isinstance(noun, Link) else ANN if isinstance(noun, Event) else NOBODY
    check_entries([_entry(noun, shopper=shopper)], 5, NOW)


@pytest.mark.parametrize(
    "poison",
    [
        _entry(replace(EVENT, time=2**63), at=2**63), _entry(replace(EVENT, time=-1), at=-1),
        _entry(replace(EVENT, received=2**64 - 1)), _entry(replace(EVENT, time=NOW + 10**9), at=NOW + 10**9),
        _entry(replace(EVENT, session=2**63)), _entry(replace(EVENT, basket=2**63)), _entry(EVENT, at=NOW + 1),
        _entry(replace(EVENT, lines=())), _entry(replace(EVENT, lines=(Line(5),))),
        _entry(replace(EVENT, lines=(Line(-1),))), _entry(replace(EVENT, lines=(Line(3, 0),))),
        _entry(replace(EVENT, lines=(Line(3, 2**31),))), _entry(replace(EVENT, lines=(Line(3, 1, 10**15 + 1),))),
        _entry(replace(EVENT, lines=(Line(3, 1, -2),))), _entry(replace(EVENT, shopper=b"a"), shopper=b"a"),
        _entry(replace(EVENT, shopper=NOBODY), shopper=NOBODY), _entry(EVENT, shopper=b"b" * 16),
        _entry(replace(EVENT, region="x" * 70_000)), _entry(EVENT, key=b"k" * 65), _entry(EVENT, version=3),
        _entry(replace(EVENT, dwell=2**16)), _entry(replace(EVENT, scrolled=-1)),
        _entry(altered(CHANGE, at=2**63), at=2**63), _entry(altered(CHANGE, stock=2**31)),
        _entry(altered(CHANGE, stock=-2)), _entry(altered(CHANGE, group=5)), _entry(altered(CHANGE, sale_end=2**63)),
        _entry(altered(CHANGE, price=10**15 + 1)), _entry(altered(CHANGE, cost=2**63)), _entry(CHANGE, shopper=ANN),
        _entry(replace(LINK, generation=-1)), _entry(replace(LINK, generation=2**40)),
        _entry(replace(LINK, device=b"d")), _entry(replace(LINK, shopper=b"")),
        _entry(replace(LINK, user=b"u"), shopper=b"u"), _entry(LINK, shopper=ANN), _entry(LINK, at=0),
    ],
)  # fmt: skip
def test_a_record_that_no_column_holds_is_refused(poison: Entry) -> None:
    with pytest.raises(InvalidRequest, match="record"):
        check_entries([_entry(EVENT), poison], 5, NOW)


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_an_id_that_no_item_may_have_gets_no_row(key: str) -> None:
    with pytest.raises(InvalidRequest, match="characters, not 1 to 256"):
        check_keys([ItemKey("item", "fine"), ItemKey("group", key)])


class _Breaks:
    """The log beneath, but for appends of a time that no column holds."""

    def __init__(self, beneath: Log) -> None:
        self._beneath = beneath

    def append(self, stream: Any, entries: Sequence[Entry]) -> Appended:
        if any(entry.at >= 2**63 for entry in entries):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return self._beneath.append(stream, entries)


def test_an_append_that_fails_unforeseen_is_answered_and_the_intake_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folded: list[Record] = []

    async def scene(log: Log) -> None:
        intake = Intake(log, cast("Callable[[Sequence[Record]], None]", folded.extend))
        running = asyncio.create_task(intake.run())
        with pytest.raises(BackendUnavailable, match="the append failed with OverflowError"):
            await asyncio.wait_for(intake.append([_entry(EVENT, at=2**63)]), 5)
        assert (await asyncio.wait_for(intake.append([_entry(EVENT)]), 5)).fresh == [True]
        assert not running.done()
        running.cancel()

    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        asyncio.run(scene(cast("Log", _Breaks(log))))
    assert [record.entry.at for record in folded] == [NOW]
    assert "append_failed" in capsys.readouterr().out
