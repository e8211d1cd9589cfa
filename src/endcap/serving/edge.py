"""Calls become nouns here: ids turn into rows and keyed hashes, texts into minor units and milliseconds.

Raw ids of people do not pass this module. Knows the shop's key, currency, time zone and rows, and how many of them
the shelf holds; reads no clock.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from endcap.backends.log import Entry
from endcap.backends.log.bodies import pack
from endcap.domain.arrays import NO_ROWS, Rows
from endcap.domain.bots import AGENTS
from endcap.domain.catalog import Change
from endcap.domain.circumstances import device_of, referrer_of
from endcap.domain.events import KINDS, MOST_DWELL, NO_EVENTS, UNKNOWN_PRICE, Event, Events, Kind, Line
from endcap.domain.ids import NOBODY, ItemKey, keyed_hash, keyed_number
from endcap.domain.instants import MINUTE, millis
from endcap.domain.money import exponent, price_units
from endcap.domain.people import SIGNALS
from endcap.domain.requests import Request
from endcap.errors import InvalidRequest
from endcap.ingest.rows import RowBook
from endcap.ingest.texts import Texts, known_terms
from endcap.privacy import Identities
from endcap.serving.calls import MAX_NEW_ITEMS, EventCall, ItemCall, OfferCall, RecommendationCall
from endcap.serving.problems import FieldProblem, invalid, refusal, shortened
from endcap.slate import FILTER_COLUMNS, check_filter
from endcap.state import Shelf

AHEAD: Final = 5 * MINUTE
"""How far an event's time may lie ahead of its receipt (clocks differ) before it becomes the time of receipt."""
_AGENTS: Final = re.compile(AGENTS)
_OLDEST_MS: Final = 100_000_000_000


class Moment(NamedTuple):
    """When a call came (ms UTC), and the seed that its recommendation id gives."""

    at: int
    seed: int


class Understood(NamedTuple):
    """A call as a request, and what in it could not be used: codes with a count, since ids may say who asked.

    `sought` is what was typed to search for; the snapshot that answers knows what of it may enter the request.
    """

    request: Request
    degraded: tuple[str, ...]
    sought: str = ""

    def of_nobody(self) -> "Understood":
        """The same without the person and what was sent along about them."""
        return self._replace(request=replace(self.request, shopper=NOBODY, session=NO_EVENTS))


class Posted(NamedTuple):
    """An event as it was posted: its own id (or empty), the time it told, whether too far ahead, and who it named."""

    event: Event
    event_id: str
    told: int
    ahead: bool
    named: bytes


