"""Collections as MCP resources: `guru://COLLECTION/DOCUMENT` is the text of a document, for those who may see it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from guru.agents.mcp.protocol import invalid_params
from guru.agents.mcp.serving.provider import Access
from guru.errors import NotFound
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.documents import Document
from guru.types import JSON

SCHEME: Final = "guru://"
PAGE: Final = 100
MOST_CHARACTERS: Final = 1_000_000
"""Of one answer. More is read in pieces, by `?start=`."""


class KnowledgeResources:
    """The documents that a caller sees, of every collection."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._knowledge = knowledge

    async def resources(self, access: Access, cursor: str | None) -> tuple[list[JSON], str | None]:
        at, after = read_cursor(cursor)
        names = sorted(item.name for item in await self._knowledge.collections.list(access.scope))
        found: list[JSON] = []
        for name in names:
            if name < at or len(found) >= PAGE:
                continue
            try:
                listed, following = await self._knowledge.documents.list(
                    access.scope, name, limit=PAGE - len(found), after=after if name == at else None
                )
            except NotFound:  # removed since the collections were listed
                continue
            found += [to_resource(document) for document in listed]
            if following is not None:
                return found, write_cursor(name, following)
            if len(found) >= PAGE and name != names[-1]:
                return found, write_cursor(names[names.index(name) + 1], "")
        return found, None

    async def templates(self, access: Access) -> list[JSON]:
        return [
            {
                "uriTemplate": SCHEME + "{collection}/{+document}{?start}", "name": "document", "title": "A document",
                "description": f"Its text, {MOST_CHARACTERS:,} characters from `start` (0).", "mimeType": "text/plain",
            }
        ]  # fmt: skip

    async def read(self, access: Access, uri: str) -> list[JSON] | None:
        place = read_uri(uri)
        if place is None:
            return None
        collection, name, start = place
        try:
            document = await self._knowledge.documents.named(access.scope, collection, name)
            text = await self._knowledge.documents.text(access.scope, document.id, start, start + MOST_CHARACTERS)
        except NotFound:
            return None
        return [{"uri": uri, "mimeType": "text/plain", "text": text}]

    async def marks(self, access: Access, uris: Sequence[str]) -> dict[str, str]:
        """A list is another one when any collection has another generation, which every change raises."""
        found = sorted((item.id, item.generation) for item in await self._knowledge.collections.list(access.scope))
        marks = {"": hashlib.sha256(msgspec.json.encode(found)).hexdigest()}
        for uri in uris:
            marks[uri] = await self._mark(access, uri)
        return marks

    async def _mark(self, access: Access, uri: str) -> str:
        place = read_uri(uri)
        try:
            document = place and await self._knowledge.documents.named(access.scope, place[0], place[1])
        except NotFound:
            document = None
        return f"{document.id} {document.ingested_at}" if document else ""

    async def complete(self, access: Access, name: str, argument: str, value: str) -> list[str]:
        if argument != "collection":
            return []
        names = [item.name for item in await self._knowledge.collections.list(access.scope)]
        return sorted(item for item in names if item.startswith(value))


def to_resource(document: Document) -> JSON:
    shown: JSON = {
        "uri": f"{SCHEME}{document.collection}/{quote(document.name)}",
        "name": document.name, "mimeType": "text/plain",
        "description": f"{document.collection}: {document.media_type}, {document.pages or 1} pages",
    }  # fmt: skip
    return shown | ({"title": document.title} if document.title else {})


def read_uri(uri: str) -> tuple[str, str, int] | None:
    """Collection, name and first character; None for what names no document."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    collection, _, name = path.partition("/")
    start = query.removeprefix("start=")
    if (
        not uri.startswith(SCHEME)
        or not name
        or (query and not (start.isascii() and start.isdigit() and len(start) < 12))
    ):
        return None
    return collection, unquote(name), int(start or 0)


def write_cursor(collection: str, after: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([collection, after])).decode()


def read_cursor(cursor: str | None) -> tuple[str, str | None]:
    """Raises `McpError` for one that `write_cursor` did not write."""
    if cursor is None:
        return "", None
    try:
        at, after = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise invalid_params("`cursor` is not one that this server gave.") from None
    return at, after or None
