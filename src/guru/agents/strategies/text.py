"""Tool calls in words, for models that cannot call tools: thought, action, observation (Yao et al., 2023)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from guru.agents.steps import Reply, Returned, ToolCall
from guru.agents.strategies.mark import instructed
from guru.agents.tools.base import ToolSpec
from guru.types import Message, TextPart

FORMAT: Final = """You can use these tools:
{tools}

To use one, write exactly:
Thought: why
Action: the tool's name
Action Input: its arguments, as one JSON object

You are then told what came of it as "Observation:". When you know the answer, write:
Thought: why you know
Final Answer: the answer"""
ACTION: Final = re.compile(r"^[ \t]*Action[ \t]*:[ \t]*`?([\w-]+)`?[ \t]*\n+[ \t]*Action Input[ \t]*:\s*", re.MULTILINE)
ANSWER: Final = re.compile(r"^[ \t]*Final Answer[ \t]*:", re.MULTILINE)
OBSERVATION: Final = re.compile(r"^[ \t]*Observation[ \t]*:", re.MULTILINE)


def describe(messages: list[Message], tools: Sequence[ToolSpec]) -> list[Message]:
    """The prompt, with the tools and how to call them."""
    listed = "\n".join(f"- {tool.name}: {tool.description} Arguments: {json.dumps(tool.parameters)}" for tool in tools)
    return instructed(messages, FORMAT.format(tools=listed))


def read(reply: Reply) -> Reply:
    """What a model wrote in that format. An observation that it made up itself is cut off."""
    said = OBSERVATION.split(reply.text, maxsplit=1)[0]
    found = ACTION.search(said)
    answer = ANSWER.search(said)
    if found is None or (answer is not None and answer.start() < found.start()):
        return msgspec.structs.replace(reply, text=(said[answer.end() :] if answer else said).strip(), calls=[])
    rest = said[found.end() :]
    try:
        arguments, _ = json.JSONDecoder().raw_decode(rest)
        written = json.dumps(arguments)
    except (ValueError, RecursionError):
        written = rest.partition("\n")[0].strip()  # the call says what is wrong with it
    return msgspec.structs.replace(
        reply, text=said[: found.start()].strip(), calls=[ToolCall(name=found[1], arguments=written)]
    )


def is_answer(said: str) -> bool:
    """Whether a text that ends where it says "Final Answer:" has neither called a tool nor made up a result before."""
    return OBSERVATION.search(said) is None and ACTION.search(said) is None


def may_be_observation(line: str) -> bool:
    """Whether a line can still become an observation."""
    return "Observation".startswith(line.strip(" \t"))


def observed(
    messages: list[Message], reply: Reply, calls: Sequence[ToolCall], results: Sequence[Returned]
) -> list[Message]:
    """What was said, with a call and its observation."""
    actions = "\n".join(f"Action: {call.name}\nAction Input: {call.arguments}" for call in calls)
    observations = "\n".join(f"Observation: {result.text}" for result in results)
    images = [image for result in results for image in result.images]
    told = Message("user", observations)
    if images:
        told = Message("user", [TextPart(observations), *images])
    return [*messages, Message("assistant", f"{reply.text}\n{actions}".strip()), told]
