"""Two real `guru up` on one database are one to a client of MCP, whichever a balancer gives it, also when one dies."""

import asyncio
import contextlib
import itertools
import json

import aiohttp
import pytest
from aiohttp import web

import mcp_remote
from running import make_home, serving

pytestmark = pytest.mark.slow
CONFIG = """
[server]
require_key = true

[store]
url = "sqlite:///{database}"

[mcp]
conformance_fixtures = true

[keys.ann]
key = "the-key-of-ann"

[keys.ben]
key = "the-key-of-ben"

[mcp.servers]
new = {{ url = "{new}", serve = true, approval = "never" }}
old = {{ url = "{old}", serve = true, approval = "never" }}
"""
JSON = "application/json"
PERSON = {"username": "ann", "email": "ann@example.org"}
FIELDS = {"username": {"type": "string"}, "email": {"type": "string", "format": "email"}}
FORM = {"message": "Who?", "requestedSchema": {"type": "object", "properties": FIELDS, "required": ["email"]}}


def headers_of(person="ann", **more):
    kinds = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    return kinds | {"authorization": f"Bearer the-key-of-{person}"} | more


@contextlib.asynccontextmanager
async def balanced(urls):
    """An address whose requests go to one server after the other."""
    turn = itertools.cycle(urls)
    hop = {"host", "content-length", "transfer-encoding", "connection"}

    async def handle(request):
        headers = {name: value for name, value in request.headers.items() if name.lower() not in hop}
        body = await request.read()
        async with session.request(request.method, f"{next(turn)}/mcp", data=body, headers=headers) as found:
            kept = {name: value for name, value in found.headers.items() if name.lower() not in hop}
            answer = web.StreamResponse(status=found.status, headers=kept)
            await answer.prepare(request)
            async for piece in found.content.iter_any():
                await answer.write(piece)
            return answer

    app = web.Application()
    app.router.add_route("*", "/mcp", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    async with aiohttp.ClientSession() as session:
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/mcp"
        finally:
            await runner.cleanup()


async def use_official(url, mode):
    """What the official SDK's client does in one era, with questions on the way: ours, and those of other servers."""
    mcp = pytest.importorskip("mcp", reason="the official SDK is not installed: pip install 'mcp>=2.3'")
    http = pytest.importorskip("mcp.client.streamable_http")
    httpx2 = pytest.importorskip("httpx2")

    asked_by = []

    async def fill_in(context, params):
        asked_by.append(params.message.partition(" asks")[0])
        return mcp.types.ElicitResult(action="accept", content=PERSON)

    async with httpx2.AsyncClient(headers={"authorization": "Bearer the-key-of-ann"}, timeout=60) as session:
        transport = http.streamable_http_client(url, http_client=session)
        async with mcp.Client(transport, mode=mode, elicitation_callback=fill_in) as client:
            for _ in range(4):
                assert "search_documents" in {tool.name for tool in (await client.list_tools()).tools}
                asked = await client.call_tool("test_elicitation", {"message": "Who are you?"})
                assert "ann@example.org" in asked.content[0].text
            for name in ("new", "old"):
                asked = await client.call_tool(f"{name}__ask", {"questions": [FORM, FORM]})
                assert json.loads(asked.content[0].text) == [{"action": "accept", "content": PERSON}] * 2
    assert asked_by[4:] == [f"The MCP server {name!r}" for name in ("new", "new", "old", "old")]


async def ask(session, url, name, again=None):
    """What a modern client is answered with by the tool of another server."""
    meta = {"protocolVersion": "2026-07-28", "clientCapabilities": {"elicitation": {}}}
    params = {"name": f"{name}__ask", "arguments": {"questions": [FORM]}, **(again or {})}
    params["_meta"] = {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}
    named = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": f"{name}__ask"}
    _, said = await post(session, url, {"id": 9, "method": "tools/call", "params": params}, **named, accept=JSON)
    return json.loads(said)["result"]


def again_with(asked):
    """The answer to a question."""
    answers = {name: {"action": "accept", "content": PERSON} for name in asked["inputRequests"]}
    return {"inputResponses": answers, "requestState": asked["requestState"]}


async def post(session, url, message, person="ann", **headers):
    async with session.post(
        f"{url}/mcp", json={"jsonrpc": "2.0", **message}, headers=headers_of(person, **headers)
    ) as it:
        return it, await it.text()


async def last_event(answer):
    """The id of the last event of a stream that the server closes."""
    lines = (await answer.text()).splitlines()
    return [line for line in lines if line.startswith("id: ")][-1].removeprefix("id: ")


@pytest.fixture
async def remotes():
    """Servers of somebody else, one of each era."""
    async with mcp_remote.serving(modern=True) as new, mcp_remote.serving(modern=False) as old:
        yield {"new": new, "old": old}


async def test_two_servers_serve_one_session(tmp_path, remotes):
    places = {name: remote.url for name, remote in remotes.items()} | {"database": tmp_path / "shared.db"}
    with contextlib.ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            home = make_home(tmp_path / name)
            (home / "guru.toml").write_text(CONFIG.format(**places), encoding="utf-8")
            (home / "session.key").write_bytes(b"k" * 32)
            servers.append(await asyncio.to_thread(stack.enter_context, serving(home)))
        one, two = servers
        async with balanced([server.url for server in servers]) as url:
            for mode in ("legacy", "auto"):
                await use_official(url, mode)
        async with aiohttp.ClientSession() as session:
            able = {"protocolVersion": "2025-11-25", "capabilities": {}}
            opened, _ = await post(session, one.url, {"id": 0, "method": "initialize", "params": able})
            mine = {"mcp-session-id": opened.headers["mcp-session-id"]}
            ping = {"id": 1, "method": "ping"}
            assert (await post(session, two.url, ping, **mine))[0].status == 200
            assert (await post(session, two.url, ping, "ben", **mine))[0].status == 404
            call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "test_reconnection"}}
            async with session.post(f"{one.url}/mcp", json=call, headers=headers_of(**mine)) as answer:
                last = await last_event(answer)
            async with session.get(f"{two.url}/mcp", headers=headers_of(**mine, **{"last-event-id": last})) as answer:
                assert '"id":2' in await answer.text()
            asked = await ask(session, one.url, "new")
            one.kill()
            done = await ask(session, two.url, "new", again_with(asked))
            assert json.loads(done["content"][0]["text"]) == [{"action": "accept", "content": PERSON}]
            assert (await post(session, two.url, ping, **mine))[0].status == 200
            async with session.delete(f"{two.url}/mcp", headers=headers_of(**mine)) as answer:
                assert answer.status == 204
            assert (await post(session, two.url, ping, **mine))[0].status == 404
