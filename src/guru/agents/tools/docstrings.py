"""What a docstring says of a function and of its parameters, in the styles of Google, NumPy and reST (Sphinx).

Styles: https://google.github.io/styleguide/pyguide.html#383-functions-and-methods,
https://numpydoc.readthedocs.io/en/latest/format.html, https://www.sphinx-doc.org/en/master/usage/domains/python.html.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_OF_PARAMETERS: Final = frozenset({
    "args", "arguments", "parameters", "params", "other parameters", "keyword args", "keyword arguments",
})  # fmt: skip
_HEADINGS: Final = _OF_PARAMETERS | {
    "returns", "return", "yields", "raises", "examples", "example", "notes", "note", "see also", "references",
    "warnings", "warning", "warns", "attributes", "todo",
}  # fmt: skip
_UNDERLINE = re.compile(r"-{3,}\s*")
_GOOGLE = re.compile(r"(\s+)\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?")
_FIELD = re.compile(r":\w+[^:]*:")
_REST = re.compile(r":(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\\?\*{0,2}(\w+)\s*:\s*(.*)")


class Described(Struct):
    text: str
    """What the function does: all that stands before the first section."""
    parameters: dict[str, str]


class _Section(Struct):
    heading: str
    underlined: bool
    lines: list[str]


def read_docstring(doc: str | None) -> Described:
    """The description of a function and of its parameters. What is not described is left out."""
    text: list[str] = []
    pieces: list[tuple[str, str]] = []
    for section in sections(inspect.cleandoc(doc or "").splitlines()):
        if not section.heading:
            first = next((at for at, line in enumerate(section.lines) if _FIELD.match(line)), len(section.lines))
            text = section.lines[:first]
            pieces += rest(section.lines[first:])
        elif section.heading in _OF_PARAMETERS:
            pieces += numpy(section.lines) if section.underlined else google(section.lines)
    parameters: dict[str, str] = {}
    for name, piece in pieces:
        parameters[name] = f"{parameters.get(name, '')} {piece.strip()}".strip()
    return Described("\n".join(text).strip(), {name: said for name, said in parameters.items() if said})


def sections(lines: list[str]) -> Iterator[_Section]:
    """The docstring, cut at its headings; what stands before the first has none."""
    current = _Section("", False, [])
    for number, line in enumerate(lines):
        if _UNDERLINE.fullmatch(line) and current.underlined and not current.lines:
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        underlined = _UNDERLINE.fullmatch(following) is not None
        name = line.rstrip().removesuffix(":").lower()
        if name in _HEADINGS and (underlined or line.rstrip().endswith(":")):
            yield current
            current = _Section(name, underlined, [])
        else:
            current.lines.append(line)
    yield current


def google(lines: list[str]) -> Iterator[tuple[str, str]]:
    """`name (type): what it is`, indented; what is indented further goes on. A line that is not ends the section."""
    indent, name = 0, ""
    for line in lines:
        if line.strip() and not line[0].isspace():
            return
        found = _GOOGLE.fullmatch(line)
        if found and (not name or len(found[1]) <= indent):
            indent, name = len(found[1]), found[2]
            yield name, found[3]
        elif name:
            yield name, line


def numpy(lines: list[str]) -> Iterator[tuple[str, str]]:
    """`name : type`, and what it is in indented lines under it; several names may share them."""
    names: list[str] = []
    for line in lines:
        if line[:1].isspace():
            yield from ((name, line) for name in names)
        elif found := _NUMPY.fullmatch(line):
            names = [name.strip(" *") for name in found[1].split(",")]


def rest(lines: list[str]) -> Iterator[tuple[str, str]]:
    """`:param type name: what it is`, and indented lines that go on."""
    name = ""
    for line in lines:
        if found := _REST.fullmatch(line):
            name = found[1]
            yield name, found[2]
        elif not line[:1].isspace():
            name = ""
        elif name:
            yield name, line
