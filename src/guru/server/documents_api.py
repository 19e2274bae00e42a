"""Documents: upload, list, read, look at, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from msgspec import Meta, Struct
from sqlalchemy import Connection
from starlette.responses import FileResponse, Response

from guru.errors import InvalidParameter
from guru.gateway.identity.audit import record
from guru.gateway.messages import moment
from guru.knowledge.access import split_access
from guru.knowledge.documents import Document, Passage
from guru.knowledge.parse.document import PageHighlight
from guru.knowledge.similar import Similar
from guru.server.endpoint import Call, delete, get, patch, post
from guru.server.jobs_api import JobAnswer, to_view
from guru.server.sse import while_connected
from guru.server.uploads import receive_uploads
from guru.types import JSON

Limit = Annotated[int, Meta(ge=1, le=1000)]
Offset = Annotated[int, Meta(ge=0)]
PDF = "application/pdf"
View = TypeVar("View", bound="DocumentView")


class DocumentQuery(Struct, forbid_unknown_fields=True):
    limit: Limit = 100
    after: str | None = None
    """Name of the last document seen."""


class UploadQuery(Struct, forbid_unknown_fields=True):
    prune: bool = False
    """Whether documents that are no longer in an uploaded archive of the same name are removed."""
    access: str | None = None
    """Who may see these documents, with commas: `user:anna,team:legal`; empty: everybody. When it is left out,
    documents that are replaced keep their lists."""


class AccessBody(Struct, forbid_unknown_fields=True):
    access: list[str]
    """`user:anna`, `team:legal`, `key:key_…`; an empty list makes the document everybody's."""


class ChunkQuery(Struct, forbid_unknown_fields=True):
    limit: Limit = 100
    after: int | None = None
    """Ordinal of the last chunk seen."""


class SpanQuery(Struct, forbid_unknown_fields=True):
    start: Offset = 0
    """Character offsets in the stored text."""
    end: Offset | None = None


class ScaleQuery(Struct, forbid_unknown_fields=True):
    scale: Annotated[float, Meta(ge=0.1, le=6)] = 2.0
    """Pixels per point (1/72 inch)."""


class SimilarQuery(Struct, forbid_unknown_fields=True):
    k: Annotated[int, Meta(ge=1, le=100)] = 10


class SimilarDocuments(Struct):
    documents: list[Similar]
    """The most similar first; one with nearly the same text is the most similar of all."""


class DocumentView(Struct, kw_only=True):
    id: str
    collection: str
    name: str
    title: str | None
    author: str | None
    language: str | None
    media_type: str
    pages: int | None
    bytes: int
    chunks: int
    created: str | None
    modified: str | None
    ingested_at: datetime
    metadata: JSON
    warnings: list[str]
    access: list[str]
    """Who may see it, besides administrators: `user:anna`, `team:legal`, `key:key_…`. Empty: everybody."""


class DocumentPage(Struct):
    documents: list[DocumentView]
    next: str | None


class DocumentDetail(DocumentView, kw_only=True):
    headings: list[JSON]
    """`level`, `title` and `start`."""
    page_spans: list[JSON]
    """`number`, `start` and `end`."""


class Text(Struct):
    start: int
    end: int
    text: str


class ChunkPage(Struct):
    chunks: list[Passage]
    next: int | None


class Highlights(Struct):
    pages: list[PageHighlight]


@get("/api/v1/collections/{name}/documents")
async def list_documents(call: Call, name: str, query: DocumentQuery) -> DocumentPage:
    """The documents of a collection, by name."""
    found, following = await call.services.knowledge.documents.list(
        call.visible, name, limit=query.limit, after=query.after
    )
    return DocumentPage([to_document(item, DocumentView) for item in found], following)


@post("/api/v1/collections/{name}/documents", status=202)
async def upload_documents(call: Call, name: str, query: UploadQuery) -> JobAnswer:
    """Ingest uploaded files, as a job: multipart, field `files`, with relative paths as file names.

    What is in a ZIP archive becomes a document each.
    """
    access = None if query.access is None else split_access(query.access)
    uploads = await receive_uploads(call.request, call.services.blobs)
    job = await call.services.knowledge.ingest.submit_uploads(
        call.tenant, name, uploads,
        prune=query.prune, access=access, by=call.visible, person=call.caller("ingest").person,
    )  # fmt: skip
    return JobAnswer(to_view(job))


@get("/api/v1/documents/{document_id}")
async def show_document(call: Call, document_id: str) -> DocumentDetail:
    """One document, with its headings and where its pages begin."""
    return to_document(await call.services.knowledge.documents.get(call.visible, document_id), DocumentDetail)


