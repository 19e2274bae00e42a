"""What a modern request repeats of itself in HTTP headers, so that proxies need not read bodies: written, and checked.

Specification: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http, "Request
Metadata".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from guru.agents.mcp.protocol import HEADER_MISMATCH, McpError
from guru.types import JSON

NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
                "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}  # fmt: skip
"""The parameter that `Mcp-Name` repeats."""
MARK: Final = "x-mcp-header"
"""In a tool's schema: the parameter is repeated in `Mcp-Param-NAME`."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ENCODED: Final = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_PLAIN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_DATA: Final = ("const", "default", "enum", "examples")
_SAFE: Final = (1 << 53) - 1
_KINDS: Final = {"string": str, "integer": int, "boolean": bool}


def standard_headers(revision: str, method: str, params: JSON) -> dict[str, str]:
    """Those that every modern request has."""
    headers = {"mcp-protocol-version": revision, "mcp-method": method}
    name = params.get(NAMED.get(method, ""))
    return headers | {"mcp-name": encode_value(name)} if isinstance(name, str) else headers


def check_standard(method: str, params: JSON, headers: Mapping[str, str]) -> None:
    """Raises `McpError` when the headers say something else than the body."""
    if headers.get("mcp-method", "").strip() != method:
        raise _mismatch(f"Mcp-Method says {headers.get('mcp-method')!r}, and the body {method!r}.")
    name = params.get(NAMED.get(method, ""))
    if isinstance(name, str) and decode_value(headers.get("mcp-name")) != name:
        raise _mismatch(f"Mcp-Name says {headers.get('mcp-name')!r}, and the body {name!r}.")


def marked(schema: JSON) -> dict[str, tuple[str, ...]]:
    """The parameters of a tool that are repeated: the header's name to the path of the property.

    Raises `ValueError` for a mark that no client may follow: the tool is not to be used over HTTP.
    """
    found: dict[str, tuple[str, ...]] = {}
    marks = _count(schema)
    _collect(schema, (), found)
    if len(found) != marks:
        raise ValueError("a header is asked for where no property can be reached, or by two properties")
    return found


def _collect(schema: Any, path: tuple[str, ...], found: dict[str, tuple[str, ...]]) -> None:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for key, value in (properties or {}).items() if isinstance(properties, dict) else ():
        if not isinstance(value, dict):
            continue
        if MARK in value:
            name = value[MARK]
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} cannot be a header's name")
            if value.get("type") not in _KINDS:
                raise ValueError(f"{key!r} is not of type string, integer or boolean")
            if name.lower() in found:
                raise ValueError(f"{name!r} is asked for twice")
            found[name.lower()] = (*path, key)
        _collect(value, (*path, key), found)


def _count(schema: Any) -> int:
    """Marks anywhere in a schema, but not properties that happen to have the mark's name."""
    if isinstance(schema, list):
        return sum(map(_count, schema))
    if not isinstance(schema, dict):
        return 0
    own = int(MARK in schema and not isinstance(schema[MARK], dict))
    return own + sum(_count(value) for key, value in schema.items() if key not in _DATA)


def parameter_headers(schema: JSON, arguments: JSON) -> dict[str, str]:
    """The headers that a call with these arguments has. Raises `ValueError` as `marked` does."""
    headers = {}
    for name, path in marked(schema).items():
        value = _reach(arguments, path)
        if isinstance(value, str | bool) or (isinstance(value, int) and abs(value) <= _SAFE):
            headers[f"mcp-param-{name}"] = encode_value(value)
    return headers


def check_parameters(schema: JSON, arguments: JSON, headers: Mapping[str, str]) -> None:
    """Raises `McpError` when the headers say something else than the arguments. Marks that nobody may follow are read
    over: no client sends headers for them."""
    try:
        wanted = marked(schema)
    except ValueError:
        return
    for name, path in wanted.items():
        value, said = _reach(arguments, path), decode_value(headers.get(f"mcp-param-{name}"))
        if value is None and said is None:
            continue
        if said is None or not _same(value, said):
            raise _mismatch(f"Mcp-Param-{name} does not say what the body says for {'.'.join(path)!r}.")


def _reach(arguments: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        arguments = arguments.get(key) if isinstance(arguments, dict) else None
    return arguments


def _same(value: Any, said: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value) == said
    try:
        return float(said) == value
    except ValueError:
        return False


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def encode_value(value: str | int | bool) -> str:
    """A value as a header can carry it: as it is, or in base64 where it is not plain ASCII, or looks encoded."""
    text = _text(value)
    if _PLAIN.fullmatch(text) and not _ENCODED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def decode_value(value: str | None) -> str | None:
    """What a header says. Raises `McpError` for what no header may hold, or a coding that is broken."""
    if value is None:
        return None
    value = value.strip(" \t")
    if encoded := _ENCODED.fullmatch(value):
        try:
            return base64.b64decode(encoded[1], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _mismatch("A header's base64 cannot be decoded.") from None
    if value and not _PLAIN.fullmatch(value):
        raise _mismatch("A header has characters that belong in base64.")
    return value


def _mismatch(message: str) -> McpError:
    return McpError(HEADER_MISMATCH, f"Header mismatch: {message}")
