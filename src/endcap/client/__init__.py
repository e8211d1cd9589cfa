"""A typed client of the HTTP interface. It needs msgspec and the standard library, and nothing else of Endcap.

`shapes` and `routes` are written by `make client` from the OpenAPI document; the rest is by hand.

    from endcap.client import Client, RecommendationCall

    with Client("http://127.0.0.1:8765", key) as endcap:
        answer = endcap.recommendations(RecommendationCall("home", visitor_id="v-81f3", k=3))
        print([item.id for item in answer.items])
"""

from endcap.client.errors import (
    ApiError,
    Conflict,
    InvalidCall,
    NotFound,
    TooMany,
    Unauthenticated,
    Unavailable,
    WrongScope,
)
from endcap.client.routes import Client
from endcap.client.shapes import *  # noqa: F403 - what `shapes.__all__` lists

__all__ = [
    "ApiError",
    "Client",
    "Conflict",
    "InvalidCall",
    "NotFound",
    "TooMany",
    "Unauthenticated",
    "Unavailable",
    "WrongScope",
]
