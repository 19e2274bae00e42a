"""A copy of a collection that is cut otherwise, from the texts that are stored: only code is parsed again."""

from __future__ import annotations

import asyncio

import msgspec
from sqlalchemy import Connection, Row, select

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.access import seen_by
from guru.knowledge.chunk import ChunkOptions
from guru.knowledge.collections import Collection, Collections
from guru.knowledge.documents import Documents
from guru.knowledge.filling import Filling
from guru.knowledge.parse import HeadingSpan, PageSpan, ParsedDocument
from guru.knowledge.prepare import File, Prepared, Preparer, embed_from_thread, most_tokens
from guru.knowledge.preview import Parser
from guru.knowledge.workers import OwnEmbedding
from guru.knowledge.writer import DocumentWriter
from guru.protocols import Embedder
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import document_texts, documents
from guru.types import JSON


class Recutter:
    """Cuts collections anew."""

    def __init__(
        self, database: Database, blobs: BlobStore, collections: Collections, filling: Filling,
        settings: KnowledgeSettings, *, documents: Documents, parser: Parser,
    ) -> None:  # fmt: skip
        self._database = database
        self._blobs = blobs
        self._collections = collections
        self._filling = filling
        self._settings = settings
        self._documents = documents
        self._parser = parser

    async def options_of(self, tenant: str, collection: str) -> tuple[ChunkOptions, list[str]]:
        """How a collection is cut, and which of that are settings of its own. Raises `NotFound` and `Conflict`."""
        source, embedder = await self._source(tenant, collection)
        return ChunkOptions.of(self._settings, source.settings, most=most_tokens(embedder)), sorted(source.settings)

    async def _source(self, tenant: str, collection: str) -> tuple[Collection, Embedder]:
        source = await self._collections.get(Scope(tenant, ()), collection)
        return source, self._filling.embedders.of(tenant, collection, source.embedding_model)

    async def cut(self, tenant: str, collection: str, copy: str, chosen: JSON) -> None:
        """Make the collection `copy`, cut as what is `chosen` of `ChunkOptions`, or add what it lacks.

        Raises `NotFound`, `Conflict`, and `InvalidParameter` for chunks that the embedding model would not read to
        their end.
        """
        everybody = Scope(tenant, ())  # a copy has no access lists, so nothing that has one goes into it
        source, embedder = await self._source(tenant, collection)
        most = most_tokens(embedder)
        chunk_tokens = chosen.get("chunk_tokens", 0)
        if chunk_tokens > most:
            raise InvalidParameter(
                f"{embedder.name} reads {most} tokens of a chunk, not {chunk_tokens}.",
                param="chunk_tokens", hint=f"Try sizes up to {most}.",
            )  # fmt: skip
        own = {**source.settings, **chosen}
        options = ChunkOptions.of(self._settings, own, most=most)
        preparer = Preparer(embedder, options, embed_from_thread(embedder))
        target = await self._collections.create(
            tenant, copy, exist_ok=True, settings=own, embedding_model=source.embedding_model
        )
        filler = self._filling.of(tenant, target, OwnEmbedding())
        writer = DocumentWriter(self._database, self._blobs, target.id, everybody)
        known = await writer.known()
        query = select(documents.c.id, documents.c.name).where(
            seen_by(everybody), documents.c.collection_id == source.id
        )
        listed = await self._database.read(lambda connection: connection.execute(query).all())
        for document_id, name in listed:
            if name not in known:
                prepared = await self._prepare(tenant, document_id, preparer, by_syntax=options.chunking == "code")
                if prepared is not None:
                    await filler.store([prepared], preparer, writer)
        await filler.close()

    async def _prepare(self, tenant: str, document_id: str, preparer: Preparer, *, by_syntax: bool) -> Prepared | None:
        """The document, cut; None when it has been removed meanwhile."""

        def read(connection: Connection) -> Row[tuple[object, ...]] | None:
            query = (
                select(documents, document_texts.c.text)
                .join_from(documents, document_texts, document_texts.c.document_id == documents.c.id)
                .where(documents.c.tenant == tenant, documents.c.id == document_id)
            )
            return connection.execute(query).one_or_none()

        row = await self._database.read(read)
        if row is None:
            return None
        document = to_parsed(row)
        if by_syntax and "language_name" in document.metadata:  # the parts of code are not stored
            original = await self._documents.original(Scope(tenant, ()), document_id)
            document.syntax = (await self._parser.parse(original, row.name)).syntax
        return await asyncio.to_thread(preparer.prepare, to_file(row), document)


def to_file(row: Row[tuple[object, ...]]) -> File:
    found = row._mapping
    return File(name=found["name"], digest=found["content_hash"], size=found["bytes"], source=found["source"])


def to_parsed(row: Row[tuple[object, ...]]) -> ParsedDocument:
    """The document as it was parsed."""
    found = row._mapping
    same = ("text", "media_type", "title", "author", "created", "modified", "language", "metadata", "warnings")
    return ParsedDocument(
        **{name: found[name] for name in same},
        pages=msgspec.convert(found["page_spans"], list[PageSpan]),
        headings=msgspec.convert(found["headings"], list[HeadingSpan]),
    )
