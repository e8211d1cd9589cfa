"""Calls over HTTP/1.1 with the standard library: kept connections, a time for each call, and tries again.

A call that was refused with 429 or 503 is tried again after the seconds that the server names; one that broke off,
after a pause that doubles. That is safe: reading changes nothing, items and offers say what holds, and events carry an
Idempotency-Key. An operator's call has ten minutes and is sent once: what was erased the first time would be told as
nothing the second.
"""

import http.client
import random
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from endcap.client.errors import ApiError, error_of
from endcap.client.shapes import Problem

T = TypeVar("T")

_LATER: Final = (429, 503)
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0
_OPERATORS_TIMEOUT_S: Final = 600.0


class Sent(NamedTuple):
    """One call: `path` with its parameters filled in, and what goes with it."""

    method: str
    path: str
    query: Mapping[str, object] = {}
    body: msgspec.Struct | None = None
    headers: Mapping[str, str] = {}


class Transport:
    """Connections to one server, one a thread. `tries` counts the first."""

    def __init__(self, url: str, key: str, *, timeout_s: float = 10.0, tries: int = 3) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; expected one such as http://127.0.0.1:8765")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout_s = timeout_s
        self._tries = tries
        self._own = threading.local()

    def close(self) -> None:
        """End this thread's connection."""
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is not None:
            connection.close()

    def call(self, sent: Sent, answer: type[T]) -> T:
        """What the server answers, as `answer`. Raises: ApiError."""
        status, content = self._answered(sent)
        if answer is str:
            return content.decode()  # type: ignore[return-value]
        try:
            return msgspec.json.decode(content, type=answer)
        except msgspec.DecodeError as error:
            raise error_of(_problem(502, f"the answer ({status}) does not fit: {error}")) from None

    def _answered(self, sent: Sent) -> tuple[int, bytes]:
        for left in reversed(range(self._tries)):
            pause = _FIRST_PAUSE_S * 2 ** (self._tries - 1 - left)
            try:
                status, retry_after, content = self._once(sent)
            except (OSError, http.client.HTTPException) as broken:
                self.close()
                failed: ApiError = error_of(_problem(503, f"the server cannot be reached: {broken!r}"))
                if _for_operators(sent) and not isinstance(broken, ConnectionRefusedError):
                    told = f"no answer came ({broken!r}); what was asked may have been done, so it is not asked again"
                    raise error_of(_problem(503, told)) from None
            else:
                if status < 300:
                    return status, content
                failed = error_of(_told(status, content))
                if status not in _LATER:
                    raise failed
                pause = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else pause
            if not left:
                raise failed
            # A little chance parts those who were refused together.
            time.sleep(min(pause, _LONGEST_PAUSE_S) * random.uniform(1.0, 1.25))  # noqa: S311
        raise AssertionError("there is at least one try")

    def _once(self, sent: Sent) -> tuple[int, str, bytes]:
        given = {name: value for name, value in sent.query.items() if value is not None}
        target = self._prefix + sent.path + (f"?{urlencode(given)}" if given else "")
        headers = {**self._headers, **sent.headers}
        body = None
        if sent.body is not None:
            body = msgspec.json.encode(sent.body)
            headers["Content-Type"] = "application/json"
        connection = self._connection(sent)
        try:
            connection.request(sent.method, target, body, headers)
            response = connection.getresponse()
            return response.status, response.headers.get("Retry-After", ""), response.read()
        finally:
            if _for_operators(sent):
                connection.close()

    def _connection(self, sent: Sent) -> http.client.HTTPConnection:
        """This thread's own, or a new one that takes its time; on a kept one, a call may be lost."""
        if _for_operators(sent):
            return self._kind(*self._address, timeout=max(self._timeout_s, _OPERATORS_TIMEOUT_S))
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._kind(*self._address, timeout=self._timeout_s)
        return connection


def _for_operators(sent: Sent) -> bool:
    return sent.path.startswith("/v1/admin/")


def parameters(call: msgspec.Struct) -> dict[str, object]:
    """The fields of `call` that are not at their default."""
    fields: dict[str, object] = msgspec.to_builtins(call)
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}


def quoted(part: object) -> str:
    """`part` as it may stand in a path.

    >>> quoted("a/b ü")
    'a%2Fb%20%C3%BC'
    """
    return quote(str(part), safe="")


def _told(status: int, content: bytes) -> Problem:
    try:
        return msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _problem(status, content[:200].decode("utf-8", "replace"))


def _problem(status: int, detail: str) -> Problem:
    return Problem("about:blank", http.client.responses.get(status, "Failed"), status, detail)


Anything = dict[str, Any]
"""A document without a shape of its own."""
