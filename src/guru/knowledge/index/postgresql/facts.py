"""What filters look at of a document, as one `jsonb` that SQL compares without reading a date or folding a letter.

Dates, numbers in texts and letters of either case are read here, by the functions that evaluate filters in Python,
once, when a document comes into the index. `conditions.py` reads what is written here.

Each field that has a value is a key: `7:title`, `7:metadata.deep.level`, after the collection's number. What is of one
collection is never looked for among what is of others, then, also by the index on all of it. Below the key stand

    e  the values that something can equal, in a list also where there is one. True and 1.0 are 1, as Python compares
    l  there where the value is a list
    f  the same without the difference of cases, where there is one
    n  the least and the greatest number, of numbers and of texts that are numbers
    d  the least and the greatest moment, in microseconds since 1970
    o  the texts that are no dates, where some are dates
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guru.knowledge.dates import read_moment
from guru.knowledge.filters import MOMENTS, fold, read_number

MOST: Final = 100_000
"""Characters of the facts of one document."""
NUMBERS_END: Final = 10**400
"""Stands for the infinity that a text such as `9e999` is: greater than all that it is compared with."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def facts_of(number: int, fields: Mapping[str, Any]) -> str | None:
    """The facts of a document, given as `documents.filter_fields` gives it, as JSON.

    None for one that PostgreSQL cannot hold them of (U+0000, half of a surrogate pair) or whose metadata are very long.
    """
    try:
        found = {f"{number}:{path}": _facts(path, value) for path, value in _paths(fields)}
        return write_json(found, MOST)
    except (ValueError, RecursionError):
        return None


def write_json(value: Any, most: int) -> str:
    """JSON that is `jsonb`, too. Raises `ValueError` for what cannot be."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    written.encode()
    if len(written) > most or r"\u0000" in written.replace(r"\\", ""):
        raise ValueError("PostgreSQL cannot hold this, or it is too long")
    return written


def comparable(value: Any) -> Any:
    """A scalar, written so that `jsonb` finds equal what Python does."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _paths(fields: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with the key that a filter has for it. No filter names a key that has a dot in it."""
    for name, value in fields.items():
        if value is None or (before and "." in name):
            continue
        yield before + name, value
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{name}.")


def _facts(path: str, value: Any) -> dict[str, Any]:
    items = value if isinstance(value, list) else [value]
    equal = [comparable(item) for item in items if item is None or isinstance(item, str | int | float)]
    folded, texts = [fold(item) for item in equal], [item for item in equal if isinstance(item, str)]
    numbers = [number for item in items if (number := read_number(item)) is not None]
    if path in MOMENTS:
        dates, others = [read_moment(value)], texts
    else:
        dates = [read_moment(text) for text in texts]
        others = [text for text, date in zip(texts, dates, strict=True) if date is None]
    moments = [microseconds(date) for date in dates if date is not None]
    found: dict[str, Any] = {"e": equal} if equal or isinstance(value, list) else {}
    if isinstance(value, list):
        found["l"] = True
    if folded != equal:
        found["f"] = folded
    if numbers:
        found["n"] = [_finite(min(numbers)), _finite(max(numbers))]
    if moments:
        found |= {"d": [min(moments), max(moments)], "o": others}
    return found


def _finite(number: float) -> Any:
    if number in (float("inf"), float("-inf")):
        return NUMBERS_END if number > 0 else -NUMBERS_END
    return comparable(number)
