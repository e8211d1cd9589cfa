"""The OpenAPI document: every route, its bodies from the msgspec structs that read and write them."""

import re
from typing import Any, Final, NamedTuple

import msgspec

import endcap
from endcap.access import Scope
from endcap.serving import answers, calls, goods
from endcap.serving.problems import MEDIA_TYPE, Problem


class Documented(NamedTuple):
    """One route: who may call it (None: anybody), the body it takes (None: none), what it answers (None: text).

    One that is not `public` is for this release's own commands on the same machine and is left out of the document.
    The fields of `query` are its parameters.
    """

    method: str
    path: str
    summary: str
    scope: Scope | None
    body: type[msgspec.Struct] | None
    answer: type[msgspec.Struct] | None
    failures: tuple[int, ...]
    public: bool = True
    query: type[msgspec.Struct] | None = None


_MEANINGS: Final = {
    400: "The body is not JSON, or nested too deep",
    401: "No key, or one that is unknown, expired or revoked",
    403: "The key's scope is too narrow; `detail` names the one that is needed",
    404: "Not known; the nearest name is in `detail`",
    408: "The body came too slowly",
    409: "The Idempotency-Key came before with another body",
    413: "The body is too large",
    415: "The body is not declared as uncompressed JSON",
    422: "A field is wrong; `errors` says which, what was given and what is expected",
    429: "The key's allowance is spent; `Retry-After` says when to come back",
    503: "Not now: starting, without a snapshot, overloaded or out of disk; `Retry-After` says when to come back",
}
_SCOPES: Final = "a key of `x-scope` or a wider one: publishable, secret, admin"
_OTHERS: Final = {
    "metrics": {"text/plain": {"schema": {"type": "string"}}},
    "openapi": {"application/json": {"schema": {"type": "object"}}},
}
_PARAMETERS: Final[dict[str, list[dict[str, Any]]]] = {
    "following": [
        {
            "name": "k",
            "in": "query",
            "required": False,
            "schema": {"type": "integer", "minimum": 1, "maximum": calls.MAX_K},
            "description": "places to fill; as many as before where it is not given",
        }
    ],
    "events": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "description": "the same key and body within a day get the same answer",
        }
    ],
}
_LATER: Final = (429, 503)

_KEYED: Final = (401, 403, 429)
_BODY: Final = (400, 401, 403, 408, 413, 415, 422, 429, 503)

ROUTES: Final[dict[str, Documented]] = {
    "recommendations": Documented(
        "post", "/v1/recommendations", "A list for one placement", "publishable",
        calls.RecommendationCall, calls.RecommendationAnswer, (404, *_BODY),
    ),
    "page": Documented(
        "post", "/v1/recommendations:batch", "The lists of one page, no item in two of them", "publishable",
        calls.BatchCall, calls.BatchAnswer, (404, *_BODY),
    ),
    "following": Documented(
        "get", "/v1/recommendations/{recommendation_id}/next", "What follows a list", "publishable",
        None, calls.RecommendationAnswer, (*_KEYED, 404, 422, 503),
    ),
    "search": Documented(
        "get", "/v1/search", "What is found for words, best for this shopper first", "publishable",
        None, calls.SearchAnswer, (*_KEYED, 404, 422, 503), query=calls.SearchCall,
    ),
    "suggestions": Documented(
        "get", "/v1/search/suggestions", "What to search for, from what is typed so far", "publishable",
        None, calls.SuggestionsAnswer, (*_KEYED, 422, 503), query=calls.SuggestionsCall,
    ),
    "events": Documented(
        "post", "/v1/events", "What shoppers did", "publishable", calls.EventsSchema, calls.EventsAnswer,
        (409, *_BODY),
    ),
    "offers": Documented(
        "patch", "/v1/catalog/offers", "New prices and stocks", "secret",
        calls.OffersSchema, calls.ItemsAnswer, _BODY,
    ),
    "items": Documented(
        "put", "/v1/catalog/items", "New and changed items", "secret",
        goods.CatalogItemsSchema, calls.ItemsAnswer, _BODY,
    ),
    "decision": Documented(
        "get", "/v1/decisions/{recommendation_id}", "What was decided for one list, and why", "secret",
        None, answers.DecisionAnswer, (*_KEYED, 404, 503),
    ),
    "refresh": Documented(
        "post", "/v1/admin/refresh", "Bring new items into every list soon, without training", "admin",
        None, calls.StatusAnswer, (*_KEYED, 503),
    ),
    "records": Documented(
        "post", calls.RECORDS, "Records of an import beside the server", "admin",
        calls.RecordsCall, calls.RecordsAnswer, _BODY, public=False,
    ),
    "erasures": Documented(
        "post", calls.ERASURES, "Forget one person for good", "admin",
        calls.PersonCall, calls.ErasureAnswer, _BODY,
    ),
    "exports": Documented(
        "post", calls.EXPORTS, "Everything that is held about one person", "admin",
        calls.PersonCall, calls.ExportAnswer, _BODY,
    ),
    "metrics": Documented("get", "/metrics", "Figures for Prometheus", "secret", None, None, _KEYED),
    "healthz": Documented("get", "/healthz", "Whether the server runs", None, None, calls.StatusAnswer, ()),
    "readyz": Documented("get", "/readyz", "Whether lists are answered", None, None, calls.StatusAnswer, (503,)),
    "openapi": Documented("get", "/openapi.json", "This document", None, None, None, ()),
}  # fmt: skip
"""Every route by its name; the server has these and no others."""


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    public = {name: route for name, route in ROUTES.items() if route.public}
    structs = [struct for route in public.values() for struct in (route.body, route.answer, route.query) if struct] + [
        Problem
    ]
    references, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    by_struct = dict(zip(structs, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for name, route in public.items():
        operation = paths.setdefault(route.path, {})[route.method] = _operation(name, route, by_struct)
        if route.query:
            operation["x-query"] = by_struct[route.query]
            operation["parameters"] += _parameters(schemas[route.query.__name__])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Endcap",
            "version": endcap.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": _SCOPES}},
        },
    }


def _parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of an object, which are all optional, as parameters of a query."""
    return [
        {"name": name, "in": "query", "required": False, "schema": field, "description": field.get("description", name)}
        for name, field in schema["properties"].items()
    ]


def _operation(name: str, route: Documented, schema: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    answer = {"application/json": {"schema": schema[route.answer]}} if route.answer else _OTHERS[name]
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "security": [{"key": []}] if route.scope else [],
        "x-scope": route.scope or "anybody",
        "responses": {"200": {"description": route.summary, "content": answer}},
    }
    for status in route.failures:
        failure: dict[str, Any] = {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": schema[Problem]}},
        }
        if status in _LATER:
            failure["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
        operation["responses"][str(status)] = failure
    if route.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema[route.body]}}}
    operation["parameters"] = [
        {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
        for each in re.findall(r"\{(\w+)\}", route.path)
    ] + _PARAMETERS.get(name, [])
    return operation
