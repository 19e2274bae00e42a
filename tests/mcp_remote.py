"""An MCP server over streamable HTTP, for tests: its one tool asks whoever calls it, in one era or the other.

`ask` asks what its argument `questions` says (parameters of `elicitation/create`), one after the other, and answers
with all that it was told. With `hang` it never comes to an end after that; with `visit` it is refused, the first time,
until that address has been opened.
"""

import asyncio
import contextlib
import itertools
import json

from aiohttp import web

TOOL = {"name": "ask", "description": "Asks.", "inputSchema": {"type": "object"}}
PREFIX = "io.modelcontextprotocol/"
MISSING = -32021
URL_REQUIRED = -32042


class Remote:
    def __init__(self, *, modern):
        self.modern = modern
        self.url = ""
        self.tools = [TOOL]
        self.calls = []
        """The parameters of each call."""
        self.offered = []
        """What each call, or each session, was told of whom it may ask."""
        self.told = []
        """All answers to questions."""
        self.cancelled = asyncio.Event()
        """Set when it learns that an answer is not wanted any more."""
        self.hanging = asyncio.Event()
        self._waiting = {}
        self._numbers = itertools.count(1)

    async def handle(self, request):
        if request.method != "POST":
            return web.Response(status=405 if request.method == "GET" else 200)
        message = await request.json()
        if "method" not in message:
            self.told.append(message.get("result", message.get("error")))
            self._waiting[message["id"]].set_result(self.told[-1])
            return web.Response(status=202)
        if "id" not in message:
            if message["method"] == "notifications/cancelled":
                self.cancelled.set()
            return web.Response(status=202)
        visit = message["params"].get("arguments", {}).get("visit")
        if visit and not self.calls:
            self.calls.append(message["params"])
            wanted = {"code": URL_REQUIRED, "message": "Log in.", "data": {"elicitations": [visit]}}
            return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": wanted})
        if message["method"] == "tools/call" and not self.modern:
            return await self._streamed(request, message)
        try:
            answer = {"result": await self._answer(message["method"], message["params"])}
        except LookupError as error:
            answer = {"error": error.args[0]}
        known = answer.get("error", {}).get("code") != -32601
        headers = {"mcp-session-id": "s1"} if message["method"] == "initialize" else {}
        answer = {"jsonrpc": "2.0", "id": message["id"], **answer}
        return web.json_response(answer, status=200 if known else 400, headers=headers)

    async def _answer(self, method, params):
        if method == "server/discover" and self.modern:
            return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        if method == "initialize" and not self.modern:
            self.offered.append(params["capabilities"].get("elicitation"))
            server = {"name": "remote", "version": "1"}
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server}
        if method == "tools/list":
            return {"tools": self.tools}
        if method == "tools/call":
            return await self._call(params)
        raise LookupError({"code": -32601, "message": "no such method"})

    async def _call(self, params):
        """Of the modern era: the state says how far it has come, and what was said before."""
        self.calls.append(params)
        self.offered.append(params["_meta"][f"{PREFIX}clientCapabilities"].get("elicitation"))
        said = json.loads(params.get("requestState", "[]"))
        if "inputResponses" in params:
            self.told.append(params["inputResponses"]["q"])
            said.append(self.told[-1])
        questions = params["arguments"]["questions"]
        if len(said) < len(questions):
            asked = questions[len(said)]
            if asked.get("mode", "form") not in (self.offered[-1] or {}):
                needed = {"requiredCapabilities": {"elicitation": {}}}
                raise LookupError({"code": MISSING, "message": "It lacks elicitation.", "data": needed})
            asked = {"method": "elicitation/create", "params": asked}
            return {"resultType": "input_required", "inputRequests": {"q": asked}, "requestState": json.dumps(said)}
        if params["arguments"].get("hang"):
            self.hanging.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        return text(json.dumps(said))

    async def _streamed(self, request, message):
        """Of the legacy era: it asks on the stream of the call, and waits."""
        params = message["params"]
        self.calls.append(params)
        stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await stream.prepare(request)

        async def say(**said):
            data = json.dumps({"jsonrpc": "2.0", **said})
            await stream.write(f"event: message\ndata: {data}\n\n".encode())

        said = []
        for asked in params["arguments"]["questions"]:
            number = f"q{next(self._numbers)}"
            waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
            await say(id=number, method="elicitation/create", params=asked)
            said.append(await waiting)
        if params["arguments"].get("hang"):
            self.hanging.set()
            await asyncio.Event().wait()
        await say(id=message["id"], result=text(json.dumps(said)))
        return stream


def text(value):
    return {"content": [{"type": "text", "text": value}]}


@contextlib.asynccontextmanager
async def serving(*, modern):
    """A `Remote` that listens at its `url`."""
    remote = Remote(modern=modern)
    app = web.Application()
    app.router.add_route("*", "/mcp", remote.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        remote.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/mcp"
        yield remote
    finally:
        await runner.cleanup()
