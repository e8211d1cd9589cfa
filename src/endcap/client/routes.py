"""One method a route. Written by `make client` from the OpenAPI document, not by hand."""

import secrets
from typing import Self

from endcap.client.shapes import (
    BatchAnswer,
    BatchCall,
    CatalogItemsSchema,
    DecisionAnswer,
    ErasureAnswer,
    EventsAnswer,
    EventsSchema,
    ExportAnswer,
    ItemsAnswer,
    OffersSchema,
    PersonCall,
    RecommendationAnswer,
    RecommendationCall,
    SearchAnswer,
    SearchCall,
    StatusAnswer,
    SuggestionsAnswer,
    SuggestionsCall,
)
from endcap.client.transport import Anything, Sent, Transport, parameters, quoted


class Client:
    """A server at `url`, called with `key`; a call that is refused for now is tried again.

    Raises, in every method: ApiError.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 10.0, tries: int = 3) -> None:
        self._transport = Transport(url, key, timeout_s=timeout_s, tries=tries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End this thread's connection."""
        self._transport.close()

    def recommendations(self, call: RecommendationCall) -> RecommendationAnswer:
        """A list for one placement; needs publishable."""
        return self._transport.call(Sent("POST", "/v1/recommendations", body=call), RecommendationAnswer)

    def page(self, call: BatchCall) -> BatchAnswer:
        """The lists of one page, no item in two of them; needs publishable."""
        return self._transport.call(Sent("POST", "/v1/recommendations:batch", body=call), BatchAnswer)

    def following(self, recommendation_id: str, k: int | None = None) -> RecommendationAnswer:
        """What follows a list; needs publishable."""
        return self._transport.call(
            Sent("GET", f"/v1/recommendations/{quoted(recommendation_id)}/next", query={"k": k}), RecommendationAnswer
        )

    def search(self, call: SearchCall) -> SearchAnswer:
        """What is found for words, best for this shopper first; needs publishable."""
        return self._transport.call(Sent("GET", "/v1/search", query=parameters(call)), SearchAnswer)

    def suggestions(self, call: SuggestionsCall) -> SuggestionsAnswer:
        """What to search for, from what is typed so far; needs publishable."""
        return self._transport.call(Sent("GET", "/v1/search/suggestions", query=parameters(call)), SuggestionsAnswer)

    def events(self, call: EventsSchema, idempotency_key: str | None = None) -> EventsAnswer:
        """What shoppers did; needs publishable."""
        return self._transport.call(
            Sent(
                "POST", "/v1/events", body=call, headers={"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
            ),
            EventsAnswer,
        )

    def offers(self, call: OffersSchema) -> ItemsAnswer:
        """New prices and stocks; needs secret."""
        return self._transport.call(Sent("PATCH", "/v1/catalog/offers", body=call), ItemsAnswer)

    def items(self, call: CatalogItemsSchema) -> ItemsAnswer:
        """New and changed items; needs secret."""
        return self._transport.call(Sent("PUT", "/v1/catalog/items", body=call), ItemsAnswer)

    def decision(self, recommendation_id: str) -> DecisionAnswer:
        """What was decided for one list, and why; needs secret."""
        return self._transport.call(Sent("GET", f"/v1/decisions/{quoted(recommendation_id)}"), DecisionAnswer)

    def refresh(self) -> StatusAnswer:
        """Bring new items into every list soon, without training; needs admin."""
        return self._transport.call(Sent("POST", "/v1/admin/refresh"), StatusAnswer)

    def erasures(self, call: PersonCall) -> ErasureAnswer:
        """Forget one person for good; needs admin."""
        return self._transport.call(Sent("POST", "/v1/admin/erasures", body=call), ErasureAnswer)

    def exports(self, call: PersonCall) -> ExportAnswer:
        """Everything that is held about one person; needs admin."""
        return self._transport.call(Sent("POST", "/v1/admin/exports", body=call), ExportAnswer)

    def metrics(self) -> str:
        """Figures for Prometheus; needs secret."""
        return self._transport.call(Sent("GET", "/metrics"), str)

    def healthz(self) -> StatusAnswer:
        """Whether the server runs; needs no key."""
        return self._transport.call(Sent("GET", "/healthz"), StatusAnswer)

    def readyz(self) -> StatusAnswer:
        """Whether lists are answered; needs no key."""
        return self._transport.call(Sent("GET", "/readyz"), StatusAnswer)

    def openapi(self) -> Anything:
        """This document; needs no key."""
        return self._transport.call(Sent("GET", "/openapi.json"), Anything)
