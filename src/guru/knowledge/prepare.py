"""From a parsed document to the rows that are stored: passages, terms, vectors of passages and of sentences."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from guru.knowledge.chunk import Chunk, ChunkOptions, make_chunker
from guru.knowledge.chunk.semantic import Embed
from guru.knowledge.chunk.tables import RULE, Headers, cells_of, in_words, is_row, names_for
from guru.knowledge.parse import ParsedDocument
from guru.knowledge.rows import PackedSentences, coarse_of, split_fine
from guru.knowledge.sentences import Span
from guru.knowledge.terms import count_hashes, hash_terms, language_of
from guru.knowledge.vectors import ChunkVectors
from guru.protocols import Embedder
from guru.store.ids import new_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECIPE_VERSION: Final = 5
"""Raised when parsing, chunking, terms or the layout of rows change: documents are then ingested anew."""
SPECIAL_TOKENS: Final = 2


class File(Struct, kw_only=True, frozen=True):
    """A file whose bytes are stored."""

    name: str
    digest: str
    size: int
    source: str | None
    """The path of the command that brought it; None for an upload."""


class Prepared(Struct, kw_only=True):
    """A document cut into passages, waiting for its vectors."""

    file: File
    document: ParsedDocument
    chunks: list[Chunk]
    passages: list[str]
    embedded: list[str]
    """The passages, those that begin within a table below its header, as far as the embedding model has room."""
    sentences: list[Span]
    """Every sentence once, though passages overlap."""
    stated: list[str]
    """The sentences, those that are rows of tables with the names of their columns: figures alone are near nothing."""

    @property
    def texts(self) -> list[str]:
        """What is embedded, in the order in which `rows` wants the vectors."""
        return self.embedded + self.stated


class Preparer:
    """Cuts documents as `options` say, for one embedding model. The recipe does not name it: documents that get
    vectors of another one stay as they were cut."""

    def __init__(self, embedder: Embedder, options: ChunkOptions, embed: Embed) -> None:
        self._embedder = embedder
        self._chunker = make_chunker(options, embedder.token_offsets, embed)
        self.recipe = f"{RECIPE_VERSION}:{options.recipe}"

    def prepare(self, file: File, document: ParsedDocument) -> Prepared:
        """Cut a document. Blocks for as long as tokenizing takes: about a second for a megabyte of text."""
        cut = self._chunker.split(document)
        passages = [document.text[chunk.start : chunk.end] for chunk in cut]
        embedded = [self._below_header(document.text, *pair) for pair in zip(cut, passages, strict=True)]
        sentences = sorted({span for chunk in cut for span in chunk.sentences})
        return Prepared(
            file=file, document=document, chunks=cut, passages=passages, embedded=embedded,
            sentences=sentences, stated=stated(document.text, sentences),
        )  # fmt: skip

    def _below_header(self, text: str, chunk: Chunk, passage: str) -> str:
        header = None if chunk.header is None else text[slice(*chunk.header)]
        return below_header(self._embedder, header, passage, chunk.tokens)

    def rows(
        self, prepared: Prepared, packed: NDArray[Any], model: str, tenant: str, collection_id: str
    ) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
        """The rows of the document, of its text and of its chunks. `packed` are the fine vectors of `prepared.texts`,
        made by `model`."""
        document, file, language = prepared.document, prepared.file, language_of(prepared.document.language)
        document_id, text = new_id("doc"), document.text
        at = {span: place for place, span in enumerate(prepared.sentences)}
        terms = [hash_terms(text[start:end], language) for start, end in prepared.sentences]
        sentences = PackedSentences(prepared.sentences, terms, packed[len(prepared.passages) :])

        def body(chunk: Chunk, places: list[int]) -> list[int]:
            """The terms of a passage: those of its sentences, where none was cut at a place without white space."""
            if all(end < start for (_, end), (start, _) in pairwise(chunk.sentences)):
                return [term for place in places for term in terms[place]]
            return hash_terms(text[chunk.start : chunk.end], language)

        @lru_cache(maxsize=64)
        def heading(text: str) -> list[int]:
            return hash_terms(text, language)

        shared = {"tenant": tenant, "collection_id": collection_id, "document_id": document_id}
        chunk_rows = [
            {
                **shared,
                **{
                    name: getattr(chunk, name) for name in ("ordinal", "page", "start", "end", "tokens", "heading_path")
                },
                **_places("parent", chunk.parent),
                **_places("header", chunk.header),
                "text": passage,
                "terms": count_hashes(body(chunk, places), heading(heading_text(document, chunk))).tobytes(),
                **dict(zip(("vector", "vector_residual"), split_fine(vector), strict=True)),
                **sentences.blobs(places),
            }
            for chunk, passage, vector in zip(prepared.chunks, prepared.passages, packed, strict=False)
            for places in [[at[span] for span in chunk.sentences]]
        ]
        names = ("media_type", "title", "author", "language", "created", "modified", "metadata", "warnings")
        document_row = {
            "id": document_id,
            "tenant": tenant,
            "collection_id": collection_id,
            "name": file.name,
            "content_hash": file.digest,
            "recipe": self.recipe,
            "embedding_model": model,
            "source": file.source,
            "bytes": file.size,
            **{name: getattr(document, name) for name in names},
            "page_spans": msgspec.to_builtins(document.pages),
            "headings": msgspec.to_builtins(document.headings),
            "chunks": len(chunk_rows),
            "ingested_at": time.time(),
        }
        return document_row, {"document_id": document_id, "tenant": tenant, "text": text}, chunk_rows


def stated(text: str, sentences: Sequence[Span]) -> list[str]:
    """What the sentences say, rows of tables in words."""
    headers = Headers(text)

    def said(start: int, end: int) -> str:
        sentence = text[start:end]
        header = headers.above(start) if is_row(sentence) else None
        if header is None or RULE.fullmatch(sentence):
            return sentence
        cells = cells_of(sentence)
        names = names_for(cells_of(text[slice(*header)]), cells)
        return sentence if names is None else in_words(names, cells) or sentence

    return [said(*span) for span in sentences]


def by_chunk(prepared: Prepared, packed: NDArray[Any]) -> list[ChunkVectors]:
    """The vectors of every chunk and of its sentences. `packed` are the fine ones of `prepared.texts`."""
    at = {span: place for place, span in enumerate(prepared.sentences, start=len(prepared.passages))}
    return [
        ChunkVectors(*split_fine(packed[place]), coarse_of(packed[[at[span] for span in chunk.sentences]]).tobytes())
        for place, chunk in enumerate(prepared.chunks)
    ]


def below_header(embedder: Embedder, header: str | None, passage: str, tokens: int) -> str:
    """What is embedded of a passage of so many tokens that begins within a table: its header too, if it has room."""
    if header is None or embedder.count_tokens(header) > most_tokens(embedder) - tokens:
        return passage
    return f"{header}\n{passage}"


def most_tokens(embedder: Embedder) -> int:
    """How many tokens a chunk may have at most."""
    return embedder.max_tokens - SPECIAL_TOKENS


def embed_from_thread(embedder: Embedder) -> Embed:
    """What a thread embeds with, on the loop that runs now."""
    loop = asyncio.get_running_loop()
    return lambda texts: asyncio.run_coroutine_threadsafe(embedder.embed(texts), loop).result()


def heading_text(document: ParsedDocument, chunk: Chunk) -> str:
    """What stands over a passage: the title, its headings and the names of its columns, each once."""
    header = [document.text[slice(*chunk.header)]] if chunk.header else []
    return " \n ".join(dict.fromkeys([*([document.title] if document.title else []), *chunk.heading_path, *header]))


def _places(name: str, span: Span | None) -> dict[str, int | None]:
    start, end = span or (None, None)
    return {f"{name}_start": start, f"{name}_end": end}
