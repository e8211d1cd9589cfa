"""Who is signed in: a cookie that stands for an admin key and ends with the key, after hours, or with the server.

The cookie names the key's id and when it ends, under a signature whose secret is made at every start; the key itself is
sent once, in the body of a form, and kept nowhere.
"""

import hmac
import secrets
import time
from typing import Final

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from endcap.access import Key
from endcap.serving import Doors

COOKIE: Final = "endcap_console"
PATH: Final = "/explore"
_LASTS_S: Final = 8 * 3_600


class Sessions:
    """The operators of one server."""

    def __init__(self, doors: Doors) -> None:
        self._gate = doors.gate
        self._secret = secrets.token_bytes(32)

    def sign_in(self, key: Key, response: Response) -> None:
        """Let `response` carry the cookie that stands for `key`."""
        until = str(int(time.time()) + _LASTS_S)
        value = f"{key.id}.{until}.{self._signature(key.id, until)}"
        response.set_cookie(COOKIE, value, max_age=_LASTS_S, path=PATH, httponly=True, samesite="strict")

    def sign_out(self, response: Response) -> None:
        """Let `response` take the cookie away."""
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")

    def signed_in(self, http: HttpRequest) -> bool:
        """Whether `http` comes from an operator whose key still holds."""
        if self._gate.open:
            return True
        number, _, rest = http.cookies.get(COOKIE, "").partition(".")
        until, _, signature = rest.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._signature(number, until).encode())
        return genuine and time.time() < int(until) and self._gate.holds(number, "admin")

    def _signature(self, number: str, until: str) -> str:
        return hmac.digest(self._secret, f"{number}.{until}".encode(), "sha256").hex()