class WrongFields(ValueError):
    """An entry of a list cannot be used; the other entries can."""

    def __init__(self, errors: list[FieldProblem]) -> None:
        super().__init__(errors[0].field)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Edge:
    """What one shop's calls are read with."""

    secret: bytes
    currency: str
    timezone: str
    rows: RowBook
    shelf: Shelf
    people: Identities
    texts: Texts = field(default_factory=Texts)

    def request(self, call: RecommendationCall, moment: Moment) -> Understood:
        """`call` as a request; items that the shop does not know are counted. Raises: Refusal."""
        anchors, unknown = self._known(call.anchors)
        session, strange = self._session(call, moment.at)
        context = call.context
        request = Request(
            placement=call.placement,
            at=moment.at,
            seed=moment.seed,
            k=call.k,
            shopper=self.people.shopper(call.user_id, call.visitor_id) if call.consent else NOBODY,
            anchors=anchors,
            session=session,
            exclude=self._known(call.exclude)[0],
            filter=_filter(call.filter),
            decimals=exponent(self.currency),
            region=context.region,
            device=context.device,
            locale=context.locale,
            referrer=_host(context.referrer),
            consent=call.consent,
        )
        counted = {"unknown_anchors": unknown, "unknown_session_items": strange}
        degraded = tuple(f"{code}:{count}" for code, count in counted.items() if count)
        return Understood(request, degraded, call.query)

    def _row(self, given: str) -> int | None:
        """The row of an item that state can answer for: a row is given before its log entry is folded."""
        row = self.rows.find(ItemKey("item", given))
        return row if row is not None and row < len(self.shelf) else None

    def _known(self, ids: Iterable[str]) -> tuple[Rows, int]:
        """The rows of `ids`, and how many of them are unknown."""
        found = [self._row(given) for given in dict.fromkeys(ids)]
        rows = [row for row in found if row is not None]
        return np.array(rows, np.int32) if rows else NO_ROWS, len(found) - len(rows)

    def _session(self, call: RecommendationCall, at: int) -> tuple[Events, int]:
        """The session's lines that name known items, none later than the request; and how many items are unknown."""
        if not call.session:
            return NO_EVENTS, 0
        lines: list[tuple[int, int, int, int, int, int]] = []
        unknown: set[str] = set()
        for index, event in enumerate(call.session):
            if event.name in SIGNALS:
                continue
            try:
                happened, meant = min(self._time(event), at), _kind(event)
                _check_items(event)
            except WrongFields as wrong:
                raise invalid([_within(f"session[{index}]", error) for error in wrong.errors]) from None
            session = keyed_number(self.secret, "session", event.session_id) if event.session_id and call.consent else 0
            for item in event.items:
                found = self._row(item.item_id)
                if found is None:
                    unknown.add(item.item_id)
                    continue
                lines.append((happened, found, meant, session, _dwell(event), int(event.percent_scrolled)))
        time, row, kind, number, dwell, scrolled = np.array(lines, np.int64).reshape(-1, 6).T.copy()
        small = kind.astype(np.uint8), number, dwell.astype(np.uint16), scrolled.astype(np.uint8)
        return Events(time, row.astype(np.int32), *small), len(unknown)

    def event(self, call: EventCall, received: int) -> Posted:
        """`call` as an event; an unknown item gets a row. Raises: WrongFields."""
        if not (call.user_id or call.visitor_id):
            raise WrongFields([FieldProblem("visitor_id", None, "the id of a visitor or a user", "add visitor_id")])
        kind, told = _kind(call), self._time(call)
        _check_items(call)
        prices = [self._price(item, call, f"items[{index}].price") for index, item in enumerate(call.items)]
        ahead = told > received + AHEAD
        happened = received if ahead else told
        event = Event(
            kind=kind,
            time=happened,
            received=received,
            shopper=self._person(call, happened),
            lines=tuple(
                Line(self.rows.ensure(ItemKey("item", item.item_id)), item.quantity, price)
                for item, price in zip(call.items, prices, strict=True)
            ),
            session=keyed_number(self.secret, "session", call.session_id) if call.session_id else 0,
            basket=keyed_number(self.secret, "basket", call.transaction_id) if call.transaction_id else 0,
            placement=call.placement,
            recommendation_id=call.recommendation_id,
            bot=bool(_AGENTS.search(call.user_agent)),
            region=call.region,
            device=device_of(call.device),
            referrer=referrer_of(call.page_referrer),
            terms=known_terms(call.search_term, self.texts.words) if call.search_term else "",
            dwell=_dwell(call),
            scrolled=int(call.percent_scrolled),
        )
        return Posted(event, call.event_id, told, ahead, self._named(call))

    def check_new(self, call: EventCall, most_rows: int) -> None:
        """Raises: WrongFields where the unknown items of `call` would make more than `most_rows` rows."""
        unknown = sum(self.rows.find(ItemKey("item", given)) is None for given in {item.item_id for item in call.items})
        if unknown and len(self.rows.keys()) + unknown > most_rows:
            expected = f"at most {MAX_NEW_ITEMS:,} items a call that the shop does not know"
            given = f"a list with {unknown} unknown items"
            raise WrongFields([FieldProblem("items", given, expected, "import the catalog first, or send fewer")])

    def signal(self, call: EventCall, received: int) -> bool:
        """Take in a `login` or `logout`; whether it changes who is who. Raises: WrongFields."""
        happened = min(self._time(call), received)
        needed = ("visitor_id", "user_id") if call.name == "login" else ("visitor_id",)
        missing = [
            FieldProblem(name, None, f"an id, since {call.name} says who has a device", f"add {name}")
            for name in needed
            if not getattr(call, name)
        ]
        if missing:
            raise WrongFields(missing)
        if call.name == "logout":
            return self.people.leave(call.visitor_id, happened)
        self._check_erased(call, happened)
        return self.people.meet(call.user_id, call.visitor_id, happened)

    def unlogged(self, at: int) -> list[Entry]:
        """What must stand in the log before the events that follow: new rows and new links."""
        return [*self.rows.unlogged(at), *self.people.unlogged()]

    def logged(self, entries: list[Entry]) -> None:
        """`entries` of `unlogged` are durable now."""
        self.rows.logged(entries)
        self.people.logged(entries)

    def _person(self, call: EventCall, happened: int) -> bytes:
        """Whose event it is; one that shows visitor and user together links them. Raises: WrongFields."""
        shopper = self._check_erased(call, happened)
        if call.user_id and call.visitor_id:
            self.people.meet(call.user_id, call.visitor_id, happened)
        return shopper

    def _check_erased(self, call: EventCall, happened: int) -> bytes:
        """Whose event it is, if that person was not erased since. Raises: WrongFields."""
        shopper = self.people.shopper(call.user_id, call.visitor_id, happened)
        if self.people.erased(shopper, happened):
            expected = "a time after this person's data was erased"
            raise WrongFields([FieldProblem("time", shortened(call.time), expected, "leave older events out")])
        return shopper

    def _named(self, call: EventCall) -> bytes:
        """The person as the call names it, whatever links are known: what a repeated call repeats."""
        if call.user_id:
            return keyed_hash(self.secret, "user", call.user_id)
        return keyed_hash(self.secret, "visitor", call.visitor_id)

    def entries(self, posted: Iterable[Posted]) -> list[Entry]:
        """Log entries: the dedupe key is the event's own id, or else its content and its how-manieth occurrence."""
        entries = []
        seen: Counter[bytes] = Counter()
        for event, event_id, told, _, named in posted:
            body = pack(event)
            if event_id:
                own = f"event:{event_id}".encode("utf-8", "surrogatepass")
                key = hashlib.blake2b(own, digest_size=16, key=self.secret).digest()
            else:
                content = pack(replace(event, time=told, received=0, shopper=named))
                seen[content] += 1
                key = hashlib.blake2b(b"%d:" % seen[content] + content, digest_size=16).digest()
            entries.append(Entry("event", key, event.shopper, event.time, body))
        return entries

    def change(self, call: OfferCall, at: int) -> Change:
        """The change of one offer at `at`. Raises: WrongFields."""
        row = self.rows.find(ItemKey("item", call.id))
        if row is None:
            raise WrongFields(
                [FieldProblem("id", shortened(call.id), "the id of an item in the catalog", "import the item first")]
            )
        if call.price is None and call.stock is None:
            raise WrongFields([FieldProblem("price", None, "a price, a stock or both", "add price or stock")])
        price = None if call.price is None else self._minor(call.price, "price")
        return Change(row, at, price=price, stock=call.stock)

    def _price(self, item: ItemCall, call: EventCall, field: str) -> int:
        if item.price is None or call.currency not in ("", self.currency):
            return UNKNOWN_PRICE
        return self._minor(item.price, field)

    def _minor(self, price: str | float, field: str) -> int:
        try:
            return price_units(price, self.currency)
        except ValueError:
            remedy = f"write a number such as 12.99, in {self.currency}"
            raise WrongFields(
                [FieldProblem(field, shortened(price), "an amount from 0 below 10^15 minor units", remedy)]
            ) from None

    def _time(self, call: EventCall) -> int:
        expected, remedy = "ISO 8601 or milliseconds since 1970 UTC", "write it like 2026-11-21T09:30:00Z"
        if isinstance(call.time, str):
            try:
                happened = millis(datetime.fromisoformat(call.time), self.timezone)
            except (ValueError, OverflowError):
                happened = -1
        else:
            happened = int(call.time) if abs(call.time) < 2**62 else -1
            if 0 <= happened < _OLDEST_MS:
                happened, remedy = -1, "these look like seconds: multiply by 1,000"
        if happened < 0:
            raise WrongFields([FieldProblem("time", shortened(call.time), expected, remedy)])
        return happened


