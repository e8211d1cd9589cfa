"""Schemathesis asks a server for what its OpenAPI document promises: requests from its schemas, right or wrong."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from endcap.serving.openapi import ROUTES, document
from servers import Server

ALWAYS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.ignored_auth,
]
ROW_BY_ROW = {"events", "offers", "items"}
"""A wrong entry of these lists is told beside the good ones, so such a body is no wrong body."""

schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_promises(case: Case[Any], server: Server) -> None:
    chosen = list(ALWAYS)
    if case.operation.definition.raw["operationId"] not in ROW_BY_ROW:
        chosen.append(checks.negative_data_rejection)
    headers = {"Authorization": server.http.headers["Authorization"]}
    case.call_and_validate(base_url=str(server.http.base_url), headers=headers, checks=chosen)


def test_all_public_routes_are_asked() -> None:
    asked = {each["operationId"] for methods in document()["paths"].values() for each in methods.values()}
    assert asked == {name for name, route in ROUTES.items() if route.public}
