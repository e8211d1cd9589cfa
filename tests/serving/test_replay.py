"""Replay parity: decisions made over HTTP while everything moves, made again by another process, bit for bit."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endcap import app
from endcap.backends.log import Record
from endcap.backends.log.bodies import unpack
from endcap.domain.arrays import Floats
from endcap.domain.decisions import Decision
from endcap.domain.instants import DAY, MINUTE
from endcap.domain.pools import Pool
from endcap.domain.requests import Request
from endcap.features import FeatureSet
from endcap.features.context import Context
from endcap.policy import Policy
from endcap.serving import writing
from endcap.serving.calls import RecommendationCall
from endcap.serving.lists import Chosen, decide
from endcap.serving.replay import Replay
from endcap.snapshot import Snapshot
from endcap.state import Moment
from servers import Server, serving

CALLS = 720
DECISIONS = 1_008
"""Two of five calls are answered with two lists."""
FILTERS = ("price < 10", "brand = 'Arda' AND price < 15", "category_1 = 'Home'", "stock > 1")
QUERIES = ("kitchen thing 7", "gardn thin", "Toys", "strangely me@example.org", "thing")
PLACEMENTS = ("home", "product", "cart", "discovery")


def event(generator: np.random.Generator, visitor: str, now: int, *, late: bool) -> dict[str, object]:
    ago = int(generator.integers(DAY, 20 * DAY)) if late else int(generator.integers(0, 2 * MINUTE))
    item = {"item_id": f"SKU-{generator.integers(60)}", "quantity": 1}
    name = ("view_item", "add_to_cart", "purchase")[int(generator.integers(3))]
    robot = {"user_agent": "Examplebot/1.0"} if generator.integers(6) == 0 else {}
    return {"name": name, "time": now - ago, "visitor_id": visitor, "items": [item], **robot}


def answers(server: Server, call: dict[str, object], number: int) -> list[dict[str, Any]]:
    """One list for `call`; of every fifth the next one too, and every fifth as the first of a page."""
    if number % 5 == 3:
        page = [call, {**call, "placement": "home"}]
        answered: list[dict[str, Any]] = server.post("/v1/recommendations:batch", requests=page)["answers"]
        return answered
    first = server.post("/v1/recommendations", **call)
    if number % 5 != 1:
        return [first]
    following = server.http.get(f"/v1/recommendations/{first['recommendation_id']}/next")
    assert following.status_code == 200, following.text
    return [first, following.json()]


@pytest.fixture(scope="module")
def decided(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The shop after 1,008 decisions amid late events, prices and a new snapshot; the snapshots that answered."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("replayed") / "shop"))
    generator = np.random.Generator(np.random.Philox(11))
    versions = set()
    with serving(folder, snapshot_poll_ms=100) as server:
        for number in range(CALLS):
            visitor, now = f"v{generator.integers(30)}", app.now_ms()
            posted = [event(generator, visitor, now, late=number % 3 == 0) for _ in range(generator.integers(0, 3))]
            if posted:
                server.post("/v1/events", events=posted)
            if number % 9 == 4:
                who = {"visitor_id": visitor, "user_id": f"u{generator.integers(12)}"}
                told = "logout" if number % 4 == 0 else "login"
                server.post("/v1/events", events=[{"name": told, "time": now - int(generator.integers(MINUTE)), **who}])
            if number % 40 == 0:
                offer = {"id": f"SKU-{generator.integers(60)}", "price": f"{5 + number / 100:.2f}", "stock": number % 3}
                server.post_offers([offer])
            if number == CALLS // 2:
                app.train(app.open_shop(folder, {}), lambda _: None)
                time.sleep(1)
            placement = PLACEMENTS[number % 4]
            call = {"placement": placement, "visitor_id": visitor, "k": 8, "consent": number % 17 != 0}
            if placement in ("product", "cart"):
                call["anchors"] = [f"SKU-{generator.integers(60)}"]
            if number % 5 == 0:
                call["exclude"] = [f"SKU-{row}" for row in generator.integers(60, size=int(generator.integers(1, 55)))]
            if number % 7 == 0:
                call["filter"] = FILTERS[number % len(FILTERS)]
            if number % 6 == 1:
                call["query"] = QUERIES[number % len(QUERIES)]
            versions |= {each["versions"]["snapshot"] for each in answers(server, call, number)}
        server.stop()
    return folder, versions


def test_the_traffic_holds_people_who_are_linked_and_visitors_before_and_after(decided: tuple[Path, set[str]]) -> None:
    with closing(app.open_shop(decided[0], {}).log(readonly=True)) as log:
        links = [unpack("link", record.entry.version, record.entry.body) for record in log.of_kind("events", "link")]
        people = {key: len(log.person("decisions", key)) for key in log.shoppers("decisions")}
    assert len([link for link in links if link.user]) > 30
    assert max(link.generation for link in links) > 1
    assert sum(count for key, count in people.items() if key in {link.user for link in links}) > 100
    assert sum(count for key, count in people.items() if key in {link.shopper for link in links}) > 100


def test_another_process_makes_every_decision_again_bit_for_bit(decided: tuple[Path, set[str]], tmp_path: Path) -> None:
    folder, versions = decided
    assert len(versions) == 2
    for name in ("log.sqlite", "registry", "keys/signing.pub"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if (folder / name).is_dir() else shutil.copy)(folder / name, tmp_path / name)
    program = Path(__file__).with_name("replayer.py")
    done = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, check=True)
    replayed = json.loads(done.stdout)
    assert len({recommendation_id for recommendation_id, _ in replayed}) == DECISIONS
    assert [each for each in replayed if each[1]] == []


class ByTime(Replay):
    """The planted fault: knows a person's records by their time instead of their offset."""

    def known(self, records: Sequence[Record], recorded: Decision) -> list[Record]:
        return [record for record in records if record.entry.at <= recorded.request.at]


