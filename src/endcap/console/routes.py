"""`/explore` over HTTP: a key asked by a form, a form for one list or two, and what they are made of.

What is asked names people, so it travels in the bodies of forms, never in an address; ids of decisions alone may.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from endcap.console.asked import Asked, asked_of
from endcap.console.pool import seen
from endcap.console.sessions import PATH, Sessions
from endcap.console.views import LOOK, Side, explore_page, sign_in_page
from endcap.domain.ids import ItemKey
from endcap.errors import EndcapError
from endcap.pages import policy
from endcap.serving import Desk, Doors
from endcap.serving.answers import explanation
from endcap.serving.gate import read_body
from endcap.serving.lists import Explored
from endcap.serving.problems import Refusal, refusal, shortened
from endcap.serving.routes import refused_for

_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {"Content-Security-Policy": policy(LOOK, forms=True) + "; frame-ancestors 'none'"}

Page = Callable[[HttpRequest], Awaitable[Response]]


def console_routes(doors: Doors) -> Sequence[BaseRoute]:
    """The routes of the console."""
    console = Console(doors, Sessions(doors))
    pages: dict[tuple[str, str], Page] = {
        ("GET", PATH): console.form,
        ("POST", PATH): console.look,
        ("POST", f"{PATH}/key"): console.sign_in,
        ("POST", f"{PATH}/out"): console.sign_out,
    }
    return [Route(path, page, methods=[method]) for (method, path), page in pages.items()]


class Console:
    """The pages of one server."""

    def __init__(self, doors: Doors, sessions: Sessions) -> None:
        self._doors = doors
        self._sessions = sessions

    async def form(self, http: HttpRequest) -> Response:
        """The form; with `left_recommendation_id` in the address, what is recorded of it."""
        given = {name: value for name, value in http.query_params.items() if name.endswith("_recommendation_id")}
        return await self._answer(http, asked_of(given))

    async def look(self, http: HttpRequest) -> Response:
        """What the form asks for."""
        try:
            return await self._answer(http, asked_of(await self._posted(http)))
        except Refusal as refused:
            return _page(sign_in_page(refused.problem.detail), refused.problem.status)

    async def sign_in(self, http: HttpRequest) -> Response:
        """An admin key for a cookie."""
        try:
            key = self._doors.gate.keyed((await self._posted(http)).get("key", "").strip(), "admin")
        except Refusal as refused:
            return _page(sign_in_page(refused.problem.detail), refused.problem.status)
        response = RedirectResponse(PATH, 303)
        self._sessions.sign_in(key, response)
        return response

    async def sign_out(self, _: HttpRequest) -> Response:
        """The cookie goes."""
        response = RedirectResponse(PATH, 303)
        self._sessions.sign_out(response)
        return response

    async def _posted(self, http: HttpRequest) -> dict[str, str]:
        body = await read_body(http, self._doors.bounds, _FORM)
        return dict(parse_qsl(body.decode("utf-8", "replace")))

    async def _answer(self, http: HttpRequest, asked: Sequence[Asked]) -> Response:
        http.scope["endcap"] = {"route": PATH, "key": ""}
        if not self._sessions.signed_in(http):
            return _page(sign_in_page(""))
        placements: list[str] = []
        try:
            async with self._doors.admission.turn():
                desk = self._doors.open_desk()
                placements = list(desk.floor.ground.policy().placements)
                sides = _found(desk, asked)
                return _page(explore_page(placements, asked, sides, desk.floor.showcase, ""))
        except Refusal as refused:
            problem = refused.problem
        except EndcapError as error:
            problem = refused_for(error).problem
        return _page(explore_page(placements, asked, [], None, problem.detail), problem.status)


def _found(desk: Desk, asked: Sequence[Asked]) -> list[Side]:
    """What there is for each side. Raises: Refusal."""
    now = time.time_ns() // 1_000_000
    calls = [side.call(now) for side in asked if not side["recommendation_id"]]
    explored = iter(desk.explore(calls))
    names = ("Left", "Right") if len(asked) > 1 else ("The list",) * len(asked)
    return [
        _recorded(desk, name, side) if side["recommendation_id"] else _made(desk, name, side, next(explored))
        for name, side in zip(names, asked, strict=True)
    ]


def _made(desk: Desk, name: str, asked: Asked, explored: Explored) -> Side:
    showcase = desk.floor.showcase
    answer = explanation("", explored.decision, showcase, desk.watch.snapshot)
    looked_at = None
    if asked["item"]:
        row = desk.floor.rows.find(ItemKey("item", asked["item"]))
        if row is None or row >= len(desk.floor.shelf):
            detail = f"the shop knows no item {shortened(asked['item'])!r}; expected an id of the catalog"
            raise refusal(404, "unknown-item", detail)
        looked_at = seen(row, explored, showcase)
    return Side(name, answer, explored, looked_at)


def _recorded(desk: Desk, name: str, asked: Asked) -> Side:
    return Side(name, desk.decision(asked["recommendation_id"]), None, None)


def _page(html: str, status: int = 200) -> Response:
    return Response(html, status, _HEADERS, "text/html")
