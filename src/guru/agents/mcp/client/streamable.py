"""Streamable HTTP, from the client's side, for servers of both eras.

Each request is a POST of its own; the answer is JSON or a stream. A stream that breaks is resumed where the server
gave it places to resume from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from guru.agents.mcp import messages
from guru.agents.mcp.client.channel import Hear, NeverSent, NotModern, ServerGone
from guru.agents.mcp.client.events import EventReader
from guru.agents.mcp.client.http import Http, HttpAnswer, read_all
from guru.agents.mcp.messages import Answer
from guru.agents.mcp.protocol import MODERN_ERRORS, McpError
from guru.errors import GuruError, Unauthorized
from guru.types import JSON

RESUMES: Final = 10
"""How often a stream is resumed in a row without anything new."""
RETRY: Final = 1.0
"""Seconds before coming back, where the server does not say."""
AUTHORIZATIONS: Final = 3
"""How often a request may be sent again with other credentials."""


class Authorization(Protocol):
    """Credentials for one server."""

    def headers(self) -> Mapping[str, str]: ...

    async def challenged(self, status: int, challenge: str) -> bool:
        """The server refused with 401 or 403 and this `www-authenticate`. Whether it is worth another try.

        Raises `GuruError`.
        """
        ...


class StreamableChannel:
    def __init__(
        self,
        http: Http,
        url: str,
        headers: Mapping[str, str],
        *,
        authorization: Authorization | None = None,
        idle: float,
    ) -> None:
        self._http = http
        self._url = url
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._authorization = authorization
        self._idle = idle
        self._session: str | None = None
        self.revision: str | None = None
        """That a handshake agreed on."""

    cancels_by_closing = True

    async def open(self, hear: Hear) -> None:
        """There is nothing to open."""

    def agreed(self, revision: str) -> None:
        self.revision = revision

    async def request(self, message: JSON, headers: dict[str, str], hear: Hear) -> Answer:
        answer = await self._post(message, headers)
        if message["method"] == "initialize":
            self._session = answer.headers.get("mcp-session-id")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status == 200 and kind == "text/event-stream":
            return await self._streamed(answer, message["id"], hear)
        body, probes = await self._read(answer), message["method"] == "server/discover"
        try:
            said = messages.decode(body)
        except McpError:
            said = None
        if isinstance(said, Answer) and (said.id == message["id"] or said.error is not None):
            code = said.error["code"] if said.error else None
            if answer.status >= 400 and code not in MODERN_ERRORS and probes:
                raise NotModern(f"{answer.status}, {code}")
            return said
        if 400 <= answer.status < 500 and probes:
            raise NotModern(str(answer.status))
        raise self._refused(answer.status)

    async def send(self, message: JSON, headers: dict[str, str]) -> None:
        answer = await self._post(message, headers)
        await answer.aclose()
        if answer.status >= 400:
            raise self._refused(answer.status)

    async def listen(self, hear: Hear, begun: asyncio.Event) -> None:
        try:
            answer = await self._send("GET", {"accept": "text/event-stream"})
        finally:
            begun.set()
        if answer.status != 200:
            await answer.aclose()
            return  # a server need not have anything to say by itself
        await self._streamed(answer, None, hear)

    async def aclose(self) -> None:
        """End the session, if there is one; a server that is gone has ended it already."""
        if self._session is None:
            return
        try:
            async with asyncio.timeout(5):
                answer = await self._send("DELETE", {})
                await answer.aclose()
        except (GuruError, TimeoutError):
            pass
        self._session = None

    # ---------------------------------------------------------------------- requests

    async def _post(self, message: JSON, headers: dict[str, str]) -> HttpAnswer:
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream", **headers}
        return await self._send("POST", sent, messages.encode(message))

    async def _send(self, method: str, headers: dict[str, str], body: bytes = b"") -> HttpAnswer:
        own = dict(self._headers)
        if self._session is not None:
            own["mcp-session-id"] = self._session
        if self.revision is not None:
            own["mcp-protocol-version"] = self.revision
        for _ in range(AUTHORIZATIONS):
            granted = self._authorization.headers() if self._authorization else {}
            try:
                answer = await self._http.send(method, self._url, {**own, **headers, **granted}, body, idle=self._idle)
            except GuruError as error:
                raise ServerGone(f"The MCP server cannot be reached: {error.message}", hint=error.hint) from error
            challenge = answer.headers.get("www-authenticate", "")
            if answer.status == 401 or (answer.status == 403 and "insufficient_scope" in challenge):
                await answer.aclose()
                if self._authorization and await self._authorization.challenged(answer.status, challenge):
                    continue
                raise Unauthorized(
                    "The MCP server wants other credentials.",
                    hint="Log in with `guru mcp login NAME`, or set [mcp.servers.NAME] headers.",
                )
            return answer
        raise Unauthorized("The MCP server refuses every credential that it is given.", hint="Ask those who run it.")

    async def _read(self, answer: HttpAnswer) -> bytes:
        try:
            return await read_all(answer)
        except ValueError as error:
            raise ServerGone(str(error), hint="The server answers with more than can be used.") from None
        except GuruError as error:
            raise ServerGone(f"The MCP server's answer broke off: {error.message}", hint=error.hint) from error

    # ----------------------------------------------------------------------- streams

    async def _streamed(self, answer: HttpAnswer, number: messages.Id | None, hear: Hear) -> Answer:
        """The answer with this number; what comes before it is heard. None: hear until the stream ends."""
        reader, tries = EventReader(), 0
        while True:
            before = reader.last_id
            found = await self._hear_out(answer, reader, number, hear)
            if found is not None:
                return found
            tries = 0 if reader.last_id != before else tries + 1
            if reader.last_id is None or tries >= RESUMES:
                raise ServerGone("The MCP server's answer broke off.", hint="Try again.")
            await asyncio.sleep(RETRY if reader.retry is None else reader.retry)
            answer = await self._send("GET", {"accept": "text/event-stream", "last-event-id": reader.last_id})
            if answer.status != 200:
                await answer.aclose()
                raise ServerGone("The MCP server does not resume its answer.", hint="Try again.")

    async def _hear_out(
        self, answer: HttpAnswer, reader: EventReader, number: messages.Id | None, hear: Hear
    ) -> Answer | None:
        try:
            async for data in answer.iter():
                for said in reader.feed(data):
                    message = messages.decode(said)
                    if not isinstance(message, Answer):
                        await hear(message)
                    elif message.id == number:
                        return message
        except (ValueError, McpError) as error:
            raise ServerGone(f"The MCP server sent what is no message: {error}", hint="Ask those who run it.") from None
        except GuruError:
            return None  # the connection broke: it may be resumed
        finally:
            await answer.aclose()
        return None

    def _refused(self, status: int) -> GuruError:
        if status == 404 and self._session is not None:
            return NeverSent("The MCP server has forgotten this session.", hint="Connect again.")
        return ServerGone(f"The MCP server answered with status {status}.", hint="Look at its address and its log.")
