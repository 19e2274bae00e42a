"""The items of OpenAI's Responses API as messages of a chat.

An answer's reasoning, text and function calls are items of their own there and one assistant message here.
Spec: https://platform.openai.com/docs/api-reference/responses/create#responses-create-input.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.errors import InvalidParameter
from guru.models.wire.fields import JSON, convert
from guru.types import (
    AudioPart,
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ToolCall,
)

__all__ = ["seal", "to_messages", "unseal"]

SEAL: Final = "guru1."
"""How `encrypted_content` begins that this server wrote: signed thinking, in base64."""
ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}
ANSWER_ONLY: Final = {"id", "type", "status"}
FILE_FIELDS: Final = ("filename", "file_data", "file_id", "file_url")


def to_messages(items: Iterable[JSON], place: str = "input") -> list[Message]:
    """The messages that `items` are. Raises `InvalidParameter` with the place of the mistake."""
    reader = _Reader()
    for index, item in enumerate(items):
        reader.add(item, f"{place}[{index}]")
    return reader.end()


def seal(blocks: list[JSON]) -> str:
    """Signed thinking as `encrypted_content`: opaque to the client, which sends it back."""
    return SEAL + base64.b64encode(msgspec.json.encode(blocks)).decode()


def unseal(text: str, place: str) -> list[JSON]:
    """The reverse of `seal`. Raises `InvalidParameter` for what somebody else wrote."""
    try:
        if not text.startswith(SEAL):
            raise ValueError("another server's")
        return msgspec.json.decode(base64.b64decode(text.removeprefix(SEAL), validate=True), type=list[JSON])
    except (ValueError, msgspec.DecodeError):
        message = f"`{place}` was not written by this server, and nobody else can read it."
        raise InvalidParameter(message, param=place, hint="Leave the reasoning item out.") from None


class _Reader:
    """Gathers the items of one turn of the assistant into one message."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._turn: Message | None = None

    def add(self, item: Any, place: str) -> None:
        if not isinstance(item, dict):
            raise InvalidParameter(f"`{place}` must be an object.", param=place, hint="Send a message or another item.")
        kind = item.get("type") or ("message" if "role" in item else None)
        match kind:
            case "message":
                self._add_message(item, place)
            case "reasoning":
                self._add_reasoning(item, place)
            case "function_call":
                self._add_call(item, place)
            case "function_call_output":
                self._add_output(item, place)
            case "item_reference":
                message = f"`{place}` refers to an item by its id, which this server does not look up."
                raise InvalidParameter(message, param=place, hint="Send the item, or use previous_response_id.")
            case _:
                message = f"`{place}` is an item of type {kind!r}, which no model behind this server takes."
                raise InvalidParameter(
                    message, param=place, hint="Items are message, reasoning, function_call and function_call_output."
                )

    def end(self) -> list[Message]:
        self._flush()
        return self._messages

    def _flush(self) -> None:
        if self._turn is not None:
            self._messages.append(self._turn)
            self._turn = None

    def _open(self, *, apart: bool) -> Message:
        """The assistant's turn; `apart`: a new one, where the last has said its text and called nothing."""
        turn = self._turn
        if turn is not None and apart and turn.content is not None and not turn.tool_calls:
            self._flush()
            turn = None
        if turn is None:
            turn = self._turn = Message(role="assistant")
        return turn

    def _add_message(self, item: JSON, place: str) -> None:
        check_members(item, {*ANSWER_ONLY, "role", "content", "phase", "name"}, place)
        role = ROLES.get(str(item.get("role")))
        if role is None:
            message = f"`{place}.role` is {item.get('role')!r}: it must be user, assistant, system or developer."
            raise InvalidParameter(message, param=f"{place}.role")
        content = to_content(item.get("content"), f"{place}.content")
        if role != "assistant":
            self._flush()
            name = convert(item.get("name"), str | None, f"{place}.name")
            self._messages.append(Message(role=role, content=content, name=name))
            return
        turn = self._open(apart=True)
        text, refusal = split_refusal(content)
        turn.content = text if turn.content is None else joined(turn.content, text)
        turn.refusal = refusal or turn.refusal

    def _add_reasoning(self, item: JSON, place: str) -> None:
        check_members(item, {*ANSWER_ONLY, "summary", "content", "encrypted_content"}, place)
        turn = self._open(apart=True)
        # The content is the reasoning itself; the summary stands for it only where there is no content.
        texts = thoughts(item, "content", place) or thoughts(item, "summary", place)
        if text := "\n\n".join(filter(None, texts)):
            turn.reasoning_content = f"{turn.reasoning_content}\n\n{text}" if turn.reasoning_content else text
        if sealed := item.get("encrypted_content"):
            blocks = unseal(str(sealed), f"{place}.encrypted_content")
            turn.thinking_blocks = [*(turn.thinking_blocks or []), *blocks]

    def _add_call(self, item: JSON, place: str) -> None:
        check_members(item, {*ANSWER_ONLY, "call_id", "name", "arguments"}, place)
        call = FunctionCall(text_of(item, "name", place), text_of(item, "arguments", place))
        turn = self._open(apart=False)
        turn.tool_calls = [*(turn.tool_calls or []), ToolCall(id=text_of(item, "call_id", place), function=call)]

    def _add_output(self, item: JSON, place: str) -> None:
        check_members(item, {*ANSWER_ONLY, "call_id", "output", "name"}, place)
        self._flush()
        content = to_content(item.get("output"), f"{place}.output")
        self._messages.append(Message(role="tool", content=content, tool_call_id=text_of(item, "call_id", place)))


