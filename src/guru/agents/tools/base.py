"""What a tool is, wherever it comes from: a Python function, a built-in, an OpenAPI service, an MCP server."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from msgspec import Struct

from guru.agents.tools.asking import Person
from guru.store.scope import Scope
from guru.types import JSON, ImagePart

Effect = Literal["none", "read", "write"]
"""`none`: it computes; `read`: it looks at something outside, and changes nothing; `write`: it changes something."""


class ToolSpec(Struct, frozen=True, kw_only=True):
    """What a model is told of a tool, and what the loop must know to call it."""

    name: str
    """Letters, digits, `_` and `-`, at most 64: what every provider takes."""
    description: str
    parameters: dict[str, Any]
    """A JSON Schema (draft 2020-12) of type object. Arguments are validated before the tool sees them."""
    output: dict[str, Any] | None = None
    """The JSON Schema of `ToolResult.data`, for a tool that gives some."""
    effect: Effect = "none"
    foreign: bool = False
    """Somebody who is not trusted has made it: its description and its results may carry instructions of theirs."""
    anywhere: bool = False
    """It asks whatever address the model names, so that a call can carry away what the model knows."""
    approval: bool = False
    """A person must say yes to each call."""
    asks: bool = False
    """Its server may ask a person during a call: see `ToolContext.person`."""
    repeatable: bool = True
    """May be called once more when a crash leaves it open whether a call had ended."""
    timeout: float = 30.0
    """Seconds."""

    @property
    def reads(self) -> bool:
        """Whether strangers may have written what it gives."""
        return self.effect == "read" or self.foreign


class ToolContext(Struct, frozen=True, kw_only=True):
    """For whom, and in which run, a tool is called."""

    scope: Scope
    """What may be seen: every row that a tool reads or writes is within it."""
    caller: Any = None
    """Who asks, as the gateway knows them. Tools hand it on to the road; they do not look inside."""
    run: str | None = None
    call: str = ""
    """The id of this call: the same when it is made again after a crash."""
    person: Person | None = None
    """Who can be asked, where the tool is of a server that asks; None: nobody."""
    answered: JSON | None = None
    """What a call that was suspended goes on from: the person has answered."""


class ToolResult(Struct, kw_only=True):
    """What came of a call. It is data: no model takes an instruction from it."""

    text: str
    data: Any = None
    """The same for programs, as JSON can say it; None where the text is all."""
    images: list[ImagePart] = []
    failed: bool = False
    """The text says what went wrong, in words that a model can mend its call by."""


class Tool(Protocol):
    @property
    def spec(self) -> ToolSpec: ...

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        """`arguments` hold to `spec.parameters`. Cancel it to stop the work.

        Raises `GuruError`s for what the caller can mend; whoever calls tells the model.
        """
        ...
