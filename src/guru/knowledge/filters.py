"""Metadata filters, as JSON, evaluated exactly on the documents of a collection.

{"language": "en"}                                   equal
{"document": {"prefix": "handbook/"}}                begins with
{"language": {"in": ["en", "de"]}}                   one of
{"created": {"gte": "2020-01-01", "lt": "2021"}}     between; dates compare as ISO 8601 text
{"metadata.team": {"ne": "sales"}}                   not equal, or absent
{"metadata.team": {"exists": true}}
{"or": [{...}, {...}]}  {"and": [...]}  {"not": {...}}
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from guru.errors import InvalidParameter

FIELDS: Final = (
    "document", "document_id", "title", "author", "language", "media_type", "created", "modified", "ingested_at",
    "bytes", "pages",
)  # fmt: skip
Predicate = Callable[[Mapping[str, Any]], bool]


def compile_filter(filter: Any) -> Predicate:
    """A function that says whether a document, given as its fields, passes. Raises `InvalidParameter`.

    The members of an object must all hold. A document without a field passes no comparison on it but `ne`,
    `not in` by `{"not": ...}`, and `{"exists": false}`. A field with a list passes when one of its items does.
    """
    if not isinstance(filter, dict):
        raise _wrong(f"A filter is an object, not {filter!r}.")
    return _all([_member(key, value) for key, value in filter.items()])


def _member(key: str, value: Any) -> Predicate:
    if key in ("and", "or"):
        if not isinstance(value, list) or not value:
            raise _wrong(f"`{key}` takes a list of filters.")
        parts = [compile_filter(item) for item in value]
        return _all(parts) if key == "and" else lambda document: any(part(document) for part in parts)
    if key == "not":
        part = compile_filter(value)
        return lambda document: not part(document)
    if key not in FIELDS and not key.startswith("metadata."):
        raise _wrong(
            f"There is no field {key!r} to filter by.", f"Known: {', '.join(FIELDS)}, metadata.KEY, and, or, not."
        )
    conditions = value if isinstance(value, dict) else {"eq": value}
    if not conditions:
        raise _wrong(f"The condition on {key!r} is empty.")
    return _all([_condition(key, name, operand) for name, operand in conditions.items()])


def _condition(key: str, name: str, operand: Any) -> Predicate:
    if name not in OPERATORS:
        raise _wrong(f"There is no filter operator {name!r}.", f"Known: {', '.join(OPERATORS)}, exists.")
    check, test = OPERATORS[name]
    if not check(operand):
        raise _wrong(f"{operand!r} is no operand for `{name}` on {key!r}.")
    if name == "exists":
        return lambda document: (_value(document, key) is not None) is operand
    if name == "ne":
        return lambda document: not _holds(_value(document, key), operator.eq, operand)
    return lambda document: _holds(_value(document, key), test, operand)


def _value(document: Mapping[str, Any], key: str) -> Any:
    if not key.startswith("metadata."):
        return document.get(key)
    value: Any = document.get("metadata")
    for name in key.split(".")[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _holds(value: Any, test: Callable[[Any, Any], bool], operand: Any) -> bool:
    if value is None:
        return False
    values = value if isinstance(value, list) else [value]
    return any(test(item, operand) for item in values)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Numbers compare with numbers and text with text; anything else does not hold."""

    def compare(value: Any, operand: Any) -> bool:
        return isinstance(value, str) == isinstance(operand, str) and _is_scalar(value) and test(value, operand)

    return compare


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_any(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


OPERATORS: Final[dict[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool]]]] = {
    "eq": (_is_any, operator.eq),
    "ne": (_is_any, operator.ne),
    "in": (lambda operand: isinstance(operand, list) and all(map(_is_any, operand)), lambda value, all_: value in all_),
    "lt": (_is_scalar, _ordered(operator.lt)),
    "lte": (_is_scalar, _ordered(operator.le)),
    "gt": (_is_scalar, _ordered(operator.gt)),
    "gte": (_is_scalar, _ordered(operator.ge)),
    "prefix": (
        lambda operand: isinstance(operand, str),
        lambda value, start: isinstance(value, str) and value.startswith(start),
    ),
    "exists": (lambda operand: isinstance(operand, bool), operator.eq),
}


def _all(parts: list[Predicate]) -> Predicate:
    return lambda document: all(part(document) for part in parts)


def _wrong(message: str, hint: str = "See the documentation of filters.") -> InvalidParameter:
    return InvalidParameter(message, hint=hint, param="filter")
