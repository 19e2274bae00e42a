"""From the arguments of a tool to a request: path, query, headers, cookies and body, as the document has them written.

Styles: https://spec.openapis.org/oas/v3.1.1.html#style-values
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from guru.agents.tools.builtin.openapi.document import Operation, Parameter
from guru.errors import InvalidParameter

BODY = "body"
SEPARATORS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}


class Request(Struct):
    url: str
    headers: dict[str, str]
    body: bytes


def names_of(operation: Operation) -> dict[str, Parameter]:
    """The parameters by the names that the tool has them under: where two have one name, with where they stand."""
    names: dict[str, Parameter] = {}
    for item in operation.parameters:
        taken = item.name in names or item.name == BODY
        names[f"{item.name}_{item.where}" if taken else item.name] = item
    return names


def parameters_schema(operation: Operation) -> dict[str, Any]:
    """The JSON Schema of the tool's arguments."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    required: list[str] = []
    for name, item in names_of(operation).items():
        schema = dict(item.schema)
        definitions |= schema.pop("$defs", {})
        properties[name] = {**schema, "description": item.description} if item.description else schema
        required += [name] if item.required else []
    if operation.body is not None:
        schema = dict(operation.body.schema)
        definitions |= schema.pop("$defs", {})
        described = {"description": operation.body.description} if operation.body.description else {}
        properties[BODY] = {**described, **schema}
        required += [BODY] if operation.body.required else []
    whole: dict[str, Any] = {
        "type": "object", "properties": properties, "required": required, "additionalProperties": False,
    }  # fmt: skip
    return {**whole, "$defs": definitions} if definitions else whole


def make_request(
    operation: Operation, arguments: Mapping[str, Any], *, base: str, headers: Mapping[str, str],
    query: Mapping[str, str],
) -> Request:  # fmt: skip
    """`headers` and `query` are of the configuration: no argument replaces them. Raises `InvalidParameter`."""
    path, pairs, cookies = operation.path, list[tuple[str, str]](), list[tuple[str, str]]()
    sent: dict[str, str] = {}
    for name, item in names_of(operation).items():
        if name not in arguments or arguments[name] is None:
            continue
        value = arguments[name]
        if item.where == "path":
            path = path.replace(f"{{{item.name}}}", segment(item, value))
        elif item.where == "header":
            sent[item.name.lower()] = header(joined(value), item.name)
        else:
            (pairs if item.where == "query" else cookies).extend(spread(item, value))
    if "{" in path:
        raise InvalidParameter(f"The path {path} is not complete.", hint="Give every parameter of the path.")
    if cookies:
        sent["cookie"] = header("; ".join(f"{name}={value}" for name, value in cookies), "cookie")
    body = encoded(operation, arguments.get(BODY), sent)
    pairs = [pair for pair in pairs if pair[0] not in query] + [(name, quote(value)) for name, value in query.items()]
    written = "&".join(f"{quote(name, safe='[]')}={value}" for name, value in pairs)
    address = base.rstrip("/") + path + (f"?{written}" if written else "")
    return Request(address, {**sent, **{name.lower(): value for name, value in headers.items()}}, body)


def segment(item: Parameter, value: Any) -> str:
    """A value within the path: it can add no segment, and go to none above."""
    text = joined(value)
    if text in ("", ".", ".."):
        raise InvalidParameter(f"{item.name!r} cannot be {text!r}.", hint="Give a name or number.", param=item.name)
    return quote(text, safe="")


def spread(item: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    """The pairs of a parameter, their values percent-encoded: `a=1&a=2`, `a=1,2`, `a[b]=1` ..."""
    if isinstance(value, list):
        if item.explode and item.style == "form":
            yield from ((item.name, encode(part)) for part in value)
        else:
            yield item.name, SEPARATORS.get(item.style, ",").join(map(encode, value))
    elif isinstance(value, dict):
        if item.style == "deepObject":
            yield from ((f"{item.name}[{key}]", encode(part)) for key, part in value.items())
        elif item.explode:
            yield from ((str(key), encode(part)) for key, part in value.items())
        else:
            yield item.name, ",".join(f"{quote(str(key), safe='')},{encode(part)}" for key, part in value.items())
    else:
        yield item.name, encode(value)


def encode(value: Any) -> str:
    return quote(scalar(value), safe="")


def joined(value: Any) -> str:
    """A value of the style `simple`: lists and tables with commas."""
    if isinstance(value, list):
        return ",".join(map(scalar, value))
    if isinstance(value, dict):
        return ",".join(f"{key},{scalar(part)}" for key, part in value.items())
    return scalar(value)


def scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def header(value: str, name: str) -> str:
    if not value.isprintable() or not value.isascii():
        raise InvalidParameter(f"{name!r} cannot be sent in a header.", hint="Use plain characters.", param=name)
    return value


def encoded(operation: Operation, value: Any, headers: dict[str, str]) -> bytes:
    """The body, and in `headers` what it is."""
    if operation.body is None or value is None:
        return b""
    headers["content-type"] = operation.body.media_type
    if operation.body.media_type == "application/x-www-form-urlencoded":
        fields = value if isinstance(value, dict) else {}
        return urlencode([(key, part) for key, item in fields.items() for part in form_values(item)]).encode()
    if operation.body.media_type == "text/plain":
        return scalar(value).encode()
    return msgspec.json.encode(value)


def form_values(value: Any) -> list[str]:
    return [scalar(part) for part in value] if isinstance(value, list) else [scalar(value)]
