"""What an agent can do, and what comes of it.

A step is a list of these, done at the same time. All of them can be written down as JSON and read again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from guru.agents.tools.base import ToolResult, ToolSpec
from guru.types import JSON, Message

AnswerIn = Literal["no", "whole", "marked", "words"]
"""Where the answer of the run is in what a model is to write: nowhere, or nobody can tell before its end; all of it is;
after a mark (`strategies.mark`); after the words "Final Answer:" (`strategies.text`)."""

# --------------------------------------------------------------------------- what a strategy asks for


class ModelCall(Struct, kw_only=True, frozen=True, tag="model"):
    """Ask the agent's model."""

    messages: list[Message]
    purpose: str = "think"
    """What it is for, for whoever watches: `think`, `plan`, `review` ..."""
    tools: list[ToolSpec] = []
    schema: JSON | None = None
    """A JSON schema that the answer must hold to."""
    temperature: float | None = None
    seed: int | None = None
    model: str = "default"
    max_tokens: int | None = None
    agent: str = ""
    answer: AnswerIn = "no"
    before: str = ""
    """What there is of the answer already."""


class ToolCall(Struct, kw_only=True, frozen=True, tag="tool"):
    """Call a tool."""

    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    id: str = ""
    """The model's name for the call."""
    agent: str = ""
    """Whose model wants it: only that agent's tools are called."""


class Choice(Struct, kw_only=True, frozen=True, tag="choice"):
    """Choose among options by what they mean, without a model that writes."""

    text: str
    """The request."""
    options: dict[str, list[str]]
    """Texts that each option stands for; those of the option "" are for none of them."""
    otherwise: str = ""
    """The option where every text is far from the request."""


class Question(Struct, kw_only=True, frozen=True, tag="person"):
    """Ask a person, and wait for the answer."""

    text: str


Part = ModelCall | ToolCall | Choice | Question

# --------------------------------------------------------------------------- what comes of it


class Reply(Struct, kw_only=True, tag="reply"):
    """What a model said."""

    text: str
    calls: list[ToolCall] = []
    reasoning: str = ""
    thinking_blocks: list[JSON] = []
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0
    trace_id: str = ""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Chosen(Struct, kw_only=True, tag="chosen"):
    """The option that is nearest, "" for none, and how near it is (cosine)."""

    option: str
    score: float
    near: list[str] = []
    """The texts of that option that are nearest, the nearest last."""


class Said(Struct, kw_only=True, tag="said"):
    """A person's answer."""

    text: str


class Returned(ToolResult, kw_only=True, tag="returned"):
    """What a tool gave back."""

    tool: str = ""
    """The tool that was called in the end."""


Result = Reply | Chosen | Said | Returned
RESULTS: dict[str, type[Result]] = {"model": Reply, "choice": Chosen, "person": Said, "tool": Returned}


def kind_of(part: Part) -> str:
    return str(part.__struct_config__.tag)


def name_of(part: Part) -> str:
    """What the part does, in a word: the purpose of a model's call, or the tool."""
    return part.purpose if isinstance(part, ModelCall) else part.name if isinstance(part, ToolCall) else kind_of(part)


def shown(part: Part) -> JSON:
    """What is written down of a part before it is done. The prompt of a model is kept in its trace."""
    if isinstance(part, ModelCall):
        return {"purpose": part.purpose, "model": part.model, "agent": part.agent}
    if isinstance(part, Choice):
        return {"text": part.text, "options": [name for name in part.options if name]}
    written: JSON = msgspec.to_builtins(part)
    written.pop("type")
    return written


def read_result(kind: str, written: Any) -> Result:
    """Raises `msgspec.ValidationError` for what is none."""
    return msgspec.convert(written, RESULTS[kind])


def write_result(result: Result) -> JSON:
    written: JSON = msgspec.to_builtins(result)
    return written
