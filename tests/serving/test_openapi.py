"""The document lists every route and describes what is really answered."""

import time
from typing import Any

import pytest

NOW_MS = time.time_ns() // 1_000_000
EVENT = {"name": "view_item", "time": NOW_MS, "visitor_id": "v", "items": [{"item_id": "SKU-1"}]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/v1/recommendations", {"placement": "home", "visitor_id": "v3"}),
        ("post", "/v1/recommendations", {"placement": "nowhere"}),
        ("post", "/v1/recommendations", {"placement": "home", "k": 0}),
        ("post", "/v1/events", {"events": [EVENT, {}]}),
        ("post", "/v1/events", {"events": {}}),
        ("patch", "/v1/catalog/offers", {"offers": [{"id": "SKU-1", "price": 3}, {"id": "GONE", "stock": 1}]}),
        ("get", "/v1/decisions/{recommendation_id}", None),
        ("get", "/healthz", None),
        ("get", "/readyz", None),
    ],
)
def test_real_answers_fit_the_document(server: Any, method: str, path: str, body: object) -> None:
    document = server.http.get("/openapi.json").json()
    made = server.post("/v1/recommendations", placement="product", anchors=["SKU-1"])["recommendation_id"]
    answer = server.http.request(method, path.format(recommendation_id=made), json=body)
    content = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    media_type = answer.headers["content-type"]
    assert _misfits(answer.json(), content[media_type]["schema"], document["components"]["schemas"]) == []


def _misfits(value: Any, schema: dict[str, Any], schemas: dict[str, Any], path: str = "$") -> list[str]:
    """Where `value` does not fit `schema`: the part of JSON Schema that the document uses, and no field unheard of."""
    if "$ref" in schema:
        return _misfits(value, schemas[schema["$ref"].split("/")[-1]], schemas, path)
    if "anyOf" in schema:
        found = [_misfits(value, each, schemas, path) for each in schema["anyOf"]]
        return min(found, key=len)
    kinds: dict[str, tuple[type, ...]] = {
        "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
        "boolean": (bool,), "null": (type(None),),
    }  # fmt: skip
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return [f"{path}: {value!r} is no {schema['type']}"]
    if isinstance(value, list):
        return [each for item in value for each in _misfits(item, schema.get("items", {}), schemas, f"{path}[]")]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    missing = [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
    strange = [f"{path}.{name} is unheard of" for name in value if name not in schema["properties"]]
    inner = [
        each
        for name, item in value.items()
        if name in schema["properties"]
        for each in _misfits(item, schema["properties"][name], schemas, f"{path}.{name}")
    ]
    return missing + strange + inner
