"""The gate: who may come in, how often, and with what; what every answer carries; one log line a request.

Knows keys, allowances, bodies as bytes and headers. Does not know what a call means. No token, id, query or body
reaches the log.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Literal

import numpy as np
import structlog
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from endcap.access import Allowances, Key, KeyFile, Rate, Scope
from endcap.serving.problems import refusal, shortened

DEEPEST: Final = 64
"""Levels of lists and objects in a body."""

_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'"[]{}'))
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_ALLOWED_HEADERS: Final = b"authorization, content-type, idempotency-key"
_EXPOSED_HEADERS: Final = b"retry-after, ratelimit, ratelimit-policy"

Logged = Literal["failures", "all", "none"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body may be: its bytes and the seconds that it may take."""

    body_bytes: int
    body_s: float


class Gate:
    """Lets calls in by key, scope and allowance.

    `keys` None lets everybody in as an administrator, which is for loopback alone. `clocks` give ms UTC and seconds
    that never go back.
    """

    def __init__(
        self,
        keys: KeyFile | None,
        requests: Mapping[Scope, Rate],
        events: Mapping[Scope, Rate],
        clocks: tuple[Callable[[], int], Callable[[], float]],
    ) -> None:
        self._keys = keys
        self._requests = Allowances(requests)
        self._events = Allowances(events)
        self._now, self._steady = clocks

    def caller(self, http: HttpRequest, scope: Scope) -> Key:
        """The key that `http` carries, which may do what `scope` may. Raises: Refusal 401, 403."""
        given = http.headers.getlist("authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        return self.keyed(token.strip() if scheme.lower() == "bearer" else "", scope)

    def keyed(self, token: str, scope: Scope) -> Key:
        """The key of `token`, which may do what `scope` may. Raises: Refusal 401, 403."""
        if self._keys is None:
            return Key("", "admin", "", 0, "")
        key = self._keys.find(token, self._now()) if token else None
        if key is None:
            detail = "the key is unknown, expired or revoked" if token else "no key was sent"
            detail += "; send the header Authorization: Bearer KEY with a key that `endcap keys create` made"
            challenge = 'Bearer realm="endcap"' + (', error="invalid_token"' if token else "")
            raise refusal(401, "unauthenticated", detail).carrying(WWW_Authenticate=challenge)
        if not key.may(scope):
            detail = f"the key's scope is {key.scope}; this call needs {scope}"
            detail += "" if scope == "admin" else " or admin"
            challenge = f'Bearer realm="endcap", error="insufficient_scope", scope="{scope}"'
            raise refusal(403, "wrong-scope", detail).carrying(WWW_Authenticate=challenge)
        return key

    def holds(self, number: str, scope: Scope) -> bool:
        """Whether the key with this id holds now and may do what `scope` may."""
        key = None if self._keys is None else self._keys.holding(number, self._now())
        return key is not None and key.may(scope)

    @property
    def open(self) -> bool:
        """Whether anybody may come in without a key."""
        return self._keys is None

    def spend_requests(self, key: Key, count: int) -> dict[str, str]:
        """Take `count` requests from the allowance of `key`; headers that say what is left. Raises: Refusal 429."""
        return self._spend(self._requests, "requests", key, count)

    def spend_events(self, key: Key, count: int) -> None:
        """Take `count` events or items from the allowance of `key`. Raises: Refusal 429."""
        self._spend(self._events, "events", key, count)

    def _spend(self, allowances: Allowances, unit: str, key: Key, count: int) -> dict[str, str]:
        rate, spent = allowances.rate(key), allowances.spend(key, count, self._steady())
        wait = ceil(spent.wait_s)
        headers = {
            "RateLimit-Policy": f'"{unit}";q={rate.most:.0f};w={ceil(rate.most / rate.per_s)}',
            "RateLimit": f'"{unit}";r={spent.left};t={wait}',
        }
        if not spent.allowed:
            detail = f"this key may send {rate.per_s:.0f} {unit} a second; come back in {wait} s"
            refused = refusal(429, "too-many", detail, retry_after_s=wait)
            refused.headers |= headers
            raise refused
        return headers


async def read_body(http: HttpRequest, bounds: Bounds, media_type: str) -> bytes:
    """The whole body of `media_type`. Raises: Refusal 400, 408, 413, 415."""
    given = http.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != media_type:
        detail = f"the body's Content-Type is {shortened(given) or 'not given'}; send Content-Type: {media_type}"
        raise refusal(415, "wrong-content-type", detail)
    coding = http.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        detail = f"the body's Content-Encoding is {shortened(coding)}; send the body uncompressed"
        raise refusal(415, "wrong-content-encoding", detail)
    too_large = refusal(413, "body-too-large", f"the body is larger than {bounds.body_bytes} bytes; send it in parts")
    if int(http.headers.get("content-length") or 0) > bounds.body_bytes:
        raise too_large.carrying(Connection="close")
    parts, size = [], 0
    try:
        async with asyncio.timeout(bounds.body_s):
            async for part in http.stream():
                parts.append(part)
                size += len(part)
                if size > bounds.body_bytes:
                    raise too_large.carrying(Connection="close")
    except TimeoutError:
        detail = f"the body was not complete after {bounds.body_s:g} s; send it faster or in parts"
        raise refusal(408, "slow-body", detail).carrying(Connection="close") from None
    except ClientDisconnect:
        raise refusal(400, "broken-off", "the caller went away before the body was complete") from None
    return b"".join(parts)


def check_depth(body: bytes) -> None:
    """Raises: Refusal where lists and objects are nested deeper than `DEEPEST`, before anything recurses into them.

    Only brackets outside strings count; what is not balanced is left to the decoder, which stops there.

    >>> check_depth(b'{"a": "[[[["}')
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    rest = unescaped.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    if b'"' in rest:
        rest = re.sub(rb'"[^"]*"', b"", rest)
    codes = np.frombuffer(rest, np.uint8)
    opening = (codes == ord("[")) | (codes == ord("{"))
    deepest = int(np.cumsum(np.where(opening, 1, -1)).max(initial=0))
    if deepest > DEEPEST:
        raise refusal(400, "too-deep", f"the body is nested {deepest} levels deep; expected at most {DEEPEST}")


class Front:
    """The outermost layer: security headers on every answer, CORS for `origins`, and log lines.

    `open_to_browsers` says whether pages of those origins may call a path. There are no cookies, so no credentials are
    ever allowed across origins.
    """

    def __init__(
        self, app: ASGIApp, origins: list[str], open_to_browsers: Callable[[str], bool], logged: Logged
    ) -> None:
        self.app = app
        self._origins = {origin.encode() for origin in origins}
        self._open_to_browsers = open_to_browsers
        self._logged = logged

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        extra = self._cross_origin(scope)
        if len(extra) > 1 and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, _with(send, extra))
            return
        started = asyncio.get_running_loop().time()
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*_secured(message["headers"]), *extra]
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            if self._logged == "all" or (self._logged == "failures" and status >= 400):
                self._log(scope, status, asyncio.get_running_loop().time() - started)

    def _cross_origin(self, scope: AsgiScope) -> list[tuple[bytes, bytes]]:
        """Headers for a page of an allowed origin, none for anybody else."""
        if not self._origins:
            return []
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) != 1 or origins[0] not in self._origins or not self._open_to_browsers(scope["path"]):
            return [(b"vary", b"Origin")] if origins else []
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origins[0]),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
        ]

    def _log(self, scope: AsgiScope, status: int, seconds: float) -> None:
        known: dict[str, Any] = scope.get("endcap", {})
        log = structlog.get_logger()
        line = log.info if status < 400 else log.error if status >= 500 else log.warning
        line(
            "request",
            method=scope["method"],
            route=known.get("route", ""),
            status=status,
            ms=round(1_000 * seconds, 2),
            key=known.get("key", ""),
        )


_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": _ALLOWED_HEADERS.decode(),
    "Access-Control-Max-Age": "600",
}


def _with(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*_secured(message["headers"]), *extra]
        await send(message)

    return sent


def _secured(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """`headers` with those of `_SECURITY` that the answer does not set itself, as pages do."""
    own = list(headers)
    named = {name for name, _ in own}
    return own + [header for header in _SECURITY if header[0] not in named]
