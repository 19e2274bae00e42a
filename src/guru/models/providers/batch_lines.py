"""Lines of a batch in a provider's own format: what the road would have sent, and the answer that a door would give."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from guru.errors import GuruError, InvalidParameter, ModelError
from guru.models.providers.batch_api import BatchAnswer
from guru.models.wire.anthropic_door_answer import MessageEncoder
from guru.models.wire.anthropic_door_request import decode_messages_request
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.openai_chat import decode_chat_request
from guru.models.wire.openai_encoder import ChatEncoder
from guru.store.ids import new_id
from guru.types import ChatRequest, Completed, Event

if TYPE_CHECKING:
    from guru.models.http import Response
    from guru.models.providers.base import Provider

JSON = dict[str, Any]
encode = msgspec.json.Encoder().encode

CHAT: Final = "/v1/chat/completions"
MESSAGES: Final = "/v1/messages"
CHATS: Final = frozenset({CHAT, MESSAGES})
OURS: Final = ("guru", "previous_response_id", "conversation", "prompt_id")
"""Members that only this server can fill in."""


class Lines:
    """The codec of a provider's lines."""

    def __init__(
        self,
        provider: Provider,
        body: Callable[[ChatRequest, str], JSON],
        whole: Callable[[str, bytes], list[Event]],
    ) -> None:
        """`body` is what the provider is sent for a chat with a model; `whole` reads the answer of `provider/model`."""
        self._provider = provider
        self._body = body
        self._whole = whole

    def request(self, endpoint: str, model: str, body: JSON) -> JSON:
        """The body of one line. Raises `GuruError` for what the provider does not take."""
        for name in OURS:
            if body.get(name) is not None:
                raise InvalidParameter(f"`{name}` is not known to {self._provider.name}.", param=name)
        if endpoint not in CHATS:
            return body | {"model": model}
        raw = encode(body)
        request = decode_chat_request(raw)[0] if endpoint == CHAT else decode_messages_request(raw)
        return self._body(request, model)

    def answer(self, endpoint: str, name: str, raw: Any, *, status: int = 200, request_id: str = "") -> BatchAnswer:
        """The provider's answer to one line, as a door of `endpoint` gives it."""
        try:
            if status >= 400:
                raise self._provider.read_error(status, encode(raw), None)
            if endpoint not in CHATS:
                return BatchAnswer(status=status, body=raw, request_id=request_id)
            events = self._whole(name, encode(raw))
        except GuruError as error:
            error = self._provider.without_secrets(error)
            code = error.status if status < 400 else status
            return BatchAnswer(status=code, body=failure(endpoint, error, request_id), request_id=request_id)
        usage = next((event.usage for event in events if isinstance(event, Completed)), None)
        body = MessageEncoder(new_id("msg"), name).collect(events) if endpoint == MESSAGES else chat(name, events)
        return BatchAnswer(status=status, body=body, request_id=request_id, usage=usage)


def chat(name: str, events: list[Event]) -> JSON:
    request = ChatRequest(model=name, messages=[])
    return ChatEncoder(new_id("chatcmpl"), name, int(time.time()), request).collect(events)


def failure(endpoint: str, error: GuruError, request_id: str) -> JSON:
    """An error as the doors of `endpoint` show it."""
    if endpoint == MESSAGES:
        said = {"type": error.type, "message": str(error)}
        return {"type": "error", "error": said, "request_id": request_id or None}
    return {"error": {"message": str(error), "type": error.type, "param": error.param, "code": error.code}}


async def ask(
    provider: Provider, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Any:
    """The JSON of an answer. Raises `ModelError` for what is none."""
    response = await provider.send(method, url, body, headers)
    try:
        return msgspec.json.decode(await response.read())
    except NOT_JSON:
        raise garbage(provider) from None


def garbage(provider: Provider) -> ModelError:
    return ModelError(f"{provider.name} answered about its batch with something unknown.", hint="Try again.")


async def json_lines(provider: Provider, response: Response) -> AsyncIterator[JSON]:
    """The objects of a file of lines, as it arrives. Raises `ModelError` for a line that is none."""
    rest = b""
    try:
        async for data in response.iter():
            *lines, rest = (rest + data).split(b"\n") if b"\n" in data else [rest + data]
            for line in lines:
                if line.strip():
                    yield _object(provider, line)
        if rest.strip():
            yield _object(provider, rest)
    finally:
        await response.aclose()


def _object(provider: Provider, line: bytes) -> JSON:
    try:
        value = msgspec.json.decode(line)
    except NOT_JSON:
        value = None
    if not isinstance(value, dict):
        raise garbage(provider)
    return value


def text(raw: Any, name: str, provider: Provider) -> str:
    """A member that must be there. Raises `ModelError`."""
    value = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(value, str) or not value:
        raise garbage(provider)
    return value


def members(raw: Any, name: str) -> list[JSON]:
    """The objects of a list that may be missing or null."""
    found = raw.get(name) if isinstance(raw, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
