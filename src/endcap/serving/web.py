"""The ASGI application: gate, routes, and a life from opening the shop to closing it."""

import asyncio
import gc
import ipaddress
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from endcap.access import KeyFile, Rate, Repeats, Scope
from endcap.errors import EndcapError, InvalidSettings
from endcap.serving.calls import MAX_EVENTS, MAX_RECORDS, MAX_REQUESTS
from endcap.serving.desk import Clocks, Desk
from endcap.serving.floor import Floor, Options
from endcap.serving.gate import Bounds, Front, Gate
from endcap.serving.meters import Meters
from endcap.serving.routes import Admission, Doors, on_bug, on_http

MOST_HEAD_BYTES: Final = 65_536
"""Bytes of a request's line and headers."""
_USES_S: Final = 60


Pages: TypeAlias = Callable[[Doors], Sequence[BaseRoute]]
"""Routes that another package puts beside the API's own; each of its answers may set headers of its own."""


class Hooks(NamedTuple):
    """Called once the shop is open; called when it cannot be opened or kept open, and the server must end.

    `pages` are asked for their routes once, before the shop is open.
    """

    opened: Callable[[], None]
    failed: Callable[[BaseException], None]
    pages: Sequence[Pages] = ()


def application(
    open_floor: Callable[[], Floor], keys: KeyFile | None, options: Options, clocks: Clocks, hooks: Hooks
) -> Front:
    """A server for one shop, which `open_floor` opens in a worker thread while the server says that it starts.

    `keys` None lets everybody in.
    """
    meters = Meters()
    admission = Admission(options.max_in_flight_requests, clocks.steady, meters)
    bounds = Bounds(options.max_body_bytes, options.body_timeout_s)
    doors = Doors(gate(keys, options, clocks), admission, meters, bounds, Repeats(clocks.steady))

    async def stay_open(stack: AsyncExitStack) -> None:
        try:
            desk = Desk(await asyncio.to_thread(open_floor), options, clocks, meters)
            await stack.enter_async_context(desk.open(hooks.failed))
            await stack.enter_async_context(keeping_uses(keys))
        except EndcapError as error:
            structlog.get_logger().error("shop_not_opened", reason=str(error))
            doors.because = "the shop cannot be opened; the server's log says why"
            hooks.failed(error)
            return
        # What the shop holds stays: a full collection that walks it would stop all answers for tens of milliseconds.
        gc.collect()
        gc.freeze()
        doors.desk = desk
        hooks.opened()

    def ended(opening: asyncio.Task[None]) -> None:
        if not opening.cancelled() and (error := opening.exception()) is not None:
            hooks.failed(error)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opening = asyncio.create_task(stay_open(stack))
            opening.add_done_callback(ended)
            yield
            await opening

    answers: dict[Any, Any] = {HTTPException: on_http, Exception: on_bug}
    routes = [*doors.routes(), *(route for pages in hooks.pages for route in pages(doors))]
    asgi = Starlette(routes=routes, lifespan=life, exception_handlers=answers)
    asgi.router.redirect_slashes = False
    return Front(asgi, options.cors_origins, doors.open_to_browsers, options.access_log)


def gate(keys: KeyFile | None, options: Options, clocks: Clocks) -> Gate:
    """The gate that `options` ask for; every bucket holds what one call may bring."""

    def rate(per_s: int, least: int) -> Rate:
        return Rate(per_s, max(per_s, least))

    requests: dict[Scope, Rate] = {
        "publishable": rate(options.publishable_requests_per_s, MAX_REQUESTS),
        "secret": rate(options.secret_requests_per_s, MAX_REQUESTS),
        "admin": rate(options.admin_requests_per_s, MAX_REQUESTS),
    }
    events: dict[Scope, Rate] = {
        "publishable": rate(options.publishable_events_per_s, MAX_EVENTS),
        "secret": rate(options.secret_events_per_s, MAX_EVENTS),
        "admin": rate(options.admin_events_per_s, 2 * MAX_RECORDS),
    }
    return Gate(keys, requests, events, (clocks.now, clocks.steady))


@asynccontextmanager
async def keeping_uses(keys: KeyFile | None) -> AsyncIterator[None]:
    """Write once a minute, and at the end, when each key was last used."""

    async def save() -> None:
        try:
            await asyncio.to_thread(keys.save_uses if keys else lambda: None)
        except OSError as error:
            structlog.get_logger().error("key_uses_not_saved", reason=str(error))

    async def run() -> None:
        while True:
            await asyncio.sleep(_USES_S)
            await save()

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        running.cancel()
        await save()


class BoundedHeads(HttpToolsProtocol):
    """Uvicorn's protocol, but the head of a request may have `MOST_HEAD_BYTES` and take `head_s` seconds.

    `_head` counts the bytes of a head that is not complete, None between a head and the next.
    """

    head_s = 10.0

    _head: int | None = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(self.head_s, self._end, 408)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wait_no_more()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        if self._late is None:
            self._late = self.loop.call_later(self.head_s, self._end, 408)

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        self._head = None
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD_BYTES:
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > MOST_HEAD_BYTES:
                self._end(431)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self, status: int) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 %d \r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            self.transport.close()


def bounded_heads(head_s: float) -> type[BoundedHeads]:
    """The protocol with this bound."""
    return type("Bounded", (BoundedHeads,), {"head_s": head_s})


def log_to_stderr() -> None:
    """Structured log lines, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def listening(host: str, port: int, *, keyed: bool, pages: bool = False) -> socket.socket:
    """A socket that listens; without keys, and with `pages` for trying out, on a loopback address only.

    Raises: InvalidSettings.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not keyed:
        raise InvalidSettings(
            f'serving.host is {host}, where anybody could reach it, and serving.keys is "off"; expected a loopback '
            'address such as 127.0.0.1, or serving.keys = "required"'
        )
    if not loopback and pages:
        raise InvalidSettings(
            f"serving.host is {host}, where anybody could reach it, and serving.storefront is on, which lets everybody "
            "look as anybody; expected a loopback address such as 127.0.0.1, or serving.storefront = false"
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2_048)
    except OSError as error:
        listener.close()
        raise InvalidSettings(
            f"{host}:{port} cannot be listened on: {error.strerror}; choose another serving.port or serving.host"
        ) from None
    return listener
