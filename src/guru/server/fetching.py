"""Pages of the web for the knowledge base, through the HTTP client that knows which addresses are private."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from guru.errors import ConfigurationError, DownloadError, GuruError
from guru.knowledge.web.fetcher import Answer
from guru.models.http import HttpClient, Reach, Response, Timeouts

CONNECT_SECONDS = 10.0
CONNECTIONS = 4


class HttpFetcher:
    """`guru.knowledge.web.fetcher.Fetcher` by `HttpClient`, with connections of its own."""

    def __init__(self) -> None:
        self._http = HttpClient(max_connections=CONNECTIONS)

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str], *, private: bool, seconds: float
    ) -> AsyncIterator[Answer]:
        """As `Fetcher.get`. The address that is checked is the one that is connected to."""
        timeouts = Timeouts(connect=min(CONNECT_SECONDS, seconds), first_byte=seconds, idle=seconds)
        reach = Reach("web", public=not private)
        try:
            response = await self._http.request(
                "GET", url, headers=headers, timeouts=timeouts, reach=reach, redirects=True
            )
        except ConfigurationError as error:
            hint = "Guru reads pages of the internet; name the host in [knowledge.web] private_hosts if it may be read."
            raise DownloadError(error.message, hint=hint) from error
        except GuruError as error:
            raise DownloadError(error.message, hint="Check the address and the network, or try again later.") from error
        async with response:
            yield Answer(response.status, dict(response.headers.items()), read(response))

    async def aclose(self) -> None:
        await self._http.aclose()


async def read(response: Response) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `DownloadError`."""
    try:
        async for piece in response.iter():
            yield piece
    except GuruError as error:
        raise DownloadError(error.message, hint="Try again later.") from error
