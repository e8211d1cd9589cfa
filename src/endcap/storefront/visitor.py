"""Who is looking: a new visitor or one of the demo's personas, with consent, cart and what they asked not to see.

All of it stands in the browser's cookies and nothing on the server. Knows cookies, not pages; a cookie that cannot be
read counts as none.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

T = TypeVar("T")

MOST_LINES: Final = 30
MOST_HIDDEN: Final = 60
MOST_PIECES: Final = 99
KEPT_S: Final = 90 * 24 * 3_600
"""How long a browser keeps the cookies, and with them what a visitor does not want to see."""
_MOST_BYTES: Final = 3_600
_NEW: Final = re.compile(r"web-[0-9a-f]{16,64}")
_PREFIX: Final = "endcap_"


class Persona(NamedTuple):
    """A person of the shop's history whom one can look as: one of the two ids is given, the other empty."""

    label: str
    visitor_id: str = ""
    user_id: str = ""


NEWCOMER: Final = "A new visitor"


@dataclass(frozen=True, slots=True)
class Visitor:
    """One browser. `name` is that of a persona, `guest-N`, or of a new visitor, `web-…`.

    `cart` holds items with their pieces, `hidden` the items that must not be shown; both the latest last.
    """

    name: str
    persona: Persona
    consent: bool = True
    cart: tuple[tuple[str, int], ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def person(self) -> tuple[str, str]:
        """The visitor's and the user's id as calls of the API take them; empty without consent."""
        return (self.persona.visitor_id, self.persona.user_id) if self.consent else ("", "")

    def put(self, item: str, pieces: int) -> "Visitor":
        """With so many pieces of `item` in the cart, none where it is 0."""
        others = [line for line in self.cart if line[0] != item]
        kept = [*others, (item, min(pieces, MOST_PIECES))] if pieces > 0 else others
        return replace(self, cart=tuple(kept[-MOST_LINES:]))

    def pieces(self, item: str) -> int:
        """How many of `item` are in the cart."""
        return dict(self.cart).get(item, 0)

    def hide(self, item: str) -> "Visitor":
        """Without `item` in lists from now on; of many the first hidden come back."""
        return replace(self, hidden=(*(each for each in self.hidden if each != item), item)[-MOST_HIDDEN:])

    def remember(self, response: Response) -> Response:
        """`response` with cookies that say all this."""
        told = {
            "who": self.name,
            "consent": "granted" if self.consent else "denied",
            "cart": _packed(self.cart),
            "hidden": _packed(self.hidden),
        }
        for name, value in told.items():
            response.set_cookie(_PREFIX + name, value, max_age=KEPT_S, httponly=True, samesite="lax")
        return response


def visitor_of(http: HttpRequest, personas: Sequence[Persona], new: str) -> Visitor:
    """Who the cookies of `http` say; a browser that has none is the new visitor `new`."""
    cookies = {name.removeprefix(_PREFIX): value for name, value in http.cookies.items()}
    who = known_as(cookies.get("who", ""), personas) or known_as(new, personas)
    if who is None:
        raise ValueError(f"{new!r} is no name of a new visitor; expected web- and 16 to 64 hexadecimal digits")
    return replace(
        who,
        consent=cookies.get("consent") != "denied",
        cart=tuple((item, min(max(pieces, 1), MOST_PIECES)) for item, pieces in _unpacked(cookies.get("cart"), _LINES)),
        hidden=tuple(_unpacked(cookies.get("hidden"), _ITEMS)),
    )


def known_as(name: str, personas: Sequence[Persona]) -> Visitor | None:
    """The visitor called `name`, with an empty cart; None where nobody is.

    >>> known_as("guest-0", [Persona("A parent", user_id="u7")]).persona.label
    'A parent'
    """
    number = re.fullmatch(r"guest-([0-9]{1,3})", name)
    if number and int(number[1]) < len(personas):
        return Visitor(name, personas[int(number[1])])
    return Visitor(name, Persona(NEWCOMER, visitor_id=name)) if _NEW.fullmatch(name) else None


_LINES: Final = msgspec.json.Decoder(list[tuple[str, int]])
_ITEMS: Final = msgspec.json.Decoder(list[str])


def _packed(values: Sequence[object]) -> str:
    """JSON in letters that a cookie may hold, without the first values where it would be too long."""
    kept = list(values)
    while len(packed := base64.urlsafe_b64encode(msgspec.json.encode(kept))) > _MOST_BYTES:
        kept.pop(0)
    return packed.decode().rstrip("=")


def _unpacked(packed: str | None, decoder: "msgspec.json.Decoder[list[T]]") -> list[T]:
    try:
        return decoder.decode(base64.urlsafe_b64decode((packed or "") + "=" * (-len(packed or "") % 4)))
    except (ValueError, UnicodeDecodeError):
        return []
