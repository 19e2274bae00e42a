"""The questions of a server as they are shown to a person: only what a form can have, nothing hidden, with warnings.

A server is somebody else's, and so are the words of its questions. What asks for more than a flat form of plain values
is refused; what looks like a request for a secret is shown with a warning, as the protocol forbids it in forms.
Specification: https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from guru.agents.mcp.client.suspicion import findings, hidden, texts_of, visible
from guru.agents.mcp.protocol import INVALID_PARAMS, McpError
from guru.agents.tools.asking import Elicitation
from guru.types import JSON

MOST_FIELDS: Final = 50
MOST_CHOICES: Final = 500
MOST_TEXT: Final = 20_000
"""Characters of one question, with all of its fields."""
MOST_URL: Final = 4096
KINDS: Final = ("string", "number", "integer", "boolean", "array")
FORMATS: Final = ("email", "uri", "date", "date-time")
NUMBERS: Final = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_SECRET: Final = re.compile(
    r"pass(?:word|phrase|code|wort)|kennwort|secret|credential|api[ _-]?key|access[ _-]?key|private[ _-]?key|token"
    r"|\bpin\b|\botp\b|\bcvv\b|\bcvc\b|card[ _-]?number|credit[ _-]?card|\biban\b|\bssn\b|social[ _-]?security"
    r"|recovery[ _-]?(?:code|phrase)|seed[ _-]?phrase",
    re.IGNORECASE,
)


def read_question(server: str, params: JSON, *, seconds: float) -> Elicitation | None:
    """The question of an `elicitation/create`; None for one that nobody is asked. Raises `McpError` for one that is
    none."""
    message = params.get("message")
    if not isinstance(message, str):
        return None
    if len(message) > MOST_TEXT:
        raise _wrong(f"`message` is longer than {MOST_TEXT:,} characters")
    shown = Elicitation(server=server, message=visible(message), seconds=seconds)
    if params.get("mode") == "url":
        url = params.get("url")
        if not isinstance(url, str) or not is_safe(url):
            return None
        shown.url = url
        shown.warnings = _warnings({"message": message})
        if "xn--" in (urlsplit(url).hostname or ""):
            shown.warnings.append("the name of its host has letters that may look like others")
        return shown
    schema = params.get("requestedSchema")
    if not isinstance(schema, dict):
        raise _wrong("`requestedSchema` is not an object")
    shown.schema = flat(schema)
    shown.warnings = _warnings({"message": message, "schema": schema})
    return shown


def is_safe(url: str) -> bool:
    """Whether a person can be shown an address: of the web, encrypted, with nothing that hides whose it is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= MOST_URL
    return plain and parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


def flat(schema: JSON) -> JSON:
    """A form's schema with what a form can have, and nothing else. Raises `McpError` for one that is not flat."""
    fields = schema.get("properties", {})
    if not isinstance(fields, dict) or len(fields) > MOST_FIELDS:
        raise _wrong(f"a form has at most {MOST_FIELDS} fields")
    if sum(len(text) for _, text in texts_of(fields)) > MOST_TEXT:
        raise _wrong(f"a form has at most {MOST_TEXT:,} characters")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) and name in fields for name in required):
        raise _wrong("`required` names a field that is not there")
    made = {name: _field(name, field) for name, field in fields.items()}
    return {"type": "object", "properties": made, "required": required}


def _field(name: str, field: Any) -> JSON:
    if hidden(name) or not name or not isinstance(field, dict) or field.get("type", "string") not in KINDS:
        raise _wrong(f"the field {visible(name)[:80]!r} is not a plain value")
    kind = field.get("type", "string")
    made: JSON = {"type": kind}
    made |= {key: visible(field[key]) for key in ("title", "description") if isinstance(field.get(key), str)}
    made |= {key: field[key] for key in NUMBERS if _is_number(field.get(key))}
    if field.get("format") in FORMATS:
        made["format"] = field["format"]
    if kind == "array":
        choices = _choices(name, field.get("items"))
        if choices is None:
            raise _wrong(f"the field {name[:80]!r} is a list of anything")
        made["items"] = {"type": "string", "anyOf": choices}
    elif kind == "string" and (choices := _choices(name, field)) is not None:
        made["oneOf"] = choices
    if _fits(kind, field.get("default")):
        made["default"] = field["default"]
    return made


def _choices(name: str, field: Any) -> list[JSON] | None:
    """The choices of a field with their titles, however a server writes them."""
    if not isinstance(field, dict):
        return None
    if isinstance(field.get("enum"), list):
        values, titles = field["enum"], field.get("enumNames")
        titles = titles if isinstance(titles, list) and len(titles) == len(values) else values
        found = list(zip(values, titles, strict=True))
    else:
        titled = field.get("oneOf", field.get("anyOf"))
        if titled is None:
            return None
        if not isinstance(titled, list) or not all(isinstance(item, dict) for item in titled):
            raise _wrong(f"the choices of {name[:80]!r} are none")
        found = [(item.get("const"), item.get("title", item.get("const"))) for item in titled]
    if not found or len(found) > MOST_CHOICES or not all(isinstance(text, str) for pair in found for text in pair):
        raise _wrong(f"the choices of {name[:80]!r} are not between 1 and {MOST_CHOICES} texts")
    return [{"const": value, "title": visible(title)} for value, title in found]


def _fits(kind: str, value: Any) -> bool:
    """Whether a default is of the field's kind; one that is not is left out."""
    if kind == "array":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) if kind == "string" else _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _warnings(question: JSON) -> list[str]:
    found = findings(question)
    if "schema" in question and any(_SECRET.search(text) for _, text in texts_of(question)):
        found.append("it seems to ask for a secret, which no server may ask for in a form")
    return found


def _wrong(what: str) -> McpError:
    return McpError(INVALID_PARAMS, f"This cannot be asked: {what}.")