def replay(kind: type[Replay], folder: Path, changed: Snapshot | None = None) -> Iterator[tuple[str, ...]]:
    """What differs in each decision of the shop in `folder`; `changed` stands in for every snapshot."""
    shop = app.open_shop(folder, {})
    with closing(app.open_floor(shop, readonly=True)) as floor:
        policies: dict[str, Policy] = {}

        def policy(version: str) -> Policy:
            return policies.setdefault(version, shop.policy())

        snapshots: dict[str, Snapshot] = {}

        def snapshot(version: str) -> Snapshot:
            return changed or snapshots.get(version) or snapshots.setdefault(version, floor.snapshot(version))

        yield from (each.differs for each in kind(floor.ground.log, snapshot, policy).run())


def test_a_read_by_time_instead_of_offset_turns_it_red(decided: tuple[Path, set[str]]) -> None:
    assert any(replay(ByTime, decided[0]))


class Unlinked(Replay):
    """The planted fault: knows nothing of links."""

    def known(self, records: Sequence[Record], recorded: Decision) -> list[Record]:
        return [record for record in super().known(records, recorded) if record.entry.kind != "link"]


def test_the_traffic_holds_robots_filters_exclusions_and_lists_that_know_what_stands_above_them(
    decided: tuple[Path, set[str]],
) -> None:
    with closing(app.open_shop(decided[0], {}).log(readonly=True)) as log:
        requests = [unpack("decision", 1, entry.body).request for _, entry in log.read("decisions", 0, 10_000)]
        events = [unpack("event", 1, entry.body) for _, entry in log.of_kind("events", "event")]
    assert sum(event.bot for event in events) > 50
    assert sum(bool(request.filter) for request in requests) > 50
    assert sum(len(request.exclude) > 0 for request in requests) > 50
    assert sum(len(request.shown) > 0 for request in requests) > 50


def test_a_read_without_links_turns_it_red(decided: tuple[Path, set[str]]) -> None:
    assert any(replay(Unlinked, decided[0]))


class Clocked(Context):
    """The planted fault: a feature that reads the clock."""

    def columns(self, request: Request, moment: Moment, pool: Pool) -> Floats:
        columns = super().columns(request, moment, pool)
        columns[0] = time.perf_counter()
        return columns


def test_a_clock_read_turns_it_red(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "shop"))
    with closing(app.open_floor(app.open_shop(folder, {}))) as floor:
        good = floor.current()
        families = tuple(Clocked(each.clock) if isinstance(each, Context) else each for each in good.features.families)
        clocked = replace(good, features=FeatureSet(families))
        for number in range(10):
            snapshot = good if number < 5 else clocked
            call = RecommendationCall(placement="home", visitor_id=f"v{number}", k=5)
            decision = decide(floor, snapshot, call, Chosen(f"r{number}", app.now_ms()))
            floor.ground.log.append("decisions", [writing.entry(f"r{number}", decision)])
    assert not any(islice(replay(Replay, folder), 5))
    assert all("evidence.features" in differs for differs in islice(replay(Replay, folder, clocked), 5, None))
