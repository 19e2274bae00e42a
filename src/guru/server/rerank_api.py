"""Rerank: Cohere's API, which everybody copies, under `/v1/rerank` and `/v2/rerank`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from guru.errors import InvalidParameter
from guru.server.bodies import decode_known
from guru.server.endpoint import Call, post
from guru.server.road import Whole, perform, told
from guru.store.ids import new_id
from guru.tasks import Ranking, RerankRequest


class RerankBody(Struct, kw_only=True):
    """Fields that are not listed here go to the model, which takes or refuses them."""

    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1)]
    """Texts, or objects with `text`."""
    model: str = "rerank"
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    max_tokens_per_doc: Annotated[int, Meta(ge=1)] | None = None


class RankedDocument(Struct, omit_defaults=True):
    index: int
    """The place of the document in the request."""
    relevance_score: float
    """0 to 1; the most relevant come first."""
    document: dict[str, Any] | None = None


class RerankAnswer(Struct):
    id: str
    model: str
    results: list[RankedDocument]
    usage: dict[str, int]
    meta: dict[str, Any]


@post("/v1/rerank", body=RerankBody, answer=RerankAnswer)
async def rerank(call: Call) -> Any:
    """Documents in the order of how well they answer a query."""
    return await answer(call, "1")


@post("/v2/rerank", body=RerankBody, answer=RerankAnswer)
async def rerank_v2(call: Call) -> Any:
    """The same, where Cohere's clients look for it."""
    return await answer(call, "2")


async def answer(call: Call, version: str) -> Whole:
    body, extra = decode_known(await call.body(), RerankBody)
    texts = [text_of(document, index) for index, document in enumerate(body.documents)]
    request = RerankRequest(
        model=body.model, query=body.query, documents=texts, top_n=body.top_n,
        max_tokens_per_doc=body.max_tokens_per_doc, extra=extra,
    )  # fmt: skip
    ranking: Ranking = await perform(call, "rerank", request, "rerank")
    results = [
        RankedDocument(item.index, item.relevance_score, shown(body.documents[item.index], body.return_documents))
        for item in ranking.results
    ]
    meta = {"api_version": {"version": version}, "billed_units": {"search_units": 1}, **ranking.extra}
    tokens = ranking.usage.prompt_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": ranking.usage.total_tokens}
    shape = RerankAnswer(new_id("rerank"), ranking.model, results, usage, meta)
    return told(call, shape, ranking)


def text_of(document: str | dict[str, Any], index: int) -> str:
    text = document if isinstance(document, str) else document.get("text")
    if not isinstance(text, str):
        place = f"documents[{index}]"
        hint = "Send texts, or objects with `text`; write other fields into the text."
        raise InvalidParameter(f"`{place}` has no text.", param=place, hint=hint)
    return text


def shown(document: str | dict[str, Any], wanted: bool) -> dict[str, Any] | None:
    if not wanted:
        return None
    return {"text": document} if isinstance(document, str) else document


DOORS = [rerank, rerank_v2]
