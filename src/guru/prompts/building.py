"""From a version and values to messages: fill in, then let the techniques add what they add."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from guru.errors import InvalidParameter
from guru.prompts.definition import Example, PromptDefinition
from guru.prompts.rendering import Renderer
from guru.prompts.techniques import chain_of_thought, constraints, few_shot, role
from guru.prompts.template import parse
from guru.prompts.variables import fill
from guru.types import JSON, Message, SelfConsistency


class Built(Struct):
    messages: list[Message]
    """All but the examples."""
    query: str
    """What is asked, to choose examples for."""


def build(definition: PromptDefinition, given: JSON, of: str) -> Built:
    """The messages, filled in. `of` names the prompt in errors. Raises `InvalidParameter`. May take a second."""
    values = fill(definition.variables, given, of)
    renderer = Renderer()

    def filled(text: str) -> str:
        return renderer.render(parse(text), values)

    messages = [Message(item.role, filled(item.content)) for item in definition.messages]
    query = query_of(definition, values, messages)
    if definition.chain_of_thought:
        words = definition.chain_of_thought
        marker = (definition.self_consistency or SelfConsistency()).marker
        messages = chain_of_thought.apply(
            messages, filled(words) if isinstance(words, str) else words,
            marker=marker, schema=definition.output_schema is not None,
        )  # fmt: skip
    messages = constraints.apply(messages, [filled(rule) for rule in definition.constraints])
    if definition.role is not None:
        messages = role.apply(messages, filled(definition.role))
    return Built(messages, query)


def query_of(definition: PromptDefinition, values: JSON, messages: list[Message]) -> str:
    by = definition.examples.by if definition.examples is not None else None
    if by is not None:
        return str(values[by] or "")
    place = few_shot.last_user(messages)
    return messages[place].text if place < len(messages) else messages[-1].text


def shown_examples(definition: PromptDefinition) -> list[few_shot.Shown]:
    """Every example as the two turns that it is shown as. Raises `InvalidParameter` with its number in `param`."""
    if definition.examples is None:
        return []
    return [
        (Message("user", said(definition, example, place)), Message("assistant", example.output))
        for place, example in enumerate(definition.examples.items)
    ]


def said(definition: PromptDefinition, example: Example, place: int) -> str:
    """What the user says in an example: as it is written, or the prompt's own words with its variables."""
    if isinstance(example.input, str):
        return example.input
    template = parse(next(item.content for item in reversed(definition.messages) if item.role == "user"))
    variables = {name: variable for name, variable in definition.variables.items() if name in template.names}
    param = f"examples.items[{place}].input"
    try:
        return Renderer().render(template, fill(variables, example.input, "of the examples"))
    except InvalidParameter as error:
        raise InvalidParameter(f"`{param}`: {error.message}", hint=error.hint, param=param) from None


def compared(definition: PromptDefinition, shown: list[few_shot.Shown]) -> list[str]:
    """The texts of the examples that are compared with what is asked."""
    assert definition.examples is not None
    by = definition.examples.by
    return [
        str(example.input.get(by) or "") if by is not None and isinstance(example.input, dict) else user.text
        for example, (user, _) in zip(definition.examples.items, shown, strict=True)
    ]


def response_format(definition: PromptDefinition, name: str) -> JSON | None:
    """The output schema as OpenAI has it."""
    schema = definition.output_schema
    if schema is None:
        return None
    if definition.chain_of_thought:
        schema = chain_of_thought.with_reasoning(schema)
    return {"type": "json_schema", "json_schema": {"name": re.sub(r"[^A-Za-z0-9_-]", "_", name), "schema": schema}}


def sampling_of(definition: PromptDefinition) -> dict[str, Any]:
    """The hints that say something, by their names."""
    hints = definition.sampling
    if hints is None:
        return {}
    return {name: value for name in hints.__struct_fields__ if (value := getattr(hints, name)) not in (None, [])}
