"""Tools: which there are, and calling one by hand."""

from __future__ import annotations

import time
from typing import Any

from msgspec import Struct

from guru.agents.tools.base import Effect, ToolContext, ToolSpec
from guru.server.endpoint import Call, get, post
from guru.server.sse import while_connected
from guru.types import JSON, ImagePart


class ToolView(Struct, kw_only=True):
    name: str
    description: str
    parameters: JSON
    """A JSON Schema of the arguments."""
    output: JSON | None
    """That of `data`, for a tool that says so."""
    effect: Effect
    """`none`: it computes; `read`: it looks at something outside; `write`: it changes something."""
    approval: bool
    """Whether a person says yes to each call that an agent makes."""
    timeout: float
    """Seconds."""


class ProblemView(Struct):
    place: str
    """The table of the configuration."""
    message: str


class ToolList(Struct):
    tools: list[ToolView]
    problems: list[ProblemView]
    """Tools of the configuration that cannot be offered: for administrators."""


class ToolCallBody(Struct, forbid_unknown_fields=True):
    arguments: JSON = {}


class ToolAnswer(Struct, kw_only=True):
    text: str
    data: Any
    images: list[ImagePart]
    failed: bool
    """The text says what went wrong."""
    seconds: float


@get("/api/v1/tools")
async def list_tools(call: Call) -> ToolList:
    """The tools that the caller, and an agent that works for them, may use."""
    tools, scope = call.services.tools, call.visible
    views = [to_view(spec) for spec in (await tools.toolbox(scope)).specs]
    problems = await tools.problems(scope) if call.caller("tools").role == "admin" else []
    return ToolList(views, [ProblemView(item.place, item.message) for item in problems])


@post("/api/v1/tools/{name}/call")
async def call_tool(call: Call, name: str, body: ToolCallBody) -> ToolAnswer:
    """Call a tool by hand. Whoever does so has said yes to the call."""
    caller = call.caller("tools.call")
    box = await call.services.tools.toolbox(call.visible)
    box.get(name)
    context = ToolContext(scope=call.visible, caller=caller, call=call.trace_id)
    began = time.perf_counter()
    result = await while_connected(call.receive, box.call(name, body.arguments, context))
    return ToolAnswer(
        text=result.text, data=result.data, images=result.images, failed=result.failed,
        seconds=round(time.perf_counter() - began, 4),
    )  # fmt: skip


def to_view(spec: ToolSpec) -> ToolView:
    return ToolView(**{name: getattr(spec, name) for name in ToolView.__struct_fields__})


DOORS = [list_tools, call_tool]
