"""How a document would be cut, without storing anything: to choose a strategy by eye."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from guru.config import KnowledgeSettings
from guru.errors import TooLarge
from guru.knowledge.chunk import Chunk, ChunkOptions, check_options, make_chunker
from guru.knowledge.collections import Collections
from guru.knowledge.documents import Document, Documents
from guru.knowledge.embedders import Embedders
from guru.knowledge.parse import HeadingSpan, PageSpan, ParsedDocument
from guru.knowledge.prepare import embed_from_thread, most_tokens
from guru.protocols import Embedder
from guru.store.scope import Scope
from guru.types import JSON

MAX_CHARACTERS: Final = 500_000


class Parser(Protocol):
    """What a preview needs of `ParsePool`."""

    async def parse(self, path: Path, name: str) -> ParsedDocument: ...


class Cut(Struct, frozen=True):
    """A document as it would be cut."""

    name: str
    document: ParsedDocument
    options: ChunkOptions
    """As they were used."""
    chunks: list[Chunk]


class Preview:
    """Cuts documents for people to look at."""

    def __init__(
        self,
        documents: Documents,
        collections: Collections,
        embedders: Embedders,
        parser: Parser,
        settings: KnowledgeSettings,
    ) -> None:
        self._documents = documents
        self._collections = collections
        self._embedders = embedders
        self._parser = parser
        self._settings = settings

    async def file(self, tenant: str, content: bytes, name: str, chosen: JSON) -> Cut:
        """Cut a file as an ingest into a new collection would, but for what is `chosen` of `ChunkOptions`.

        Raises `UnreadableDocument`, `TooLarge`, and `InvalidParameter` for options that are too large.
        """
        limit = self._settings.max_file_mb
        if len(content) > limit << 20:
            raise TooLarge(f"The file is larger than {limit} MB.", hint="Take a part of it.")
        embedder = self._embedders.named(tenant, None)
        check_options(chosen, most_tokens(embedder))
        with tempfile.TemporaryDirectory(prefix="guru-") as folder:
            path = Path(folder, "file")
            await asyncio.to_thread(path.write_bytes, content)
            document = await self._parser.parse(path, name)
        return await self._cut(name, document, chosen, embedder)

    async def stored(self, scope: Scope, document_id: str, chosen: JSON) -> Cut:
        """Cut a document of a collection that somebody sees, as that is configured but for what is `chosen`.

        Raises `NotFound`, `TooLarge`, `InvalidParameter`, and `Conflict`.
        """
        known = await self._documents.get(scope, document_id)
        collection = await self._collections.get(scope, known.collection)
        embedder = self._embedders.of(scope.tenant, collection.name, collection.embedding_model)
        check_options(chosen, most_tokens(embedder))
        if "language_name" in known.metadata:  # the parts of code are not stored
            document = await self._parser.parse(await self._documents.original(scope, document_id), known.name)
        else:
            document = await self._stored_text(scope, known)
        return await self._cut(known.name, document, {**collection.settings, **chosen}, embedder)

    async def _stored_text(self, scope: Scope, known: Document) -> ParsedDocument:
        return ParsedDocument(
            text=await self._documents.text(scope, known.id, 0, MAX_CHARACTERS + 1),
            media_type=known.media_type,
            title=known.title,
            language=known.language,
            pages=msgspec.convert(known.page_spans, list[PageSpan]),
            headings=msgspec.convert(known.headings, list[HeadingSpan]),
            metadata=known.metadata,
        )

    async def _cut(self, name: str, document: ParsedDocument, chosen: JSON, embedder: Embedder) -> Cut:
        if len(document.text) > MAX_CHARACTERS:
            raise TooLarge(
                f"The document has more than {MAX_CHARACTERS:,} characters, which is too much to look at.",
                hint="Take a part of it; an ingest cuts documents of any length.",
            )
        options = ChunkOptions.of(self._settings, chosen, most=most_tokens(embedder))
        chunker = make_chunker(options, embedder.token_offsets, embed_from_thread(embedder))
        chunks = await asyncio.to_thread(chunker.split, document)
        return Cut(name, document, options, chunks)
