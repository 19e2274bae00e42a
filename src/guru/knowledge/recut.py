"""A copy of a collection with chunks of another size, from the texts that are stored: nothing is parsed again."""

from __future__ import annotations

import asyncio

import msgspec
from sqlalchemy import Connection, Row, select

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.access import seen_by
from guru.knowledge.chunk import ChunkOptions
from guru.knowledge.collections import Collections
from guru.knowledge.filling import Filling
from guru.knowledge.parse import HeadingSpan, PageSpan, ParsedDocument
from guru.knowledge.prepare import File, Prepared, Preparer, embed_from_thread, most_tokens
from guru.knowledge.workers import OwnEmbedding
from guru.knowledge.writer import DocumentWriter
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import document_texts, documents


class Recutter:
    """Cuts collections anew."""

    def __init__(
        self, database: Database, blobs: BlobStore, collections: Collections, filling: Filling,
        settings: KnowledgeSettings, *, most: int,
    ) -> None:  # fmt: skip
        """`most` is how many tokens a chunk may have in a collection of the configured model."""
        self._database = database
        self._blobs = blobs
        self._collections = collections
        self._filling = filling
        self._settings = settings
        self.chunk_tokens = ChunkOptions.of(settings, {}, most=most).chunk_tokens
        """The size of a chunk that the configuration and the embedding model come to."""

    async def cut(self, tenant: str, collection: str, copy: str, chunk_tokens: int) -> None:
        """Make the collection `copy`, or add what it lacks. The overlap grows and shrinks with the size.

        Raises `NotFound`, `Conflict`, and `InvalidParameter` for chunks that the embedding model would not read to
        their end.
        """
        everybody = Scope(tenant, ())  # a copy has no access lists, so nothing that has one goes into it
        source = await self._collections.get(everybody, collection)
        embedder = self._filling.embedders.of(tenant, collection, source.embedding_model)
        most = most_tokens(embedder)
        if chunk_tokens > most:
            raise InvalidParameter(
                f"{embedder.name} reads {most} tokens of a chunk, not {chunk_tokens}.",
                param="chunk_tokens", hint=f"Try sizes up to {most}.",
            )  # fmt: skip
        now = ChunkOptions.of(self._settings, source.settings, most=most)
        overlap = round(now.chunk_overlap * chunk_tokens / now.chunk_tokens)
        own = {**source.settings, "chunk_tokens": chunk_tokens, "chunk_overlap": overlap}
        options = ChunkOptions.of(self._settings, own)
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
                prepared = await self._prepare(tenant, document_id, preparer)
                if prepared is not None:
                    await filler.store([prepared], preparer, writer)
        await filler.close()

    async def _prepare(self, tenant: str, document_id: str, preparer: Preparer) -> Prepared | None:
        """The document, cut; None when it has been removed meanwhile."""

        def read(connection: Connection) -> Row[tuple[object, ...]] | None:
            query = (
                select(documents, document_texts.c.text)
                .join_from(documents, document_texts, document_texts.c.document_id == documents.c.id)
                .where(documents.c.tenant == tenant, documents.c.id == document_id)
            )
            return connection.execute(query).one_or_none()

        row = await self._database.read(read)
        return None if row is None else await asyncio.to_thread(preparer.prepare, to_file(row), to_parsed(row))


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
