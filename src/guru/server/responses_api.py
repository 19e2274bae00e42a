"""OpenAI's Responses API: answers made of items, kept so that a conversation can go on from them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from guru.errors import BadRequest, GuruError, InvalidParameter
from guru.gateway.identity import Caller
from guru.gateway.responses import history
from guru.models.wire.openai_responses import ResponsesRequest, decode_responses_request, with_history
from guru.models.wire.openai_responses_answer import ResponseWriter, without_seal
from guru.server.counting import count
from guru.server.endpoint import Call, delete, get, post
from guru.server.errors import as_guru_error
from guru.server.road import stream, whole
from guru.server.sse import sse
from guru.store.ids import new_id
from guru.types import JSON, Completed, Event, Started

encode = msgspec.json.Encoder().encode


class ResponseBody(Struct, kw_only=True):
    """What is asked. Fields that are not listed here go to the model, which takes or refuses them."""

    model: str
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    """`{"format": {"type": "json_schema", "name", "schema"}}`"""
    reasoning: dict[str, Any] | None = None
    """`{"effort", "summary"}`"""
    include: list[str] = []
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    metadata: dict[str, str] | None = None
    store: bool = True
    stream: bool = False
    user: str | None = None


class ResponseQuery(Struct, forbid_unknown_fields=True):
    stream: bool = False


class ItemQuery(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    """Id of the last item seen."""


class ItemList(Struct):
    data: list[JSON]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


class InputTokens(Struct):
    input_tokens: int
    object: str = "response.input_tokens"


class Deleted(Struct):
    id: str
    object: str
    deleted: bool = True


@post("/v1/responses", body=ResponseBody)
async def create_response(call: Call) -> Any:
    """Answer, and keep the answer unless `store` is false."""
    request = decode_responses_request(await call.body())
    caller = call.caller("responses")
    await go_on(call, request, caller)
    writer = ResponseWriter(new_id("resp"), time.time(), request, new_id, trace_id=caller.trace_id)
    encoder = ResponseEncoder(writer)
    if request.chat.stream:
        return await stream(call, kept(call, request, encoder, caller), lambda _: encoder)
    return await whole(call, answer_and_keep(call, request, writer, caller), lambda _: encoder)


async def answer_and_keep(call: Call, request: ResponsesRequest, writer: ResponseWriter, caller: Caller) -> list[Event]:
    """The events of an answer, which is kept before the caller hears of it; one that fails has nobody who knows it."""
    events = await call.services.answerers.answer(request.chat, caller)
    for event in events:
        writer.feed(event)
    if request.store:
        await call.services.responses.keep(caller, [with_item_id(item) for item in request.items], writer.response)
    return events


@post("/v1/responses/input_tokens", body=ResponseBody, answer=InputTokens)
async def count_input(call: Call) -> InputTokens:
    """The tokens that a request would have the model read, with the conversation that it goes on from."""
    request = decode_responses_request(await call.body())
    caller = call.caller("responses.input_tokens")
    await go_on(call, request, caller)
    return InputTokens(await count(call, request.chat, caller))


async def go_on(call: Call, request: ResponsesRequest, caller: Caller) -> None:
    """Put the conversation before a request that goes on from one. Raises `NotFound`."""
    if request.previous_response_id is not None:
        turns = await call.services.responses.turns(caller, request.previous_response_id)
        request.chat.messages = with_history(request, history(turns))


class ResponseEncoder:
    """A writer's events as bytes. They are made when the event passes `kept`, and leave when the road hands it on."""

    def __init__(self, writer: ResponseWriter) -> None:
        self.writer = writer
        self._waiting: list[bytes] = []

    def feed(self, event: Event) -> None:
        self._waiting += map(to_sse, self.writer.feed(event))

    def chunk(self, event: Event) -> bytes:
        data, self._waiting = b"".join(self._waiting), []
        return data

    def end(self) -> bytes:
        return b""

    def failed(self, error: GuruError) -> bytes:
        failure = [] if self.writer.response["status"] == "failed" else self.writer.fail(error)
        data, self._waiting = b"".join([*self._waiting, *map(to_sse, failure)]), []
        return data

    def fail(self, error: GuruError) -> None:
        self._waiting += map(to_sse, self.writer.fail(error))

    def collect(self, events: list[Event]) -> bytes:
        return encode(self.writer.shown())


def to_sse(event: JSON) -> bytes:
    return sse(event["type"], event)


async def kept(
    call: Call, request: ResponsesRequest, encoder: ResponseEncoder, caller: Caller
) -> AsyncGenerator[Event]:
    """The events of an answer, which is kept before the caller is told that it is complete."""
    responses, begun = call.services.responses, False
    items = [with_item_id(item) for item in request.items]
    try:
        async with aclosing(call.services.answerers.run(request.chat, caller)) as events:
            async for event in events:
                begun = begun or not isinstance(event, Started)
                encoder.feed(event)
                if isinstance(event, Completed) and request.store:
                    await responses.keep(caller, items, encoder.writer.response)
                yield event
    except Exception as error:
        if begun:
            encoder.fail(as_guru_error(error, call.trace_id))
            if request.store:
                await responses.keep(caller, items, encoder.writer.response)
        raise


def with_item_id(item: JSON) -> JSON:
    """An item of the input as it is listed: with a type, and an id of its own."""
    kind = item.get("type") or "message"
    prefix = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}.get(kind, "it")
    content = item.get("content")
    if kind == "message" and isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        parts: JSON = {"type": part, "text": content} | ({"annotations": []} if part == "output_text" else {})
        item = item | {"content": [parts]}
    return {"id": new_id(prefix), "type": kind, "status": "completed", **item}


@get("/v1/responses/{response_id}")
async def show_response(call: Call, response_id: str, query: ResponseQuery) -> Any:
    """An answer that was kept."""
    if query.stream:
        message = "An answer that is complete cannot be streamed again."
        raise InvalidParameter(message, param="stream", hint="Leave `stream` out.")
    found = (await call.services.responses.get(call.caller("responses"), response_id)).response
    return found | {"output": [without_seal(item) for item in found["output"]]}


@delete("/v1/responses/{response_id}")
async def delete_response(call: Call, response_id: str) -> Deleted:
    """Forget an answer."""
    await call.services.responses.delete(call.caller("responses"), response_id)
    return Deleted(response_id, "response")


@get("/v1/responses/{response_id}/input_items")
async def list_input_items(call: Call, response_id: str, query: ItemQuery) -> ItemList:
    """What an answer was given to read: its own input, and the conversation that it went on from."""
    turns = await call.services.responses.turns(call.caller("responses"), response_id)
    items = [without_seal(item) for item in [*history(turns[:-1]), *turns[-1].input]]
    if query.order == "desc":
        items.reverse()
    if query.after is not None:
        places = [place for place, item in enumerate(items) if item["id"] == query.after]
        if not places:
            raise InvalidParameter(f"There is no item {query.after!r} in this list.", param="after")
        items = items[places[0] + 1 :]
    page = items[: query.limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    return ItemList(page, first, last, len(items) > len(page))


@post("/v1/responses/{response_id}/cancel")
async def cancel_response(call: Call, response_id: str) -> Any:
    """Refused: only answers made in the background can be cancelled, and there are none here."""
    await call.services.responses.get(call.caller("responses"), response_id)
    raise BadRequest(
        "Only a response that was made in the background can be cancelled, and this one was not.",
        hint="Close the stream to stop an answer.",
    )


DOORS = [count_input, create_response, show_response, delete_response, list_input_items, cancel_response]
