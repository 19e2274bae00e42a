"""The HTTP of MCP's client for commands, by aiohttp: it also reaches a server behind a Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from guru.errors import ModelUnavailable

if TYPE_CHECKING:
    import aiohttp


class SessionHttp:
    """`guru.agents.mcp.client.http.Http` by a session of aiohttp."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, idle: float
    ) -> SessionAnswer:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=idle)
        try:
            answer = await self._session.request(
                method, url, headers=dict(headers), data=body or None, timeout=timeout, allow_redirects=False
            )
        except (aiohttp.ClientError, ConnectionError, TimeoutError, ValueError) as error:
            raise ModelUnavailable(f"{url} cannot be reached: {error}.", hint="Is it running?") from error
        return SessionAnswer(answer)


class SessionAnswer:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.headers.items()}

    async def iter(self) -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise ModelUnavailable(f"The connection broke: {error}.", hint="Try again.") from error

    async def aclose(self) -> None:
        self._answer.close()
