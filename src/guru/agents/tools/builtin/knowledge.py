"""Searches the documents that the caller may see."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from msgspec import Meta

from guru.agents.tools.base import ToolContext, ToolResult
from guru.agents.tools.function import FunctionTool
from guru.errors import NotFound
from guru.types import Hit

USUAL = "default"


class Documents(Protocol):
    """What the tool needs of the knowledge base, which the server hands in."""

    async def collections(self, context: ToolContext) -> list[str]:
        """The names of the collections that the caller may see."""
        ...

    async def search(self, collection: str, query: str, k: int, context: ToolContext) -> list[Hit]:
        """The best passages that the caller may see. Raises `NotFound`."""
        ...


def knowledge_tool(documents: Documents) -> FunctionTool:
    """The tool that searches."""

    async def search_documents(
        context: ToolContext,
        query: Annotated[str, Meta(min_length=1, max_length=2000, description="What to look for, as a question.")],
        collection: Annotated[str, Meta(description="The collection; the usual one where it is empty.")] = "",
        results: Annotated[int, Meta(ge=1, le=20, description="How many passages.")] = 5,
    ) -> ToolResult:
        """Search the documents of this organisation. It shows the passages that fit best, with where they stand."""
        name = collection or await usual(documents, context)
        hits = await documents.search(name, query, results, context)
        text = "\n\n".join(f"[{hit.rank}] {place(hit)}\n{hit.text}" for hit in hits)
        return ToolResult(text=text or "Nothing was found.", data=[as_data(hit) for hit in hits])

    return FunctionTool(search_documents, effect="read", timeout=60.0)


async def usual(documents: Documents, context: ToolContext) -> str:
    """The collection `default`, or the only one there is. Raises `NotFound`."""
    names = await documents.collections(context)
    if USUAL in names:
        return USUAL
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFound("There are no documents.", hint="Answer without them, and say so.")
    raise NotFound("There are several collections.", hint=f"Name one as `collection`: {', '.join(names)}.")


def place(hit: Hit) -> str:
    page = f", page {hit.page}" if hit.page is not None else ""
    heading = f" ({' › '.join(hit.heading_path)})" if hit.heading_path else ""
    return f"{hit.document}{page}{heading}"


def as_data(hit: Hit) -> dict[str, Any]:
    names = ("rank", "score", "document", "document_id", "page", "start", "end", "text", "title")
    return {name: getattr(hit, name) for name in names}
