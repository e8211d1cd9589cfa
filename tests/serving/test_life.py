"""What a server does over its life: start, swap, refuse, keep consent, end."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from endcap import app
from endcap.backends.log.bodies import unpack
from endcap.domain.decisions import Decision
from endcap.domain.ids import NOBODY
from endcap.errors import BackendUnavailable, SnapshotRejected
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.releases.keys import signed
from endcap.serving.routes import refused_for
from endcap.state import Shopper

NOW_MS = time.time_ns() // 1_000_000


def _decisions(shop: Path) -> list[Decision]:
    with closing(app.open_shop(shop, {}).log(readonly=True)) as log:
        return [unpack("decision", entry.version, entry.body) for _, entry in log.read("decisions", 0, 10_000)]


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_end_flushes_decisions_and_keeps_the_state(shop: Path, start: Callable[..., Any]) -> None:
    server = start(shop, decision_flush_ms=1_000, checkpoint_s=3_600)
    event = {"name": "view_item", "time": NOW_MS, "visitor_id": "stays", "items": [{"item_id": "SKU-8"}]}
    server.post("/v1/events", events=[event])
    ids = {
        server.post("/v1/recommendations", placement="home", visitor_id="stays")["recommendation_id"] for _ in range(5)
    }
    server.stop()
    with closing(app.open_shop(shop, {}).log(readonly=True)) as log:
        logged = {entry.key.decode() for _, entry in log.read("decisions", 0, 100)}
    assert ids == logged
    with closing(app.open_floor(app.open_shop(shop, {}), readonly=True)) as floor:
        packed = floor.ground.kv.get_many([SHOPPER_PREFIX + floor.people.shopper("", "stays")])[0]
    assert packed is not None
    assert Shopper.unpacked(packed).recent.row.tolist() == [8]


def test_what_was_not_checkpointed_is_folded_again_at_start(shop: Path, start: Callable[..., Any]) -> None:
    server = start(shop, checkpoint_s=3_600)
    event = {
        "name": "add_to_cart",
        "time": NOW_MS,
        "visitor_id": "survives",
        "items": [{"item_id": "NEW"}, {"item_id": "SKU-8"}],
    }
    server.post("/v1/events", events=[event])
    server.post_offers([{"id": "SKU-2", "stock": 0}])
    server.process.kill()
    server.process.wait()
    again = start(shop)
    assert "SKU-2" not in again.listed(visitor_id="survives", k=200)
    again.stop()
    made = _decisions(shop)[-1]
    with closing(app.open_shop(shop, {}).log(readonly=True)) as log:
        (known,) = log.person("events", made.request.shopper)
    assert made.offsets.shopper == known.offset


def test_without_consent_nothing_of_the_person_is_read_or_stored(shop: Path, start: Callable[..., Any]) -> None:
    server = start(shop)
    stranger = server.listed(k=20)
    assert server.listed(visitor_id="v3", k=20) != stranger
    assert server.listed(visitor_id="v3", k=20, consent=False) == stranger
    server.stop()
    last = _decisions(shop)[-1]
    assert (last.request.shopper, last.request.consent, last.offsets.shopper) == (NOBODY, False, 0)


def test_no_raw_id_reaches_any_file(shop: Path, start: Callable[..., Any]) -> None:
    server = start(shop)
    event = {"event_id": "raw-event", "name": "view_item", "time": NOW_MS, "visitor_id": "raw-visitor"}
    event |= {"user_id": "raw-user", "session_id": "raw-session", "transaction_id": "raw-basket"}
    server.post("/v1/events", events=[{**event, "items": [{"item_id": "SKU-8"}]}])
    server.listed(
        visitor_id="raw-visitor", user_id="raw-user", context={"referrer": "https://mail.example/raw-address"}
    )
    log = server.stop()
    files = [path for path in shop.rglob("*") if path.is_file()]
    assert [path for path in files if b"raw-" in path.read_bytes()] == []
    assert "raw-" not in log


def test_a_new_snapshot_is_swapped_in_and_a_damaged_one_refused(shop: Path, start: Callable[..., Any]) -> None:
    server = start(shop, snapshot_poll_ms=50)
    first = server.post("/v1/recommendations", placement="home")["versions"]["snapshot"]
    registry = app.open_shop(shop, {}).registry()
    copy = Path(shutil.copytree(registry.fetch("snapshot", first), shop / "copy"))
    array = next(path for path in sorted(copy.glob("*.npy")) if path.stat().st_size > 200)
    damaged = bytearray(array.read_bytes())
    damaged[-1] ^= 1
    array.write_bytes(damaged)
    registry.publish("snapshot", "damaged", copy)
    registry.label("snapshot", "current", "damaged")
    _until(lambda: 'endcap_snapshot_changes_total{outcome="rejected"} 1.0' in server.http.get("/metrics").text)
    assert server.http.get("/readyz").status_code == 200
    assert server.post("/v1/recommendations", placement="home")["versions"]["snapshot"] == first
    event = {"name": "purchase", "time": NOW_MS, "visitor_id": "buyer", "items": [{"item_id": "SKU-8"}]}
    server.post("/v1/events", events=[event])
    second = app.train(app.open_shop(shop, {}), lambda stage: None)
    assert second != first
    _until(lambda: server.post("/v1/recommendations", placement="home")["versions"]["snapshot"] == second)
    rejections = [line for line in server.stop().splitlines() if "snapshot_rejected" in line]
    assert len(rejections) == 1
    assert array.name in rejections[0]


def test_a_changed_policy_holds_within_seconds_and_a_wrong_one_never(shop: Path, start: Callable[..., Any]) -> None:
    server = start(shop)
    first = server.post("/v1/recommendations", placement="home")["versions"]["policy"]
    text = (shop / "policy.toml").read_text()
    (shop / "policy.toml").write_text(text + "\n[placements.extra]\nquota = 10\n")
    _until(lambda: server.http.post("/v1/recommendations", json={"placement": "extra"}).status_code == 200)
    second = server.post("/v1/recommendations", placement="home")["versions"]["policy"]
    (shop / "policy.toml").write_text("[placements")
    time.sleep(1.3)
    assert server.post("/v1/recommendations", placement="home")["versions"]["policy"] == second != first
    assert '"policy_rejected"' in server.stop()
    assert set(app.open_shop(shop, {}).registry().versions("policy")) == {first, second}


def test_without_a_snapshot_the_server_is_not_ready_and_says_what_to_do(shop: Path, start: Callable[..., Any]) -> None:
    shutil.rmtree(shop / "registry")
    server = start(shop, wait=False)
    _until(lambda: "no snapshot" in server.http.get("/readyz").text)
    answer = server.http.post("/v1/recommendations", json={"placement": "home"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "no snapshot is published: run `endcap train`"


def test_what_is_broken_is_told_without_the_places_of_files(shop: Path, start: Callable[..., Any]) -> None:
    for path in (shop / "registry").rglob("*.npy"):
        path.write_bytes(b"broken")
    server = start(shop, wait=False)
    _until(lambda: "was rejected; the server's log says why" in server.http.get("/readyz").text)
    answers = [server.http.get("/readyz"), server.http.post("/v1/recommendations", json={"placement": "home"})]
    assert {answer.status_code for answer in answers} == {503}
    assert [answer.text for answer in answers if str(shop) in answer.text] == []
    assert '"snapshot_rejected"' in server.stop()


def test_a_snapshot_of_an_earlier_format_is_told_with_the_remedy_which_helps(
    shop: Path, start: Callable[..., Any]
) -> None:
    opened = app.open_shop(shop, {})
    registry = opened.registry()
    copy = Path(
        shutil.copytree(registry.fetch("snapshot", registry.current("snapshot", "current") or ""), shop / "old")
    )
    text = (copy / "manifest.json").read_bytes().replace(b'"format": 4', b'"format": 2', 1)
    (copy / "manifest.json").write_bytes(text)
    (copy / "manifest.sig").write_bytes(signed(opened.read_key(app.SIGNING_KEY), text))
    registry.publish("snapshot", "earlier", copy)
    registry.label("snapshot", "current", "earlier")
    remedy = "format 2, this release reads 4; run `endcap train` again"
    with pytest.raises(SnapshotRejected, match=remedy):
        app.recommend(opened, {"placement": "home"})
    server = start(shop, wait=False)
    _until(lambda: "was rejected; the server's log says why" in server.http.get("/readyz").text)
    assert app.train(opened, lambda stage: None)
    _until(lambda: server.http.get("/readyz").status_code == 200)
    assert remedy in server.stop()


def test_a_log_that_cannot_be_written_is_told_without_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    told = refused_for(BackendUnavailable("the log /srv/shop/log.sqlite is full; free the disk"))
    assert told.problem.detail == (
        "the server cannot reach what it stores in, and stored nothing of this call; its log says why"
    )
    assert "/srv/shop/log.sqlite" in capsys.readouterr().out


def test_late_requests_leave_out_the_ranker_or_everything_but_popularity_and_say_so(
    shop: Path, start: Callable[..., Any]
) -> None:
    answers = _at_once(start(shop, deadline_ms=1), {"placement": "home", "visitor_id": "v3", "k": 20})
    seen = {(answer["rung"], *answer["degraded"]) for _, _, answer in answers}
    assert seen - {("R0",)}
    assert seen <= {("R0",), ("R2", "deadline_half_spent"), ("R4", "deadline_half_spent", "deadline_spent")}


def test_more_requests_than_may_be_in_flight_are_asked_to_come_back(shop: Path, start: Callable[..., Any]) -> None:
    answers = _at_once(start(shop, max_in_flight_requests=1), {"placement": "home"})
    assert {(status, wait) for status, wait, _ in answers} == {(200, ""), (503, "1")}


def _at_once(server: Any, call: dict[str, object]) -> list[tuple[int, str, Any]]:
    """Status, `Retry-After` and JSON of many answers to one call, sent over as many connections to a stopped server."""
    url, headers = server.http.base_url, {"Content-Type": "application/json"}
    headers["Authorization"] = server.http.headers["authorization"]
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(HTTPConnection(url.host, url.port, timeout=30))) for _ in range(24)]
        for connection in connections:  # a server takes new connections one by one
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        server.process.send_signal(signal.SIGSTOP)
        for connection in connections:
            connection.request("POST", "/v1/recommendations", json.dumps(call).encode(), headers)
        server.process.send_signal(signal.SIGCONT)
        answers = [connection.getresponse() for connection in connections]
        return [(answer.status, answer.headers.get("retry-after", ""), json.load(answer)) for answer in answers]


def _refused(shop: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "endcap", "serve", "--shop", str(shop), "--port", "0", *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_a_second_server_of_one_shop_is_refused(shop: Path, start: Callable[..., Any]) -> None:
    start(shop)
    second = _refused(shop)
    assert second.returncode == 2
    assert "a log has one writer" in second.stderr.splitlines()[-1]


@pytest.mark.parametrize("host", ["0.0.0.0", "shop.example"])  # noqa: S104 - refused, which is the test
def test_without_keys_an_address_that_others_can_reach_is_refused(
    shop: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDCAP_SERVING__KEYS", "off")
    refused = _refused(shop, "--host", host)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f'endcap: serving.host is {host}, where anybody could reach it, and serving.keys is "off"; expected a loopback '
        'address such as 127.0.0.1, or serving.keys = "required"\n'
    )


def test_a_shop_without_keys_is_not_served(shop: Path) -> None:
    (shop / "keys" / "api.json").unlink()
    refused = _refused(shop)
    assert (refused.returncode, refused.stderr) == (
        2,
        f"endcap: {shop}/keys/api.json holds no API key; make one: endcap keys create --scope secret --shop {shop}\n",
    )
