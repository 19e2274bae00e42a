"""A model for MCP servers that ask for one: by way of the road, so that limits, budgets, guards and traces hold."""

from __future__ import annotations

from typing import Any

import msgspec

from guru.agents.mcp.protocol import INVALID_PARAMS, McpError
from guru.gateway.identity import Caller
from guru.gateway.pipeline import Road
from guru.server.road import last_started
from guru.store.ids import new_id
from guru.types import JSON, ChatRequest, Delta, Finished, Message

STOPS = {"stop": "endTurn", "length": "maxTokens"}


class RoadSampler:
    """`guru.agents.mcp.client.host.Sampler`: text in, text out."""

    def __init__(self, road: Road, model: str, caller: Caller) -> None:
        self._road = road
        self._model = model
        self._caller = caller

    async def sample(self, params: JSON, tokens: int) -> JSON:
        """Raises `McpError` for what is asked otherwise than in text, and `GuruError`."""
        messages = read_messages(params.get("messages"))
        system = params.get("systemPrompt")
        if isinstance(system, str) and system:
            messages.insert(0, Message(role="system", content=system))
        warmth = params.get("temperature")
        request = ChatRequest(
            model=self._model, messages=messages, max_tokens=tokens,
            temperature=min(max(float(warmth), 0.0), 2.0) if isinstance(warmth, int | float) else None,
        )  # fmt: skip
        caller = msgspec.structs.replace(self._caller, trace_id=new_id("tr"))
        events = await self._road.answer(request, caller)
        text = "".join(event.text for event in events if isinstance(event, Delta))
        reason = next((event.reason for event in events if isinstance(event, Finished)), None)
        return {
            "role": "assistant", "content": {"type": "text", "text": text}, "model": last_started(events).model,
            "stopReason": STOPS.get(reason or "", "endTurn"),
        }  # fmt: skip


def read_messages(given: Any) -> list[Message]:
    """The messages of a sampling request. Raises `McpError`."""
    if not isinstance(given, list) or not given:
        raise McpError(INVALID_PARAMS, "`messages` must be a list that is not empty.")
    found = []
    for message in given:
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        texts = [text_of(part) for part in (content if isinstance(content, list) else [content])]
        if role not in ("user", "assistant") or None in texts:
            raise McpError(INVALID_PARAMS, "This client's model takes text alone, from `user` and `assistant`.")
        found.append(Message(role=role, content="\n".join(text or "" for text in texts)))
    return found


def text_of(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    return text if isinstance(text, str) else None
