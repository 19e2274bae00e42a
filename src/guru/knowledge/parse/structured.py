"""JSON and JSON Lines: a line for every value, with the path to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from guru.errors import UnreadableDocument
from guru.knowledge.parse.builder import TextBuilder, check_length, clean
from guru.knowledge.parse.document import Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode

_TITLE_KEYS = ("title", "name", "subject")


class _Number(str):
    """A number as the file writes it: long integers and decimal places stay exact."""


class _Object(list[tuple[str, Any]]):
    """The members of an object in order; a key that stands twice stays twice."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_Number)


def parse_json(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read one JSON value. What is no JSON is read as plain text, with a warning. Raises `UnreadableDocument`."""
    text, warnings = decode(data)
    try:
        value = _DECODER.decode(text.strip().lstrip("\ufeff"))
    except ValueError as error:
        return _as_text(text, [*warnings, f"The file is no valid JSON ({error}); it was read as plain text."], limits)
    builder = TextBuilder(limits)
    _write(builder, value, limits)
    return ParsedDocument(text=builder.text(), media_type="application/json", title=_title(value), warnings=warnings)


def parse_json_lines(data: bytes, name: str, limits: Limits) -> ParsedDocument:
    """Read one JSON value per line. A line that is no JSON is kept as it is, with a warning."""
    text, warnings = decode(data)
    builder = TextBuilder(limits)
    broken = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            _write(builder, _DECODER.decode(line.strip().lstrip("\ufeff")), limits)
        except ValueError:
            broken.append(number)
            builder.block(clean(line).strip())
        builder.end_block()
    if broken:
        warnings.append(f"{len(broken)} lines are no valid JSON and were kept as text, the first is line {broken[0]}.")
    return ParsedDocument(text=builder.text(), media_type="application/jsonl", warnings=warnings)


def _write(builder: TextBuilder, value: Any, limits: Limits) -> None:
    """One line per value; the members of a top-level array are blocks."""
    if isinstance(value, list) and not isinstance(value, _Object):
        for index, item in enumerate(value):
            for path, leaf in _leaves(item, f"[{index}]", 0, limits):
                builder.line(_line(path, leaf))
            builder.end_block()
        return
    for path, leaf in _leaves(value, "", 0, limits):
        builder.line(_line(path, leaf))


def _leaves(value: Any, path: str, depth: int, limits: Limits) -> Iterator[tuple[str, str]]:
    if depth > limits.depth:
        raise UnreadableDocument(f"The JSON is nested more than {limits.depth} deep.", hint="Flatten it.")
    if isinstance(value, _Object) and value:
        for key, member in value:
            yield from _leaves(member, f"{path}.{key}" if path else key, depth + 1, limits)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]", depth + 1, limits)
    else:
        yield path, _written(value)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "{}" if isinstance(value, _Object) else "[]"
    return json.dumps(value)


def _line(path: str, leaf: str) -> str:
    leaf = clean(leaf).strip()
    path = clean(path).replace("\n", " ")
    return f"{path}:\n{leaf}" if path and "\n" in leaf else f"{path}: {leaf}" if path else leaf


def _title(value: Any) -> str | None:
    if isinstance(value, _Object):
        for key, member in value:
            if key.lower() in _TITLE_KEYS and isinstance(member, str) and not isinstance(member, _Number):
                return clean(member) or None
    return None


def _as_text(text: str, warnings: list[str], limits: Limits) -> ParsedDocument:
    text = clean(text)
    check_length(len(text), limits)
    return ParsedDocument(text=text, media_type="text/plain", warnings=warnings)
