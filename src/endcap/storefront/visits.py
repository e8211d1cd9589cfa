"""One visit of one page: who comes, the shop as it is now, and what goes back; what is refused is a page, too.

Pages are rendered with a policy that runs no script and no style but the shop's own files. Forms are taken from the
shop's own pages alone. Knows the doors of the server, not what a page shows.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from endcap.errors import EndcapError
from endcap.pages.markup import Child
from endcap.serving import Desk, Doors
from endcap.serving.calls import EventCall
from endcap.serving.gate import Bounds, read_body
from endcap.serving.problems import Refusal, refusal
from endcap.serving.routes import refused_for
from endcap.storefront.frame import Site, document
from endcap.storefront.goods import Window
from endcap.storefront.rails import Asked, Rail, Wanted, rails
from endcap.storefront.shop_pages import problem
from endcap.storefront.visitor import NEWCOMER, Persona, Visitor, visitor_of

FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 20
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
_HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the storefront is given: personas to look as, the key for the tracker, and the time (ms UTC)."""

    personas: Sequence[Persona]
    key: str
    now: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one visitor; `session` is what a tab without consent sent along."""

    http: HttpRequest
    desk: Desk
    window: Window
    visitor: Visitor
    terms: Terms
    bounds: Bounds
    waited_s: float
    session: tuple[EventCall, ...] = ()

    def of(self, visitor: Visitor) -> "Visit":
        """The same visit, of `visitor`."""
        return replace(self, visitor=visitor)

    def named(self, prefix: str) -> tuple[str, ...]:
        """The names that the address gives after `prefix`, parted by slashes that are not part of a name."""
        return tuple(unquote(name) for name in self.path.removeprefix(prefix).split("/"))

    @property
    def path(self) -> str:
        """The address without what follows it, as it was asked for: a slash that is part of a name is quoted."""
        raw: bytes = self.http.scope["raw_path"]
        return raw.partition(b"?")[0].decode("ascii", "replace")

    async def form(self) -> dict[str, str]:
        """The fields of a form that was sent. Raises: Refusal."""
        body = await read_body(self.http, self.bounds, FORM)
        try:
            return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError:
            detail = f"the form has more than {MOST_FIELDS} fields, more than any of this shop's"
            raise refusal(422, "invalid-request", detail) from None

    async def rails(self, wanted: Sequence[Wanted]) -> list[Rail]:
        """The rails of the page. Raises: Refusal."""
        return await rails(self.desk, self.window, Asked(self.visitor, self.session, self.waited_s), wanted)

    async def record(self, name: str, items: Sequence[tuple[str, int]], **more: str) -> None:
        """Tell the shop what happened, unless there is no consent."""
        if not self.visitor.consent:
            return
        visitor_id, user_id = self.visitor.person
        event = {
            "name": name,
            "time": self.window.at,
            "items": [{"item_id": item, "quantity": pieces} for item, pieces in items],
            "user_agent": self.http.headers.get("user-agent", "")[:1_000],
            "visitor_id": visitor_id,
            "user_id": user_id,
            **{field: value for field, value in more.items() if value},
        }
        await self.desk.take_events([msgspec.Raw(msgspec.json.encode(event))], lambda _: None)

    def answer(self, title: str, body: Child, view: str = "") -> Response:
        """A page, with the cookies of the visitor as they are now."""
        url = self.http.url
        address = self.path + (f"?{url.query}" if url.query and self.http.method == "GET" else "")
        query = self.http.query_params.get("q", "")
        site = Site(self.visitor, self.terms.personas, self.window.departments(), self.terms.key, address, query)
        return self.visitor.remember(Response(document(site, title, body, view=view), 200, HEADERS, _HTML))

    def to(self, address: str) -> Response:
        """On to a page of the shop, after a form, with the cookies of the visitor as they are now."""
        return self.visitor.remember(RedirectResponse(own(address), 303, HEADERS))


Page: TypeAlias = Callable[[Visit], Awaitable[Response]]


def own(address: str) -> str:
    r"""`address`, if it is one of this shop's, else that of the first page.

    >>> own("/p/7?list=a"), own("//evil.example"), own("https://evil.example"), own("/\\evil.example")
    ('/p/7?list=a', '/', '/', '/')
    """
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside else "/"


def visited(path: str, page: Page, doors: Doors, terms: Terms, *methods: str) -> Route:
    """The route at `path` to `page`, with the open shop and the visitor."""

    async def answered(http: HttpRequest) -> Response:
        http.scope["endcap"] = {"route": path, "key": ""}
        try:
            if http.method == "POST":
                _check_same_origin(http)
            async with doors.admission.turn() as waited:
                desk = doors.open_desk()
                visitor = visitor_of(http, terms.personas, f"web-{secrets.token_hex(12)}")
                window = Window(desk.floor, terms.now())
                return await page(Visit(http, desk, window, visitor, terms, doors.bounds, waited))
        except Refusal as refused:
            return _refused(refused, terms)
        except EndcapError as error:
            return _refused(refused_for(error), terms)

    return Route(path, answered, methods=list(methods or ("GET",)))


def _refused(refused: Refusal, terms: Terms) -> Response:
    told = refused.problem
    title = "One moment, please" if told.status == 503 else told.title
    site = Site(Visitor("", Persona(NEWCOMER)), terms.personas, (), "", "/")
    html = document(site, title, problem(title, told.detail[:1].upper() + told.detail[1:] + "."))
    return Response(html, told.status, HEADERS | refused.headers, _HTML)


def _check_same_origin(http: HttpRequest) -> None:
    """Raises: Refusal 403 for forms that another site's page sends."""
    origin, site = http.headers.get("origin"), http.headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and urlsplit(origin).netloc != http.headers.get("host")
    if foreign or site not in ("same-origin", "none"):
        raise refusal(403, "another-site", "forms are taken from the shop's own pages alone")
