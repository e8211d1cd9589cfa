"""Everything that is held about one person, as plain values a person can read; nobody else's.

Ids that were never stored, such as an e-mail address or the shop's own id of the person, are not in it.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from endcap.backends.log import Log, Record
from endcap.backends.log.bodies import unpack
from endcap.domain.decisions import Decision
from endcap.domain.events import KINDS, UNKNOWN_PRICE, Event, Events
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, SECOND, iso
from endcap.domain.money import major_units
from endcap.domain.people import Link
from endcap.domain.requests import Request
from endcap.privacy.erasure import Person
from endcap.state import NEVER, NEWCOMER, Shopper, fold

FORMAT: Final = 1
_NAMES: Final = {int(kind): name for name, kind in KINDS.items()}


class Asked(NamedTuple):
    """When an export was asked for (ms UTC), in the shop's currency, and which item stands in each row."""

    at: int
    currency: str
    items: Sequence[ItemKey]

    def ids(self, rows: Any) -> list[str]:
        """Item ids of `rows`."""
        return [self.items[row].id for row in rows.tolist()]


def export(log: Log, person: Person, asked: Asked) -> dict[str, Any]:
    """Events, links, decisions and folded state of `person`, by plain names and item ids."""
    records = sorted(record for key in dict.fromkeys(person.shoppers) for record in log.person("events", key))
    nouns = [unpack(record.entry.kind, record.entry.version, record.entry.body) for record in records]
    events = sorted((noun for noun in nouns if isinstance(noun, Event)), key=lambda event: event.time)
    decisions = sorted(record for key in dict.fromkeys(person.shoppers) for record in log.person("decisions", key))
    sessions, orders = _Numbers(), _Numbers()
    return {
        "format": FORMAT,
        "exported_at": iso(asked.at),
        "logins": [
            {"visitor_generation": noun.generation, "at": iso(noun.at), "logged_in": bool(noun.user)}
            for noun in nouns
            if isinstance(noun, Link)
        ],
        "events": [
            {
                "name": _NAMES[int(event.kind)],
                "time": iso(event.time),
                "received": iso(event.received),
                "items": _lines(event, asked),
                **_given(
                    session=sessions.of(event.session),
                    order=orders.of(event.basket),
                    region=event.region,
                    placement=event.placement,
                    recommendation_id=event.recommendation_id,
                    device=event.device,
                    referrer=event.referrer,
                    search_terms=event.terms,
                    seconds_on_page=event.dwell,
                    percent_scrolled=event.scrolled,
                ),
            }
            for event in events
        ],
        "lists_shown": [_shown(record, asked) for record in decisions],
        "profile": _profile(_folded(events), asked),
    }


class _Numbers:
    """Sessions and orders are kept as keyed numbers; here they are counted from 1."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def of(self, number: int) -> int:
        return self._seen.setdefault(number, len(self._seen) + 1) if number else 0


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _lines(event: Event, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "item_id": asked.items[line.row].id,
            "quantity": line.quantity,
            **({} if line.price == UNKNOWN_PRICE else {"price": major_units(line.price, asked.currency)}),
        }
        for line in event.lines
    ]


def _shown(record: Record, asked: Asked) -> dict[str, Any]:
    decision: Decision = unpack("decision", record.entry.version, record.entry.body)
    request: Request = decision.request
    return {
        "recommendation_id": record.entry.key.decode(),
        "at": iso(request.at),
        "placement": request.placement,
        "items": [{"item_id": asked.items[shown.row].id, "because": shown.reason.code} for shown in decision.slate],
        "sent_along": _sent(request.session, asked),
        **_given(
            anchors=asked.ids(request.anchors),
            exclude=asked.ids(request.exclude),
            shown_before=asked.ids(request.shown),
            filter=request.filter,
            searched=request.query.said(),
            region=request.region,
            device=request.device,
            locale=request.locale,
            referrer=request.referrer,
        ),
    }


def _sent(events: Events, asked: Asked) -> list[dict[str, Any]]:
    lines = zip(events.time.tolist(), events.kind.tolist(), asked.ids(events.row), strict=True)
    return [{"name": _NAMES[kind], "time": iso(time), "item_id": item} for time, kind, item in lines]


def _folded(events: Sequence[Event]) -> Shopper:
    shopper = NEWCOMER
    for event in events:
        if not event.bot:
            shopper = fold(shopper, Events.of([event]), region=event.region)
    return shopper


def _profile(shopper: Shopper, asked: Asked) -> dict[str, Any]:
    """What lists are computed from: the same fold as the one that serves."""
    bought = shopper.purchases
    return {
        "lines": shopper.lines,
        "recent": _sent(shopper.recent, asked),
        "bought": [
            {"item_id": item, "times": count, **_given(last=iso(last * DAY)[:10] if last else "")}
            for item, count, last in zip(
                asked.ids(bought["row"]), bought["count"].tolist(), bought["last"].tolist(), strict=True
            )
        ],
        "pages_looked_at": [
            {"item_id": item, "known_from": iso(at * SECOND), "seconds": dwell, "percent_scrolled": scrolled}
            for item, (at, _, dwell, scrolled) in zip(
                asked.ids(shopper.looks["row"]), shopper.looks.tolist(), strict=True
            )
        ],
        **_given(first_seen=iso(shopper.first) if shopper.first != NEVER else "", region=shopper.region),
    }
