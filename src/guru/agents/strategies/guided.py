"""Tool calls for models too weak to make any: the tool is the one whose examples are nearest to the request.

A model of 135 million parameters picks the right tool in two of five requests, and the nearest example in nearly all.
The model is then shown examples of arguments, and a schema holds what it writes.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Container, Iterable
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from guru.agents.steps import Choice
from guru.agents.tools.base import ToolSpec
from guru.config.agent import ToolExample
from guru.types import Message

WHOLE: Final = r"(?<![\w.]){}(?!\w|[.,]\d)"
"""A result that stands in a text, and not as a part of another number or word."""
QUESTION: Final = re.compile(
    r"\?\s*$|^\W*(?:who|whom|whose|what|which|when|where|why|how|is|are|does|do|did|can|may|must|should|find|list|"
    r"summari[sz]e|show)\b", re.IGNORECASE,
)  # fmt: skip
AMOUNT: Final = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million|half|third|quarter|dozen|twice|double)\b",
    re.IGNORECASE,
)
"""Without one there is nothing to calculate."""
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
TRIES: Final = ((0.0, 0), (0.5, 1), (0.8, 2))
"""Temperature and seed with which a model is asked for arguments, until they leave nothing out."""
SHORT: Final = 300
"""Characters of a result that can stand for an answer by itself."""


LOOK_UP: Final = ("ask_documents", "search_documents", "search_web")
"""Tools that find out what is asked, the best first."""


@cache
def shipped() -> dict[str, Any]:
    text = resources.files("guru.agents.strategies").joinpath("examples.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def known() -> list[ToolExample]:
    """The examples that come with the built-in tools; those of the tool "" need none."""
    return msgspec.convert(shipped()["examples"], list[ToolExample])


def options(tools: Iterable[ToolSpec], examples: Iterable[ToolExample]) -> dict[str, list[str]]:
    """What each tool is for, in texts that a request may be near to."""
    found = {tool.name: [tool.description] for tool in tools} | {"": list[str]()}
    for example in (*examples, *known()):
        if example.tool in found:
            found[example.tool].append(example.request)
    found[looking_up(found)] += shipped()["questions"]
    return found


def looking_up(names: Container[str]) -> str:
    """The best tool to find out what is asked; "" where there is none."""
    return next((name for name in LOOK_UP if name in names), "")


def choice(request: str, tools: Iterable[ToolSpec], examples: Iterable[ToolExample]) -> Choice:
    """Which tool a request is for. A question that is near to no example is looked up."""
    found = options(tools, examples)
    if not AMOUNT.search(request):
        found.pop("calculator", None)
    return Choice(text=request, options=found, otherwise=looking_up(found) if QUESTION.search(request) else "")


def arguments_prompt(
    tool: ToolSpec, examples: Iterable[ToolExample], near: Iterable[str], request: str
) -> list[Message]:
    """How a model is asked for the arguments: by those examples that are `near`, and then by the request."""
    messages = [Message("system", f"You write the arguments of {tool.name} as JSON. {tool.description}")]
    mine = [example for example in (*examples, *known()) if example.tool == tool.name and example.arguments]
    by_request = {example.request: example for example in reversed(mine)}
    for example in (by_request[text] for text in near if text in by_request):
        messages += [Message("user", example.request), Message("assistant", json.dumps(example.arguments))]
    return [*messages, Message("user", request)]


def takes_nothing(tool: ToolSpec) -> bool:
    """Whether there is only one way to call it."""
    return not tool.parameters.get("properties") and tool.parameters.get("additionalProperties") is False


def leaves_out(request: str, arguments: str) -> bool:
    """Whether a number of the request is in no argument: the model has copied an example instead."""
    return not set(NUMBER.findall(request)) <= set(NUMBER.findall(arguments))


def has_results(messages: list[Message]) -> bool:
    """Whether tools were called for the last request."""
    return messages[-1].role == "tool"


def results(messages: list[Message]) -> list[str]:
    """The results for the last request."""
    found: list[str] = []
    for message in reversed(messages):
        if message.role != "tool":
            break
        found.insert(0, message.text)
    return found


def with_results(messages: list[Message], request: str) -> list[Message]:
    """The conversation, and the results as something that was told, for a model that knows no tools."""
    told = f"{request}\n\nIt is known that: {' '.join(results(messages))}\n\nAnswer in one sentence."
    before = [message for message in messages if message.role in ("system", "user", "assistant")]
    while before and before[-1].role != "user":
        before.pop()
    return [*before[:-1], Message("user", told)]


def settled(said: str, messages: list[Message], request: str) -> str:
    """What the model said, where it holds the results and no number of its own; else the results, which are right."""
    found = results(messages)
    short = all(len(result) <= SHORT for result in found)
    known = set(NUMBER.findall(" ".join([request, *found])))
    if (
        short
        and known >= set(NUMBER.findall(said))
        and all(re.search(WHOLE.format(re.escape(result.strip())), said) for result in found)
    ):
        return said
    return "\n".join(found)
