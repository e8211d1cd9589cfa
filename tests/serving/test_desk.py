"""What a desk does when a disk fails, a caller goes away or a start goes wrong."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import cast

import msgspec
import pytest
from starlette.applications import Starlette

from endcap import app
from endcap.backends.log import Appended, Entry, Log
from endcap.backends.log.bodies import pack
from endcap.domain.events import Event, Kind, Line
from endcap.domain.ids import ItemKey, keyed_hash
from endcap.domain.people import Link, device_key, visitor_key
from endcap.errors import BackendUnavailable
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.serving import Clocks, Hooks, Options, application
from endcap.serving.calls import BatchCall, RecommendationCall, RecordsAnswer, RecordsCall
from endcap.serving.desk import Desk
from endcap.serving.floor import Floor
from endcap.serving.meters import Meters
from endcap.serving.writing import Intake
from endcap.settings import ServingSettings

CLOCKS = Clocks(app.now_ms, lambda: 0.0, lambda: "token")
SETTINGS = ServingSettings(checkpoint_s=1, snapshot_poll_ms=60_000, decision_flush_ms=1_000)
OPTIONS = Options(*(getattr(SETTINGS, each.name) for each in fields(Options)))


@asynccontextmanager
async def _open(floor: Floor) -> AsyncIterator[tuple[Desk, list[BaseException]]]:
    failures: list[BaseException] = []
    desk = Desk(floor, OPTIONS, CLOCKS, Meters())
    async with desk.open(failures.append):
        yield desk, failures


def test_state_that_cannot_be_saved_is_tried_again(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    saved = threading.Event()
    save = Floor.save

    def full(self: Floor) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise BackendUnavailable("the disk is full")
        save(self)
        saved.set()

    async def live() -> list[BaseException]:
        async with _open(app.open_floor(app.open_shop(shop, {}))) as (_, failures):
            await asyncio.to_thread(saved.wait, 20)
        return failures

    monkeypatch.setattr(Floor, "save", full)
    assert asyncio.run(live()) == []
    assert saved.is_set()


def test_an_offer_of_an_item_whose_row_is_not_logged_logs_the_row_first(shop: Path) -> None:
    async def live() -> None:
        async with _open(app.open_floor(app.open_shop(shop, {}))) as (desk, failures):
            row = desk.floor.rows.ensure(ItemKey("item", "EARLY"))
            await desk.take_offers([msgspec.Raw(b'{"id": "EARLY", "stock": 1}')])
            assert desk.floor.rows.unlogged(0) == []
            assert len(desk.floor.shelf) == row + 1
            assert failures == []

    asyncio.run(live())
    with closing(app.open_shop(shop, {}).log(readonly=True)) as log:
        assert [entry.kind for _, entry in log.read("events", log.end("events") - 2, 2)] == ["row", "change"]


def test_a_caller_that_went_away_does_not_end_the_intake_when_the_log_fails() -> None:
    class Full:
        def append(self, topic: str, entries: Sequence[Entry]) -> Appended:
            raise BackendUnavailable("the disk is full")

    async def live() -> None:
        intake = Intake(cast("Log", Full()), lambda records: None)
        gone = asyncio.create_task(intake.append([]))
        await asyncio.sleep(0)
        gone.cancel()
        running = asyncio.create_task(intake.run())
        with pytest.raises(BackendUnavailable):
            await intake.append([])
        assert not running.done()
        running.cancel()

    asyncio.run(live())


def test_a_start_that_fails_on_a_bug_ends_the_server() -> None:
    bug = KeyError("bug")

    def broken() -> Floor:
        raise bug

    async def live() -> None:
        told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        asgi = application(broken, None, OPTIONS, CLOCKS, Hooks(lambda: None, told.set_result))
        assert isinstance(asgi.app, Starlette)
        async with asgi.app.router.lifespan_context(asgi.app):
            assert await asyncio.wait_for(told, 20) is bug

    with pytest.raises(KeyError):
        asyncio.run(live())


def test_unreadable_shopper_state_says_so_and_is_rebuilt_from_the_log(shop: Path) -> None:
    with closing(app.open_floor(app.open_shop(shop, {}))) as floor:
        key = SHOPPER_PREFIX + floor.people.shopper("", "v3")
        whole = floor.ground.kv.get_many([key])
        assert whole[0]
        floor.ground.kv.set_many({key: b"\xff" + whole[0][1:]})
        records = floor.ground.log.read("events", 0, 10_000)
        with pytest.raises(BackendUnavailable, match=r"delete state\.sqlite and start again"):
            floor.fold(records)
    (shop / "state.sqlite").unlink()
    with closing(app.open_floor(app.open_shop(shop, {}))) as floor:
        assert floor.ground.kv.get_many([key]) == whole


def test_records_of_people_who_were_erased_while_an_import_ran_are_not_stored(shop: Path) -> None:
    at = app.now_ms() - 60_000

    def view(shopper: bytes, number: int, at: int) -> Entry:
        return Entry("event", b"%016d" % number, shopper, at, pack(Event(Kind.VIEW, at, at, shopper, (Line(1),))))

    def link(shopper: bytes, user: bytes, device: bytes, number: int) -> Entry:
        noun = Link(device, 0, shopper, user, at)
        return Entry("link", b"%016d" % number, noun.person, at, pack(noun))

    async def live() -> tuple[RecordsAnswer, list[bytes], int]:
        async with _open(app.open_floor(app.open_shop(shop, {}))) as (desk, _):
            secret = desk.floor.ground.secret
            ann, gone, other = (
                keyed_hash(secret, "user", "ann"), visitor_key(secret, "v3"), visitor_key(secret, "tablet")
            )  # fmt: skip
            await desk.take_records(RecordsCall(entries=[view(ann, 1, at)]))
            for ids in (("ann", ""), ("", "v3")):
                await desk.erase(*ids)
            later = app.now_ms() + 1
            entries = [
                view(ann, 2, at), view(other, 3, at), view(gone, 4, at), view(ann, 5, later),
                link(other, ann, device_key(secret, "tablet"), 6),
                link(gone, keyed_hash(secret, "user", "ben"), device_key(secret, "v3"), 7),
            ]  # fmt: skip
            answer = await desk.take_records(RecordsCall(entries=entries))
            return answer, [ann, gone, other], later

    answer, (ann, gone, other), later = asyncio.run(live())
    assert answer.fresh == [False, True, False, True, False, False]
    assert [offset > 0 for offset in answer.offsets] == answer.fresh
    with closing(app.open_shop(shop, {}).log(readonly=True)) as log:
        assert [entry.at for _, entry in log.person("events", ann)] == [later]
        assert log.person("events", gone) == log.of_kind("events", "link") == []
        assert [entry.key for _, entry in log.person("events", other)] == [b"%016d" % 3]


def test_pages_are_decided_one_after_the_other_and_what_they_wait_counts(shop: Path) -> None:
    ticks, names = count(), count()
    clocks = Clocks(app.now_ms, lambda: next(ticks) / 100, lambda: f"list {next(names)}")
    home = RecommendationCall(placement="home", visitor_id="v1", k=5)

    async def live() -> list[list[tuple[str, str]]]:
        desk = Desk(app.open_floor(app.open_shop(shop, {})), OPTIONS, clocks, Meters())
        async with desk.open(lambda _: None):
            pages = await asyncio.gather(*(desk.recommend_page(BatchCall([home, home]), 0) for _ in range(3)))
            decided = [entry.key.decode() for entry in desk._journal._waiting]
        assert decided == [f"list {number}" for number in range(6)]
        assert all(len({answer.as_of for answer in page.answers}) == 1 for page in pages)
        return [[(answer.recommendation_id, answer.rung) for answer in page.answers] for page in pages]

    first, second, third = asyncio.run(live())
    assert first == [("list 0", "R0"), ("list 1", "R0")]
    assert second == [("list 2", "R0"), ("list 3", "R0")]
    assert third == [("list 4", "R2"), ("list 5", "R2")]
