"""Guru's MCP client as the official conformance suite runs it: one scenario, one server, whose address is the argument.

The suite sets MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION and MCP_CONFORMANCE_CONTEXT.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import aiohttp

from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.oauth import NoGrants, OAuth
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.protocol import LEGACY, MODERN, McpError
from guru.agents.tools.asking import MODES, Elicitation, Elicited
from guru.cli.mcp_http import SessionHttp
from guru.errors import GuruError

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
VERSION = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION")
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
DOCUMENT = "https://conformance-test.local/client-metadata.json"


class Agrees:
    """A person who agrees to everything: the suite asks what a client does with the answers."""

    modes = MODES

    async def ask(self, question: Elicitation, state: dict[str, Any] | None) -> Elicited:
        schema = question.schema or {}
        given = {"boolean": True, "string": "text", "number": 1, "integer": 1}
        wanted = schema.get("required") or ()
        fields = schema.get("properties", {})
        content = {
            name: given.get(field.get("type"), [])
            for name, field in fields.items() if name in wanted and "default" not in field
        }  # fmt: skip
        return Elicited(action="accept", content=content)


class Redirect:
    """A browser in which the person has allowed it already: the authorization server sends it straight back."""

    redirect_uri = "http://localhost:3000/callback"

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, url: str) -> str:
        async with self._session.get(url, allow_redirects=False) as answer:
            return answer.headers["location"]


async def run(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        http = SessionHttp(session)
        oauth = OAuth(
            http, url, NoGrants(), consent=Redirect(session), client_id=CONTEXT.get("client_id"),
            client_secret=CONTEXT.get("client_secret"), metadata_url=DOCUMENT,
        )  # fmt: skip
        channel = StreamableChannel(http, url, {}, idle=30, authorization=oauth)
        revisions = (MODERN, *LEGACY) if VERSION is None else (VERSION,)
        host = Host("suite", person=Agrees(), roots=["."])
        client = McpClient(channel, host, timeout=25, revisions=revisions)
        try:
            await client.connect()
            await use(client)
        finally:
            await client.aclose()


async def use(client: McpClient) -> None:
    tools = await client.tools()
    if SCENARIO == "json-schema-ref-no-deref":
        return
    if SCENARIO == "json-schema-2020-12-preservation":
        by_name = {tool["name"]: tool for tool in tools}
        schema = by_name["json_schema_2020_12_tool"]["inputSchema"]
        await client.call(by_name["json_schema_echo"], {"schema": schema})
        return
    if SCENARIO == "http-custom-headers":
        for call in CONTEXT.get("toolCalls", ()):
            tool = next(tool for tool in tools if tool["name"] == call["name"])
            await client.call(tool, call.get("arguments", {}))
        return
    for tool in tools:
        try:
            await client.call(tool, {"a": 2, "b": 3} if SCENARIO == "tools_call" else {})
        except McpError as error:
            print(f"{tool['name']}: {error.message}", file=sys.stderr)
    if SCENARIO == "http-standard-headers":
        for resource in await client.resources():
            await client.read(resource["uri"])
        for prompt in await client.prompts():
            await client.prompt(prompt["name"], {})


try:
    asyncio.run(run(sys.argv[1]))
except (GuruError, McpError) as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(1)
