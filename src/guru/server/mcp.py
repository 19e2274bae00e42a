"""MCP, put together: what Guru serves, from its tools, its documents and its prompts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

from guru.agents.mcp.client.servers import ServersTools
from guru.agents.mcp.serving.fixtures import Fixtures
from guru.agents.mcp.serving.provider import Access, PromptSource, Recorder, ResourceSource, ToolSource
from guru.agents.mcp.serving.seal import Seal
from guru.agents.mcp.serving.server import McpServer
from guru.agents.mcp.serving.streamable import Streamable
from guru.agents.mcp.serving.tools import ContractTools
from guru.agents.tools.catalogue import Catalogue
from guru.agents.tools.toolbox import Toolbox
from guru.config import McpServerSettings, McpSettings, Settings
from guru.gateway.identity import LOCAL_TENANT, Audit, Sessions
from guru.gateway.pipeline import Road
from guru.knowledge.base import KnowledgeBase
from guru.prompts.library import Library
from guru.server.mcp_prompts import LibraryPrompts
from guru.server.mcp_resources import KnowledgeResources
from guru.server.mcp_servers import ConfiguredServers, open_servers
from guru.server.mcp_traces import RoadRecorder
from guru.store.database import Database

FOR_MEMBERS: Final = {"ask_documents"}
"""They ask a model, which viewers may not."""


class Mcp(NamedTuple):
    """What this server serves, and the servers of others."""

    served: Streamable
    servers: ConfiguredServers

    def reload(self, settings: Settings) -> None:
        """Whoever listens is told where other tools are passed on than before."""
        before = self._passed_on()
        self.servers.reload(settings)
        if self._passed_on() != before:
            self.served.server.changes.changed("tools")

    def _passed_on(self) -> dict[str, McpServerSettings]:
        return {server.name: server.settings for server in self.servers if server.settings.serve}


def open_mcp(
    stack: AsyncExitStack,
    settings: McpSettings,
    tools: Catalogue,
    *,
    knowledge: KnowledgeBase,
    road: Road,
    database: Database,
    home: Path,
    closing: asyncio.Event,
    prompts: Library,
) -> Mcp:
    """Both sides. The tools of other servers join `tools`; `closing` is set when this server stops."""
    servers = open_servers(stack, settings, database, road, home=home)
    tools.sources.append(ServersTools(servers, LOCAL_TENANT))
    recorder = RoadRecorder(road, Audit(database))
    own = served_tools(tools, ServersTools(servers, LOCAL_TENANT, served=True), recorder)
    documents = KnowledgeResources(knowledge)
    server = make_server(own, documents, LibraryPrompts(prompts), recorder, fixtures=settings.conformance_fixtures)
    tools.on_change.append(lambda: server.changes.changed("tools"))
    served = Streamable(server, Seal(Sessions.in_home(home).derive(b"mcp")), closing, database)
    stack.push_async_callback(served.aclose)
    return Mcp(served, servers)


def make_server(
    tools: ToolSource, resources: ResourceSource, prompts: PromptSource, recorder: Recorder, *, fixtures: bool
) -> McpServer:
    """The server; with what the conformance suite calls besides, if that is wanted."""
    changing = ("resources", "tools")
    if not fixtures:
        return McpServer(tools=tools, resources=resources, prompts=prompts, recorder=recorder, changing=changing)
    both = Fixtures(tools, resources, prompts)
    server = McpServer(tools=both, resources=both, prompts=both, recorder=recorder, changing=(*changing, "prompts"))
    both.changes = server.changes
    return server


def served_tools(tools: Catalogue, passed_on: ServersTools, recorder: RoadRecorder) -> ToolSource:
    """The tools of this server, for those who may use them, and those of other MCP servers that the configuration wants
    passed on: the others are theirs to serve."""

    async def for_caller(access: Access) -> Toolbox:
        box = await tools.toolbox(access.scope, sources=[passed_on])
        if access.may_change:
            return box
        return Toolbox(tool for tool in box if tool.spec.effect != "write" and tool.spec.name not in FOR_MEMBERS)

    return ContractTools(for_caller, recorder.change)
