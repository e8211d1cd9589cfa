"""`/tracker.js`: the module that shops' pages load from the server. Knows its bytes and how long browsers keep them."""

import gzip
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from endcap.serving import Doors

TRACKER: Final = "/tracker.js"
_SCRIPT: Final = files("endcap.storefront").joinpath("tracker.js").read_bytes()
_PACKED: Final = gzip.compress(_SCRIPT, 9, mtime=0)
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",  # modules are fetched with CORS, and it is the same for everybody
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=604800",
    "ETag": f'W/"{hashlib.sha256(_SCRIPT).hexdigest()[:16]}"',
    "Vary": "Accept-Encoding",
}


def tracker_routes(_: Doors) -> Sequence[BaseRoute]:
    """The route of the tracker, for everybody, also while the shop is being opened."""
    return [Route(TRACKER, _script)]


async def _script(http: HttpRequest) -> Response:
    if http.headers.get("if-none-match") == _HEADERS["ETag"]:
        return Response(status_code=304, headers=_HEADERS)
    if "gzip" not in http.headers.get("accept-encoding", ""):
        return Response(_SCRIPT, headers=_HEADERS, media_type="text/javascript")
    return Response(_PACKED, headers={**_HEADERS, "Content-Encoding": "gzip"}, media_type="text/javascript")