@patch("/api/v1/documents/{document_id}")
async def change_document(call: Call, document_id: str, body: AccessBody) -> DocumentView:
    """Say who may see a document. Only administrators may; they see every document, whatever its list says."""
    caller = call.require_admin()

    def audit(connection: Connection, document: Document, names: list[str]) -> None:
        before, after = {"access": document.access}, {"access": names}
        record(connection, caller, "documents.access", document_id, before=before, after=after)

    documents = call.services.knowledge.documents
    return to_document(await documents.set_access(call.visible, document_id, body.access, audit=audit), DocumentView)


@delete("/api/v1/documents/{document_id}", status=204)
async def delete_document(call: Call, document_id: str) -> None:
    """Remove a document and its chunks."""
    await call.services.knowledge.documents.delete(call.visible, document_id)


@get("/api/v1/documents/{document_id}/text")
async def document_text(call: Call, document_id: str, query: SpanQuery) -> Text:
    """A part of the stored text, as far as there is one."""
    if query.end is not None and query.end < query.start:
        raise InvalidParameter("`end` lies before `start`.", param="end", hint="Swap them.")
    text = await call.services.knowledge.documents.text(call.visible, document_id, query.start, query.end)
    return Text(query.start, query.start + len(text), text)


@get("/api/v1/documents/{document_id}/file", media_type="application/octet-stream")
async def document_file(call: Call, document_id: str) -> Any:
    """The file as it was ingested. A browser may show it, but not run what is in it."""
    documents = call.services.knowledge.documents
    document = await documents.get(call.visible, document_id)
    name = quote(document.name.rpartition("/")[2])
    headers = {
        "content-disposition": f"inline; filename*=UTF-8''{name}",
        "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    }
    path = await documents.original(call.visible, document_id)
    return FileResponse(path, headers=headers, media_type=document.media_type)


@get("/api/v1/documents/{document_id}/chunks")
async def document_chunks(call: Call, document_id: str, query: ChunkQuery) -> ChunkPage:
    """The chunks of a document, in order."""
    found, following = await call.services.knowledge.documents.chunks(
        call.visible, document_id, limit=query.limit, after=query.after
    )
    return ChunkPage(list(found), following)


@get("/api/v1/documents/{document_id}/similar")
async def similar_documents(call: Call, document_id: str, query: SimilarQuery) -> SimilarDocuments:
    """Documents of the same collection that are about the same, each with its passage that is nearest."""
    work = call.services.knowledge.similar.find(call.visible, document_id, query.k)
    return SimilarDocuments(await while_connected(call.receive, work))


@get("/api/v1/documents/{document_id}/pages/{number:int}.png", media_type="image/png")
async def document_page(call: Call, document_id: str, number: int, query: ScaleQuery) -> Any:
    """A page of a PDF as a picture; the first page is 1."""
    documents = call.services.knowledge.documents
    document = await documents.get(call.visible, document_id)
    require_pdf(document)
    path = await documents.original(call.visible, document_id)
    image = await call.services.parser.render_page(path, number, query.scale)
    return Response(image, headers={"cache-control": "private, max-age=3600"}, media_type="image/png")


@get("/api/v1/documents/{document_id}/highlight")
async def document_highlight(call: Call, document_id: str, query: SpanQuery) -> Highlights:
    """Where a span of the text stands on the pages of a PDF, in fractions (0 to 1) of a page."""
    documents = call.services.knowledge.documents
    document = await documents.get(call.visible, document_id)
    require_pdf(document)
    if query.end is None:
        raise InvalidParameter("The parameter `end` is missing.", param="end", hint="Add it to the request.")
    path = await documents.original(call.visible, document_id)
    quote = await documents.text(call.visible, document_id, query.start, query.end)
    return Highlights(await call.services.parser.highlight(path, query.start, quote) if quote else [])


def require_pdf(document: Document) -> None:
    if document.media_type != PDF:
        raise InvalidParameter(
            f"{document.name} is {document.media_type}; only a PDF has pages to show.",
            hint="Read its text at /api/v1/documents/{id}/text.",
        )


def to_document(item: Document, shape: type[View]) -> View:
    values = {name: getattr(item, name) for name in shape.__struct_fields__}
    return shape(**(values | {"ingested_at": moment(item.ingested_at)}))


DOORS = [
    list_documents,
    upload_documents,
    show_document,
    change_document,
    delete_document,
    document_text,
    document_file,
    document_chunks,
    similar_documents,
    document_page,
    document_highlight,
]