def _dwell(call: EventCall) -> int:
    """Seconds on the page."""
    return int(min(call.engagement_time_msec / 1000, MOST_DWELL))


def _kind(call: EventCall) -> Kind:
    kind = KINDS.get(call.name)
    if kind is None:
        near = get_close_matches(call.name, (*KINDS, *SIGNALS), 1)
        remedy = f"did you mean {near[0]}?" if near else "leave other events out"
        expected = f"one of {', '.join((*KINDS, *SIGNALS))}"
        raise WrongFields([FieldProblem("name", shortened(call.name), expected, remedy)])
    return kind


def _check_items(call: EventCall) -> None:
    if not call.items:
        raise WrongFields([FieldProblem("items", [], "at least one item", f"name the items of {call.name}")])


def _within(path: str, error: FieldProblem) -> FieldProblem:
    return FieldProblem(f"{path}.{error.field}", error.given, error.expected, error.remedy)


def _filter(text: str) -> str:
    try:
        return check_filter(text)
    except InvalidRequest as wrong:
        expected = f"what must be true of {', '.join(FILTER_COLUMNS)}"
        problem = FieldProblem("filter", shortened(text), expected, str(wrong).removeprefix("filter: "))
        raise refusal(422, "invalid-request", str(wrong), [problem]) from None


def _host(referrer: str) -> str:
    """The host of a referring address; the rest of it may say who came.

    >>> _host("https://www.example.com/search?q=me@example.org"), _host("www.example.com")
    ('www.example.com', 'www.example.com')
    """
    try:
        return urlsplit(referrer if "//" in referrer else f"//{referrer}").hostname or ""
    except ValueError:
        return ""
