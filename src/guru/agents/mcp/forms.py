"""Forms that a server asks a person to fill in (elicitation): flat, of plain values.

Whoever receives an answer checks it, as the other side may be anybody. Specification:
https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from guru.types import JSON

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def with_defaults(schema: JSON, content: JSON) -> JSON:
    """`content`, and the defaults of the fields that it leaves out."""
    fields: JSON = schema.get("properties") or {}
    given = {name: field["default"] for name, field in fields.items() if isinstance(field, dict) and "default" in field}
    return given | content


def problems(schema: JSON, content: Any) -> list[str]:
    """What is wrong with an answer to a form, in words for whoever gave it; empty when nothing is."""
    if not isinstance(content, dict):
        return ["The answer is not an object."]
    fields: JSON = schema.get("properties") or {}
    missing = [f"{name!r} is missing." for name in schema.get("required") or () if name not in content]
    return missing + [
        problem for name, value in content.items() if name in fields for problem in _check(name, fields[name], value)
    ]


def _check(name: str, field: Any, value: Any) -> list[str]:
    kind = field.get("type") if isinstance(field, dict) else None
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{name!r} is not true or false."]
    if kind in ("number", "integer"):
        return _check_number(name, field, value)
    if kind == "array":
        return _check_list(name, field, value)
    return _check_text(name, field, value)


def _check_number(name: str, field: JSON, value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [f"{name!r} is not a number."]
    if (isinstance(value, float) and not math.isfinite(value)) or (field["type"] == "integer" and value != int(value)):
        return [f"{name!r} is not a whole number."]
    least, most = field.get("minimum"), field.get("maximum")
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = " and ".join(
            f"at {word} {bound}" for word, bound in (("least", least), ("most", most)) if bound is not None
        )
        return [f"{name!r} must be {bounds}."]
    return []


def _check_list(name: str, field: JSON, value: Any) -> list[str]:
    if not isinstance(value, list):
        return [f"{name!r} is not a list."]
    allowed = choices(field.get("items") or {})
    if allowed is not None and any(item not in allowed for item in value):
        return [f"{name!r} has a choice that is not offered."]
    least, most = field.get("minItems"), field.get("maxItems")
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        return [f"{name!r} has not between {least or 0} and {most or 'any number of'} choices."]
    return []


def _check_text(name: str, field: JSON, value: Any) -> list[str]:
    if not isinstance(value, str):
        return [f"{name!r} is not a text."]
    allowed = choices(field)
    if allowed is not None and value not in allowed:
        return [f"{name!r} is not one of {', '.join(map(str, allowed))}."]
    least, most = field.get("minLength"), field.get("maxLength")
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        return [f"{name!r} has not between {least or 0} and {most or 'any number of'} characters."]
    looks_right = FORMATS.get(field.get("format", ""))
    if looks_right is not None and not looks_right(value):
        return [f"{name!r} is no {field['format']}."]
    return []


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and not re.search(r"\s", text)


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


def _is_moment(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return text[10:11] in ("T", "t", " ")


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": _is_uri,
    "date": _is_date,
    "date-time": _is_moment,
}


def choices(field: JSON) -> list[Any] | None:
    """The values that a field may have; None where it may have any."""
    if "enum" in field:
        return list(field["enum"])
    titled = field.get("oneOf") or field.get("anyOf")
    return [item.get("const") for item in titled] if titled else None
