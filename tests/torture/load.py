"""What is sent to a server under torture, and a ledger of what it answered; knows no process and no file.

Everything is drawn from a seed. Each event carries a name of its own in its recommendation id, which the log keeps in
the clear, so that what is stored can be counted whatever becomes of dedupe keys.
"""

import http.client
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

KINDS: Final = ("view_item", "view_item", "view_item", "select_item", "add_to_cart", "purchase", "refund")
KNOWN_ITEMS: Final = 60
MINUTE: Final = 60_000
DAY: Final = 24 * 60 * MINUTE
FIRST_PRICE: Final = 1_000_000


class Answer(NamedTuple):
    """What came back; `status` 0 where the connection ended before an answer was whole."""

    status: int
    text: bytes


UNANSWERED: Final = Answer(0, b"")


@dataclass
class Batch:
    """One call's events, all of which stand or fall together, with each answer to it: (accepted, duplicates)."""

    names: list[str]
    ids: list[str]
    body: bytes
    answers: list[tuple[int, int]] = field(default_factory=list)
    sent: int = 0

    @property
    def acknowledged(self) -> bool:
        """Whether the server ever said that it has this."""
        return bool(self.answers)


class Offer(NamedTuple):
    """A call that sets a price that no other call sets, in minor units."""

    price: int
    method: str
    path: str
    body: bytes


class Script:
    """An endless supply of calls, the same for the same seed and name, but for times, which are about now."""

    def __init__(self, seed: str, name: str) -> None:
        self._random = random.Random(f"{seed} {name}")
        self._name = name
        self._events = self._offers = 0

    def batch(self) -> Batch:
        """Between 1 and 40 events."""
        events = [self._event() for _ in range(self._random.randint(1, 40))]
        names = [str(event["recommendation_id"]) for event in events]
        ids = [str(event.get("event_id", "")) for event in events]
        return Batch(names, ids, json.dumps({"events": events}).encode())

    def offer(self) -> Offer:
        """A new price, and sometimes a stock, of one item; or an item, sometimes a new one in a group."""
        self._offers += 1
        price = FIRST_PRICE + self._offers
        told: dict[str, object] = {"id": f"SKU-{self._random.randrange(KNOWN_ITEMS)}", "price": f"{price / 100:.2f}"}
        if self._random.random() < 0.3:
            item = told | {"id": f"ITEM {price}", "title": "Lamp", "item_group_id": f"GROUP {price % 5}"}
            return Offer(price, "PUT", "/v1/catalog/items", json.dumps({"items": [item]}).encode())
        if self._random.random() < 0.3:
            told |= {"stock": self._random.choice((0, 1, 7))}
        return Offer(price, "PATCH", "/v1/catalog/offers", json.dumps({"offers": [told]}).encode())

    def signal(self) -> bytes:
        """Somebody logs in or out at a device; nothing but that."""
        name = self._random.choice(("login", "logout"))
        person = {"visitor_id": f"v{self._random.randrange(60)}"}
        person |= {"user_id": f"u{self._random.randrange(20)}"} if name == "login" else {}
        return json.dumps({"events": [{"name": name, "time": self._time(), **person}]}).encode()

    def wish(self) -> bytes:
        """A call for a list."""
        call = {"placement": self._random.choice(("home", "discovery")), **self._person(), "k": 5}
        return json.dumps(call).encode()

    def pause_s(self) -> float:
        """How long to wait before the next call."""
        return self._random.uniform(0, 0.1)

    def again(self, batch: Batch, latest: Sequence[Batch]) -> Batch | None:
        """What to send a second time at once: `batch`, one of the `latest` of all senders, or nothing yet."""
        return self._random.choices((batch, self._random.choice(latest), None), (35, 15, 50))[0]

    def _event(self) -> dict[str, object]:
        self._events += 1
        name = f"{self._name}.{self._events}"
        event: dict[str, object] = {
            "recommendation_id": name,
            "name": self._random.choice(KINDS),
            "time": self._time(),
            **self._person(),
        }
        event["items"] = [self._line() for _ in range(1 if self._random.random() < 0.8 else 3)]
        if self._random.random() < 0.8:
            event["event_id"] = f"event {name}"
        if self._random.random() < 0.5:
            event["session_id"] = f"session {self._events // 30}"
        return event

    def _line(self) -> dict[str, object]:
        """An item of the catalog, or one that only a few events name and that needs a new row."""
        known = self._random.random() < 0.95
        item = f"SKU-{self._random.randrange(KNOWN_ITEMS)}" if known else f"NEW {self._events // 25}"
        return {"item_id": item, "quantity": self._random.randint(1, 3), "price": "7.50"}

    def _person(self) -> dict[str, str]:
        """A visitor, a visitor who is logged in, or a login alone."""
        visitor = {"visitor_id": f"v{self._random.randrange(60)}"}
        user = {"user_id": f"u{self._random.randrange(20)}"}
        return self._random.choices((visitor, visitor | user, user), (80, 12, 8))[0]

    def _time(self) -> int:
        """In the last hour; sometimes 40 days late, or by a clock that runs an hour ahead."""
        ago = self._random.choices((self._random.randrange(60 * MINUTE), 40 * DAY, -60 * MINUTE), (92, 5, 3))[0]
        return time.time_ns() // 1_000_000 - ago


