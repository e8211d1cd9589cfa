"""Requests that nobody should send, as bytes for a socket: a fixed list of old tricks, then seeded mixtures of them.

`requests(seed, count, keys)` gives them; `send` and `faults` say what a server made of one. Knows HTTP and the routes,
nothing of the server's inside.
"""

import json
import random
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

CANARY: Final = "canary-7f3a"
"""Stands in every id of a person; no log line and no file may hold it."""
_TIMEOUT_S: Final = 10.0

_NOW: Final = 1_795_000_000_000
_EVENT: Final = {
    "name": "view_item", "time": _NOW, "visitor_id": f"{CANARY}-v", "user_id": f"{CANARY}-u",
    "session_id": f"{CANARY}-s", "event_id": f"{CANARY}-e", "items": [{"item_id": "SKU-1", "price": 1}],
}  # fmt: skip
_RECORDS: Final = "/v1/admin/records"
_KEY: Final = b"k" * 16
_BODIES: Final[dict[tuple[str, str], Any]] = {
    ("POST", "/v1/recommendations"): {"placement": "home", "visitor_id": f"{CANARY}-v", "k": 3},
    ("POST", "/v1/recommendations:batch"): {"requests": [{"placement": "home", "k": 2}, {"placement": "cart"}]},
    ("POST", "/v1/events"): {"events": [_EVENT]},
    ("PATCH", "/v1/catalog/offers"): {"offers": [{"id": "SKU-1", "stock": 5}]},
    ("PUT", "/v1/catalog/items"): {"items": [{"id": "SKU-1", "title": "A"}]},
    ("POST", _RECORDS): {
        "rows": [["item", "SKU-1"]],
        "entries": [
            {
                "kind": "event", "key": _KEY, "shopper": _KEY, "at": _NOW, "body": {
                    "kind": 1, "time": _NOW, "received": _NOW, "shopper": _KEY, "region": "DE",
                    "lines": [{"row": 1, "quantity": 1, "price": 100}], "session": 5, "basket": 5,
                },
                "version": 1,
            },
            {
                "kind": "link", "key": _KEY, "shopper": _KEY, "at": _NOW, "body": {
                    "device": _KEY, "generation": 1, "shopper": _KEY, "user": b"", "at": _NOW,
                },
                "version": 1,
            },
        ],
    },
    ("POST", "/v1/admin/erasures"): {"user_id": f"{CANARY}-u"},
    ("POST", "/v1/admin/exports"): {"visitor_id": f"{CANARY}-v"},
    ("GET", "/v1/recommendations/x/next?k=3"): None,
    ("GET", f"/v1/decisions/{CANARY}"): None,
    ("GET", "/metrics"): None,
    ("GET", "/healthz"): None,
    ("GET", "/openapi.json"): None,
}  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1, 10**9, 10**18, 10**30, -(2**63), 1.5, 1e308, -0.0, "", "5", "0", " ", "a" * 10_000, "NaN",
    "null", "home", "../../etc/passwd", "%00", "\x00", "\r\nX-Injected: 1", "\u202eevil", "💥" * 300, "é" * 300,
    "<script>alert(1)</script>", "' OR 1=1 --", "${jndi:ldap://x}", "{{7*7}}", "=cmd()", "\ud83d", "1.299,00", "-5 EUR",
    [], [[]], {}, {"a": 1}, [None], ["x"] * 2_000, {"$ref": "#"}, [1, "a", None], "2026-13-45T99:00:00Z", 1e-300,
)  # fmt: skip
_FILTERS: Final = (
    "colour = 'red'", "price <", "price < 1 AND", "((((price < 1", "(" * 3_000, "NOT " * 400 + "TRUE",
    "1 = 1 OR " * 500,
    "regexp_matches(brand, '(a+)+$')", "price < 1e999", "brand LIKE '%%%%%%%%%%%%%%%%%%%%%%%%%a'", "'; DROP TABLE x",
    "\x00", "secret = 1", "price / 0 > 1", "cast('x' AS integer) = 1", "brand IN (" + "'a'," * 500 + "'b')", "💥 = 1",
)  # fmt: skip
_PATHS: Final = (
    "/", "//", "/v1", "/v1/", "/v1/events/", "//v1//events", "/v1/%65vents", "/v1/events%00", "/v1/events;a=b",
    "/v1/events?key=x", "/v1/../healthz", "/v1/%2e%2e/healthz", "/v1/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/..%2f..%2fetc",
    "/v1/decisions/%00", "/v1/decisions/%2e%2e", "/v1/decisions/..%2f..%2fkeys", "/v1/decisions/%c0%ae%c0%ae",
    "/v1/decisions/%ff%fe", "/v1/decisions/%", "/v1/decisions/%zz", "/v1/decisions/a%0d%0aX-Injected:1",
    "/v1/decisions/" + "a" * 8_000, "/v1/decisions/%F0%9F%92%A5", "/v1/recommendations/x/next?k=0",
    "/v1/recommendations/x/next?k=-1", "/v1/recommendations/x/next?k=1000000000", "/v1/recommendations/x/next?k=5&k=6",
    "/v1/recommendations/x/next?k=%00", "/v1/recommendations/%2f/next", "/v1/recommendations//next", "/admin", "/.env",
    "/v1/admin", "/v1/admin/", "/docs", "/redoc", "/static/../../keys/api.json", "/keys/api.json", "/\\..\\keys", "*",
    "http://evil.example/healthz", "/healthz#fragment", "/healthz?" + "a=1&" * 2_000, "/é", "/OPENAPI.JSON",
    "/v1/events?\x7f",
)  # fmt: skip
_HEADERS: Final[tuple[bytes, ...]] = (
    b"X-Big: " + b"a" * 65_536, b"X-Many: 1\r\n" * 500 + b"X-End: 1", b"Content-Type: text/plain",
    b"Content-Type: application/json\r\nContent-Type: text/html", b"Content-Encoding: gzip",
    b"Content-Encoding: br, gzip",
    b"Authorization: Bearer x\r\nAuthorization: Bearer y", b"Authorization: Basic YTpi", b"Authorization: Bearer",
    b"Authorization: Bearer " + b"A" * 9_000, b"Authorization: Bearer ec_adm_\xff\xfe_x", b"Cookie: a=" + b"b" * 5_000,
    b"Idempotency-Key: ", b"Idempotency-Key: " + b"k" * 256, b"Idempotency-Key: a b", b"Idempotency-Key: \xff",
    b"Idempotency-Key: a\r\nIdempotency-Key: b", b"Host: evil.example", b"Host: [::1", b"Host: a\r\nHost: b",
    b"Host: " + b"h" * 3_000, b"Origin: https://evil.example", b"Origin: null", b"Origin: *", b"Expect: 100-continue",
    b"Expect: nonsense", b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
    b"X-Forwarded-For: 127.0.0.1", b"X-HTTP-Method-Override: DELETE", b"X-Original-URL: /metrics", b"Range: bytes=0-1",
    b"Accept: " + b"a/b," * 2_000, b"Accept-Encoding: gzip;q=nan", b"If-None-Match: *", b"Referer: \x00",
    b" X-Space: 1",
    b"X-NoColon", b": empty", b"X-Bad\x00Name: 1", b"X-CR: a\rb", b"X-LF: a\nb", b"X-Fold: a\r\n b", b"TE: trailers",
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 1e3",
    b"Content-Length: 3\r\nContent-Length: 4", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"Content-Length : 3",
)  # fmt: skip
_METHODS: Final = (
    "HEAD", "OPTIONS", "TRACE", "DELETE", "CONNECT", "PUT", "PATCH", "PROPFIND", "get", "FOO", "G\x00T", "",
)  # fmt: skip
_RAW: Final[tuple[bytes, ...]] = (
    b"", b"\r\n\r\n", b"GET", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 1_000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"GET  /healthz  HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /healthz HTTP/1.1\nHost: x\n\n",
    b"GET\t/healthz\tHTTP/1.1\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"e" * 9_000 + b"\r\nhello\r\n0",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """One request; `hang_up` closes the connection as soon as it is sent."""

    name: str
    sent: bytes
    hang_up: bool = False


def requests(seed: int, count: int, keys: dict[str, str]) -> Iterator[Hostile]:
    """`count` requests, the fixed list first; `keys` has a token for each scope."""
    generator = random.Random(seed)
    return islice(_all(generator, keys), count)


def _all(generator: random.Random, keys: dict[str, str]) -> Iterator[Hostile]:
    yield from _fixed(keys["admin"])
    while True:
        yield _mixed(generator, keys)


def _fixed(key: str) -> Iterator[Hostile]:
    for (method, path), body in _BODIES.items():
        yield Hostile(f"{method} {path} without a key", _request(method, path, body, ""))
        yield Hostile(f"{method} {path} with a wrong key", _request(method, path, body, "ec_adm_00000000_" + "0" * 48))
        yield Hostile(f"{method} {path} broken off", _request(method, path, body, key)[:-9], hang_up=True)
    for path in _PATHS:
        yield Hostile(f"path {path[:40]!r}", _request("GET", path, None, key))
    for method in _METHODS:
        yield Hostile(f"method {method!r}", _request(method, "/v1/events", None, key))
    for header in _HEADERS:
        yield Hostile(f"header {header[:40]!r}", _request("POST", "/v1/events", {"events": []}, key, header))
    for text in _FILTERS:
        body = {"placement": "home", "filter": text}
        yield Hostile(f"filter {text[:40]!r}", _request("POST", "/v1/recommendations", body, key))
    for raw in _RAW:
        yield Hostile(f"raw {raw[:40]!r}", raw)
    for name, content in _contents():
        for path in ("/v1/events", "/v1/recommendations"):
            yield Hostile(f"{name} to {path}", _message("POST", path, content, key))
    for value in _VALUES:
        body = {"placement": "home", "k": value}
        yield Hostile(f"k = {str(value)[:30]!r}", _request("POST", "/v1/recommendations", body, key))
        row = {**_EVENT, "time": value}
        yield Hostile(f"time = {str(value)[:30]!r}", _request("POST", "/v1/events", {"events": [_EVENT, row]}, key))
    excluded = {"placement": "home", "exclude": [f"X{number}" for number in range(10_001)]}
    yield Hostile("10,001 exclusions", _request("POST", "/v1/recommendations", excluded, key))
    yield Hostile("1,001 events", _request("POST", "/v1/events", {"events": [_EVENT] * 1_001}, key))
    yield Hostile("an unknown placement", _request("POST", "/v1/recommendations", {"placement": "hoem"}, key))
    yield Hostile(
        "21 lists", _request("POST", "/v1/recommendations:batch", {"requests": [{"placement": "home"}] * 21}, key)
    )


def _contents() -> Iterator[tuple[str, bytes]]:
    yield "no body", b""
    yield "spaces", b" " * 5_000
    yield "deep lists", b"[" * 100_000
    yield "deep objects", b'{"events":' * 50_000
    yield "deep and closed", b"[" * 100_000 + b"]" * 100_000
    yield "deep in an event", b'{"events":[{"name":' + b"[" * 5_000 + b"]" * 5_000 + b"}]}"
    yield "63 levels", b"[" * 63 + b"]" * 63
    yield "an overlong encoding", b'{"events":[{"name":"\xc0\xaf"}]}'
    yield "half a character", b'{"events":[{"name":"\xf0\x9f"}]}'
    yield "a lone surrogate", b'{"events":[{"name":"\\ud800","visitor_id":"\\udfff"}],"placement":"\\ud83d"}'
    yield "UTF-16", '{"events":[]}'.encode("utf-16")
    yield "a mark of byte order", b'\xef\xbb\xbf{"events":[]}'
    yield "the same name twice", b'{"events":[],"events":[{}],"placement":"home","placement":5}'
    yield "a huge number", b'{"events":[{"time":' + b"9" * 5_000 + b'}],"placement":"home","k":' + b"9" * 5_000 + b"}"
    yield "an infinite number", b'{"events":[{"time":1e999}],"placement":"home","k":1e999}'
    yield "not a number", b'{"events":[{"time":NaN}],"placement":"home","k":-Infinity}'
    yield "a comment", b'{"events":[] /* x */,"placement":"home"}'
    yield "two documents", b'{"events":[]}{"events":[]}'
    yield "an XML bomb", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]><x>&a;</x>'
    yield "a form", b"placement=home&k=5"
    yield "NUL", b"\x00" * 100
    yield "a gzip", b"\x1f\x8b\x08\x00" + b"\x00" * 100
    yield "4 MB and a byte", b" " * 4_000_001


def _mixed(generator: random.Random, keys: dict[str, str]) -> Hostile:
    """A request with one to three things wrong with it."""
    (method, path), body = generator.choice(list(_BODIES.items()))
    content = None if body is None else _encoded(path, _bent(generator, body))
    scope = generator.choice([*keys, ""])
    token, headers, names = keys.get(scope, ""), b"", [scope or "no key"]
    for _ in range(generator.randrange(3)):
        match generator.randrange(6):
            case 0:
                headers = generator.choice(_HEADERS)
                names.append("header")
            case 1 if content:
                content = _torn(generator, content)
                names.append("torn body")
            case 2:
                path = generator.choice([*_PATHS, path + "/", path.upper(), path.replace("/", "%2f")])
                names.append("path")
            case 3:
                method = generator.choice(_METHODS)
                names.append("method")
            case 4:
                content = generator.choice(list(_contents()))[1]
                names.append("body")
            case _:
                token = token[: generator.randrange(len(token) + 1)] + generator.choice(("", "0", "\t", " x"))
                names.append("key")
    message = _message(method, path, content, token, headers)
    if generator.random() < 0.05:
        return Hostile(" ".join(names), message[: generator.randrange(1, len(message))], hang_up=True)
    return Hostile(f"{method} {path[:40]} with {', '.join(names)}", message)


def _bent(generator: random.Random, body: Any) -> Any:
    """`body` with one value, name or part exchanged, left out or doubled."""
    if isinstance(body, dict) and body:
        name = generator.choice(list(body))
        match generator.randrange(5):
            case 0:
                return {key: value for key, value in body.items() if key != name}
            case 1:
                return {**body, generator.choice(("constructor", "__proto__", "k", "", "\x00", name.upper())): 1}
            case 2:
                return {**body, name: generator.choice(_VALUES)}
            case _:
                return {**body, name: _bent(generator, body[name])}
    if isinstance(body, list) and body:
        return [*body, _bent(generator, body[0])] if generator.random() < 0.5 else body * generator.choice((0, 2, 300))
    return generator.choice(_VALUES)


def _torn(generator: random.Random, content: bytes) -> bytes:
    at = generator.randrange(len(content))
    return generator.choice(
        (content[:at], content[:at] + bytes([generator.randrange(256)]) + content[at + 1 :], content * 2)
    )


def _request(method: str, path: str, body: Any, key: str, headers: bytes = b"") -> bytes:
    return _message(method, path, None if body is None else _encoded(path, body), key, headers)


def _encoded(path: str, body: Any) -> bytes:
    """`body` as JSON, or as the MessagePack of records, whose parts are packed too; JSON where that cannot say it."""
    if path != _RECORDS:
        return json.dumps(body).encode()
    try:
        return msgspec.msgpack.encode(_packed(body))
    except (OverflowError, UnicodeEncodeError):
        return json.dumps(body, default=repr).encode()


def _packed(body: Any) -> Any:
    entries = body.get("entries") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return body
    packed = []
    for entry in entries:
        if not isinstance(entry, dict):
            packed.append(entry)
            continue
        noun = entry.get("body")
        told = {**entry, "body": msgspec.msgpack.encode(noun)} if isinstance(noun, dict) else entry
        packed.append(list(told.values()))
    return {**body, "entries": packed}


def _message(method: str, path: str, content: bytes | None, key: str, headers: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode("utf-8", "surrogatepass"), b"Connection: close"]
    named = headers.lower()
    if b"host:" not in named:
        lines.append(b"Host: shop.example")
    if key and b"authorization:" not in named:
        lines.append(b"Authorization: Bearer " + key.encode())
    if content is not None:
        if b"content-type:" not in named:
            kind = b"msgpack" if path == _RECORDS else b"json"
            lines.append(b"Content-Type: application/" + kind)
        if b"content-length" not in named and b"transfer-encoding" not in named:
            lines.append(b"Content-Length: %d" % len(content))
    if headers:
        lines.append(headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + (content or b"")


def send(address: tuple[str, int], hostile: Hostile) -> bytes:
    """What the server answers first, empty where it closes without a word; a body that is missing is never sent."""
    with socket.create_connection(address, timeout=_TIMEOUT_S) as connection:
        answer = b""
        try:
            connection.sendall(hostile.sent)
            while not hostile.hang_up and not _whole(answer) and (part := connection.recv(65_536)):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            pass
    return answer


def _whole(answer: bytes) -> bool:
    head, parted, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return bool(parted and length) and len(body) >= int(length[1] if length else 0)


def faults(hostile: Hostile, answer: bytes, secrets: list[str]) -> list[str]:
    """What is wrong with `answer`: a failure of the server, a trace of its inside, or one of `secrets`."""
    status = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").split(b" ", 2)[1:2]
    found = [f"{hostile.name}: answered {answer[:300]!r}"] if status and not status[0].startswith((b"2", b"4")) else []
    head, _, body = answer.partition(b"\r\n\r\n")
    inside = (b"Traceback", b'File "', b"site-packages", b".py:", b"endcap.serving", b"0x7f")
    found += [f"{hostile.name}: shows {sign!r}" for sign in inside if sign in answer]
    found += [f"{hostile.name}: shows {secret[:20]!r}…" for secret in secrets if secret.encode() in answer]
    if b"\r\nx-injected" in head.lower():
        found.append(f"{hostile.name}: a header was injected")
    if (
        status
        and status[0].startswith(b"4")
        and b"/problem+json" in head
        and b'"detail"' not in body
        and b"HEAD" not in hostile.sent[:4]
    ):
        found.append(f"{hostile.name}: a problem without a detail: {answer[:200]!r}")
    return found
