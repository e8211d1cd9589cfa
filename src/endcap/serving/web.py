"""The ASGI application: routes, the OpenAPI document, and a life from opening the shop to closing it."""

import asyncio
import gc
import ipaddress
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from endcap.errors import EndcapError, InvalidSettings
from endcap.serving.desk import Clocks, Desk
from endcap.serving.floor import Floor, Options
from endcap.serving.meters import Meters
from endcap.serving.openapi import document
from endcap.serving.problems import Refusal
from endcap.serving.routes import Admission, Doors, on_bug, on_error, on_http, on_refusal


class Hooks(NamedTuple):
    """Called once the shop is open; called when it cannot be opened or kept open, and the server must end."""

    opened: Callable[[], None]
    failed: Callable[[BaseException], None]


def application(open_floor: Callable[[], Floor], options: Options, clocks: Clocks, hooks: Hooks) -> FastAPI:
    """A server for one shop, which `open_floor` opens in a worker thread while the server says that it starts."""
    meters = Meters()
    doors = Doors(Admission(options.max_in_flight_requests, clocks.steady, meters), meters, options.max_body_bytes)

    async def stay_open(stack: AsyncExitStack) -> None:
        try:
            desk = Desk(await asyncio.to_thread(open_floor), options, clocks, meters)
            await stack.enter_async_context(desk.open(hooks.failed))
        except EndcapError as error:
            doors.because = str(error)
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
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opening = asyncio.create_task(stay_open(stack))
            opening.add_done_callback(ended)
            yield
            await opening

    answers: dict[Any, Any] = {
        Refusal: on_refusal,
        HTTPException: on_http,
        EndcapError: on_error,
        Exception: on_bug,
    }
    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, exception_handlers=answers)
    doors.add_to(app)
    app.openapi = document  # type: ignore[method-assign]
    return app


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


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on a loopback address. Raises: InvalidSettings for any other, or one in use."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidSettings(
            f"serving.host is {host}, where anybody could reach it and there are no API keys; expected a loopback "
            "address such as 127.0.0.1: put a proxy that checks who calls in front"
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2_048)
    except OSError as error:
        listener.close()
        raise InvalidSettings(
            f"{host}:{port} cannot be listened on: {error.strerror}; choose another serving.port"
        ) from None
    return listener
