"""The OpenAPI document: every route, its bodies from the msgspec structs that read and write them."""

from typing import Any, Final, NamedTuple

import msgspec

import endcap
from endcap.serving import calls
from endcap.serving.problems import MEDIA_TYPE, Problem


class Documented(NamedTuple):
    """One route: what it does, the body it takes (or None), what it answers (None: text), and its failures."""

    method: str
    path: str
    summary: str
    body: type[msgspec.Struct] | None
    answer: type[msgspec.Struct] | None
    failures: tuple[int, ...]


_MEANINGS: Final = {
    400: "The body is not JSON",
    404: "Not known; the nearest name is in `detail`",
    413: "The body is too large",
    422: "A field is wrong; `errors` says which, what was given and what is expected",
    503: "Not now: starting, without a snapshot, overloaded or out of disk; `Retry-After` says when to come back",
}

_BODY: Final = (400, 413, 422, 503)
_OFFERS: Final = "/v1/catalog/offers"
_DECISION: Final = "/v1/decisions/{recommendation_id}"

ROUTES: Final = (
    Documented(
        "post", "/v1/recommendations", "A list for one placement",
        calls.RecommendationCall, calls.RecommendationAnswer, (404, *_BODY),
    ),
    Documented("post", "/v1/events", "What shoppers did", calls.EventsSchema, calls.EventsAnswer, _BODY),
    Documented("patch", _OFFERS, "New prices and stocks", calls.OffersSchema, calls.OffersAnswer, _BODY),
    Documented("get", _DECISION, "What was decided for one list, and why", None, calls.DecisionAnswer, (404, 503)),
    Documented("get", "/healthz", "Whether the server runs", None, calls.StatusAnswer, ()),
    Documented("get", "/readyz", "Whether lists are answered", None, calls.StatusAnswer, (503,)),
    Documented("get", "/metrics", "Figures for Prometheus", None, None, ()),
)  # fmt: skip


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    structs = [struct for route in ROUTES for struct in (route.body, route.answer) if struct] + [Problem]
    references, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    by_struct = dict(zip(structs, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, by_struct)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Endcap",
            "version": endcap.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Documented, schema: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    answer = (
        {"application/json": {"schema": schema[route.answer]}}
        if route.answer
        else {"text/plain": {"schema": {"type": "string"}}}
    )
    operation: dict[str, Any] = {
        "operationId": f"{route.method}_{route.path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": route.summary,
        "responses": {"200": {"description": route.summary, "content": answer}},
    }
    for status in route.failures:
        failure: dict[str, Any] = {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": schema[Problem]}},
        }
        if status == 503:
            failure["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
        operation["responses"][str(status)] = failure
    if route.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema[route.body]}}}
    if "{recommendation_id}" in route.path:
        operation["parameters"] = [
            {"name": "recommendation_id", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return operation
