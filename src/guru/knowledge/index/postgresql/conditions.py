"""The filter language in SQL: what `filters.compile_filter` says of a document, said of its facts (`facts.py`).

Every value and every field is a parameter; the text of the SQL depends on nothing but the operators. What is equal is
looked for by containment (`@>`), which the GIN index of the facts answers. Every condition is true or false, never
NULL, so that `not` means what it does in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from guru.knowledge.dates import Span, read_date
from guru.knowledge.filters import MOMENTS, fold, is_seconds
from guru.knowledge.index.postgresql.facts import NUMBERS_END, comparable, microseconds, write_json

MOST_CONDITIONS: Final = 200
"""In one filter."""
MOST_TEXT: Final = 1_000_000
"""Characters of one operand."""
FEW: Final = 10
"""Values of an `in` that are looked for one by one in the index."""
OF_A_RANGE: Final = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
LEAST: Final = ("lt", "lte")
"""One item is below where the least is; by the others, where the greatest is above."""
TEXTS: Final = """EXISTS (
    SELECT FROM jsonb_array_elements({items}) AS items (item)
    WHERE jsonb_typeof(item) = 'string' AND {test})"""
TEXT: Final = "(item #>> '{}') COLLATE \"C\""
"""By code points, as Python sorts."""
ANY: Final = """EXISTS (
    SELECT FROM jsonb_array_elements({field} -> 'e') AS items (item) WHERE item = ANY(CAST({values} AS jsonb[])))"""


class Untranslatable(Exception):
    """A filter that is evaluated in Python."""


class Condition(Struct, frozen=True):
    """SQL on a row `d` of `index_documents` that has facts, and its parameters."""

    sql: str
    values: dict[str, Any]


def translate(filter: Mapping[str, Any], number: int) -> Condition | None:
    """A filter, which compiles, for the documents of the collection with this number in the index.

    None for one that PostgreSQL cannot be asked: of very many conditions, or with an operand that is no `jsonb`.
    """
    writer = _Writer(number)
    try:
        return Condition(writer.all_of(filter), writer.values)
    except (Untranslatable, ValueError, RecursionError):
        return None


class _Writer:
    """Writes the conditions of one filter and keeps their parameters."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._written = 0
        self.values: dict[str, Any] = {}

    def all_of(self, filter: Mapping[str, Any]) -> str:
        return _joined("AND", [self._member(key, value) for key, value in filter.items()])

    def _member(self, key: str, value: Any) -> str:
        if key in ("and", "or"):
            if len(value) > MOST_CONDITIONS:
                raise Untranslatable
            return _joined(key.upper(), [self.all_of(part) for part in value])
        if key == "not":
            return f"NOT {self.all_of(value)}"
        conditions = value if isinstance(value, dict) else {"eq": value}
        return _joined("AND", [self._condition(key, name, operand) for name, operand in conditions.items()])

    def _condition(self, key: str, name: str, operand: Any) -> str:
        self._written += 1
        if self._written > MOST_CONDITIONS:
            raise Untranslatable
        if name == "exists":
            return f"{'' if operand else 'NOT '}d.facts ? {self._path(key)}"
        if key in MOMENTS and name in (*OF_A_RANGE, "eq", "ne", "in") and not (
            key == "ingested_at" and is_seconds(operand)
        ):  # fmt: skip
            return self._moment(key, name, operand)
        if name in OF_A_RANGE:
            return self._range(key, name, operand)
        if name == "in":
            return self._one_of(key, operand)
        if name in ("eq", "ne"):
            return ("NOT " if name == "ne" else "") + self._has(key, "e", [operand])
        if name == "ieq":
            return self._texts(key, "f", f"{TEXT} = {self._text(fold(operand))}")
        if name in ("prefix", "iprefix"):
            folded = name == "iprefix"
            start = self._text(fold(operand) if folded else operand)
            return self._texts(key, "f" if folded else "e", f"starts_with({TEXT}, {start})")
        if name in ("contains", "icontains"):
            return self._contains(key, operand if isinstance(operand, list) else [operand], name == "icontains")
        raise Untranslatable

    def _has(self, key: str, kind: str, items: Sequence[Any]) -> str:
        """The field has all of these items."""
        wanted = {f"{self._number}:{key}": {kind: [comparable(item) for item in items]}}
        return f"d.facts @> {self._json(wanted)}"

    def _one_of(self, key: str, items: Sequence[Any]) -> str:
        if len(items) <= FEW:
            return _joined("OR", [self._has(key, "e", [item]) for item in items])
        values = [write_json(comparable(item), MOST_TEXT) for item in items]
        return ANY.format(field=self._field(key), values=self._put(values))

    def _range(self, key: str, name: str, operand: Any) -> str:
        if not isinstance(operand, str):
            if abs(operand) >= NUMBERS_END:
                raise Untranslatable
            return self._end(key, "n", name, OF_A_RANGE[name], comparable(operand))
        as_text = f"{TEXT} {OF_A_RANGE[name]} {self._text(operand)}"
        span = read_date(operand)
        if span is None:
            return self._texts(key, "e", as_text)
        return _joined("OR", [self._in_span(key, name, span), self._texts(key, "o", as_text)])

    def _moment(self, key: str, name: str, operand: Any) -> str:
        if operand is None:
            return "true" if name == "ne" else "false"
        listed = operand if name == "in" else [operand]
        spans = [span for item in listed if (span := read_date(item)) is not None]
        inside = [self._in_span(key, "eq" if name in ("ne", "in") else name, span) for span in spans]
        return ("NOT " if name == "ne" else "") + _joined("OR", inside)

    def _in_span(self, key: str, name: str, span: Span) -> str:
        """How a moment stands to a span; see `compile_filter`."""

        def end(name: str, sign: str, moment: datetime) -> str:
            return self._end(key, "d", name, sign, microseconds(moment))

        if name == "eq":  # asked of fields that are one moment
            return _joined("AND", [end("gte", ">=", span.start), end("lt", "<", span.end)])
        sides = {"lt": ("<", span.start), "gte": (">=", span.start), "gt": (">=", span.end), "lte": ("<", span.end)}
        return end(name, *sides[name])

    def _end(self, key: str, kind: str, name: str, sign: str, value: Any) -> str:
        """How the least or the greatest number or moment of a field stands to a number."""
        place = 0 if name in LEAST else 1
        return f"COALESCE(({self._field(key)} -> '{kind}' -> {place}) {sign} {self._json(value)}, false)"

    def _contains(self, key: str, wanted: Sequence[Any], folded: bool) -> str:
        wanted, kind = (fold(list(wanted)), "f") if folded else (wanted, "e")
        listed = self._json([comparable(item) for item in wanted])
        is_list = f"COALESCE({self._field(key)} ? 'l', false)"
        has = f"COALESCE({self._items(key, kind)} @> {listed}, false)"
        if not folded:
            has = self._has(key, kind, wanted)  # by the index
        if not all(isinstance(item, str) for item in wanted):
            return _joined("AND", [is_list, has])
        inside = " AND ".join(f"strpos({TEXT}, {self._text(item)}) > 0" for item in wanted)
        text = _joined("AND", [f"NOT {is_list}", self._texts(key, kind, inside)])
        return _joined("OR", [_joined("AND", [is_list, has]), text])

    def _texts(self, key: str, kind: str, test: str) -> str:
        return TEXTS.format(items=self._items(key, kind), test=test)

    def _items(self, key: str, kind: str) -> str:
        """The items of a kind, which are written only where they are not those of `e`."""
        every = f"{self._field(key)} -> 'e'"
        return every if kind == "e" else f"COALESCE({self._field(key)} -> '{kind}', {every})"

    def _field(self, key: str) -> str:
        return f"d.facts -> {self._path(key)}"

    def _path(self, key: str) -> str:
        return self._text(f"{self._number}:{key}")

    def _text(self, text: str) -> str:
        write_json(text, MOST_TEXT)
        return f"CAST({self._put(text)} AS text)"

    def _json(self, value: Any) -> str:
        return f"CAST({self._put(write_json(value, MOST_TEXT))} AS jsonb)"

    def _put(self, value: Any) -> str:
        """A parameter; the same for the same value."""
        for name, known in self.values.items():
            if type(known) is type(value) and known == value:
                return f":{name}"
        name = f"filter_{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _joined(word: str, parts: Sequence[str]) -> str:
    """`AND` of nothing holds, `OR` of nothing does not."""
    if not parts:
        return "true" if word == "AND" else "false"
    return "(" + f" {word} ".join(parts) + ")"
