"""What tools need of the other parts: the network, the parser, the documents. Handed to them here."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from guru.agents.tools.base import ToolContext
from guru.agents.tools.builtin.knowledge import Answer
from guru.agents.tools.catalogue import Catalogue
from guru.agents.tools.web import Page, Reply
from guru.config import ToolsSettings
from guru.errors import BadRequest, ConfigurationError, DownloadError, Forbidden, GuruError, UnreadableDocument
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.pipeline import Road
from guru.gateway.searching import Search
from guru.knowledge.collections import Collections
from guru.knowledge.parse.sandbox import ParsePool
from guru.knowledge.web.address import charset_of, filename_of
from guru.models.http import HttpClient, Reach, Response, Timeouts
from guru.server.ask_api import to_answer
from guru.types import ChatRequest, Grounding, Hit, Message

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
CONNECTIONS = 8
ROUTE = "tools"


def open_tools(
    stack: AsyncExitStack, settings: ToolsSettings, *, parser: ParsePool, collections: Collections, road: Road
) -> Catalogue:
    """The tools of this server."""
    http = HttpClient(max_connections=CONNECTIONS)
    stack.push_async_callback(http.aclose)
    return Catalogue(
        settings, web=ToolWeb(http), pages=ParsedPages(parser), documents=RoadDocuments(collections, road),
        own_tenant=LOCAL_TENANT,
    )  # fmt: skip


class ToolWeb:
    """`guru.agents.tools.web.Web` by the client that checks the address that it connects to."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", limit: int, private: bool
    ) -> Reply:
        timeouts = Timeouts(connect=CONNECT_SECONDS, first_byte=SILENT_SECONDS, idle=SILENT_SECONDS)
        reach = Reach("tools", public=not private)
        try:
            response = await self._http.request(
                method, url, headers=headers, body=body, timeouts=timeouts, reach=reach, redirects=True
            )
            async with response:
                content, complete = await read(response, limit)
                return Reply(response.status, dict(response.headers.items()), content, complete)
        except ConfigurationError as error:
            raise DownloadError(error.message, hint="Only public addresses of the web can be asked.") from error
        except BadRequest:
            raise
        except GuruError as error:
            raise DownloadError(error.message, hint="Try another address, or later.") from error


async def read(response: Response, limit: int) -> tuple[bytes, bool]:
    """The body up to a limit, and whether that is all of it."""
    content = bytearray()
    async with aclosing(response.iter()) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > limit:
                return bytes(content[:limit]), False
    return bytes(content), True


class ParsedPages:
    """`guru.agents.tools.web.Pages` by the process that parses documents."""

    def __init__(self, parser: ParsePool) -> None:
        self._parser = parser

    async def read(self, body: bytes, url: str, content_type: str) -> Page:
        if not body:
            return Page(None, "")
        name = filename_of(url, content_type)
        with tempfile.TemporaryDirectory(prefix="guru-page-") as folder:
            path = Path(folder) / "page"
            await asyncio.to_thread(path.write_bytes, body)
            try:
                parsed = await self._parser.parse(path, name, charset_of(content_type))
            except UnreadableDocument as error:
                raise UnreadableDocument(error.message, hint="Try another page.") from error
        return Page(parsed.title, parsed.text)


class RoadDocuments:
    """`guru.agents.tools.builtin.knowledge.Documents`: searches and questions take the road, as all others do."""

    def __init__(self, collections: Collections, road: Road) -> None:
        self._collections = collections
        self._road = road

    async def collections(self, context: ToolContext) -> dict[str, int]:
        return {item.name: item.documents for item in await self._collections.list(context.scope)}

    async def search(self, collection: str, query: str, k: int, context: ToolContext) -> list[Hit]:
        found = await self._road.search(Search(collection, query, k=k), asking(context))
        return found.hits

    async def ask(self, collection: str, question: str, context: ToolContext) -> Answer:
        request = ChatRequest(model="default", messages=[Message("user", question)], guru=Grounding(collection))
        answer = to_answer(await self._road.answer(request, asking(context)))
        return answer.answer, answer.citations


def asking(context: ToolContext) -> Caller:
    """Raises `Forbidden` where nobody asks."""
    if not isinstance(context.caller, Caller):
        raise Forbidden("Nobody asks: documents are read for somebody.", hint="Run it as somebody.")
    return context.caller
