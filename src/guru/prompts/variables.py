"""The values of variables: of the right type, with defaults, none missing and none too many."""

from __future__ import annotations

import difflib
from typing import Any, Final

from msgspec import UNSET

from guru.errors import InvalidParameter
from guru.prompts.definition import Variable, VariableType
from guru.types import JSON

TYPES: Final[dict[VariableType, tuple[type, ...]]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "list": (list,), "object": (dict,),
}  # fmt: skip


def fill(variables: dict[str, Variable], given: JSON, of: str) -> JSON:
    """A value for every variable: what is given, else its default, else nothing.

    `of` names the prompt in errors. Raises `InvalidParameter` with `variables.NAME` in `param`.
    """
    for name in given:
        if name not in variables:
            raise unknown(name, list(variables), of)
    missing = [
        name for name, variable in variables.items()
        if given.get(name) is None and variable.required and variable.default is UNSET
    ]  # fmt: skip
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise InvalidParameter(
            f"The prompt {of} needs {names}.",
            hint=f"Send a value for each in `variables`, such as {{{missing[0]!r}: ...}}.".replace("'", '"'),
            param=f"variables.{missing[0]}",
        )
    filled = {}
    for name, variable in variables.items():
        value = given.get(name)
        if value is None:
            value = None if variable.default is UNSET else variable.default
        else:
            check_value(name, variable, value)
        filled[name] = value
    return filled


def check_value(name: str, variable: Variable, value: Any) -> None:
    """Raises `InvalidParameter` for another type, and for what is none of the choices."""
    of_type = isinstance(value, TYPES[variable.type]) and (variable.type == "boolean" or not isinstance(value, bool))
    if not of_type:
        article = "an" if variable.type in ("integer", "object") else "a"
        raise InvalidParameter(f"`{name}` must be {article} {variable.type}.", param=f"variables.{name}")
    if variable.choices and value not in variable.choices:
        raise InvalidParameter(
            f"`{name}` is {str(value)[:100]!r}.",
            hint=f"It may be {', '.join(map(str, variable.choices))}.",
            param=f"variables.{name}",
        )


def unknown(name: str, known: list[str], of: str) -> InvalidParameter:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean `{near[0]}`?" if near else f"It has {', '.join(known)}." if known else "Leave it out."
    return InvalidParameter(f"The prompt {of} has no variable `{name}`.", hint=hint, param=f"variables.{name}")
