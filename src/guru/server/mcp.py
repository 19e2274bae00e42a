"""MCP, put together: what Guru serves, from its tools, its documents and its prompts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from guru.agents.mcp.serving.fixtures import Fixtures
from guru.agents.mcp.serving.provider import Access, NoPrompts, PromptSource, ResourceSource, ToolSource
from guru.agents.mcp.serving.seal import Seal
from guru.agents.mcp.serving.server import McpServer
from guru.agents.mcp.serving.streamable import Streamable
from guru.agents.mcp.serving.tools import ContractTools
from guru.agents.tools.toolbox import Toolbox
from guru.config import McpSettings
from guru.gateway.identity import Sessions
from guru.gateway.pipeline import Road
from guru.knowledge.base import KnowledgeBase
from guru.server.mcp_resources import KnowledgeResources
from guru.server.mcp_tools import FOR_MEMBERS, knowledge_tools


def open_mcp(
    stack: AsyncExitStack,
    settings: McpSettings,
    knowledge: KnowledgeBase,
    road: Road,
    *,
    home: Path,
    closing: asyncio.Event,
    toolbox: Toolbox | None = None,
    prompts: PromptSource | None = None,
) -> Streamable:
    """`toolbox` are tools besides those for documents; `closing` is set when the server stops."""
    own = Toolbox([*knowledge_tools(knowledge, road), *(toolbox or ())])
    for_viewers = Toolbox(tool for tool in own if tool.spec.effect != "write" and tool.spec.name not in FOR_MEMBERS)

    async def for_caller(access: Access) -> Toolbox:
        return own if access.may_change else for_viewers

    tools: ToolSource = ContractTools(for_caller)
    resources: ResourceSource = KnowledgeResources(knowledge)
    prompts = prompts or NoPrompts()
    changing, fixtures = ["resources"], None
    if settings.conformance_fixtures:
        tools = resources = prompts = fixtures = Fixtures(tools, resources, prompts)
        changing = ["resources", "tools", "prompts"]
    server = McpServer(tools=tools, resources=resources, prompts=prompts, changing=changing)
    if fixtures is not None:
        fixtures.changes = server.changes
    served = Streamable(server, Seal(Sessions.in_home(home).derive(b"mcp")), closing)
    stack.push_async_callback(served.aclose)
    return served