class Caller:
    """One kept connection to a server."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def call(self, method: str, path: str, body: bytes) -> Answer:
        """The answer, `UNANSWERED` where the server went away."""
        try:
            self._connection.request(method, path, body, self._headers)
            response = self._connection.getresponse()
            return Answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return UNANSWERED

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@dataclass
class Ledger:
    """All that was sent to one shop and what was answered.

    `lists` has the moment (monotonic seconds) of each answer of this life of the server; `refused` are answers that no
    call here should get.
    """

    batches: list[Batch] = field(default_factory=list)
    offers: list[int] = field(default_factory=list)
    lists: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def send(self, batch: Batch, caller: Caller) -> bool:
        """Send `batch` once more and book the answer; whether there was one."""
        batch.sent += 1
        answer = caller.call("POST", "/v1/events", batch.body)
        if answer.status == 200:
            told = json.loads(answer.text)
            batch.answers.append((told["accepted"], told["duplicates"]))
            if told["problems"]:
                self.refused.append(f"events: {told['problems'][0]}")
        return self._answered(answer)

    def send_offer(self, offer: Offer, caller: Caller) -> bool:
        """Send `offer` and book the answer."""
        answer = caller.call(offer.method, offer.path, offer.body)
        if answer.status == 200 and json.loads(answer.text)["accepted"] == 1:
            self.offers.append(offer.price)
        return self._answered(answer)

    def send_signal(self, signal: bytes, caller: Caller) -> bool:
        """Send `signal` and book the answer."""
        return self._answered(caller.call("POST", "/v1/events", signal))

    def ask(self, wish: bytes, caller: Caller) -> bool:
        """Ask for a list and book its id with the moment (monotonic seconds) at which it was there."""
        answer = caller.call("POST", "/v1/recommendations", wish)
        if answer.status == 200:
            self.lists[json.loads(answer.text)["recommendation_id"]] = time.monotonic()
        return self._answered(answer)

    def acknowledged_events(self) -> int:
        """How many different events the server said that it has."""
        return sum(len(batch.names) for batch in list(self.batches) if batch.acknowledged)

    def owed(self) -> Iterator[Batch]:
        """Batches that were sent fewer than two times, or never answered."""
        return (batch for batch in self.batches if batch.sent < 2 or not batch.acknowledged)

    def _answered(self, answer: Answer) -> bool:
        if answer.status not in (0, 200):
            self.refused.append(f"{answer.status}: {answer.text[:300].decode('utf-8', 'replace')}")
        return answer.status != 0
