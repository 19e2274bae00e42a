"""Streamable HTTP as of 2026-07-28: every request stands for itself.

The answer is one JSON object, unless there is something to tell before it is ready. When the client goes away, the
work is cancelled. Specification: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from guru.agents.mcp import messages
from guru.agents.mcp.headers import check_parameters, check_standard
from guru.agents.mcp.messages import Request
from guru.agents.mcp.protocol import (
    CAPABILITIES_KEY,
    CLIENT_KEY,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    LOG_LEVEL_KEY,
    MODERN,
    SERVER_KEY,
    SUBSCRIPTION_KEY,
    SUPPORTED,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
    McpError,
    client_name,
    invalid_params,
    meta_of,
)
from guru.agents.mcp.serving.changes import Listener
from guru.agents.mcp.serving.held import HeldCalls
from guru.agents.mcp.serving.peer import ANSWER_SECONDS, Held, Question, check_answer, check_asked, loud_enough
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.reply import Reply, status_of
from guru.agents.mcp.serving.seal import SECONDS, Seal
from guru.agents.mcp.serving.server import INSTRUCTIONS, McpServer
from guru.agents.mcp.serving.stream import Stream
from guru.agents.mcp.serving.tasks import TaskPeer, Tasks, is_of, knows_tasks, require_tasks
from guru.errors import GuruError
from guru.store.database import Database
from guru.types import JSON

PATIENCE: Final = 8.0
"""Seconds after which an answer becomes a stream, so that proxies see that somebody is there."""
TTL: Final = {"server/discover": 3_600_000, "tools/list": 60_000, "prompts/list": 60_000,
              "resources/list": 0, "resources/templates/list": 60_000, "resources/read": 0}  # fmt: skip
"""Milliseconds for which a client may keep an answer."""
ASKING: Final = ("tools/call", "prompts/get", "resources/read")
"""Only these may be answered with questions."""
LISTENERS: Final = 16
"""Subscriptions of one person at a time."""
URIS: Final = 256
"""Resources in one subscription."""


class ModernDoor:
    def __init__(self, server: McpServer, seal: Seal, closing: asyncio.Event, database: Database) -> None:
        """`closing` is set when the server stops: subscriptions end then."""
        self._server = server
        self._seal = seal
        self._closing = closing
        self._tasks = Tasks(database)
        self._held = HeldCalls(database)

    async def aclose(self) -> None:
        await self._tasks.aclose()
        await self._held.aclose()

    async def post(self, request: Request, headers: Mapping[str, str], access: Access, *, streams: bool) -> Reply:
        """`headers` have lower-case names; `streams`: whether the client takes server-sent events."""
        try:
            peer = self._check(request, headers, access)
            access = structs.replace(access, client=client_name(meta_of(request.params).get(CLIENT_KEY)))
            if request.method == "subscriptions/listen":
                return self._listen(request, access)
            if is_call(request):
                await self._check_call(request, headers, access)
        except McpError as error:
            message = messages.failure(request.id, error)
            return Reply(status=400 if error.code == -32602 else status_of(message), message=message)
        work = asyncio.create_task(self._work(request, access, peer))
        try:
            if streams:
                await wait_first(peer.stream.first)
            if streams and not work.done():
                return Reply(events=_sent_with(work, peer.stream), headers={"x-accel-buffering": "no"})
            message = await work
        except asyncio.CancelledError:
            work.cancel()
            raise
        if streams and peer.told:
            return Reply(events=_sent_with(work, peer.stream))
        return Reply(status=status_of(message), message=message)

    def _check(self, request: Request, headers: Mapping[str, str], access: Access) -> ModernPeer:
        meta, said = meta_of(request.params), headers.get("mcp-protocol-version", "").strip()
        version, capabilities = meta.get(VERSION_KEY), meta.get(CAPABILITIES_KEY)
        if not said:
            raise McpError(HEADER_MISMATCH, "Header mismatch: MCP-Protocol-Version is missing.")
        if not isinstance(version, str) or not isinstance(capabilities, dict):
            raise invalid_params(f"`_meta` needs {VERSION_KEY} and {CAPABILITIES_KEY}.")
        if said != version:
            raise McpError(
                HEADER_MISMATCH, f"Header mismatch: MCP-Protocol-Version says {said!r}, `_meta` {version!r}."
            )
        if version != MODERN:
            data = {"supported": list(SUPPORTED), "requested": version}
            raise McpError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
        check_standard(request.method, request.params, headers)
        return ModernPeer(request, access, capabilities, meta, seal=self._seal, held=self._held)

    async def _check_call(self, request: Request, headers: Mapping[str, str], access: Access) -> None:
        tool = await self._server.find_tool(request.params.get("name"), access)
        if tool is not None:
            check_parameters(tool.definition["inputSchema"], request.params.get("arguments") or {}, headers)

    async def _work(self, request: Request, access: Access, peer: ModernPeer) -> JSON:
        """The answer, which is written to the stream too."""
        try:
            try:
                result = await self._result(request, access, peer)
                message = messages.result(request.id, self._completed(request.method, result))
            except Question as question:
                message = self._asking(request, peer, question)
            except McpError as error:
                message = messages.failure(request.id, error)
            except GuruError as error:  # of the store
                message = messages.failure(request.id, McpError(INTERNAL_ERROR, str(error)))
            peer.stream.write(message)
            return message
        finally:
            peer.stream.end()

    async def _result(self, request: Request, access: Access, peer: ModernPeer) -> JSON:
        if request.method == "server/discover":
            return self._discover()
        if request.method in ("tasks/get", "tasks/update", "tasks/cancel"):
            return await self._tasks.handle(request.method, request.params, access, peer.capabilities)
        tool = await self._server.find_tool(request.params.get("name"), access) if is_call(request) else None
        if tool is None or tool.task == "never" or peer.kept is not None or not knows_tasks(peer.capabilities):
            if tool is not None and tool.task == "required":
                require_tasks(peer.capabilities)
            return await self._server.handle(request.method, request.params, access, peer)
        await tool.prepare(request.params.get("arguments") or {}, access, peer)

        async def work(client: TaskPeer) -> JSON:
            return await self._server.handle(request.method, request.params, access, client)

        task = await self._tasks.start(access, peer.capabilities, peer.answers, work)
        return {"resultType": "task", **task}

    def _discover(self) -> JSON:
        return {
            "supportedVersions": list(SUPPORTED), "capabilities": self._server.modern_capabilities,
            "instructions": INSTRUCTIONS,
        }  # fmt: skip

    def _completed(self, method: str, result: JSON) -> JSON:
        hints: JSON = {}
        if method in TTL:
            scope = "public" if method == "server/discover" else "private"
            hints = {"ttlMs": TTL[method], "cacheScope": scope}
        meta = {SERVER_KEY: self._server.identity, **result.get("_meta", {})}
        return {"resultType": "complete", **hints, **result, "_meta": meta}

    def _asking(self, request: Request, peer: ModernPeer, question: Question) -> JSON:
        if request.method not in ASKING:
            return messages.failure(request.id, McpError(-32603, f"{request.method} cannot ask the client."))
        state = peer.state(question)
        asked = {"resultType": "input_required", "inputRequests": question.requests, "requestState": state}
        return messages.result(request.id, asked | {"_meta": {SERVER_KEY: self._server.identity}})

    # ------------------------------------------------------------------ subscriptions

    def _listen(self, request: Request, access: Access) -> Reply:
        wanted = request.params.get("notifications")
        if not isinstance(wanted, dict):
            raise invalid_params("`notifications` must say what to listen for.")
        uris = wanted.get("resourceSubscriptions", [])
        if not isinstance(uris, list) or len(uris) > URIS or not all(isinstance(uri, str) for uri in uris):
            raise invalid_params(f"`resourceSubscriptions` must be a list of at most {URIS} addresses.")
        mine = [item for item in self._server.changes.listeners if is_of(item.access, access)]
        if len(mine) >= LISTENERS:
            raise invalid_params(f"There are {LISTENERS} subscriptions already: close one first.")
        capabilities = self._server.capabilities
        kinds = frozenset(
            kind for kind in ("tools", "prompts", "resources")
            if wanted.get(f"{kind}ListChanged") is True and capabilities[kind]["listChanged"]
        )  # fmt: skip
        honoured: JSON = {f"{kind}ListChanged": True for kind in sorted(kinds)}
        if uris:
            honoured["resourceSubscriptions"] = uris
        return Reply(events=self._subscription(request, access, kinds, set(uris), honoured))

    async def _subscription(
        self, request: Request, access: Access, kinds: frozenset[str], uris: set[str], honoured: JSON
    ) -> AsyncIterator[bytes]:
        stream, tag = Stream(), {SUBSCRIPTION_KEY: request.id}

        def tell(method: str, params: JSON) -> None:
            stream.write(messages.notification(method, {**params, "_meta": tag}))

        async def end_with_server() -> None:
            await self._closing.wait()
            meta = {**tag, SERVER_KEY: self._server.identity}
            stream.write(messages.result(request.id, {"resultType": "complete", "_meta": meta}))
            stream.end()

        listener = Listener(access, kinds, uris, tell)
        with self._server.changes.listening(listener):
            tell("notifications/subscriptions/acknowledged", {"notifications": honoured})
            tasks = [asyncio.create_task(self._server.watch(listener)), asyncio.create_task(end_with_server())]
            try:
                async for event in stream.read():
                    yield event
            finally:
                for task in tasks:
                    task.cancel()


class ModernPeer:
    """A client that is asked by an answer, and answers by asking again."""

    suspends = True

    def __init__(
        self, request: Request, access: Access, capabilities: JSON, meta: JSON, *, seal: Seal, held: HeldCalls
    ) -> None:
        """Raises `McpError` for answers that are none, and for state that is not ours."""
        self.stream = Stream()
        self.told = False
        self._capabilities = capabilities
        self._token = meta.get("progressToken")
        self._level = meta.get(LOG_LEVEL_KEY)
        self._seal = seal
        self._held = held
        self._access = access
        self._purpose = purpose(request, access)
        self.answers: JSON = {}
        """All that the client has answered so far, but to what has kept something."""
        self.kept: JSON | None = None
        self.answer: Any = None
        if "requestState" in request.params:
            state = seal.open(request.params["requestState"], purpose=self._purpose)
            self.answers, self.kept = state.get("answers", {}), state.get("kept")
        given = request.params.get("inputResponses", {})
        if not isinstance(given, dict):
            raise invalid_params("`inputResponses` is not an object.")
        if self.kept is not None:
            self.answer = given.get(self.kept["name"])
        else:
            self.answers |= given

    @property
    def capabilities(self) -> JSON:
        return self._capabilities

    async def notify(self, method: str, params: JSON) -> None:
        self.told = True
        self.stream.write(messages.notification(method, params))
        await asyncio.sleep(0)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self._token is not None:
            await self.notify("notifications/progress", progress_params(self._token, progress, total, message))

    async def log(self, level: str, data: Any) -> None:
        if loud_enough(level, self._level):
            await self.notify("notifications/message", {"level": level, "logger": "guru", "data": data})

    async def ask(self, requests: dict[str, JSON], *, seconds: float = ANSWER_SECONDS) -> dict[str, JSON]:
        check_asked(self._capabilities, requests)
        missing = {name: request for name, request in requests.items() if name not in self.answers}
        if missing:
            raise Question(missing)
        return {name: check_answer(request, self.answers[name]) for name, request in requests.items()}

    def hang_up(self) -> None:
        """There is no coming back."""

    async def hold(self, work: Held) -> JSON:
        if self.kept is not None and "held" in self.kept:
            return await self._held.go_on(self.kept, self.answer, self._access)
        return await self._held.begin(self, self._access, work)

    def state(self, question: Question) -> str:
        """What was answered so far and what the question has kept, for the next time."""
        state, kept = {"answers": self.answers, "kept": question.kept}, question.kept or {}
        return self._seal.close(state, purpose=self._purpose, seconds=kept.get("seconds", SECONDS))


def is_call(request: Request) -> bool:
    return request.method == "tools/call"


def purpose(request: Request, access: Access) -> str:
    """Whose request it is, and which: the same when it comes again with answers."""
    transient = ("_meta", "inputResponses", "requestState")
    params = {name: value for name, value in request.params.items() if name not in transient}
    said = msgspec.json.encode([request.method, params], order="deterministic")
    digest = hashlib.sha256(said).hexdigest()
    return f"{access.scope.tenant}\n{access.person}\n{access.key}\n{digest}"


def progress_params(token: Any, progress: float, total: float | None, message: str | None) -> JSON:
    said = {"progressToken": token, "progress": progress, "total": total, "message": message}
    return {name: value for name, value in said.items() if value is not None}


async def wait_first(first: asyncio.Event) -> None:
    """Until there is a first message, or patience ends. The answer is the last: the work is done when it is there."""
    try:
        async with asyncio.timeout(PATIENCE):
            await first.wait()
    except TimeoutError:
        pass


async def _sent_with(work: asyncio.Task[Any], stream: Stream) -> AsyncIterator[bytes]:
    """The messages of a stream; who stops reading stops the work."""
    try:
        async for event in stream.read():
            yield event
    finally:
        work.cancel()
