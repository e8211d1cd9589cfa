"""Pages of other packages beside the API: they see the shop once it is open; their answers keep their own headers."""

import asyncio
import time
from collections.abc import Callable

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from endcap import app
from endcap.serving import Clocks, Doors, Hooks, Options, application
from endcap.serving.problems import Refusal
from endcap.settings import ServingSettings
from endcap.storefront import Terms, storefront

OWN = "default-src 'none'; style-src 'self'"


def _pages(doors: Doors) -> list[Route]:
    async def window(_: Request) -> Response:
        try:
            doors.open_desk()
        except Refusal as refused:
            return PlainTextResponse("closed", refused.problem.status, {"Content-Security-Policy": OWN})
        return PlainTextResponse("open")

    return [Route("/window", window)]


@pytest.fixture
def ask() -> Callable[[str], httpx2.Response]:
    """A GET of a server whose shop is being opened, with the page mounted."""
    settings = ServingSettings()
    options = Options(**{name: getattr(settings, name) for name in Options.__dataclass_fields__})
    clocks = Clocks(app.now_ms, time.monotonic, str)
    hooks = Hooks(lambda: None, lambda _: None, [_pages, storefront(Terms([], "", app.now_ms))])
    front = application(lambda: pytest.fail("opened"), None, options, clocks, hooks)

    async def get(path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(front), base_url="http://shop") as http:
            return await http.get(path)

    return lambda path: asyncio.run(get(path))


def test_a_page_keeps_its_own_policy_and_gets_the_other_headers(ask: Callable[[str], httpx2.Response]) -> None:
    answer = ask("/window")
    assert (answer.status_code, answer.text) == (503, "closed")
    assert answer.headers.get_list("content-security-policy") == [OWN]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_api_keeps_the_strictest_policy(ask: Callable[[str], httpx2.Response]) -> None:
    answer = ask("/readyz")
    assert answer.status_code == 503
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]


def test_while_the_shop_is_being_opened_its_pages_ask_to_come_back(ask: Callable[[str], httpx2.Response]) -> None:
    answer = ask("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "One moment, please" in answer.text
    assert "The shop is being opened." in answer.text
    assert "<script" not in answer.text
    assert ask("/storefront.css").status_code == 200
