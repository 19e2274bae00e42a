"""Summaries of documents and collections, as jobs whose result they are."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from guru.knowledge.around.summaries import Wanted
from guru.server.endpoint import Call, post
from guru.server.evaluations_api import kept_caller
from guru.server.jobs_api import JobAnswer, to_view
from guru.types import JSON


class SummaryBody(Struct, kw_only=True, forbid_unknown_fields=True):
    method: Literal["auto", "extractive", "model"] = "auto"
    """`extractive`: the most central sentences, in the documents' own words. `model`: a model writes, and what no
    passage supports is dropped. `auto`: `model`, unless the model is too small for it."""
    model: str = "default"
    sentences: Annotated[int, Meta(ge=1, le=30)] = 5


class CollectionSummaryBody(SummaryBody, kw_only=True, forbid_unknown_fields=True):
    documents: Annotated[int, Meta(ge=1, le=10_000)] = 200
    """How many are read at most: of more, the most typical of each topic."""
    filter: JSON | None = None
    """As in a search."""


@post("/api/v1/collections/{name}/summary", status=202)
async def summarize_collection(call: Call, name: str, body: CollectionSummaryBody) -> JobAnswer:
    """Summarise a collection, as a job: its result has `summary`, each sentence with its sources."""
    wanted = Wanted(
        collection=name, method=body.method, model=body.model, sentences=body.sentences, most=body.documents,
        filter=body.filter,
    )  # fmt: skip
    return await begin(call, wanted)


@post("/api/v1/documents/{document_id}/summary", status=202)
async def summarize_document(call: Call, document_id: str, body: SummaryBody) -> JobAnswer:
    """Summarise one document, as a job. One that has not changed is not summarised again."""
    document = await call.services.knowledge.documents.get(call.visible, document_id)
    wanted = Wanted(
        collection=document.collection, document=document_id, method=body.method, model=body.model,
        sentences=body.sentences,
    )  # fmt: skip
    return await begin(call, wanted)


async def begin(call: Call, wanted: Wanted) -> JobAnswer:
    # Each door has a name of its own, and keys may be let in at one of them alone.
    caller = call.caller("documents.summary" if wanted.document else "collections.summary")
    job = await call.services.summaries.begin(
        call.visible, wanted, caller=kept_caller(caller) | {"route": caller.route}, person=caller.person
    )
    return JobAnswer(to_view(job))


DOORS = [summarize_collection, summarize_document]