def to_content(value: Any, place: str) -> str | list[Part]:
    """Text, or parts; one part of text alone is text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise InvalidParameter(f"`{place}` must be a text or a list of parts.", param=place)
    parts = [to_part(part, f"{place}[{index}]") for index, part in enumerate(value)]
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return parts


def to_part(part: Any, place: str) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "input_text" | "output_text" | "text":
            check_members(part, {"type", "text", "annotations", "logprobs"}, place)
            return TextPart(text_of(part, "text", place))
        case "refusal":
            return RefusalPart(text_of(part, "refusal", place))
        case "input_image":
            check_members(part, {"type", "image_url", "detail"}, place)
            detail = convert(part.get("detail"), str | None, f"{place}.detail")
            return ImagePart(ImageUrl(text_of(part, "image_url", place), None if detail == "auto" else detail))
        case "input_file":
            check_members(part, {"type", *FILE_FIELDS}, place)
            return FilePart({name: part[name] for name in FILE_FIELDS if part.get(name) is not None})
        case "input_audio":
            check_members(part, {"type", "input_audio"}, place)
            if isinstance(part.get("input_audio"), dict):
                return AudioPart(part["input_audio"])
            raise InvalidParameter(f"`{place}.input_audio` is missing.", param=f"{place}.input_audio")
        case _:
            message = f"`{place}` is a part of type {kind!r}."
            hint = "Parts are input_text, input_image, input_file, input_audio, output_text and refusal."
            raise InvalidParameter(message, param=place, hint=hint)


def split_refusal(content: str | list[Part]) -> tuple[str | list[Part], str | None]:
    """What an assistant said, and how it refused."""
    if isinstance(content, str):
        return content, None
    refusals = [part.refusal for part in content if isinstance(part, RefusalPart)]
    said: list[Part] = [part for part in content if not isinstance(part, RefusalPart)]
    if all(isinstance(part, TextPart) for part in said):
        return "".join(part.text for part in said if isinstance(part, TextPart)), "".join(refusals) or None
    return said, "".join(refusals) or None


def joined(first: str | list[Part], second: str | list[Part]) -> str | list[Part]:
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    parts: list[Part] = []
    for content in (first, second):
        parts += [TextPart(content)] if isinstance(content, str) else content
    return parts


class Thought(Struct):
    """A part of a reasoning item: `summary_text` or `reasoning_text`."""

    type: str
    text: str


def thoughts(item: JSON, name: str, place: str) -> list[str]:
    parts: list[Thought] | None = convert(item.get(name), list[Thought] | None, f"{place}.{name}")
    return [part.text for part in parts or ()]


def text_of(item: JSON, name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        what = "is missing" if value is None else "must be a text"
        raise InvalidParameter(f"`{place}.{name}` {what}.", param=f"{place}.{name}", hint=f"Send `{name}`.")
    return value


def check_members(item: JSON, known: set[str], place: str) -> None:
    """Raise for a member that would be lost."""
    for name, value in item.items():
        if name not in known and value is not None:
            raise InvalidParameter(f"`{place}.{name}` is unknown.", param=f"{place}.{name}", hint="Leave it out.")
