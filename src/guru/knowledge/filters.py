"""Metadata filters, as JSON, evaluated exactly on the documents of a collection.

{"language": "en"}                                   equal
{"document": {"prefix": "handbook/"}}                begins with
{"language": {"in": ["en", "de"]}}                   one of
{"created": {"gte": "2020-01-01", "lte": "2021"}}    between; dates are ISO 8601, in whole or in part
{"metadata.team": {"ne": "sales"}}                   not equal, or absent
{"metadata.tags": {"contains": "policy"}}            has the item, or as a text these characters
{"author": {"ieq": "anna berg"}}                     equal, whatever the case; so iprefix, icontains
{"metadata.team": {"exists": true}}
{"or": [{...}, {...}]}  {"and": [...]}  {"not": {...}}
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from guru.errors import InvalidParameter
from guru.knowledge.dates import Span, read_date, read_moment

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
FIELDS: Final = (
    "document", "document_id", "title", "author", "language", "media_type", "created", "modified", "ingested_at",
    "bytes", "pages",
)  # fmt: skip
MOMENTS: Final = ("created", "modified", "ingested_at")
"""Fields that are dates: what they are compared with is one, too."""
Predicate = Callable[[Mapping[str, Any]], bool]


def compile_filter(filter: Any) -> Predicate:
    """A function that says whether a document, given as its fields, passes. Raises `InvalidParameter`.

    The members of an object must all hold. A document without a field passes no comparison on it but `ne`,
    `not in` by `{"not": ...}`, and `{"exists": false}`. A field with a list passes when one of its items does.

    A date names a span: `2021` is the whole year. Equal to it is what lies in it, `lt` what begins before it, `gt` what
    begins after it; `gte` and `lte` are what is not `lt` and not `gt`.
    """
    if not isinstance(filter, dict):
        raise _wrong(f"A filter is an object, not {filter!r}.")
    return _all([_member(key, value) for key, value in filter.items()])


def fields_of(filter: Mapping[str, Any]) -> frozenset[str]:
    """The fields that a filter, which compiles, looks at. All keys of the metadata are one field, `metadata`."""
    found: set[str] = set()
    for key, value in filter.items():
        parts = value if key in ("and", "or") else [value] if key == "not" else []
        found |= frozenset().union(*map(fields_of, parts)) if key in ("and", "or", "not") else {key.split(".")[0]}
    return frozenset(found)


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
    if key in MOMENTS and name in _SPANS and not (key == "ingested_at" and is_seconds(operand)):
        return _moment(key, name, operand)
    if name == "ne":
        return lambda document: not _holds(_value(document, key), operator.eq, operand)
    if name in ("contains", "icontains"):
        return lambda document: _contains(_value(document, key), operand, folded=name == "icontains")
    return lambda document: _holds(_value(document, key), test, operand)


def _moment(key: str, name: str, operand: Any) -> Predicate:
    """A condition on a field that is a date. Raises `InvalidParameter` for an operand that is none."""
    if operand is None:
        return lambda document: name == "ne"
    spans = [read_date(item) for item in (operand if name == "in" else [operand])]
    wrong = [item for item, span in zip(operand if name == "in" else [operand], spans, strict=True) if span is None]
    if wrong:
        raise _wrong(f"{wrong[0]!r} is no date for `{name}` on {key!r}.", "Write dates like 2021, 2021-03-04T10:00Z.")
    inside = _SPANS[name]

    def holds(document: Mapping[str, Any]) -> bool:
        moment = read_moment(document.get(key))
        if moment is None:
            return name == "ne"
        return any(inside(moment, span) for span in spans if span is not None)

    return holds


def _contains(value: Any, operand: Any, *, folded: bool) -> bool:
    """Whether a list has every one of the wanted items, or a text every one of the wanted texts."""
    wanted = operand if isinstance(operand, list) else [operand]
    if folded:
        wanted, value = fold(wanted), fold(value)
    if isinstance(value, list):
        return all(item in value for item in wanted)
    return isinstance(value, str) and all(isinstance(item, str) and item in value for item in wanted)


def fold(value: Any) -> Any:
    """Text without the difference of cases, and of how letters with accents are written."""
    if isinstance(value, list):
        return [fold(item) for item in value]
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).casefold())


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
    """Numbers compare with numbers, also those that are written as text, as they are in front matter; dates with
    dates, other text with text. Anything else does not hold."""
    inside = _SPANS[{operator.lt: "lt", operator.le: "lte", operator.gt: "gt", operator.ge: "gte"}[test]]

    def compare(value: Any, operand: Any) -> bool:
        if not isinstance(operand, str):
            value = read_number(value)
            return value is not None and test(value, operand)
        if not isinstance(value, str):
            return False
        moment, span = read_moment(value), read_date(operand)
        return inside(moment, span) if moment is not None and span is not None else test(value, operand)

    return compare


_SPANS: Final[dict[str, Callable[[datetime, Span], bool]]] = {
    "eq": lambda moment, span: span.start <= moment < span.end,
    "ne": lambda moment, span: not span.start <= moment < span.end,
    "in": lambda moment, span: span.start <= moment < span.end,
    "lt": lambda moment, span: moment < span.start,
    "gte": lambda moment, span: moment >= span.start,
    "gt": lambda moment, span: moment >= span.end,
    "lte": lambda moment, span: moment < span.end,
}


def read_number(value: Any) -> float | None:
    """A number, or what a text says that is one; None for anything else."""
    if _is_number(value):
        return float(value) if isinstance(value, float) else value  # an integer of any size stays exact
    if not isinstance(value, str) or len(value) > 40 or not _NUMBER.fullmatch(value.strip()):
        return None
    return float(value)


def is_seconds(operand: Any) -> bool:
    return all(map(_is_number, operand)) if isinstance(operand, list) else _is_number(operand)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_any(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _are_texts_or_numbers(operand: Any) -> bool:
    items = operand if isinstance(operand, list) else [operand]
    return bool(items) and all(isinstance(item, str | int | float) for item in items)


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
    "contains": (_are_texts_or_numbers, operator.contains),
    "ieq": (lambda operand: isinstance(operand, str), lambda value, wanted: fold(value) == fold(wanted)),
    "iprefix": (
        lambda operand: isinstance(operand, str),
        lambda value, start: isinstance(value, str) and fold(value).startswith(fold(start)),
    ),
    "icontains": (_are_texts_or_numbers, operator.contains),
    "exists": (lambda operand: isinstance(operand, bool), operator.eq),
}


def _all(parts: list[Predicate]) -> Predicate:
    return lambda document: all(part(document) for part in parts)


def _wrong(message: str, hint: str = "See the documentation of filters.") -> InvalidParameter:
    return InvalidParameter(message, hint=hint, param="filter")
