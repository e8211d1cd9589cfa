"""Requests that nobody should send: none makes the server fail, none makes it say what it should not."""

import time
from collections.abc import Callable
from pathlib import Path

import hostile
from endcap import app
from endcap.access import SCOPES
from servers import Server

COUNT = 500


def test_no_hostile_request_breaks_the_server_or_draws_a_secret_out_of_it(
    shop: Path, start: Callable[..., Server]
) -> None:
    opened = app.open_shop(shop, {})
    keys = {str(scope): app.create_key(opened, scope, "hostile").token for scope in SCOPES}
    server = start(shop, access_log="all", body_timeout_s=1)
    address = (server.http.base_url.host, server.http.base_url.port or 80)
    secrets = [*(token.rpartition("_")[2] for token in keys.values()), str(shop), "shopper.key"]
    names: set[str] = set()
    found: list[str] = []
    answered = 0
    started = time.monotonic()
    for each in hostile.requests(seed=4, count=COUNT, keys=keys):
        names.add(each.name)
        answer = hostile.send(address, each)
        answered += bool(answer)
        found += hostile.faults(each, answer, secrets)
    assert found == []
    assert answered > 0.85 * COUNT
    assert len(names) >= 200
    assert time.monotonic() - started < 300
    assert server.http.get("/readyz").status_code == 200
    assert len(server.listed(visitor_id="v3", k=5)) == 5
    log = server.stop()
    assert [secret for secret in [*secrets[:3], hostile.CANARY] if secret in log] == []
    assert "Traceback" not in log
    files = [path for path in shop.rglob("*") if path.is_file()]
    assert [path.name for path in files if hostile.CANARY.encode() in path.read_bytes()] == []


def test_the_checks_of_an_answer_see_what_is_wrong() -> None:
    one = hostile.Hostile("one", b"GET / HTTP/1.1\r\n\r\n")
    good = b'HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\n\r\n{"detail": "x"}'
    assert hostile.faults(one, good, ["secret"]) == []
    assert hostile.faults(one, b"", []) == []
    for bad in (b"HTTP/1.1 500 X\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nTraceback (most", b"HTTP/1.1 200 OK\r\n\r\nsecret"):
        assert hostile.faults(one, bad, ["secret"])


def test_the_list_is_the_same_for_a_seed() -> None:
    keys = {str(scope): f"ec_{scope}" for scope in SCOPES}
    once = [each.sent for each in hostile.requests(7, 600, keys)]
    assert once == [each.sent for each in hostile.requests(7, 600, keys)]
    assert once != [each.sent for each in hostile.requests(8, 600, keys)]
