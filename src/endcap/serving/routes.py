"""The HTTP routes: bodies in, answers out, every failure a problem. Knows the desk, not what a list is made of.

Bare Starlette routes with msgspec; what they are called, who may call them and what they answer stands in `openapi`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from endcap.access import NOBODYS, Key, OtherBody, Repeats
from endcap.errors import BackendUnavailable, EndcapError, InvalidRequest
from endcap.serving.calls import (
    MAX_K,
    MAX_RECORDS_BYTES,
    MESSAGE_PACK,
    RECORDS,
    BatchCall,
    EventsCall,
    OffersCall,
    PersonCall,
    RecommendationCall,
    RecordsCall,
    SearchCall,
    StatusAnswer,
    SuggestionsCall,
)
from endcap.serving.desk import Desk
from endcap.serving.gate import Bounds, Gate, check_depth, read_body
from endcap.serving.goods import CatalogItemsCall
from endcap.serving.meters import Meters
from endcap.serving.openapi import ROUTES, Documented, document
from endcap.serving.problems import FieldProblem, Refusal, asked, decode, invalid, refusal, shortened

_RECOMMENDATION: Final = msgspec.json.Decoder(RecommendationCall)
_PAGE: Final = msgspec.json.Decoder(BatchCall)
_EVENTS: Final = msgspec.json.Decoder(EventsCall)
_OFFERS: Final = msgspec.json.Decoder(OffersCall)
_ITEMS: Final = msgspec.json.Decoder(CatalogItemsCall)
_PERSON: Final = msgspec.json.Decoder(PersonCall)
_RECORDS: Final = msgspec.msgpack.Decoder(RecordsCall)


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


class Call(NamedTuple):
    """A call that was let in."""

    http: HttpRequest
    key: Key


Endpoint: TypeAlias = Callable[[Call], Awaitable[Response]]


class Doors:
    """The routes of one server. `desk` is there while the shop is open; before, calls are asked to come back.

    Pages of other packages are given it too: they ask it for the desk, for a turn, and whom a key lets in.
    """

    def __init__(self, gate: Gate, admission: Admission, meters: Meters, bounds: Bounds, repeats: Repeats) -> None:
        self.desk: Desk | None = None
        self.because = "the shop is being opened"
        self.gate = gate
        self.admission = admission
        self._meters = meters
        self.bounds = bounds
        self._repeats = repeats

    def routes(self) -> list[Route]:
        """Every route that is documented, each behind the gate."""
        endpoints: dict[str, Endpoint] = {
            "recommendations": self.recommendations,
            "page": self.page,
            "following": self.following,
            "search": self.search,
            "suggestions": self.suggestions,
            "events": self.events,
            "offers": self.offers,
            "items": self.items,
            "refresh": self.refresh,
            "records": self.records,
            "erasures": self.erasures,
            "exports": self.exports,
            "decision": self.decision,
            "metrics": self.metrics,
            "healthz": self.healthz,
            "readyz": self.readyz,
            "openapi": self.openapi,
        }
        return [
            Route(route.path, self._guarded(name, route, endpoints[name]), methods=[route.method.upper()])
            for name, route in ROUTES.items()
        ]

    def open_to_browsers(self, path: str) -> bool:
        """Whether pages of other origins may call `path`: what a publishable key may."""
        return any(route.scope == "publishable" and _matches(route.path, path) for route in ROUTES.values())

    async def recommendations(self, call: Call) -> Response:
        """A list for one placement."""
        body = await self._json(call)
        async with self.admission.turn() as waited:
            return answered(self.open_desk().recommend(decode(_RECOMMENDATION, body), waited))

    async def page(self, call: Call) -> Response:
        """The lists of one page."""
        body = await self._json(call)
        async with self.admission.turn() as waited:
            page = decode(_PAGE, body)
            self.gate.spend_requests(call.key, len(page.requests) - 1)
            return answered(await self.open_desk().recommend_page(page, waited))

    async def following(self, call: Call) -> Response:
        """What follows a list."""
        given = call.http.query_params.get("k")
        if given is not None and not (re.fullmatch("[0-9]{1,3}", given, re.ASCII) and 1 <= int(given) <= MAX_K):
            raise invalid([FieldProblem("k", shortened(given), f"int from 1 to {MAX_K}")])
        async with self.admission.turn() as waited:
            k = None if given is None else int(given)
            return answered(self.open_desk().recommend_next(call.http.path_params["recommendation_id"], k, waited))

    async def search(self, call: Call) -> Response:
        """What is found for words."""
        async with self.admission.turn() as waited:
            return answered(self.open_desk().search(asked(call.http.query_params, SearchCall), waited))

    async def suggestions(self, call: Call) -> Response:
        """What to search for."""
        async with self.admission.turn():
            return answered(self.open_desk().suggest(asked(call.http.query_params, SuggestionsCall)))

    async def events(self, call: Call) -> Response:
        """What shoppers did."""
        repeat = call.http.headers.getlist("idempotency-key")
        if len(repeat) > 1 or any(not re.fullmatch("[!-~]{1,255}", key) for key in repeat):
            problem = FieldProblem("Idempotency-Key", None, "one header of 1 to 255 visible ASCII characters")
            raise invalid([problem])
        body = await self._json(call)

        async def taken() -> bytes:
            async with self.admission.turn():
                events = decode(_EVENTS, body).events
                spend = partial(self.gate.spend_events, call.key)
                return msgspec.json.encode(await self.open_desk().take_events(events, spend))

        if not repeat:
            return Response(await taken(), media_type="application/json")
        try:
            answer = await self._repeats.once((call.key.id, repeat[0]), body, taken)
        except OtherBody:
            detail = "this Idempotency-Key came before with another body; send a new key with a new body"
            raise refusal(409, "other-body", detail) from None
        return Response(answer, media_type="application/json")

    async def offers(self, call: Call) -> Response:
        """New prices and stocks."""
        body = await self._json(call)
        async with self.admission.turn():
            offers = decode(_OFFERS, body).offers
            self.gate.spend_events(call.key, len(offers))
            return answered(await self.open_desk().take_offers(offers))

    async def items(self, call: Call) -> Response:
        """New and changed items."""
        body = await self._json(call)
        async with self.admission.turn():
            items = decode(_ITEMS, body).items
            self.gate.spend_events(call.key, len(items))
            return answered(await self.open_desk().take_items(items))

    async def refresh(self, _: Call) -> Response:
        """New items into every list."""
        self.open_desk().refresher.soon()
        return answered(StatusAnswer("asked", "a refresh starts within seconds; /metrics counts it"))

    async def records(self, call: Call) -> Response:
        """Rows and log entries of an import."""
        body = await read_body(call.http, replace(self.bounds, body_bytes=MAX_RECORDS_BYTES), MESSAGE_PACK)
        try:
            records = _RECORDS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"the body is no call of {RECORDS}: {error}") from None
        async with self.admission.turn():
            self.gate.spend_events(call.key, len(records.entries) + len(records.rows))
            told = await self.open_desk().take_records(records)
            return Response(msgspec.msgpack.encode(told), media_type=MESSAGE_PACK)

    async def erasures(self, call: Call) -> Response:
        """One person is forgotten."""
        person = one_person(decode(_PERSON, await self._json(call)))
        return answered(await self.open_desk().erase(person.user_id, person.visitor_id))

    async def exports(self, call: Call) -> Response:
        """What is held about one person."""
        person = one_person(decode(_PERSON, await self._json(call)))
        return answered(await self.open_desk().export(person.user_id, person.visitor_id))

    async def decision(self, call: Call) -> Response:
        """What was decided for one list, and why."""
        return answered(self.open_desk().decision(call.http.path_params["recommendation_id"]))

    async def healthz(self, _: Call) -> Response:
        """The process answers."""
        return answered(StatusAnswer("ok"))

    async def readyz(self, _: Call) -> Response:
        """Lists are answered from a verified snapshot, and the kernels are warm."""
        if self.desk is None or self.desk.watch.snapshot is None:
            because = self.because if self.desk is None else self.desk.watch.because
            raise refusal(503, "not-ready", because, retry_after_s=1)
        return answered(StatusAnswer("ready"))

    async def metrics(self, _: Call) -> Response:
        """Figures in Prometheus' text format."""
        return Response(self._meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _: Call) -> Response:
        """What this server answers, for machines."""
        return Response(msgspec.json.encode(document()), media_type="application/json")

    async def _json(self, call: Call) -> bytes:
        body = await read_body(call.http, self.bounds, "application/json")
        check_depth(body)
        return body

    def open_desk(self) -> Desk:
        """The desk. Raises: Refusal 503 while the shop is being opened."""
        if self.desk is None:
            raise refusal(503, "not-ready", self.because, retry_after_s=1)
        return self.desk

    def _guarded(
        self, name: str, route: Documented, endpoint: Endpoint
    ) -> Callable[[HttpRequest], Awaitable[Response]]:
        """`endpoint` behind the gate, its refusals answered and its answers counted."""

        async def guarded(http: HttpRequest) -> Response:
            known = http.scope["endcap"] = {"route": route.path, "key": ""}
            allowance: dict[str, str] = {}
            try:
                key = NOBODYS
                if route.scope is not None:
                    key = self.gate.caller(http, route.scope)
                    known["key"] = key.id
                    allowance = self.gate.spend_requests(key, 1)
                response = await endpoint(Call(http, key))
            except Refusal as refused:
                response = refused.response()
            except EndcapError as error:
                response = refused_for(error).response()
            for header, value in allowance.items():
                response.headers.setdefault(header, value)
            self._meters.answers.labels(name, f"{response.status_code // 100}xx").inc()
            return response

        return guarded


