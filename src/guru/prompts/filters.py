"""What can be done to a value in a template: `{{ names | join(", ") }}`. Each is a function; its name is the filter's.

They take plain data and give plain data. What could make much of little is bounded here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from guru.errors import InvalidParameter

MAX_SIZE: Final = 2_000_000
"""Characters that one value may grow to."""
WIDEST: Final = 100
"""Spaces that a line is indented by at most."""


def shown(value: Any) -> str:
    """A value as it stands in a prompt: a text verbatim, nothing as nothing, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def upper(value: Any) -> str:
    return shown(value).upper()


def lower(value: Any) -> str:
    return shown(value).lower()


def capitalize(value: Any) -> str:
    return shown(value).capitalize()


def title(value: Any) -> str:
    return shown(value).title()


def trim(value: Any) -> str:
    return shown(value).strip()


def length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | dict) else len(shown(value))


def first(value: Any) -> Any:
    return value[0] if isinstance(value, str | list) and value else None


def last(value: Any) -> Any:
    return value[-1] if isinstance(value, str | list) and value else None


def join(value: Any, separator: str = "") -> str:
    if not isinstance(value, list):
        raise InvalidParameter("`join` is for lists.", hint="Leave the filter out, or declare the variable as a list.")
    texts = [shown(item) for item in value]
    bounded(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def tojson(value: Any, indent: int = 0) -> str:
    written = msgspec.json.encode(value)
    return (msgspec.json.format(written, indent=min(indent, WIDEST)) if indent > 0 else written).decode()


def indent(value: Any, width: int = 4) -> str:
    """Every line but the first, as in Jinja."""
    text = shown(value)
    bounded(len(text) + text.count("\n") * width)
    return text.replace("\n", "\n" + " " * min(max(width, 0), WIDEST))


def truncate(value: Any, characters: int = 255) -> str:
    """Cut at a word near so many characters."""
    text = shown(value)
    return text if len(text) <= characters else text[: max(characters, 0)].rsplit(" ", 1)[0] + "…"


def default(value: Any, instead: Any = "") -> Any:
    """In place of nothing."""
    return instead if value is None else value


def bounded(size: int) -> None:
    """Raises `InvalidParameter` before more is made than a prompt may hold."""
    if size > MAX_SIZE:
        raise InvalidParameter("The prompt grows too large.", hint="Fill in less.")


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    function.__name__: function
    for function in (
        upper, lower, capitalize, title, trim, length, first, last, join, tojson, indent, truncate, default,
    )
}  # fmt: skip
