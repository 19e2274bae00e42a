"""What may stand in `{{ ... }}` and behind a key that ends in `.$`: paths, constants and the functions of `intrinsics`.

    {{ steps.look_up.output.name }}    {{ input.size ?? 10 }}    {{ States.Format('{} of {}', $.n, $.total) }}

A text that is one expression and nothing else gives its value with its type; within other text a value is written
as it is, or as JSON where it is no text. There is no way to call anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from guru.agents.workflows.intrinsics import FUNCTIONS
from guru.agents.workflows.paths import QUOTED, BadPath, MissingPath, Path, scan_path

SPACE: Final = re.compile(r"\s*")
CONSTANT: Final = re.compile(r"(?:true|false|null)(?![\w.\[])|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
CALL: Final = re.compile(r"(States\.\w+)\s*\(")
MAX_DEPTH: Final = 20


class Constant(Struct, frozen=True):
    value: Any


class Call(Struct, frozen=True):
    name: str
    arguments: tuple[Expression, ...]


class Either(Struct, frozen=True):
    """`a ?? b`: the first that is there and not null."""

    options: tuple[Expression, ...]


Expression = Constant | Call | Either | Path


def parse_expression(text: str) -> Expression:
    """Raises `BadPath`."""
    expression, at = scan_expression(text, 0)
    at = skip(text, at)
    if at != len(text):
        raise BadPath(f"{text!r} is not understood from {text[at:]!r} on.")
    return expression


def scan_expression(text: str, at: int, depth: int = 0) -> tuple[Expression, int]:
    """The expression that begins at `at`, and where it ends. Raises `BadPath`."""
    if depth > MAX_DEPTH:
        raise BadPath(f"Calls are nested more than {MAX_DEPTH} deep.")
    first, at = scan_one(text, at, depth)
    options = [first]
    while text.startswith("??", after := skip(text, at)):
        option, at = scan_one(text, after + 2, depth)
        options.append(option)
    return (first if len(options) == 1 else Either(tuple(options))), at


def scan_one(text: str, at: int, depth: int) -> tuple[Expression, int]:
    at = skip(text, at)
    if quoted := QUOTED.match(text, at):
        text_in = quoted[1] if quoted[1] is not None else quoted[2]
        return Constant(re.sub(r"\\(['\"\\])", r"\1", text_in)), quoted.end()  # `\{` is for States.Format to read
    if constant := CONSTANT.match(text, at):
        return Constant(json.loads(constant[0])), constant.end()
    if call := CALL.match(text, at):
        return scan_call(text, call, depth)
    return scan_path(text, at)


def scan_call(text: str, call: re.Match[str], depth: int) -> tuple[Call, int]:
    name, at = call[1], skip(text, call.end())
    if name not in FUNCTIONS:
        raise BadPath(f"There is no function {name}; there are {', '.join(sorted(FUNCTIONS))}.")
    arguments: list[Expression] = []
    while not text.startswith(")", at):
        if arguments:
            if not text.startswith(",", at):
                raise BadPath(f"{text!r}: a `,` or a `)` is missing after an argument of {name}.")
            at += 1
        argument, at = scan_expression(text, at, depth + 1)
        arguments.append(argument)
        at = skip(text, at)
    return Call(name, tuple(arguments)), at + 1


def skip(text: str, at: int) -> int:
    """The next place that is no space."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def evaluate(expression: Expression, roots: Mapping[str, Any]) -> Any:
    """Raises `MissingPath` and `IntrinsicError`."""
    match expression:
        case Constant(value):
            return value
        case Path():
            return expression.find(roots)
        case Call(name, arguments):
            return FUNCTIONS[name](*(evaluate(argument, roots) for argument in arguments))
        case Either(options):
            for option in options[:-1]:
                try:
                    if (value := evaluate(option, roots)) is not None:
                        return value
                except MissingPath:
                    continue
            return evaluate(options[-1], roots)


def paths_of(expression: Expression) -> Iterator[Path]:
    """Every path in an expression."""
    if isinstance(expression, Path):
        yield expression
    for inner in parts_of(expression):
        yield from paths_of(inner)


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    if isinstance(expression, Call):
        return expression.arguments
    return expression.options if isinstance(expression, Either) else ()


# --------------------------------------------------------------------------- templates


def parse_template(text: str) -> list[str | Expression]:
    """The texts and expressions of a template, in order. Raises `BadPath`."""
    parts: list[str | Expression] = []
    at = 0
    while (begin := text.find("{{", at)) >= 0:
        if begin > at:
            parts.append(text[at:begin])
        expression, end = scan_expression(text, begin + 2)
        end = skip(text, end)
        if not text.startswith("}}", end):
            raise BadPath(
                f"{text[begin : begin + 80]!r}: a `}}}}` is missing, or {text[end : end + 20]!r} is too much."
            )
        parts.append(expression)
        at = end + 2
    if at < len(text):
        parts.append(text[at:])
    return parts


def render_text(text: str, roots: Mapping[str, Any]) -> Any:
    """A template filled in; a value with its type where the text is one expression alone."""
    if "{{" not in text:
        return text
    parts = parse_template(text)
    if len(parts) == 1 and not isinstance(parts[0], str):
        return evaluate(parts[0], roots)
    return "".join(part if isinstance(part, str) else written(evaluate(part, roots)) for part in parts)


def written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def render(value: Any, roots: Mapping[str, Any]) -> Any:
    """A payload: templates filled in at every depth, and keys `name.$` replaced by what their expression finds.

    Raises `MissingPath`, `BadPath` and `IntrinsicError`.
    """
    if isinstance(value, str):
        return render_text(value, roots)
    if isinstance(value, list):
        return [render(item, roots) for item in value]
    if not isinstance(value, dict):
        return value
    filled: dict[str, Any] = {}
    for key, item in value.items():
        if key.endswith(".$") and isinstance(item, str):
            filled[key[:-2]] = evaluate(parse_expression(item), roots)
        else:
            filled[key] = render(item, roots)
    return filled


def expressions_in(value: Any, place: str) -> Iterator[tuple[str, Expression | BadPath]]:
    """Every expression of a payload with its place, or what is wrong with it: what a check looks at."""
    if isinstance(value, str):
        if "{{" in value:
            try:
                yield from ((place, part) for part in parse_template(value) if not isinstance(part, str))
            except BadPath as error:
                yield place, error
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from expressions_in(item, f"{place}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{place}.{key}"
            if not key.endswith(".$"):
                yield from expressions_in(item, inner)
            elif not isinstance(item, str):
                yield inner, BadPath("A key that ends in `.$` takes a path as text.")
            else:
                try:
                    yield inner, parse_expression(item)
                except BadPath as error:
                    yield inner, error
