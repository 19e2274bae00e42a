"""Guru's own tools for MCP's clients: what there is, and an answer whose citations hold."""

from __future__ import annotations

from typing import Any

from guru.agents.tools.base import ToolContext, ToolResult
from guru.agents.tools.function import FunctionTool
from guru.gateway.pipeline import Road
from guru.knowledge.base import KnowledgeBase
from guru.server.ask_api import to_answer
from guru.types import ChatRequest, Grounding, Message

ANSWER_SECONDS = 600.0


def knowledge_tools(knowledge: KnowledgeBase, road: Road) -> list[FunctionTool]:
    """The tools, for whoever may use the documents. What each caller sees of them depends on its scope."""

    async def list_collections(context: ToolContext) -> list[dict[str, Any]]:
        """List the collections of documents that can be searched, and how many documents each has."""
        found = await knowledge.collections.list(context.scope)
        return [{"collection": item.name, "documents": item.documents} for item in found]

    async def ask_documents(question: str, collection: str, context: ToolContext) -> ToolResult:
        """Answer a question from the documents of a collection; every citation quotes its source word for word.

        Args:
            question: A whole question.
            collection: Its name, as list_collections says.
        """
        request = ChatRequest(
            model="default", messages=[Message(role="user", content=question)], guru=Grounding(collection)
        )
        answer = to_answer(await road.answer(request, context.caller))
        quotes = [f"[{one.n}] {one.document}: {one.quote}" for one in answer.citations]
        return ToolResult(text="\n".join([answer.answer, *quotes]))

    return [
        FunctionTool(list_collections, effect="read"),
        FunctionTool(ask_documents, effect="read", timeout=ANSWER_SECONDS),
    ]


FOR_MEMBERS = {"ask_documents"}
"""They ask a model, which viewers may not."""
