"""Conversations: list, show, change, delete, and take turns."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from guru.gateway.messages import Changes, Conversation, ConversationPage, ConversationTree
from guru.gateway.turns import Stored, Turn
from guru.server.ask_api import stream_events
from guru.server.endpoint import Call, delete, get, patch, post
from guru.server.road import road_headers
from guru.server.sse import EventStream

Limit = Annotated[int, Meta(ge=1, le=500)]


class ConversationQuery(Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    before: str | None = None


class NewConversation(Struct, forbid_unknown_fields=True):
    title: str | None = None
    """Made from the first question when it is left out."""
    collection: str | None = None
    model: str | None = None
    memory: bool | None = None
    """Whether it uses what is remembered of you. None: as the configuration says."""


@get("/api/v1/conversations")
async def list_conversations(call: Call, query: ConversationQuery) -> ConversationPage:
    """The conversations, the one used last first."""
    return await call.services.conversations.list(call.caller("conversations"), query.limit, query.before)


@post("/api/v1/conversations", status=201)
async def create_conversation(call: Call, body: NewConversation) -> Conversation:
    """Begin a conversation."""
    caller = call.caller("conversations")
    return await call.services.conversations.create(caller, body.title, body.collection, body.model, body.memory)


@get("/api/v1/conversations/{conversation_id}")
async def show_conversation(call: Call, conversation_id: str) -> ConversationTree:
    """A conversation with all its messages, every branch."""
    return await call.services.conversations.get(call.caller("conversations"), conversation_id)


@patch("/api/v1/conversations/{conversation_id}")
async def change_conversation(call: Call, conversation_id: str, body: Changes) -> Conversation:
    """Change title, collection, model, or whether it uses memory."""
    return await call.services.conversations.change(call.caller("conversations"), conversation_id, body)


@delete("/api/v1/conversations/{conversation_id}")
async def delete_conversation(call: Call, conversation_id: str) -> None:
    """Delete a conversation and its messages."""
    await call.services.conversations.delete(call.caller("conversations"), conversation_id)


@post("/api/v1/conversations/{conversation_id}/messages", answer=Stored, media_type="text/event-stream")
async def send_message(call: Call, conversation_id: str, body: Turn) -> Any:
    """Store a message and stream its answer; with `regenerate`, another answer to a message that is there.

    The first event is `message`, with the rows that were made; the others are those of `/api/v1/ask`.
    """
    events = call.services.conversations.reply(conversation_id, body, call.caller("conversations"))
    stored = await anext(events)
    assert isinstance(stored, Stored)
    model = stored.assistant.model or body.model or "default"
    headers = road_headers(call.trace_id, model) | call.headers
    return EventStream(stream_events(stored, events, call.trace_id), headers)


@post("/api/v1/conversations/{conversation_id}/messages/{message_id}/stop", status=204)
async def stop_message(call: Call, conversation_id: str, message_id: str) -> None:
    """End an answer that is being written; what was written stays."""
    await call.services.conversations.stop(call.caller("conversations"), conversation_id, message_id)


DOORS = [
    list_conversations,
    create_conversation,
    show_conversation,
    change_conversation,
    delete_conversation,
    send_message,
    stop_message,
]
