"""One server, as Guru asks it: whichever era it is of, and whatever carries the messages.

It is found out when connecting: a modern server answers `server/discover`; whoever does not know that is greeted with
the handshake of the legacy revisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from guru.agents.mcp import messages
from guru.agents.mcp.client.channel import Channel, NotModern, ServerGone
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.rounds import Round, asked_by, read_kept, refused_until
from guru.agents.mcp.headers import parameter_headers, standard_headers
from guru.agents.mcp.messages import Answer, Notification, Request
from guru.agents.mcp.protocol import (
    CAPABILITIES_KEY,
    CLIENT_KEY,
    IMPLEMENTATION,
    INTERNAL_ERROR,
    LEGACY,
    MODERN,
    SUPPORTED,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
    McpError,
)
from guru.agents.tools.asking import Elicited, Person, Unhurried
from guru.errors import GuruError, ModelTimeout
from guru.types import JSON

log = logging.getLogger(__name__)
ROUNDS: Final = 10
"""Questions in a row that a server may answer a request with."""
PAGES: Final = 100
"""Of one list."""
MOST_TOOLS: Final = 1000
PROBE_SECONDS: Final = 10.0
"""How long a program may take to say that it is modern."""
LISTEN_SECONDS: Final = 1.0
"""How long a legacy server is given to begin its stream: what it asks before that would not be heard."""
Progress = Callable[[float, float | None, str | None], None]
Changed = Callable[[str, JSON], Awaitable[None]]


class Pending:
    """A call under way: who can be asked on behalf of it, and what is being answered."""

    def __init__(self, person: Person | None) -> None:
        self.person = person
        self.answering: set[asyncio.Task[None]] = set()

    async def end(self) -> None:
        """Nobody waits for the answers any more."""
        for task in self.answering:
            task.cancel()
        await asyncio.gather(*self.answering, return_exceptions=True)


class McpClient:
    def __init__(
        self,
        channel: Channel,
        host: Host,
        *,
        timeout: float,
        revisions: Sequence[str] = SUPPORTED,
        changed: Changed | None = None,
    ) -> None:
        """`changed` is told of notifications that belong to no request. `revisions` are tried in this order."""
        self._channel = channel
        self._host = host
        self._timeout = timeout
        self._revisions = tuple(revisions)
        self._changed = changed
        self._numbers = itertools.count(1)
        self._progress: dict[messages.Id, Progress] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._calls: list[Pending] = []
        self._listening: asyncio.Task[None] | None = None
        self.revision = ""
        self.capabilities: JSON = {}
        self.instructions = ""

    @property
    def modern(self) -> bool:
        return self.revision == MODERN

    async def connect(self) -> None:
        """Find out how the server speaks. Raises `GuruError` and `McpError`."""
        await self._channel.open(self._hear)
        if MODERN in self._revisions and await self._discover():
            return
        legacy = [revision for revision in self._revisions if revision in LEGACY]
        if not legacy:
            raise ServerGone("The MCP server knows no revision that this client knows.", hint="Update one of them.")
        await self._initialize(legacy)

    async def aclose(self) -> None:
        tasks = [*self._answering, *([self._listening] if self._listening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._channel.aclose()

    # ----------------------------------------------------------------------- asking

    async def tools(self) -> list[JSON]:
        """All tools that can be called. Those are left out whose headers nobody could send."""
        found = []
        for tool in await self._list("tools/list", "tools", most=MOST_TOOLS):
            if not isinstance(tool.get("name"), str) or not isinstance(tool.get("inputSchema"), dict):
                log.warning("an MCP server lists a tool without a name or a schema")
                continue
            try:
                if self.modern:
                    parameter_headers(tool["inputSchema"], {})
            except ValueError as error:
                log.warning("the tool %s of an MCP server is left out: %s", tool["name"], error)
                continue
            found.append(tool)
        return found

    async def call(
        self,
        tool: JSON,
        arguments: JSON,
        *,
        progress: Progress | None = None,
        person: Person | None = None,
        answered: JSON | None = None,
    ) -> JSON:
        """The result of a tool, as `tools` described it. `person` may be asked by the server; `answered` is what a call
        that was suspended goes on from. Raises `GuruError`, `McpError` and `Suspended`."""
        self._host.renew()
        headers = parameter_headers(tool["inputSchema"], arguments) if self.modern else {}
        params = {"name": tool["name"], "arguments": arguments}
        call = Pending(person)
        self._calls.append(call)
        try:
            return await self.request(
                "tools/call", params, headers=headers, progress=progress, call=call, answered=answered
            )
        finally:
            self._calls.remove(call)
            await call.end()

    async def resources(self) -> list[JSON]:
        return await self._list("resources/list", "resources")

    async def read(self, uri: str) -> list[JSON]:
        return _items(await self.request("resources/read", {"uri": uri}), "contents")

    async def prompts(self) -> list[JSON]:
        return await self._list("prompts/list", "prompts")

    async def prompt(self, name: str, arguments: dict[str, str]) -> JSON:
        return await self.request("prompts/get", {"name": name, "arguments": arguments})

    async def _list(self, method: str, key: str, most: int = 10_000) -> list[JSON]:
        found: list[JSON] = []
        cursor: JSON = {}
        for _ in range(PAGES):
            page = await self.request(method, cursor)
            found += _items(page, key)
            if len(found) > most:
                raise McpError(INTERNAL_ERROR, f"The server lists more than {most}.")
            following = page.get("nextCursor")
            if not isinstance(following, str) or cursor == {"cursor": following}:
                return found
            cursor = {"cursor": following}
        raise McpError(INTERNAL_ERROR, f"The server's list has more than {PAGES} pages.")

    async def request(
        self,
        method: str,
        params: JSON,
        *,
        headers: dict[str, str] | None = None,
        progress: Progress | None = None,
        call: Pending | None = None,
        answered: JSON | None = None,
    ) -> JSON:
        """The result; questions of the server are answered on the way.

        Raises `GuruError`, `McpError` and `Suspended`.
        """
        asked = None if answered is None else self._gone_on(answered)
        try:
            async with asyncio.timeout(self._timeout) as limit:
                if call is not None and call.person is not None:
                    call.person = Unhurried(call.person, limit)
                while asked is None or asked.number < ROUNDS:
                    again = {} if asked is None else await self._answers(asked, call)
                    number = 1 if asked is None else asked.number + 1
                    try:
                        result = await self._once(method, params | again, headers or {}, progress, call)
                    except McpError as error:
                        asked = refused_until(error, number) if call is not None and call.person is not None else None
                        if asked is None:
                            raise
                        continue
                    if result.get("resultType", "complete") != "input_required":
                        return result
                    asked = asked_by(result, number)
        except TimeoutError:
            raise ModelTimeout(
                f"The MCP server did not answer {method} within {self._timeout:g} seconds.",
                hint="Ask it for less, or raise [mcp.servers.NAME] timeout.",
            ) from None
        raise McpError(INTERNAL_ERROR, f"The server asked {ROUNDS} times, and did not answer.")

    def _gone_on(self, answered: JSON) -> Round:
        """The round of a request that was suspended, with what the person has said."""
        asked, name = read_kept(answered["state"])
        said = msgspec.convert({"action": answered["action"], "content": answered["content"]}, Elicited)
        asked.answers[name] = self._host.said(asked.questions[name].get("params") or {}, said)
        return asked

    async def _answers(self, asked: Round, call: Pending | None) -> JSON:
        """What is sent again with a request that was answered with questions."""
        person = call.person if call is not None else None
        for name, question in asked.questions.items():
            if name not in asked.answers:
                method, params = str(question.get("method")), question.get("params") or {}
                asked.answers[name] = await self._host.answer(method, params, person, asked.kept(name))
        return asked.again()

    async def _once(
        self,
        method: str,
        params: JSON,
        headers: dict[str, str],
        progress: Progress | None,
        call: Pending | None = None,
    ) -> JSON:
        number = next(self._numbers)
        meta: JSON = {}
        if self.modern or not self.revision:
            meta = self._meta(call)
            headers = {**standard_headers(MODERN, method, params), **headers}
        if progress is not None:
            meta["progressToken"] = number
            self._progress[number] = progress
        message = messages.request(number, method, params | ({"_meta": meta} if meta else {}))
        try:
            answer = await self._channel.request(message, headers, partial(self._hear, call=call))
        except asyncio.CancelledError:
            await self._cancel(number)
            raise
        finally:
            self._progress.pop(number, None)
        return result_of(answer)

    async def _cancel(self, number: messages.Id) -> None:
        """Tell the server that its answer is not wanted any more, where the end of the connection does not."""
        if self.modern and self._channel.cancels_by_closing:
            return
        told = messages.notification("notifications/cancelled", {"requestId": number, "reason": "not wanted any more"})
        with contextlib.suppress(GuruError, TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.shield(self._channel.send(told, {}))

    def _meta(self, call: Pending | None) -> JSON:
        offered = self._host.capabilities
        if call is not None:
            offered = self._host.offered(call.person.modes if call.person is not None else frozenset())
        return {VERSION_KEY: MODERN, CLIENT_KEY: IMPLEMENTATION, CAPABILITIES_KEY: offered}

    # ------------------------------------------------------------------- connecting

    async def _discover(self) -> bool:
        """Whether the server is modern."""
        try:
            async with asyncio.timeout(min(PROBE_SECONDS, self._timeout)):
                for _ in range(2):
                    try:
                        found = await self._once("server/discover", {}, {}, None)
                        break
                    except McpError as error:
                        supported = error.data.get("supported") if isinstance(error.data, dict) else None
                        if error.code != UNSUPPORTED_VERSION or MODERN not in (supported or ()):
                            return False
                else:
                    return False
        except (NotModern, TimeoutError):
            return False
        versions = found.get("supportedVersions")
        if not isinstance(versions, list) or MODERN not in versions:
            return False
        self.revision = MODERN
        self._greeted(found)
        return True

    async def _initialize(self, revisions: Sequence[str]) -> None:
        self.revision = revisions[0]  # no metadata from here on
        params = {
            "protocolVersion": revisions[0], "capabilities": self._host.capabilities, "clientInfo": IMPLEMENTATION,
        }  # fmt: skip
        found = await self.request("initialize", params)
        agreed = found.get("protocolVersion")
        if not isinstance(agreed, str) or agreed not in revisions:
            raise ServerGone(f"The MCP server insists on the revision {agreed!r}.", hint="Update one of the two.")
        self.revision = agreed
        self._channel.agreed(agreed)
        self._greeted(found)
        await self._channel.send(messages.notification("notifications/initialized"), {})
        begun = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(begun))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_SECONDS):
                await begun.wait()

    def _greeted(self, found: JSON) -> None:
        capabilities, instructions = found.get("capabilities"), found.get("instructions")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        self.instructions = instructions if isinstance(instructions, str) else ""

    # ---------------------------------------------------------------------- hearing

    async def _listen(self, begun: asyncio.Event) -> None:
        try:
            await self._channel.listen(self._hear, begun)
        except GuruError as error:
            log.info("nothing more is heard of an MCP server: %s", error.message)

    async def _hear(self, message: Request | Notification, call: Pending | None = None) -> None:
        """`call` is the one that the message belongs to, where the channel can tell."""
        if isinstance(message, Request):
            if call is None and len(self._calls) == 1:
                call = self._calls[0]
            tasks = self._answering if call is None else call.answering
            task = asyncio.create_task(self._reply(message, call))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return
        if message.method == "notifications/progress":
            self._told_progress(message.params)
        elif self._changed is not None:
            await self._changed(message.method, message.params)

    def _told_progress(self, params: JSON) -> None:
        token, done, total, said = (params.get(key) for key in ("progressToken", "progress", "total", "message"))
        heard = self._progress.get(token) if messages.is_id(token) else None  # type: ignore[arg-type]
        if heard is not None and isinstance(done, int | float):
            heard(done, total if isinstance(total, int | float) else None, said if isinstance(said, str) else None)

    async def _reply(self, request: Request, call: Pending | None) -> None:
        """Answer a question that a legacy server asks. A modern one asks by its results."""
        person = call.person if call is not None else None
        if call is None and request.method == "elicitation/create" and self._calls:
            log.warning("an MCP server asks a person, and nobody can tell in which of its calls: it is declined")
        try:
            answer = messages.result(request.id, await self._host.answer(request.method, request.params, person))
        except McpError as error:
            answer = messages.failure(request.id, error)
        except Exception:
            log.exception("a question of an MCP server could not be answered")
            answer = messages.failure(request.id, McpError(INTERNAL_ERROR, "The client made a mistake."))
        try:
            await self._channel.send(answer, {})
        except GuruError as error:
            log.warning("an answer did not reach an MCP server: %s", error.message)


def result_of(answer: Answer) -> JSON:
    """Raises `McpError`."""
    if answer.error is not None:
        message = answer.error.get("message")
        said = message if isinstance(message, str) else "The server did not say what is wrong."
        raise McpError(answer.error["code"], said[:2000], answer.error.get("data"))
    return answer.result or {}


def _items(result: JSON, key: str) -> list[Any]:
    found = result.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise McpError(INTERNAL_ERROR, f"The server's answer has no `{key}`.")
    return found
