"""MCP servers of others: which there are, what their tools say of themselves, and what was accepted of that.

Servers come from the configuration alone: no request can add one, or start a program.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from guru.agents.mcp.client.pins import fingerprint
from guru.agents.mcp.client.remote import tool_name
from guru.agents.mcp.client.servers import ListedTool
from guru.agents.mcp.client.suspicion import visible
from guru.server.endpoint import Call, get, post
from guru.types import JSON


class ServerView(Struct, kw_only=True):
    name: str
    transport: Literal["http", "stdio"]
    state: Literal["connected", "idle", "failed"]
    """`idle`: nobody has needed it yet."""
    revision: str | None
    """Of the protocol, as the two agreed."""
    error: str | None


class ServerList(Struct):
    servers: list[ServerView]


class ToolView(Struct, kw_only=True):
    name: str
    """As the server calls it."""
    called: str
    """As agents call it."""
    status: Literal["accepted", "new", "changed", "excluded"]
    """`new` and `changed` are not used until somebody accepts them; `excluded`: the configuration does not name it."""
    description: str
    """With hidden characters shown by their numbers."""
    definition: JSON
    """All that the server says of it, as it says it."""
    fingerprint: str
    """Names this definition, for accepting it."""
    findings: list[str]
    """What in it looks as if it were meant to lead a model astray."""
    changed: list[str]
    """The fields that differ from what was accepted."""
    before: JSON | None
    """What was accepted, where it has changed."""


class ToolList(Struct):
    tools: list[ToolView]


class AcceptBody(Struct, forbid_unknown_fields=True):
    tool: str
    fingerprint: str
    """Of the definition that was looked at: another one is not accepted."""


class CallBody(Struct, forbid_unknown_fields=True):
    tool: str
    arguments: JSON = {}


class CallAnswer(Struct, kw_only=True):
    text: str
    data: Any
    images: int
    """How many there are besides the text."""
    failed: bool


@get("/api/v1/mcp/servers")
async def list_servers(call: Call) -> ServerList:
    """The MCP servers that the configuration names."""
    call.require_operator()
    shown = [msgspec.to_builtins(server.status()) for server in call.services.mcp.servers]
    return ServerList([ServerView(**each) for each in shown])


@get("/api/v1/mcp/servers/{name}/tools")
async def list_server_tools(call: Call, name: str) -> ToolList:
    """The tools of a server, and which of them wait for somebody to accept them."""
    call.require_operator()
    listed = await call.services.mcp.servers.get(name).listed(fresh=True)
    return ToolList([to_view(name, tool) for tool in listed])


@post("/api/v1/mcp/servers/{name}/accept")
async def accept_server_tool(call: Call, name: str, body: AcceptBody) -> ToolView:
    """Accept a tool as it is described now. Agents may use it from then on."""
    caller = call.require_operator()
    accepted = await call.services.mcp.servers.get(name).accept(body.tool, body.fingerprint, by=caller.person)
    await call.services.audit(caller, "mcp.accept", f"{name}/{body.tool}", after={"fingerprint": body.fingerprint})
    return to_view(name, accepted)


@post("/api/v1/mcp/servers/{name}/call")
async def call_server_tool(call: Call, name: str, body: CallBody) -> CallAnswer:
    """Call a tool of a server, once it is accepted."""
    call.require_operator()
    result = await call.services.mcp.servers.call(name, body.tool, body.arguments)
    return CallAnswer(text=result.text, data=result.data, images=len(result.images), failed=result.failed)


def to_view(server: str, tool: ListedTool) -> ToolView:
    return ToolView(
        name=tool.name, called=tool_name(server, tool.name), status=tool.status,
        description=visible(str(tool.definition.get("description", ""))), definition=tool.definition,
        fingerprint=fingerprint(tool.definition), findings=tool.findings, changed=tool.changed, before=tool.before,
    )  # fmt: skip


DOORS = [list_servers, list_server_tools, accept_server_tool, call_server_tool]
