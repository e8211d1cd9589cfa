"""Erasures by an open desk, while disks fail and while people log in, are shown lists and get a new snapshot."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from endcap import app
from endcap.backends.log import Entry, Stream
from endcap.backends.log.bodies import pack
from endcap.backends.log.sqlite import SqliteLog
from endcap.backends.tables import Window
from endcap.domain.arrays import Rows
from endcap.domain.catalog import Assignment, Change
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import NOBODY, ItemKey, keyed_hash
from endcap.domain.people import Erasure, forgotten, visitor_key
from endcap.errors import BackendUnavailable
from endcap.privacy import unfinished
from endcap.retrieval.sessions import SessionNeighbours
from endcap.serving import Clocks, Options
from endcap.serving.calls import BatchCall, RecommendationCall
from endcap.serving.desk import Desk
from endcap.serving.meters import Meters
from endcap.serving.problems import Refusal
from endcap.serving.watch import Watch
from endcap.settings import ServingSettings
from endcap.snapshot import Snapshot

OPTIONS = replace(
    Options(*(getattr(ServingSettings(), each.name) for each in fields(Options))),
    checkpoint_s=3_600,
    snapshot_poll_ms=3_600_000,
    decision_flush_ms=3_600_000,
    refresh_after_s=0,
)
FULL = BackendUnavailable("the disk is full")


@asynccontextmanager
async def opened(shop: Path, refresh: tuple[str, ...] = ()) -> AsyncIterator[Desk]:
    tokens = (f"rec{number}" for number in count())
    floor = app.open_floor(app.open_shop(shop, {}))
    floor.ground = replace(floor.ground, refresh=refresh)
    desk = Desk(floor, OPTIONS, Clocks(app.now_ms, lambda: 0.0, lambda: next(tokens)), Meters())
    async with desk.open(lambda error: pytest.fail(str(error))):
        yield desk


def home(**who: str) -> RecommendationCall:
    return RecommendationCall(placement="home", k=4, **who)  # type: ignore[arg-type]


def signal(name: str, **who: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"name": name, "time": app.now_ms(), **who}))


def failing_once(method: Callable[..., Any], fails: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    """`method`, which fails the first time that `fails` holds of its arguments."""
    failed: list[bool] = []

    def failing(*given: Any) -> Any:
        if not failed and fails(*given):
            failed.append(True)
            raise FULL
        return method(*given)

    return failing


def shown_sessions(snapshot: Snapshot | None) -> set[int]:
    assert snapshot
    index = next(each.index for each in snapshot.sources if isinstance(each, SessionNeighbours))
    return set(index.sessions.rows.tolist())


def test_an_erasure_that_failed_is_finished_by_the_next_one(shop: Path) -> None:
    async def live() -> None:
        async with opened(shop) as desk:
            ground = desk.floor.ground
            desk.floor.ground = replace(ground, forget_lines=failing_once(ground.forget_lines))
            log, secret = desk.floor.ground.log, desk.floor.ground.secret
            with pytest.raises(BackendUnavailable):
                await desk.erase("", "v1")
            assert log.person("events", visitor_key(secret, "v1")) != []
            assert (await desk.erase("", "v2")).records == 2 * 15
            assert list(unfinished(log)) == []
            assert log.person("events", visitor_key(secret, "v1")) == []

    asyncio.run(live())
    lines = app.open_shop(shop, {}).tables()
    people = {visitor_key(app.open_shop(shop, {}).secret(), name) for name in ("v1", "v2")}
    assert not people & set(lines.interactions(Window())["shopper"].to_pylist())


def test_keys_that_the_log_lost_before_it_was_scrubbed_are_scrubbed_though_the_user_is_back(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteLog, "_scrub", failing_once(SqliteLog._scrub))
    asked: list[list[bytes]] = []
    forget = SqliteLog.forget

    def asking(self: SqliteLog, people: Collection[bytes], until: Mapping[Stream, int]) -> int:
        asked.append(sorted(people))
        return forget(self, people, until)

    monkeypatch.setattr(SqliteLog, "forget", asking)

    async def live() -> None:
        async with opened(shop) as desk:
            user = desk.floor.people.shopper("ann", "")
            await desk.take_events([signal("login", user_id="ann", visitor_id="v1")], lambda lines: None)
            with pytest.raises(BackendUnavailable):
                await desk.erase("ann", "")
            await asyncio.sleep(0.002)
            await desk.take_events([signal("login", user_id="ann", visitor_id="new")], lambda lines: None)
            await desk.erase("", "v2")
            assert asked[1:3] == [[], [user]]
            assert len(desk.floor.ground.log.person("events", user)) == 1

    asyncio.run(live())


def test_a_tombstone_that_cannot_be_written_changes_nothing_and_the_next_try_finds_everything(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_tombstone(_: SqliteLog, __: Stream, entries: Sequence[Entry]) -> bool:
        return any(entry.kind == "erasure" for entry in entries)

    monkeypatch.setattr(SqliteLog, "append", failing_once(SqliteLog.append, a_tombstone))

    async def live() -> None:
        async with opened(shop) as desk:
            people = desk.floor.people
            await desk.take_events([signal("login", user_id="ann", visitor_id="v1")], lambda lines: None)
            with pytest.raises(BackendUnavailable):
                await desk.erase("", "v1")
            assert people.shopper("", "v1") == people.shopper("ann", "")
            assert (await desk.erase("", "v1")).records == 15 + 1
            assert desk.floor.ground.log.person("events", people.shopper("ann", "")) == []

    asyncio.run(live())


def test_a_login_that_comes_while_its_person_is_being_found_leaves_no_link(shop: Path) -> None:
    async def live() -> None:
        async with opened(shop) as desk:
            people, log = desk.floor.people, desk.floor.ground.log
            login = signal("login", user_id="ann", visitor_id="v1")
            erasing = asyncio.create_task(desk.erase("ann", ""))
            await asyncio.sleep(0)
            answer = await desk.take_events([login], lambda lines: None)
            await erasing
            assert answer.results == ["refused"]
            assert log.person("events", people.shopper("ann", "")) == []
            assert people.shopper("", "v1") == visitor_key(desk.floor.ground.secret, "v1")

    asyncio.run(live())


def test_who_is_erased_while_a_snapshot_loads_is_not_in_it(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        loading.set()
        assert go_on.wait(20)

    async def live() -> None:
        async with opened(shop) as desk:
            desk.watch = Watch(desk.floor.ground.current_snapshot, desk._verified, desk.floor.masked, Meters())
            await desk.watch.look()
            whole = shown_sessions(desk.watch.snapshot)
            monkeypatch.setattr("endcap.serving.desk.warm", slow)
            desk.watch._seen = None
            looking = asyncio.create_task(desk.watch.look())
            await asyncio.to_thread(loading.wait, 20)
            await desk.erase("", "v1")
            before = desk.watch.snapshot
            hidden = shown_sessions(before)
            go_on.set()
            await looking
            assert desk.watch.snapshot is not before
            assert 0 < len(whole - hidden) <= 3
            assert shown_sessions(desk.watch.snapshot) == hidden

    asyncio.run(live())


def test_a_mask_that_a_new_snapshot_overtakes_holds_for_the_new_one(shop: Path) -> None:
    with closing(app.open_floor(app.open_shop(shop, {}), readonly=True)) as floor:
        whole = floor.current()
    masking, go_on, erased = threading.Event(), threading.Event(), list[bool]()

    def masked(snapshot: Snapshot) -> Snapshot:
        known = bool(erased)
        if known:
            masking.set()
            assert go_on.wait(20)
        return snapshot.without_sessions(None) if known else snapshot

    async def live() -> None:
        watch = Watch(lambda: "v1", lambda _: whole, masked, Meters())
        await watch.look()
        assert shown_sessions(watch.snapshot)
        erased.append(True)
        hiding = asyncio.create_task(watch.hide())
        await asyncio.to_thread(masking.wait, 20)
        watch._seen = None
        looking = asyncio.create_task(watch.look())
        await asyncio.sleep(0.05)
        go_on.set()
        await asyncio.gather(hiding, looking)
        assert not shown_sessions(watch.snapshot)

    asyncio.run(live())


def test_decisions_that_the_log_refused_are_not_written_after_the_erasure(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_decisions(_: SqliteLog, stream: Stream, __: Sequence[Entry]) -> bool:
        return stream == "decisions"

    async def live() -> None:
        async with opened(shop) as desk:
            shown = desk.recommend(home(visitor_id="v1"), 0)
            other = desk.recommend(home(visitor_id="v2"), 0)
            with monkeypatch.context() as planted:
                planted.setattr(SqliteLog, "append", failing_once(SqliteLog.append, of_decisions))
                await desk.erase("", "v1")
            await desk._journal.flush()
            log, secret = desk.floor.ground.log, desk.floor.ground.secret
            assert log.person("decisions", visitor_key(secret, "v1")) == []
            assert len(log.person("decisions", visitor_key(secret, "v2"))) == 1
            with pytest.raises(Refusal):
                desk.decision(shown.recommendation_id)
            assert desk.decision(other.recommendation_id).known_shopper

    asyncio.run(live())


def test_what_a_page_shows_after_its_person_was_erased_is_nobody_s(shop: Path) -> None:
    async def live() -> None:
        async with opened(shop) as desk:
            key = visitor_key(desk.floor.ground.secret, "v1")
            page = BatchCall([home(visitor_id="v1"), home(visitor_id="v1")])
            making = asyncio.create_task(desk.recommend_page(page, 0))
            await asyncio.sleep(0)
            desk.floor.people.adopt(Erasure((forgotten(key),), (), app.now_ms()))
            first, second = (await making).answers
            assert [entry.shopper for entry in desk._journal._waiting] == [key, NOBODY]
            with pytest.raises(Refusal):
                desk.recommend_next(first.recommendation_id, None, 0)
            assert not desk.decision(second.recommendation_id).known_shopper

    asyncio.run(live())


def test_without_a_seal_no_session_serves_once_anybody_was_erased_however_fresh_the_snapshot(shop: Path) -> None:
    app.erase(app.open_shop(shop, {}), app.Named("stranger"))
    with closing(app.open_floor(app.open_shop(shop, {}), readonly=True)) as floor:

        def unsealed(*_: object) -> Rows | None:
            return None

        refreshed = replace(floor.current(), offset=floor.ground.log.end("events"))
        floor.ground = replace(floor.ground, hidden_sessions=unsealed)
        assert shown_sessions(refreshed)
        assert not shown_sessions(floor.masked(refreshed))


def test_news_that_came_while_no_server_ran_are_news_at_its_start(shop: Path) -> None:
    async def news() -> int:
        async with opened(shop, refresh=("endcap", "refresh")) as desk:
            await asyncio.gather(*(task for task in asyncio.all_tasks() if "_look_back" in str(task.get_coro())))
            return desk.refresher.news

    assert asyncio.run(news()) == 0
    changes = [Change(1, app.now_ms(), text={"title": "A new name"}), Change(1, app.now_ms(), price=7)]
    with closing(app.open_shop(shop, {}).log()) as log:
        told = log.append("events", [Entry("change", b"", NOBODY, change.at, pack(change)) for change in changes])
    assert asyncio.run(news()) == told.offsets[0]


def test_an_export_after_a_crash_knows_the_rows_that_no_catalog_has_yet(shop: Path) -> None:
    opened_shop, now = app.open_shop(shop, {}), app.now_ms()
    key = keyed_hash(opened_shop.secret(), "user", "ann")
    event = Event(Kind.VIEW, now, now, key, (Line(60, 1, 100),))
    with closing(opened_shop.log()) as log:
        log.append(
            "events",
            [
                Entry("row", b"row:60", NOBODY, now, pack(Assignment(60, ItemKey("item", "LAST")))),
                Entry("event", b"last", key, now, pack(event)),
            ],
        )
    told = app.export(opened_shop, app.Named("ann"))
    assert told["events"][0]["items"] == [{"item_id": "LAST", "quantity": 1, "price": "1.00"}]
