"""Conditions of a choice, typed as in Amazon States Language ("Choice State"): a value of another type is not equal.

{ variable = "$.total", numeric_greater_than = 100, next = "ask" }
{ and = [{ variable = "$.x", is_present = true }, { not = { variable = "$.x", string_equals = "" } }], next = "go" }
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from guru.agents.workflows.paths import BadPath, MissingPath, Path, parse_path

MAX_DEPTH: Final = 10
ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": operator.eq, "less_than": operator.lt, "greater_than": operator.gt,
    "less_than_equals": operator.le, "greater_than_equals": operator.ge,
}  # fmt: skip


def as_string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def as_number(value: Any) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def as_timestamp(value: Any) -> datetime | None:
    """RFC 3339, with an upper-case `T` and a zone."""
    if not isinstance(value, str) or value[10:11] != "T":
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "string": as_string, "numeric": as_number, "boolean": as_boolean, "timestamp": as_timestamp,
}  # fmt: skip
KINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "is_null": lambda value: value is None,
    "is_numeric": lambda value: as_number(value) is not None,
    "is_string": lambda value: isinstance(value, str),
    "is_boolean": lambda value: isinstance(value, bool),
    "is_timestamp": lambda value: as_timestamp(value) is not None,
}
COMPARISONS: Final = {f"{kind}_{name}" for kind in TYPES for name in ORDER if kind != "boolean" or name == "equals"}
OPERATORS: Final = {*COMPARISONS, *(f"{name}_path" for name in COMPARISONS), *KINDS, "is_present", "string_matches"}


class Test(Struct, frozen=True):
    """One comparison."""

    variable: Path
    operator: str
    value: Any
    """A constant, or the path of what is compared with."""


class And(Struct, frozen=True):
    parts: tuple[Condition, ...]


class Or(Struct, frozen=True):
    parts: tuple[Condition, ...]


class Not(Struct, frozen=True):
    part: Condition


Condition = Test | And | Or | Not


def parse_condition(rule: Any, depth: int = 0) -> Condition:
    """What a rule says, its `next` aside. Raises `BadPath`."""
    if not isinstance(rule, dict) or depth > MAX_DEPTH:
        raise BadPath(f"A rule is an object, nested at most {MAX_DEPTH} deep.")
    said = {name: value for name, value in rule.items() if name not in ("next", "comment")}
    if "next" in rule and depth:
        raise BadPath("`next` stands in the outermost rule alone.")
    if len(said) == 1 and (name := next(iter(said))) in ("and", "or", "not"):
        if name == "not":
            return Not(parse_condition(said[name], depth + 1))
        if not isinstance(said[name], list) or not said[name]:
            raise BadPath(f"`{name}` takes a list of rules.")
        parts = tuple(parse_condition(part, depth + 1) for part in said[name])
        return And(parts) if name == "and" else Or(parts)
    variable = said.pop("variable", None)
    if not isinstance(variable, str) or len(said) != 1:
        raise BadPath("A rule has `variable` and one comparison, or one of `and`, `or` and `not`.")
    name, value = said.popitem()
    return Test(parse_path(variable), name, operand(name, value))


def operand(name: str, value: Any) -> Any:
    """What a comparison compares with. Raises `BadPath`."""
    if name not in OPERATORS:
        raise BadPath(f"There is no comparison `{name}`; there are {', '.join(sorted(OPERATORS))}.")
    if name.endswith("_path"):
        if not isinstance(value, str):
            raise BadPath(f"`{name}` takes a path.")
        return parse_path(value)
    wanted = "boolean" if name.startswith("is_") else name.partition("_")[0]
    if TYPES[wanted](value) is None:
        raise BadPath(f"`{name}` takes a {wanted} value.")
    return value


def holds(condition: Condition, roots: Mapping[str, Any]) -> bool:
    """Raises `MissingPath` where a variable is not there, unless that is what is asked."""
    match condition:
        case And(parts):
            return all(holds(part, roots) for part in parts)
        case Or(parts):
            return any(holds(part, roots) for part in parts)
        case Not(part):
            return not holds(part, roots)
        case Test(variable, name, value):
            return compare(variable, name, value, roots)


def compare(variable: Path, name: str, value: Any, roots: Mapping[str, Any]) -> bool:
    if name == "is_present":
        try:
            variable.find(roots)
        except MissingPath:
            return not value
        return bool(value)
    found = variable.find(roots)
    if name in KINDS:
        return KINDS[name](found) is value
    if name == "string_matches":
        return isinstance(found, str) and wildcard(value, found)
    if isinstance(value, Path):
        value = value.find(roots)
    kind, _, order = name.removesuffix("_path").partition("_")
    left, right = TYPES[kind](found), TYPES[kind](value)
    return left is not None and right is not None and ORDER[order](left, right)


def wildcard(pattern: str, text: str) -> bool:
    r"""Whether `*` can stand for texts so that the two are one; `\*` is a star. In one pass."""
    parts = [""]
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\" and at + 1 < len(pattern):
            parts[-1] += pattern[at + 1]
            at += 2
        elif pattern[at] == "*":
            parts.append("")
            at += 1
        else:
            parts[-1] += pattern[at]
            at += 1
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def variables_of(condition: Condition) -> Iterator[Path]:
    """Every path that a condition looks at."""
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from variables_of(part)
        case Not(part):
            yield from variables_of(part)
        case Test(variable, _, value):
            yield variable
            if isinstance(value, Path):
                yield value
