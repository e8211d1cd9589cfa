"""Who may call what, how often and with what: every route by every scope, and the bounds on a call."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from endcap import app
from endcap.access import SCOPES, Scope
from endcap.serving import Clocks, Hooks, Options, application
from endcap.serving.gate import DEEPEST, check_depth
from endcap.serving.openapi import ROUTES
from endcap.serving.problems import Refusal
from endcap.settings import ServingSettings
from servers import Server

NOW_MS = time.time_ns() // 1_000_000
EVENT = {"name": "view_item", "time": NOW_MS, "visitor_id": "v", "items": [{"item_id": "SKU-1"}]}

NEEDED: dict[tuple[str, str], Scope | None] = {
    ("POST", "/v1/recommendations"): "publishable",
    ("POST", "/v1/recommendations:batch"): "publishable",
    ("GET", "/v1/recommendations/{recommendation_id}/next"): "publishable",
    ("POST", "/v1/events"): "publishable",
    ("GET", "/v1/search"): "publishable",
    ("GET", "/v1/search/suggestions"): "publishable",
    ("PATCH", "/v1/catalog/offers"): "secret",
    ("PUT", "/v1/catalog/items"): "secret",
    ("POST", "/v1/admin/refresh"): "admin",
    ("POST", "/v1/admin/records"): "admin",
    ("POST", "/v1/admin/erasures"): "admin",
    ("POST", "/v1/admin/exports"): "admin",
    ("GET", "/v1/decisions/{recommendation_id}"): "secret",
    ("GET", "/metrics"): "secret",
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/openapi.json"): None,
}
"""What each route needs, written down a second time: a new route without its line here fails."""


def _routes() -> Iterator[tuple[str, str]]:
    """Every method and path that a server really has."""
    settings = ServingSettings()
    options = Options(**{name: getattr(settings, name) for name in Options.__dataclass_fields__})
    clocks = Clocks(app.now_ms, time.monotonic, str)
    front = application(lambda: pytest.fail("opened"), None, options, clocks, Hooks(lambda: None, lambda _: None))
    assert isinstance(front.app, Starlette)
    for route in front.app.routes:
        assert isinstance(route, Route)
        yield from ((method, route.path) for method in route.methods or () if method != "HEAD")


def test_every_route_has_its_line_here_and_in_the_document() -> None:
    assert set(_routes()) == set(NEEDED)
    assert {(route.method.upper(), route.path): route.scope for route in ROUTES.values()} == NEEDED


@pytest.fixture(scope="module")
def clients(server: Server) -> Iterator[dict[str, httpx2.Client]]:
    """A client of each scope, one without a key, and some with wrong ones."""
    with ExitStack() as stack:
        keyed: dict[str, httpx2.Client] = {scope: stack.enter_context(server.keyed(scope)) for scope in SCOPES}
        token = keyed["admin"].headers["Authorization"].removeprefix("Bearer ")
        wrong = {
            "no key": {},
            "unknown key": {"Authorization": "Bearer ec_adm_00000000_" + "0" * 48},
            "another secret": {"Authorization": f"Bearer {token[:-1]}{'1' if token[-1] == '0' else '0'}"},
            "shorter": {"Authorization": f"Bearer {token[:-1]}"},
            "publishable by name": {"Authorization": f"Bearer {token.replace('ec_adm', 'ec_pub')}"},
            "basic": {"Authorization": f"Basic {token}"},
            "empty": {"Authorization": "Bearer"},
        }
        others = {
            name: stack.enter_context(httpx2.Client(base_url=server.http.base_url, headers=headers, timeout=30))
            for name, headers in wrong.items()
        }
        time.sleep(1.1)
        yield {**keyed, **others}


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_every_route_answers_every_key_as_the_table_says(
    clients: dict[str, httpx2.Client], method: str, path: str
) -> None:
    needed, order = NEEDED[method, path], {str(scope): number for number, scope in enumerate(SCOPES)}
    for name, client in clients.items():
        answer = client.request(method, path.format(recommendation_id="any"))
        known = name in SCOPES
        wide_enough = needed is None or (known and order[name] >= order[needed])
        if wide_enough:
            assert answer.status_code not in {401, 403}, (name, answer.text)
            continue
        assert answer.status_code == (403 if known else 401), (name, answer.text)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="endcap"')
        if known:
            remedy = "" if needed == "admin" else " or admin"
            assert answer.json()["detail"] == f"the key's scope is {name}; this call needs {needed}{remedy}"


def test_a_wrong_key_is_told_what_to_send(clients: dict[str, httpx2.Client]) -> None:
    body = {"placement": "home"}
    remedy = "; send the header Authorization: Bearer KEY with a key that `endcap keys create` made"
    missing = clients["no key"].post("/v1/recommendations", json=body)
    assert missing.json() == {
        "type": "urn:endcap:problem:unauthenticated",
        "title": "Unauthenticated",
        "status": 401,
        "detail": "no key was sent" + remedy,
    }
    unknown = clients["unknown key"].post("/v1/recommendations", json=body)
    assert unknown.json()["detail"] == "the key is unknown, expired or revoked" + remedy
    assert unknown.headers["www-authenticate"] == 'Bearer realm="endcap", error="invalid_token"'


def test_a_key_in_the_url_or_twice_is_no_key(server: Server, clients: dict[str, httpx2.Client]) -> None:
    token = clients["admin"].headers["Authorization"].removeprefix("Bearer ")
    assert clients["no key"].get("/metrics", params={"key": token, "access_token": token}).status_code == 401
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert clients["no key"].get("/metrics", headers=twice).status_code == 401


def test_a_revoked_key_is_refused_within_seconds_and_keys_stay_out_of_the_log(
    shop: Path, start: Callable[..., Server]
) -> None:
    server = start(shop, access_log="all")
    server.listed()
    opened = app.open_shop(shop, {})
    with server.keyed("secret") as client:
        time.sleep(1.1)
        assert client.get("/metrics").status_code == 200
        token = client.headers["Authorization"].removeprefix("Bearer ")
        number = token.split("_")[2]
        app.revoke_key(opened, number)
        time.sleep(1.1)
        assert client.get("/metrics").status_code == 401
        assert client.get(f"/v1/decisions/raw-id?raw-query={token}").status_code == 401
    running = app.running(opened)
    assert running is not None
    assert (shop / "run" / "server.json").stat().st_mode & 0o777 == 0o600
    local = {"Authorization": f"Bearer {running.token}"}
    assert httpx2.get(f"{running.address}/metrics", headers=local).status_code == 200
    log = server.stop()
    assert token.rpartition("_")[2] not in log
    assert "raw-" not in log
    assert f'"key": "{number}"' in log
    assert app.running(opened) is None
    assert [used is not None for key, used in app.list_keys(opened) if key.label == "tests"] == [True]


def test_too_many_requests_are_asked_to_come_back(shop: Path, start: Callable[..., Server]) -> None:
    server = start(shop, admin_requests_per_s=1)
    answers = [server.http.post("/v1/recommendations", json={"placement": "home"}) for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["detail"] == "this key may send 1 requests a second; come back in 1 s"
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["ratelimit-policy"] == '"requests";q=20;w=20'
    assert re.fullmatch(r'"requests";r=\d+;t=0', answers[0].headers["ratelimit"])


def test_too_many_events_are_asked_to_come_back(shop: Path, start: Callable[..., Server]) -> None:
    server = start(shop, admin_events_per_s=1)
    answers = [server.http.post("/v1/events", json={"events": [EVENT] * 900}).status_code for _ in range(4)]
    assert (answers[0], answers[-1]) == (200, 429)


def test_pages_of_configured_origins_alone_may_call_publishable_routes(
    shop: Path, start: Callable[..., Server]
) -> None:
    server = start(shop, cors_origins="https://www.shop.example, http://localhost:3000")
    ours, foreign = {"Origin": "https://www.shop.example"}, {"Origin": "https://evil.example"}
    asked = {"Access-Control-Request-Method": "POST"}
    preflight = httpx2.options(f"{server.http.base_url}/v1/events", headers={**ours, **asked})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, ours["Origin"])
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type, idempotency-key"
    assert "access-control-allow-credentials" not in preflight.headers
    refused = httpx2.options(f"{server.http.base_url}/v1/events", headers={**foreign, **asked})
    assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (405, None)
    answer = server.http.post("/v1/recommendations", json={"placement": "home"}, headers=ours)
    assert answer.headers["access-control-allow-origin"] == ours["Origin"]
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in server.http.get("/metrics", headers=ours).headers
    answer = server.http.post("/v1/recommendations", json={"placement": "home"}, headers=foreign)
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_forbids_sniffing_framing_and_storing(server: Server) -> None:
    for path in ("/healthz", "/nowhere", "/metrics"):
        headers = server.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("headers", "body", "status", "detail"),
    [
        (
            {"Content-Type": "text/plain"}, b"{}", 415,
            "the body's Content-Type is text/plain; send Content-Type: application/json",
        ),
        (
            {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", 415,
            "the body's Content-Encoding is gzip; send the body uncompressed",
        ),
        (
            {"Content-Type": "application/json"}, b"[" * 100_000, 400,
            "the body is nested 100000 levels deep; expected at most 64",
        ),
        (
            {"Content-Type": "application/json"}, b"{events:", 400,
            "the body (8 bytes) is not JSON: JSON is malformed: object keys must be strings (byte 1)",
        ),
        (
            {"Content-Type": "application/json"}, b'{"\xff": 1}', 400,
            "the body (8 bytes) is not JSON: it is not UTF-8",
        ),
        (
            {"Content-Type": "application/json"}, b" " * 4_000_001, 413,
            "the body is larger than 4000000 bytes; send it in parts",
        ),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_told_why(
    server: Server, headers: dict[str, str], body: bytes, status: int, detail: str
) -> None:
    answer = server.http.post("/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)


def test_a_slow_body_ends_after_its_time(shop: Path, start: Callable[..., Server]) -> None:
    server = start(shop, body_timeout_s=1)
    address = server.http.base_url
    with socket.create_connection((address.host, address.port or 80), timeout=10) as slow:
        key = server.http.headers["Authorization"]
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n"
        slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        answer = b""
        while part := slow.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body was not complete after 1 s; send it faster or in parts" in answer


def test_events_cost_what_they_hold(shop: Path, start: Callable[..., Server]) -> None:
    server = start(shop, publishable_events_per_s=1)
    lines = [{"item_id": "SKU-1"}] * 200
    events = [{**EVENT, "visitor_id": f"v{number}", "items": lines} for number in range(5)]
    with server.keyed("publishable") as client:
        time.sleep(1.1)
        assert client.post("/v1/events", json={"events": events}).json()["accepted"] == 5
        refused = client.post("/v1/events", json={"events": events[:1]})
        assert (refused.status_code, refused.headers["ratelimit-policy"]) == (429, '"events";q=1000;w=1000')


@pytest.mark.parametrize("fine", [b"[" * DEEPEST + b"]" * DEEPEST, b'{"a":"' + b"[" * 99 + b'"}',
                                  b'["\\"' + b"[" * 99 + b'","\\\\",' + b"{}," * 99, b"[],[]" * 99])  # fmt: skip
def test_brackets_in_strings_and_side_by_side_are_not_deep(fine: bytes) -> None:
    check_depth(fine)


@pytest.mark.parametrize("deep", [b"[" * 65, b'["",' * 65, b'{"a\\\\":' * 65, b'["\\"]",' * 65, b'{"\\n[":[' * 40])
def test_nesting_is_seen_between_strings(deep: bytes) -> None:
    with pytest.raises(Refusal):
        check_depth(deep)


def test_without_keys_a_server_listens_on_loopback_only(shop: Path, start: Callable[..., Server]) -> None:
    server = start(shop, keys="off")
    assert httpx2.get(f"{server.http.base_url}/metrics").status_code == 200
