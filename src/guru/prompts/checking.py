"""What a version must be before it is kept, so that it can be rendered afterwards: everything that it says holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET

from guru.errors import InvalidParameter
from guru.prompts.building import shown_examples
from guru.prompts.definition import PromptDefinition, Variable
from guru.prompts.techniques import chain_of_thought, few_shot
from guru.prompts.template import parse
from guru.prompts.variables import check_value
from guru.types import Message

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
MAX_BYTES: Final = 1_000_000
"""Of a whole definition, as JSON."""
MAX_DEPTH: Final = 100


def check(definition: PromptDefinition) -> None:
    """Raises `InvalidParameter`, with the place in `param`."""
    for one in checks(definition):
        one()


def problems(definition: PromptDefinition) -> list[InvalidParameter]:
    """Everything that `check` would refuse, not only the first of it."""
    found: list[InvalidParameter] = []
    for one in checks(definition):
        try:
            one()
        except InvalidParameter as error:
            found.append(error)
            if error.param is None:
                break  # too large or too deep to be looked at any further
    return found


def checks(definition: PromptDefinition) -> Iterator[Callable[[], object]]:
    """Each raises `InvalidParameter` for one thing."""
    yield partial(check_size, definition)
    for name, variable in definition.variables.items():
        yield partial(check_variable, name, variable)
    for place, template in templates(definition):
        yield partial(check_template, definition, place, template)
    if definition.chain_of_thought and definition.output_schema is not None:
        yield partial(chain_of_thought.with_reasoning, definition.output_schema)
    if definition.examples is not None:
        yield partial(check_examples, definition)


def names(definition: PromptDefinition) -> list[str]:
    """The variables that its templates read, in the order in which they come. Templates that are wrong have none."""
    found: dict[str, None] = {}
    for _, template in templates(definition):
        try:
            read = parse(template).names
        except InvalidParameter:
            continue
        found |= dict.fromkeys(sorted(read, key=template.find))
    return list(found)


def check_size(definition: PromptDefinition) -> None:
    """Raises `InvalidParameter`, which names no place."""
    if deeper(msgspec.to_builtins(definition), MAX_DEPTH):
        raise InvalidParameter("The prompt is nested too deeply.", hint="Use a schema and values that are less deep.")
    if len(msgspec.json.encode(definition)) > MAX_BYTES:
        raise InvalidParameter("The prompt is larger than 1 MB.", hint="Keep documents in collections, not in prompts.")


def deeper(value: Any, depth: int) -> bool:
    """Whether there are more lists and objects inside each other than that."""
    level = [value]
    for _ in range(depth):
        level = [
            inner for item in level if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]  # fmt: skip
    return bool(level)


def check_variable(name: str, variable: Variable) -> None:
    place = f"variables.{name}"
    if not NAME.fullmatch(name) or name == "loop":
        raise InvalidParameter(
            f"{name!r} cannot name a variable.",
            hint="Use letters, digits and underscores; `loop` is taken.",
            param=place,
        )
    try:
        if variable.default is not UNSET:
            check_value(name, variable, variable.default)
        for choice in variable.choices:
            check_value(name, msgspec.structs.replace(variable, choices=[]), choice)
    except InvalidParameter as error:
        what = "The default or a choice of a variable is not one of its values: "
        raise InvalidParameter(what + error.message, hint=error.hint, param=place) from None


def templates(definition: PromptDefinition) -> Iterator[tuple[str, str]]:
    """Every text into which variables are filled, and where it stands."""
    for place, message in enumerate(definition.messages):
        yield f"messages[{place}].content", message.content
    if definition.role is not None:
        yield "role", definition.role
    for place, rule in enumerate(definition.constraints):
        yield f"constraints[{place}]", rule
    if isinstance(definition.chain_of_thought, str):
        yield "chain_of_thought", definition.chain_of_thought


def check_template(definition: PromptDefinition, place: str, template: str) -> None:
    try:
        names = parse(template).names
    except InvalidParameter as error:
        raise InvalidParameter(f"`{place}`: {error.message}", hint=error.hint, param=place) from None
    for name in sorted(names - definition.variables.keys()):
        raise InvalidParameter(
            f"`{place}` has the variable `{name}`, which is not declared.",
            hint=f"Declare it under `variables`, such as [variables.{name}] in TOML.",
            param=place,
        )


def check_examples(definition: PromptDefinition) -> None:
    """All of them can be shown, and compared."""
    examples = definition.examples
    assert examples is not None
    has_user = few_shot.last_user([Message(item.role) for item in definition.messages]) < len(definition.messages)
    if not has_user and any(isinstance(example.input, dict) for example in examples.items):
        raise InvalidParameter(
            "An example fills variables into the last message of the user, and the prompt has none.",
            hint="Write the text of `input`, or add a message of the user.",
            param="examples",
        )
    if examples.by is not None:
        variable = definition.variables.get(examples.by)
        if variable is None or variable.type != "string":
            raise InvalidParameter(
                f"`examples.by` is {examples.by!r}, which is no variable of the type string.", param="examples.by"
            )
    shown_examples(definition)
