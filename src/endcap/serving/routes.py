"""The HTTP routes: bodies in, answers out, every failure a problem. Knows the desk, not what a list is made of.

The routes that carry traffic are bare Starlette routes with msgspec; FastAPI carries the others and documents all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import msgspec
import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from endcap.errors import BackendUnavailable, EndcapError, InvalidRequest
from endcap.serving.calls import EventsCall, OffersCall, RecommendationCall, StatusAnswer
from endcap.serving.desk import Desk
from endcap.serving.meters import Meters
from endcap.serving.problems import Refusal, decode, refusal

Endpoint: TypeAlias = Callable[[HttpRequest], Awaitable[Response]]

_RECOMMENDATION: Final = msgspec.json.Decoder(RecommendationCall)
_EVENTS: Final = msgspec.json.Decoder(EventsCall)
_OFFERS: Final = msgspec.json.Decoder(OffersCall)


class Admission:
    """A bound on the requests in progress, and the time each waited; `clock` gives seconds that never go back.

    Lists are computed one after the other on the event loop's thread. A call that is read completely is counted, then
    lets those that arrived with it be counted too; beyond the bound it is refused at once, which costs next to nothing.
    """

    def __init__(self, most: int, clock: Callable[[], float], meters: Meters) -> None:
        self._most = most
        self._clock = clock
        self._meters = meters
        self.in_flight = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Gives the seconds waited. Raises: Refusal where too many are in progress."""
        if self.in_flight >= self._most:
            self._meters.shed.inc()
            detail = f"{self.in_flight} requests are in progress, the bound is {self._most}; try again in a second"
            raise refusal(503, "overloaded", detail, retry_after_s=1)
        self.in_flight += 1
        self._meters.in_flight.set(self.in_flight)
        arrived = self._clock()
        try:
            await asyncio.sleep(0)
            waited = self._clock() - arrived
            self._meters.waited_seconds.observe(waited)
            yield waited
        finally:
            self.in_flight -= 1
            self._meters.in_flight.set(self.in_flight)


async def read_body(http: HttpRequest, most_bytes: int) -> bytes:
    """The whole body. Raises: Refusal where it is larger than `most_bytes`."""
    too_large = refusal(413, "body-too-large", f"the body is larger than {most_bytes} bytes; send it in parts")
    if int(http.headers.get("content-length") or 0) > most_bytes:
        raise too_large
    parts, size = [], 0
    async for part in http.stream():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise too_large
    return b"".join(parts)


class Doors:
    """The routes of one server. `desk` is there while the shop is open; before, calls are asked to come back."""

    def __init__(self, admission: Admission, meters: Meters, most_bytes: int) -> None:
        self.desk: Desk | None = None
        self.because = "the shop is being opened"
        self._admission = admission
        self._meters = meters
        self._most_bytes = most_bytes

    def routes(self) -> list[Route]:
        """What carries traffic."""
        return [
            Route("/v1/recommendations", self._counted("recommendations", self.recommendations), methods=["POST"]),
            Route("/v1/events", self._counted("events", self.events), methods=["POST"]),
            Route("/v1/catalog/offers", self._counted("offers", self.offers), methods=["PATCH"]),
        ]

    def add_to(self, app: FastAPI) -> None:
        """Add all routes to `app`."""
        app.router.routes[:0] = self.routes()
        app.get("/v1/decisions/{recommendation_id}")(self.decision)
        app.get("/healthz")(self.healthz)
        app.get("/readyz")(self.readyz)
        app.get("/metrics")(self.metrics)

    async def recommendations(self, http: HttpRequest) -> Response:
        """A list for one placement."""
        body = await read_body(http, self._most_bytes)
        async with self._admission.turn() as waited:
            return answered(self._open_desk().recommend(decode(_RECOMMENDATION, body), waited))

    async def events(self, http: HttpRequest) -> Response:
        """What shoppers did."""
        body = await read_body(http, self._most_bytes)
        async with self._admission.turn():
            return answered(await self._open_desk().take_events(decode(_EVENTS, body).events))

    async def offers(self, http: HttpRequest) -> Response:
        """New prices and stocks."""
        body = await read_body(http, self._most_bytes)
        async with self._admission.turn():
            return answered(await self._open_desk().take_offers(decode(_OFFERS, body).offers))

    async def decision(self, recommendation_id: str) -> Response:
        """What was decided for one list, and why."""
        return answered(self._open_desk().decision(recommendation_id))

    async def healthz(self) -> Response:
        """The process answers."""
        return answered(StatusAnswer("ok"))

    async def readyz(self) -> Response:
        """Lists are answered from a verified snapshot, and the kernels are warm."""
        if self.desk is None or self.desk.watch.snapshot is None:
            because = self.because if self.desk is None else self.desk.watch.because
            raise refusal(503, "not-ready", because, retry_after_s=1)
        return answered(StatusAnswer("ready"))

    async def metrics(self) -> Response:
        """Figures in Prometheus' text format."""
        return Response(self._meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _open_desk(self) -> Desk:
        if self.desk is None:
            raise refusal(503, "not-ready", self.because, retry_after_s=1)
        return self.desk

    def _counted(self, name: str, endpoint: Endpoint) -> Endpoint:
        """`endpoint` with its refusals answered and its answers counted."""

        async def counted(http: HttpRequest) -> Response:
            try:
                response = await endpoint(http)
            except Refusal as refused:
                response = refused.response()
            except EndcapError as error:
                response = refused_for(error).response()
            self._meters.answers.labels(name, f"{response.status_code // 100}xx").inc()
            return response

        return counted


def answered(answer: msgspec.Struct) -> Response:
    """`answer` as JSON."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


def refused_for(error: EndcapError) -> Refusal:
    """What an error of the product is over HTTP."""
    if isinstance(error, BackendUnavailable):
        structlog.get_logger().error("backend_unavailable", reason=str(error))
        return refusal(503, "backend-unavailable", str(error), retry_after_s=5)
    if isinstance(error, InvalidRequest):
        return refusal(422, "invalid-request", str(error))
    structlog.get_logger().error("unanswerable", kind=type(error).__name__, reason=str(error))
    return refusal(500, "internal-error", "the server failed to answer; its log says why")


async def on_refusal(_: HttpRequest, refused: Refusal) -> Response:
    """For routes that FastAPI carries."""
    return refused.response()


async def on_error(_: HttpRequest, error: EndcapError) -> Response:
    """For errors of the product, on routes that FastAPI carries."""
    return refused_for(error).response()


async def on_bug(_: HttpRequest, __: Exception) -> Response:
    """For errors that nobody foresaw; the server logs their traceback."""
    return refusal(500, "internal-error", "the server failed to answer; its log says why").response()


async def on_http(http: HttpRequest, error: HTTPException) -> Response:
    """For unknown paths and methods."""
    names = {404: "unknown-path", 405: "wrong-method"}
    name = names.get(error.status_code, "http-error")
    detail = f"{http.method} {http.url.path}: {error.detail}; see /openapi.json"
    response = refusal(error.status_code, name, detail).response()
    for header, value in (error.headers or {}).items():
        response.headers[header] = value
    return response