def _matches(template: str, path: str) -> bool:
    """Whether `path` is one that `template` describes.

    >>> _matches("/v1/decisions/{recommendation_id}", "/v1/decisions/abc"), _matches("/v1/events", "/v1/events/x")
    (True, False)
    """
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(a == b or a[:1] == "{" for a, b in zip(parts, given, strict=True))


def one_person(call: PersonCall) -> PersonCall:
    """`call`, if it names one person by one id. Raises: Refusal."""
    if bool(call.user_id) == bool(call.visitor_id):
        given = "both" if call.user_id else "neither"
        raise invalid([FieldProblem("user_id", given, "either user_id or visitor_id", "name one person by one id")])
    return call


def answered(answer: msgspec.Struct) -> Response:
    """`answer` as JSON."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


def refused_for(error: EndcapError) -> Refusal:
    """What an error of the product is over HTTP."""
    if isinstance(error, BackendUnavailable):
        structlog.get_logger().error("backend_unavailable", reason=str(error))
        detail = "the server cannot reach what it stores in, and stored nothing of this call; its log says why"
        return refusal(503, "backend-unavailable", detail, retry_after_s=5)
    if isinstance(error, InvalidRequest):
        return refusal(422, "invalid-request", str(error))
    structlog.get_logger().error("unanswerable", kind=type(error).__name__, reason=str(error))
    return refusal(500, "internal-error", "the server failed to answer; its log says why")


async def on_bug(_: HttpRequest, __: Exception) -> Response:
    """For errors that nobody foresaw; the server logs their traceback."""
    return refusal(500, "internal-error", "the server failed to answer; its log says why").response()


async def on_http(http: HttpRequest, error: HTTPException) -> Response:
    """For unknown paths and methods."""
    names = {404: "unknown-path", 405: "wrong-method"}
    name = names.get(error.status_code, "http-error")
    detail = f"{http.method} {shortened(http.scope['path'])}: {error.detail}; see /openapi.json"
    response = refusal(error.status_code, name, detail).response()
    for header, value in (error.headers or {}).items():
        response.headers[header] = value
    return response
