"""Guru's tools as MCP serves them."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import structs

from guru.agents.mcp.protocol import McpError, invalid_params
from guru.agents.mcp.serving.forward import forward
from guru.agents.mcp.serving.peer import Peer
from guru.agents.mcp.serving.provider import Access, Background, ServedTool
from guru.agents.tools.asking import Person
from guru.agents.tools.base import Tool, ToolContext, ToolResult
from guru.agents.tools.toolbox import Toolbox
from guru.types import JSON, ImagePart

LONG = 120.0
"""Seconds: a tool that may take longer goes on behind the request."""
Change = Callable[[str, JSON, Access], Awaitable[None]]
FORM: JSON = {
    "type": "object",
    "properties": {"allow": {"type": "boolean", "title": "Allow it", "default": False}},
    "required": ["allow"],
}


class ContractTool:
    """A tool of the contract. What needs approval is asked of the person at the client, and refused without one."""

    def __init__(self, tool: Tool, toolbox: Toolbox, change: Change | None) -> None:
        self._tool = tool
        self._toolbox = toolbox
        self._change = change
        self.task: Background = "optional" if tool.spec.timeout > LONG else "never"

    @property
    def definition(self) -> JSON:
        spec = self._tool.spec
        shown: JSON = {"name": spec.name, "description": spec.description, "inputSchema": spec.parameters}
        if spec.output is not None:
            shown["outputSchema"] = spec.output
        changes = spec.effect == "write"
        hints = {"readOnlyHint": not changes, "openWorldHint": spec.effect != "none"}
        if changes:
            hints |= {"destructiveHint": True, "idempotentHint": spec.repeatable}
        return shown | {"annotations": hints}

    async def prepare(self, arguments: JSON, access: Access, peer: Peer) -> None:
        if self._tool.spec.approval:
            await self._allowed(arguments, peer)

    async def call(self, arguments: JSON, access: Access, peer: Peer) -> JSON:
        spec = self._tool.spec
        if spec.effect == "write" and not access.may_change:
            raise invalid_params(f"{spec.name} changes something, and this key may only look.")
        if spec.approval and not await self._allowed(arguments, peer):
            return failed(f"{spec.name} needs the approval of a person, and nobody gave it.")
        if spec.effect == "write" and self._change is not None and peer.kept is None:  # else it has begun before
            await self._change(spec.name, arguments, access)
        context = ToolContext(scope=access.scope, caller=access.caller, call=access.trace)
        if spec.asks or peer.kept is not None:  # what has asked before goes on, also where it may ask no more
            return await peer.hold(lambda client: self._asking(arguments, context, client))
        result = await self._toolbox.call(spec.name, arguments, context)
        return to_result(result, structured=spec.output is not None)

    async def _asking(self, arguments: JSON, context: ToolContext, peer: Peer) -> JSON:
        """The result of a tool whose server may ask the client."""

        def call(person: Person, answered: JSON | None) -> Awaitable[ToolResult]:
            asking = structs.replace(context, person=person, answered=answered)
            return self._toolbox.call(self._tool.spec.name, arguments, asking)

        return to_result(await forward(call, peer), structured=self._tool.spec.output is not None)

    async def _allowed(self, arguments: JSON, peer: Peer) -> bool:
        said = msgspec.json.format(msgspec.json.encode(arguments), indent=1).decode()
        message = f"Allow {self._tool.spec.name} with {said[:2000]}?"
        asked = {"mode": "form", "message": message, "requestedSchema": FORM}
        try:
            answers = await peer.ask({"approval": {"method": "elicitation/create", "params": asked}})
        except McpError:
            return False
        answer = answers["approval"]
        return answer["action"] == "accept" and (answer.get("content") or {}).get("allow") is True


class ContractTools:
    """Tools of the contract as a source. `toolbox` gives those that a caller may use; `change` is told before one
    changes something."""

    def __init__(self, toolbox: Callable[[Access], Awaitable[Toolbox]], change: Change | None = None) -> None:
        self._toolbox = toolbox
        self._change = change

    async def tools(self, access: Access) -> Sequence[ServedTool]:
        toolbox = await self._toolbox(access)
        return [ContractTool(tool, toolbox, self._change) for tool in toolbox]


def to_result(result: ToolResult, *, structured: bool) -> JSON:
    """A `CallToolResult`. Data without a schema is in the text already."""
    content: list[JSON] = [{"type": "text", "text": result.text}, *map(to_image, result.images)]
    shown: JSON = {"content": content, "isError": result.failed}
    if structured and not result.failed:
        shown["structuredContent"] = result.data
    return shown


def to_image(part: ImagePart) -> JSON:
    """An image as MCP carries it; one that is an address stays one."""
    url = part.image_url.url
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        kind = head.removeprefix("data:").partition(";")[0] or "image/png"
        if not head.endswith(";base64"):
            data = base64.b64encode(data.encode()).decode()
        return {"type": "image", "data": data, "mimeType": kind}
    return {"type": "resource_link", "uri": url, "name": url.rpartition("/")[2] or url}


def failed(text: str) -> JSON:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def text(value: str) -> JSON:
    content: dict[str, Any] = {"type": "text", "text": value}
    return {"content": [content]}
