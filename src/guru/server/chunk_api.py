"""How a text, a file or a document would be cut into chunks."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from guru.config.base import Chunking, NotNegative, Percentile, Positive
from guru.errors import InvalidParameter
from guru.knowledge.chunk import Chunk
from guru.knowledge.preview import MAX_CHARACTERS, Cut
from guru.server.bodies import decode, decode_query
from guru.server.endpoint import Call, post
from guru.server.sse import ClientGone, while_connected
from guru.server.uploads import relative_name
from guru.types import JSON

SIZES = ("chunk_tokens", "chunk_overlap", "parent_tokens", "semantic_percentile")


class ChunkParameters(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is not given is as in the collection of the document, or else as configured."""

    document_id: str | None = None
    """A document of a collection; in place of `text` or a file."""
    name: str = "text.md"
    """What the text is called: its ending says what it is."""
    strategy: Chunking | None = None
    chunk_tokens: Positive | None = None
    chunk_overlap: NotNegative | None = None
    parent_tokens: Positive | None = None
    semantic_percentile: Percentile | None = None


class ChunkBody(ChunkParameters, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=MAX_CHARACTERS)] | None = None


class Place(Struct):
    start: int
    end: int


class CutChunk(Struct, kw_only=True):
    ordinal: int
    start: int
    """Character offset in the text, as is `end`."""
    end: int
    page: int | None
    heading_path: list[str]
    tokens: int
    shared: int
    """Characters at its beginning that the chunk before it has as well."""
    text: str
    parent: Place | None
    """What is read where this chunk is found."""
    header: str | None
    """The row that names the columns, where the chunk begins within a table; it is embedded and read with it."""


class ChunkAnswer(Struct, kw_only=True):
    document: str
    strategy: Chunking
    chunk_tokens: int
    chunk_overlap: int
    parent_tokens: int
    semantic_percentile: float
    characters: int
    """Of the whole text."""
    chunks: list[CutChunk]
    warnings: list[str]
    seconds: float


@post("/api/v1/chunk", body=ChunkBody, reads=True)
async def chunk(call: Call) -> ChunkAnswer:
    """How a text, a file or a document would be cut. Nothing is stored.

    JSON with `text` or `document_id`, or multipart with the file as `file` and the other fields beside it.
    """
    began = time.perf_counter()
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        parameters, content, name = await read_form(call)
    else:
        parameters = decode(await call.body(), ChunkBody)
        content, name = (None if parameters.text is None else parameters.text.encode()), parameters.name
    chosen = to_options(parameters)
    preview = call.services.knowledge.preview
    if (content is None) == (parameters.document_id is None):
        raise InvalidParameter(
            "One thing to cut is wanted: a text, a file, or a document.",
            param="text",
            hint="Send `text`, or `document_id`, or a form with `file`.",
        )
    if content is not None:
        work = preview.file(call.tenant, content, relative_name(name, "name"), chosen)
    else:
        work = preview.stored(call.visible, parameters.document_id or "", chosen)
    cut = await while_connected(call.receive, work)
    return to_answer(cut, time.perf_counter() - began)


async def read_form(call: Call) -> tuple[ChunkParameters, bytes | None, str]:
    """The fields of a form, its file, and what that is called. Raises `InvalidParameter`."""
    try:
        async with call.request.form(max_files=1, max_fields=10) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            parameters = decode_query(fields, ChunkParameters)
            if not files:
                return parameters, None, parameters.name
            return parameters, await files[0].read(), files[0].filename or parameters.name
    except ClientDisconnect:
        raise ClientGone from None


def to_options(parameters: ChunkParameters) -> JSON:
    """What is chosen, by the names of the settings."""
    chosen = {name: getattr(parameters, name) for name in SIZES} | {"chunking": parameters.strategy}
    return {name: value for name, value in chosen.items() if value is not None}


def to_answer(cut: Cut, seconds: float) -> ChunkAnswer:
    options: dict[str, Any] = msgspec.structs.asdict(cut.options)
    ends = [0, *(chunk.end for chunk in cut.chunks)]
    return ChunkAnswer(
        document=cut.name,
        strategy=options.pop("chunking"),
        **options,
        characters=len(cut.document.text),
        chunks=[to_chunk(chunk, end, cut.document.text) for chunk, end in zip(cut.chunks, ends[:-1], strict=True)],
        warnings=cut.document.warnings,
        seconds=round(seconds, 4),
    )


def to_chunk(chunk: Chunk, end_before: int, text: str) -> CutChunk:
    names = ("ordinal", "start", "end", "page", "heading_path", "tokens")
    return CutChunk(
        **{name: getattr(chunk, name) for name in names},
        shared=max(0, min(end_before, chunk.end) - chunk.start),
        text=text[chunk.start : chunk.end],
        parent=Place(*chunk.parent) if chunk.parent else None,
        header=text[slice(*chunk.header)] if chunk.header else None,
    )


DOORS = [chunk]
