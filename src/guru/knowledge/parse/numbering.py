"""Numbers of the list items and headings of a DOCX, which the file does not store but Word counts."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from docx.oxml.ns import qn

_PLACE = re.compile(r"%([1-9])")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


class Numbering:
    """Counts the items of every list as the paragraphs come by."""

    def __init__(self, root: Any | None) -> None:
        self._levels: dict[tuple[str, int], tuple[str, str, int]] = {}
        """(list, level) to (format, text with %1, first number)."""
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        if root is not None:
            self._read(root)

    def next_label(self, list_id: str, level: int) -> str:
        """The label of the next item: `-` for a bullet, or such as `2.1`. Empty when the list shows none."""
        if (list_id, level) not in self._levels:
            return "-"
        style, text, first = self._levels[list_id, level]
        counts = self._counts[list_id]
        counts[level] = counts.get(level, first - 1) + 1
        for deeper in [deep for deep in counts if deep > level]:
            del counts[deeper]
        if style in {"bullet", "none"}:
            return "-" if style == "bullet" else ""
        return _PLACE.sub(lambda place: self._number(list_id, int(place.group(1)) - 1), text)

    def _number(self, list_id: str, level: int) -> str:
        style, _, first = self._levels.get((list_id, level), ("decimal", "", 1))
        return _formatted(self._counts[list_id].get(level, first), style)

    def _read(self, root: Any) -> None:
        definitions: dict[str, dict[int, tuple[str, str, int]]] = {}
        for definition in root.iter(qn("w:abstractNum")):
            levels = {int(level.get(qn("w:ilvl"), 0)): _level(level) for level in definition.iter(qn("w:lvl"))}
            definitions[definition.get(qn("w:abstractNumId"))] = levels
        for instance in root.iter(qn("w:num")):
            reference = instance.find(qn("w:abstractNumId"))
            list_id = instance.get(qn("w:numId"))
            for level, form in definitions.get(reference.get(qn("w:val")) if reference is not None else "", {}).items():
                self._levels[list_id, level] = form


def _level(level: Any) -> tuple[str, str, int]:
    def value(tag: str, default: str) -> str:
        found = level.find(qn(tag))
        return str(found.get(qn("w:val"), default)) if found is not None else default

    start = value("w:start", "1")
    return value("w:numFmt", "decimal"), value("w:lvlText", ""), int(start) if start.isdecimal() else 1


def _formatted(number: int, style: str) -> str:
    if style in {"lowerLetter", "upperLetter"} and number > 0:
        text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
    elif style in {"lowerRoman", "upperRoman"} and 0 < number < 4000:
        text = ""
        for size, letters in _ROMAN:
            text += letters * (number // size)
            number %= size
    else:
        return str(number)
    return text.upper() if style.startswith("upper") else text
