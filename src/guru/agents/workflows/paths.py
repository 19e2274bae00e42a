r"""Paths: the part of JSONPath that Amazon States Language uses, and `steps.name.output` in templates.

    $.order.items[0]    $['first name']    $.a\.b    $.rows[*].id    $.rows[1:3]    $..id    $$.Execution.Id
    input.text          steps.look_up.output.rows[-1]           item.url

A path that can only mean one value gives that value, one with `*`, `..`, `:` or `,` the list of all that it finds.
Filters and functions are refused by name. Nothing is evaluated but the walk itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

MAX_LENGTH: Final = 1000
MAX_FOUND: Final = 100_000
ROOT: Final = re.compile(r"\$\$?|[A-Za-z_][A-Za-z0-9_]*")
NAME: Final = re.compile(r"""(?:\\.|[^\s.\[\]\\()@,:?*'"{}])+""")
QUOTED: Final = re.compile(r"""'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)\"""")
NUMBER: Final = re.compile(r"-?\d{1,9}")
UNSUPPORTED: Final = {"?": "a filter", "(": "a script", "@": "a filter"}


class BadPath(ValueError):
    """The text is no path."""


class MissingPath(LookupError):
    """There is nothing at the path."""


class Name(Struct, frozen=True):
    name: str


class Index(Struct, frozen=True):
    index: int


class Every(Struct, frozen=True):
    """`*`: all elements, or all members."""


class Slice(Struct, frozen=True):
    start: int | None
    stop: int | None
    step: int | None


class Union(Struct, frozen=True):
    parts: tuple[Name | Index, ...]


class Deep(Struct, frozen=True):
    """`..`: the value and everything within it."""


Segment = Name | Index | Every | Slice | Union | Deep


class Path(Struct, frozen=True):
    text: str
    root: str
    """`$`, `$$`, or a name such as `steps`."""
    segments: tuple[Segment, ...]

    @property
    def definite(self) -> bool:
        """Whether it can only mean one value."""
        return all(isinstance(segment, Name | Index) for segment in self.segments)

    @property
    def reference(self) -> bool:
        """Whether something can be put there: what Amazon States Language calls a Reference Path."""
        return all(isinstance(part, Name) or (isinstance(part, Index) and part.index >= 0) for part in self.segments)

    def find(self, roots: Mapping[str, Any]) -> Any:
        """The value, or for a path that may mean several, the list of them. Raises `MissingPath`."""
        if self.root not in roots:
            raise MissingPath(f"There is no {self.root!r} here.")
        found: list[Any] = [roots[self.root]]
        for segment in self.segments:
            found = [inner for value in found for inner in step(value, segment)]
            if len(found) > MAX_FOUND:
                raise MissingPath(f"{self.text} finds more than {MAX_FOUND:,} values.")
        if not self.definite:
            return found
        if not found:
            raise MissingPath(f"There is nothing at {self.text}.")
        return found[0]


def step(value: Any, segment: Segment) -> Iterator[Any]:
    """What one segment finds in a value."""
    match segment:
        case Name(name):
            if isinstance(value, dict) and name in value:
                yield value[name]
        case Index(index):
            if isinstance(value, list) and -len(value) <= index < len(value):
                yield value[index]
        case Every():
            yield from children(value)
        case Slice(start, stop, size):
            if isinstance(value, list):
                yield from value[start:stop:size]
        case Union(parts):
            for part in parts:
                yield from step(value, part)
        case Deep():
            pending = [value]
            while pending:
                one = pending.pop()
                yield one
                pending.extend(reversed(list(children(one))))


def children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def put(path: Path, value: Any, new: Any) -> Any:
    """`value` with `new` at a reference path; objects on the way are made, arrays must be long enough.

    Nothing is changed in place. Raises `MissingPath`.
    """
    return put_at(path, value, path.segments, new)


def put_at(path: Path, value: Any, segments: tuple[Segment, ...], new: Any) -> Any:
    if not segments:
        return new
    first, rest = segments[0], segments[1:]
    if isinstance(first, Name):
        if value is None:
            value = {}
        if isinstance(value, dict):
            return {**value, first.name: put_at(path, value.get(first.name), rest, new)}
    elif isinstance(first, Index) and isinstance(value, list) and first.index < len(value):
        copied = list(value)
        copied[first.index] = put_at(path, value[first.index], rest, new)
        return copied
    raise MissingPath(f"Nothing can be put at {path.text}.")


# --------------------------------------------------------------------------- reading


def parse_path(text: str) -> Path:
    """Raises `BadPath`."""
    path, end = scan_path(text, 0)
    if end != len(text):
        raise BadPath(f"{text!r} is no path: {text[end:]!r} is not understood.")
    return path


def scan_path(text: str, at: int) -> tuple[Path, int]:
    """The path that begins at `at`, and where it ends. Raises `BadPath`."""
    begin = at
    if len(text) > MAX_LENGTH:
        raise BadPath(f"A path has at most {MAX_LENGTH:,} characters.")
    if (root := ROOT.match(text, at)) is None:
        raise BadPath(f"{text[at:]!r} is no path: it begins with `$`, or a name such as `input` or `steps`.")
    at = root.end()
    segments: list[Segment] = []
    while at < len(text) and text[at] in ".[":
        if text.startswith("..", at):
            segments.append(Deep())
            at += 2
            if at < len(text) and text[at] == "[":
                continue
            segment, at = scan_member(text, at)
        elif text[at] == ".":
            segment, at = scan_member(text, at + 1)
        else:
            segment, at = scan_brackets(text, at + 1)
        segments.append(segment)
    if at < len(text) and text[at] == "(":
        raise BadPath(f"{text!r} is no path that can be used: functions are not supported.")
    return Path(text[begin:at], root[0], tuple(segments)), at


def scan_member(text: str, at: int) -> tuple[Segment, int]:
    if text.startswith("*", at):
        return Every(), at + 1
    if (name := NAME.match(text, at)) is None:
        raise BadPath(f"{text!r} is no path: a name is missing at {at + 1}.")
    return Name(unescape(name[0])), name.end()


def scan_brackets(text: str, at: int) -> tuple[Segment, int]:
    """What stands between `[` and `]`."""
    end = at
    while end < len(text) and text[end] != "]":
        quoted = QUOTED.match(text, end)
        end = quoted.end() if quoted else end + 1
    if end >= len(text):
        raise BadPath(f"{text!r} is no path: a `]` is missing.")
    inner = text[at:end].strip()
    if inner[:1] in UNSUPPORTED:
        raise BadPath(f"{text!r} is no path that can be used: {UNSUPPORTED[inner[0]]} is not supported.")
    if inner == "*":
        return Every(), end + 1
    if ":" in inner and not QUOTED.match(inner):
        return scan_slice(text, inner), end + 1
    parts = tuple(scan_parts(text, inner))
    return (parts[0] if len(parts) == 1 else Union(parts)), end + 1


def scan_slice(text: str, inner: str) -> Slice:
    parts = [part.strip() for part in inner.split(":")]
    if len(parts) > 3 or not all(part == "" or NUMBER.fullmatch(part) for part in parts):
        raise BadPath(f"{text!r} is no path: {inner!r} is no slice.")
    start, stop, size = [int(part) if part else None for part in [*parts, "", ""][:3]]
    if size == 0:
        raise BadPath(f"{text!r} is no path: a slice goes on by 1 at least.")
    return Slice(start, stop, size)


def scan_parts(text: str, inner: str) -> Iterator[Name | Index]:
    """Quoted names and numbers, with commas between them."""
    at = 0
    while True:
        if quoted := QUOTED.match(inner, at):
            yield Name(unescape(quoted[1] if quoted[1] is not None else quoted[2]))
            at = quoted.end()
        elif number := NUMBER.match(inner, at):
            yield Index(int(number[0]))
            at = number.end()
        else:
            raise BadPath(f"{text!r} is no path: [{inner}] names nothing. Names stand in quotes.")
        rest = inner[at:].lstrip()
        if not rest:
            return
        if rest[0] != ",":
            raise BadPath(f"{text!r} is no path: {rest!r} is not understood.")
        at = len(inner) - len(rest[1:].lstrip())


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
