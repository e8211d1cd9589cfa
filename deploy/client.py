"""Write the typed client's `shapes` and `routes` from the OpenAPI document: a struct a schema, a method an operation.

    python deploy/client.py src/endcap/client

Knows the part of JSON Schema that the document uses, and fails on any other. `make client` runs it.
"""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from endcap.serving.openapi import document

_PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_NOTE: Final = "Written by `make client` from the OpenAPI document, not by hand."


def main() -> None:
    """Write both modules into the folder given, in the project's format."""
    folder, told = Path(sys.argv[1]), document()
    for name, text in (("shapes", shapes(told)), ("routes", routes(told))):
        path = folder / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        for action in (["check", "--fix-only"], ["format"]):
            subprocess.run([sys.executable, "-m", "ruff", *action, "--quiet", path], check=True)  # noqa: S603


def shapes(document: Mapping[str, Any]) -> str:
    """The module of structs, those that others name first."""
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    names = list(_ordered(schemas))
    listed = textwrap.fill(
        ", ".join(f'"{name}"' for name in sorted(names)), 116, initial_indent="    ", subsequent_indent="    "
    )
    head = f'"""What is sent and answered, as structs. {_NOTE}"""\n\nfrom typing import Any, Literal\n\n'
    text = "".join(_struct(name, schemas[name]) for name in names)
    used = [name for name in ("UNSET", "Struct", "UnsetType", "field") if re.search(rf"\b{name}\b", text)]
    return head + f"from msgspec import {', '.join(used)}\n\n__all__ = [\n{listed},\n]  # fmt: skip\n" + text


def routes(document: Mapping[str, Any]) -> str:
    """The module of the client, a method an operation."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    named = {name for *_, operation in operations for name in _names(operation)}
    text = "".join(_method(*each) for each in operations)
    head = f'"""One method a route. {_NOTE}"""\n\nimport secrets\nfrom typing import Self\n\n'
    head += "from endcap.client.shapes import (\n"
    head += "".join(f"    {name},\n" for name in sorted(named))
    head += ")\nfrom endcap.client.transport import Anything, Sent, Transport, parameters, quoted\n\n\n"
    head += (
        'class Client:\n    """A server at `url`, called with `key`; a call that is refused for now is tried again.\n\n'
    )
    head += '    Raises, in every method: ApiError.\n    """\n\n'
    head += "    def __init__(self, url: str, key: str, *, timeout_s: float = 10.0, tries: int = 3) -> None:\n"
    head += "        self._transport = Transport(url, key, timeout_s=timeout_s, tries=tries)\n\n"
    head += "    def __enter__(self) -> Self:\n        return self\n\n"
    head += "    def __exit__(self, *_: object) -> None:\n        self.close()\n\n"
    head += (
        '    def close(self) -> None:\n        """End this thread\'s connection."""\n        self._transport.close()\n'
    )
    return head + text


def _ordered(schemas: Mapping[str, Any]) -> Iterator[str]:
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            for other in re.findall(r"#/components/schemas/(\w+)", str(schemas[name])):
                yield from visit(other)
            yield name

    for name in schemas:
        yield from visit(name)


def _struct(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    lines = [f"\n\nclass {name}(Struct, frozen=True, omit_defaults=True):", f'    """{schema["description"]}"""', ""]
    for field, described in sorted(schema["properties"].items(), key=lambda each: each[0] not in required):
        kind = _type(described)
        lines.append(f"    {field}: {kind}" if field in required else f"    {field}: {_optional(kind, described)}")
    return "\n".join(lines) + "\n"


def _optional(kind: str, described: Mapping[str, Any]) -> str:
    if "default" not in described:
        return f"{kind} | UnsetType = UNSET"
    default = described["default"]
    if default == [] or isinstance(default, dict):
        return f"{kind} = field(default_factory={'list' if default == [] else kind})"
    return f"{kind} = {default!r}"


def _type(schema: Mapping[str, Any]) -> str:  # noqa: PLR0911 (one flat list of the forms a schema has)
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "allOf" in schema:
        return _type(schema["allOf"][0])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(part for each in schema["anyOf"] for part in _type(each).split(" | ")))
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    if not schema.keys() - {"description", "default"}:
        return "Any"
    match schema["type"]:
        case "array":
            return f"list[{_type(schema['items'])}]"
        case "object":
            inner = schema.get("additionalProperties")
            return f"dict[str, {_type(inner)}]" if isinstance(inner, dict) else "dict[str, Any]"
        case plain:
            return _PLAIN[plain]


def _answer(operation: Mapping[str, Any]) -> str:
    content = operation["responses"]["200"]["content"]
    if "application/json" not in content:
        return "str"
    schema = content["application/json"]["schema"]
    return _type(schema) if "$ref" in schema else "Anything"


def _body(operation: Mapping[str, Any]) -> str | None:
    content = operation.get("requestBody", {}).get("content", {})
    return _type(content["application/json"]["schema"]) if content else None


def _query(operation: Mapping[str, Any]) -> str | None:
    """The shape of the parameters, where they have one."""
    return _type(operation["x-query"]) if "x-query" in operation else None


def _names(operation: Mapping[str, Any]) -> Iterator[str]:
    """The shapes that a method names."""
    yield from (
        name
        for name in (_body(operation), _query(operation), _answer(operation))
        if name not in {None, "str", "Anything"} and name
    )


def _method(method: str, path: str, operation: Mapping[str, Any]) -> str:
    given, filled, query, headers = [], path, [], []
    for parameter in operation.get("parameters", []):
        name, where = parameter["name"], parameter["in"]
        plain = name.lower().replace("-", "_")
        if where == "path":
            given.append(f"{plain}: str")
            filled = filled.replace(f"{{{name}}}", f"{{quoted({plain})}}")
        elif where == "query" and "x-query" not in operation:
            given.append(f"{plain}: {_type(parameter['schema'])} | None = None")
            query.append(f'"{name}": {plain}')
        elif where == "header":
            given.append(f"{plain}: str | None = None")
            headers.append(f'"{name}": {plain} or secrets.token_hex(16)')
    body, shape = _body(operation), _query(operation)
    if body or shape:
        given.insert(0, f"call: {body or shape}")
    answer = _answer(operation)
    parts = [f'"{method.upper()}"', ("f" if "{" in filled else "") + f'"{filled}"']
    parts += [f"query={{{', '.join(query)}}}"] if query else []
    parts += ["query=parameters(call)"] if shape else []
    parts += ["body=call"] if body else []
    parts += [f"headers={{{', '.join(headers)}}}"] if headers else []
    scope = operation["x-scope"]
    needs = "needs no key" if scope == "anybody" else f"needs {scope}"
    return (
        f"\n    def {operation['operationId']}({', '.join(['self', *given])}) -> {answer}:\n"
        f'        """{operation["summary"]}; {needs}."""\n'
        f"        return self._transport.call(Sent({', '.join(parts)}), {answer})\n"
    )


if __name__ == "__main__":
    main()
