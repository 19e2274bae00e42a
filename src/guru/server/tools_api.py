"""Tools: which there are, and calling one by hand."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.agents.tools.base import Effect, ToolContext, ToolSpec
from guru.agents.tools.failure import HIDDEN, hide_secrets
from guru.agents.tools.toolbox import as_text
from guru.observe import names
from guru.observe.spans import Span
from guru.server.endpoint import Call, get, post
from guru.server.sse import while_connected
from guru.store.ids import new_id
from guru.types import JSON, ImagePart

TOOL: Final = "tool/"
"""What a trace says was asked for, before the tool's name."""
MOST: Final = 200
"""Characters of an argument in the audit log."""


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
    """Call a tool by hand. Whoever does so has said yes to the call.

    Each call has a trace, and one that changes something is written into the audit log before it is made.
    """
    caller, services = call.caller("tools.call"), call.services
    box = await services.tools.toolbox(call.visible)
    if box.get(name).spec.effect == "write":
        after = {"arguments": brief(body.arguments), "trace": call.trace_id}
        await services.audit(caller, "tools.call", name, after=after)
    # What the tool asks the road for has a trace of its own.
    context = ToolContext(
        scope=call.visible, caller=msgspec.structs.replace(caller, trace_id=new_id("tr")), call=call.trace_id
    )
    trace = services.road.begin(TOOL + name, caller)
    began = time.perf_counter()
    try:
        with trace.span(caller.route) as span:
            describe(span, name, body.arguments if services.road.keeps_content else None)
            result = await while_connected(call.receive, box.call(name, body.arguments, context))
            span.set(names.TOOL_FAILED, result.failed)
            if services.road.keeps_content:
                span.set(names.TOOL_RESULT, result.text)
        if result.failed:
            trace.status, trace.error = "error", f"{name} failed."
    except BaseException as error:
        trace.failed(error)
        raise
    finally:
        services.road.end(trace)
    return ToolAnswer(
        text=result.text, data=result.data, images=result.images, failed=result.failed,
        seconds=round(time.perf_counter() - began, 4),
    )  # fmt: skip


def describe(span: Span, name: str, arguments: JSON | None) -> None:
    """What a trace says of a call; the arguments only where they are to be kept."""
    span.set(names.OPERATION, "execute_tool")
    span.set(names.TOOL_NAME, name)
    if arguments is not None:
        span.set(names.TOOL_ARGUMENTS, msgspec.json.encode(arguments).decode())


def brief(arguments: JSON) -> JSON:
    """Arguments as the audit log keeps them: without what looks like a secret, and what is long is cut."""
    return {name: brief_value(name, value) for name, value in arguments.items()}


def brief_value(name: str, value: Any) -> str:
    named = f"{name}=x"
    if hide_secrets(named) != named:
        return HIDDEN
    text = value if isinstance(value, str) else as_text(value)
    text = hide_secrets(text[: 10 * MOST])
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def to_view(spec: ToolSpec) -> ToolView:
    return ToolView(**{name: getattr(spec, name) for name in ToolView.__struct_fields__})


DOORS = [list_tools, call_tool]
