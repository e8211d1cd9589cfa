"""Errors over HTTP as RFC 9457 problem details, with one entry per field: what was given, expected, and the remedy."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace
from starlette.responses import Response

T = TypeVar("T")

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:endcap:problem:"
_GIVEN_LENGTH: Final = 80


class FieldProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a body; `field` is a path such as `items[0].price`."""

    field: str
    given: Any
    expected: str
    remedy: str = ""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is no success (RFC 9457, `type` a URN of Endcap's)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class Refusal(Exception):
    """A request ends with `problem`; raised at the edge only and answered there."""

    def __init__(self, problem: Problem, retry_after_s: int = 0) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}

    def response(self) -> Response:
        """The HTTP answer."""
        return Response(msgspec.json.encode(self.problem), self.problem.status, self.headers, MEDIA_TYPE)

    def carrying(self, **headers: str) -> "Refusal":
        """This refusal, with more headers; `_` stands for `-`."""
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self


def refusal(
    status: int, name: str, detail: str, errors: list[FieldProblem] | None = None, retry_after_s: int = 0
) -> Refusal:
    """A refusal of type `urn:endcap:problem:<name>`, titled by the name's words.

    >>> refusal(404, "unknown-placement", "…").problem.title
    'Unknown placement'
    """
    title = name.replace("-", " ").capitalize()
    return Refusal(Problem(_TYPE + name, title, status, detail, errors or []), retry_after_s)


def invalid(errors: list[FieldProblem]) -> Refusal:
    """A refusal for a body whose fields are wrong."""
    first = errors[0]
    detail = f"{first.field}: expected {first.expected}, given {first.given!r}"
    return refusal(422, "invalid-request", detail + (f"; {first.remedy}" if first.remedy else ""), errors)


def within(path: str, refused: Refusal) -> Refusal:
    """`refused` of a part that stands at `path` of the body."""
    problem = refused.problem
    errors = [replace(error, field=f"{path}.{error.field}") for error in problem.errors]
    return Refusal(replace(problem, detail=f"{path}: {problem.detail}", errors=errors))


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """`body` as the decoder's type. Raises: Refusal that says which field is wrong."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid([field_problem(error, body, decoder.type)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refusal(400, "malformed-json", f"the body ({len(body)} bytes) is not JSON: {_why(error)}") from None


def asked(parameters: Mapping[str, str], expected: type[T]) -> T:
    """The parameters of a query as an `expected`. Raises: Refusal that says which one is wrong."""
    try:
        return msgspec.convert(dict(parameters), expected, strict=False)
    except msgspec.ValidationError as error:
        raise invalid([field_problem(error, msgspec.json.encode(dict(parameters)), expected)]) from None


def _why(error: Exception) -> str:
    """`error` without the bytes that it met."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def entry_problem(error: Exception, entry: bytes, expected_type: Any) -> FieldProblem:
    """What is wrong with an entry of a list, whether it is no JSON or not of `expected_type`."""
    if isinstance(error, msgspec.ValidationError):
        return field_problem(error, entry, expected_type)
    return FieldProblem("entry", None, "JSON", f"not JSON: {_why(error)}")


def field_problem(error: msgspec.ValidationError, body: bytes, expected_type: Any = None) -> FieldProblem:
    """What msgspec found, with the value that stands at its path in `body`."""
    text, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if unknown := re.match(r"Object contains unknown field `(.*)`", text):
        known = _fields(expected_type)
        near = get_close_matches(unknown[1], known, 1, 0.5)
        remedy = f"did you mean {near[0]}?" if near else "leave it out"
        name = f"{field}.{unknown[1]}" if field else unknown[1]
        return FieldProblem(name, shortened(_at(body, name)), "a field of this body", remedy)
    if missing := re.match(r"Object missing required field `(.*)`", text):
        return FieldProblem(f"{field}.{missing[1]}" if field else missing[1], None, "a value", "add this field")
    expected = re.sub(r", got .*$", "", text).removeprefix("Expected ").replace("`", "")
    return FieldProblem(field or "body", shortened(_at(body, field)), expected)


def _fields(expected_type: Any) -> list[str]:
    """The names of fields in `expected_type` and the structs within it."""
    _, components = msgspec.json.schema_components([expected_type])
    return [name for component in components.values() for name in component.get("properties", {})]


def _at(body: bytes, path: str) -> Any:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def shortened(value: Any) -> Any:
    """`value` as it may stand in a problem: a scalar as it is, long text cut, a container by its kind only."""
    if isinstance(value, str):
        return value if len(value) <= _GIVEN_LENGTH else value[:_GIVEN_LENGTH] + "…"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return value
