"""What can be done with the documents that the caller may see: list their collections, search them, ask them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from msgspec import Meta

from guru.agents.tools.base import ToolContext, ToolResult
from guru.agents.tools.function import FunctionTool
from guru.errors import NotFound
from guru.types import Citation, Hit

USUAL: Final = "default"
ANSWER_SECONDS: Final = 600.0
Answer = tuple[str, list[Citation]]
"""A text with markers, and what they stand for."""


class Documents(Protocol):
    """What the tools need of the knowledge base, which the server hands in."""

    async def collections(self, context: ToolContext) -> dict[str, int]:
        """The names of the collections that the caller may see, and how many documents they see in each."""
        ...

    async def search(self, collection: str, query: str, k: int, context: ToolContext) -> list[Hit]:
        """The best passages that the caller may see. Raises `NotFound`."""
        ...

    async def ask(self, collection: str, question: str, context: ToolContext) -> Answer:
        """An answer, each of whose citations holds. Raises `NotFound`."""
        ...


Collection = Annotated[str, Meta(description="The collection; the usual one where it is empty.")]


def knowledge_tools(documents: Documents) -> list[FunctionTool]:
    """The tools."""

    async def list_collections(context: ToolContext) -> list[dict[str, Any]]:
        """List the collections of documents, and how many documents each has."""
        found = await documents.collections(context)
        return [{"collection": name, "documents": count} for name, count in found.items()]

    async def search_documents(
        context: ToolContext,
        query: Annotated[str, Meta(min_length=1, max_length=2000, description="What to look for, as a question.")],
        collection: Collection = "",
        results: Annotated[int, Meta(ge=1, le=20, description="How many passages.")] = 5,
    ) -> ToolResult:
        """Search the documents of this organisation. It shows the passages that fit best, with where they stand."""
        name = collection or await usual(documents, context)
        hits = await documents.search(name, query, results, context)
        text = "\n\n".join(f"[{hit.rank}] {place(hit)}\n{hit.text}" for hit in hits)
        return ToolResult(text=text or "Nothing was found.", data=[as_data(hit) for hit in hits])

    async def ask_documents(
        context: ToolContext,
        question: Annotated[str, Meta(min_length=1, max_length=2000, description="A whole question.")],
        collection: Collection = "",
    ) -> ToolResult:
        """Answer a question from the documents of this organisation, with quotes of where the answer stands."""
        name = collection or await usual(documents, context)
        answer, citations = await documents.ask(name, question, context)
        quotes = [f"[{it.n}] {it.document}{on_page(it.page)}: {it.quote}" for it in citations]
        return ToolResult(text="\n".join([answer, *quotes]))

    return [
        FunctionTool(list_collections, effect="read"),
        FunctionTool(search_documents, effect="read", timeout=60.0),
        FunctionTool(ask_documents, effect="read", timeout=ANSWER_SECONDS),
    ]


async def usual(documents: Documents, context: ToolContext) -> str:
    """The collection `default`, or the only one there is. Raises `NotFound`."""
    names = list(await documents.collections(context))
    if USUAL in names:
        return USUAL
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFound("There are no documents.", hint="Answer without them, and say so.")
    raise NotFound("There are several collections.", hint=f"Name one as `collection`: {', '.join(names)}.")


def place(hit: Hit) -> str:
    heading = f" ({' › '.join(hit.heading_path)})" if hit.heading_path else ""
    return f"{hit.document}{on_page(hit.page)}{heading}"


def on_page(page: int | None) -> str:
    return f", page {page}" if page is not None else ""


def as_data(hit: Hit) -> dict[str, Any]:
    names = ("rank", "score", "document", "document_id", "page", "start", "end", "text", "title")
    return {name: getattr(hit, name) for name in names}
