"""JSON Schemas of Python types, as models read them best: without references, where there is no ring of types."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.agents.tools.base import ToolResult

_REF: Final = "#/$defs/"
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def parameters_schema(shape: type[Struct], defaults: dict[str, Any]) -> dict[str, Any]:
    """The schema of a function's arguments. A default that JSON cannot say is left out: the function knows it."""
    schema = schema_of(shape)
    schema.pop("title", None)
    for name, value in defaults.items():
        place = schema["properties"][name]
        place.pop("default", None)
        try:
            place["default"] = msgspec.to_builtins(value, str_keys=True)
        except (TypeError, ValueError):
            continue
    return schema


def output_schema(returned: Any) -> dict[str, Any] | None:
    """The schema of what a function returns; None where that is text alone, or nobody knows."""
    if returned in (Any, None, NoneType, str, ToolResult):
        return None
    try:
        return schema_of(returned)
    except (TypeError, NameError):
        return None


def schema_of(kind: Any) -> dict[str, Any]:
    """The schema of a type. Raises `TypeError` for one that JSON cannot say."""
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs", {})
    flat: dict[str, Any] = with_types(inlined(schema, definitions))
    if rings := [name for name in definitions if is_ring(name, definitions)]:
        flat["$defs"] = {name: with_types(inlined(definitions[name], definitions)) for name in rings}
    return flat


def inlined(value: Any, definitions: dict[str, Any]) -> Any:
    """`value` with what it refers to in place, except for types that hold themselves."""
    if isinstance(value, list):
        return [inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    flat = {key: inlined(item, definitions) for key, item in value.items()}
    reference = value.get("$ref")
    name = reference.removeprefix(_REF) if isinstance(reference, str) else None
    if name not in definitions or is_ring(name, definitions):
        return flat
    del flat["$ref"]
    return {**inlined(definitions[name], definitions), **flat}


def is_ring(name: str, definitions: dict[str, Any]) -> bool:
    """Whether a type holds itself, however far down."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        current = definitions[waiting.pop()]
        found = {other for other in definitions if refers(current, other)} - reached
        waiting += found
        reached |= found
    return name in reached


def refers(value: Any, name: str) -> bool:
    if isinstance(value, list):
        return any(refers(item, name) for item in value)
    if isinstance(value, dict):
        return value.get("$ref") == _REF + name or any(refers(item, name) for item in value.values())
    return False


def with_types(value: Any) -> Any:
    """Enumerations with the type of their values, which some providers want."""
    if isinstance(value, list):
        return [with_types(item) for item in value]
    if not isinstance(value, dict):
        return value
    told = {key: with_types(item) for key, item in value.items()}
    options = value.get("enum")
    if isinstance(options, list) and "type" not in value:
        kinds = sorted({_TYPES[type(option)] for option in options if type(option) in _TYPES})
        if kinds:
            told["type"] = kinds[0] if len(kinds) == 1 else kinds
    return told
