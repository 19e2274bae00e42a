"""The content blocks that a client of Anthropic's API sends, as messages and parts of ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET

from guru.errors import InvalidParameter
from guru.models.wire.fields import JSON
from guru.types import (
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    NativePart,
    Part,
    TextPart,
    ToolCall,
)

OUR_IMAGE: Final = {"type", "source", "cache_control"}
OUR_CALL: Final = {"type", "id", "name", "input", "caller", "cache_control"}
OUR_RESULT: Final = {"type", "tool_use_id", "content", "is_error", "cache_control"}


def blocks_of(content: Any, path: str) -> list[JSON]:
    """The blocks, each with a type. A text is short for one block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise InvalidParameter(f"`{path}` must be a text or a list of blocks.", param=path)
    for index, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise InvalidParameter(f"`{path}[{index}]` must be a block with a type.", param=f"{path}[{index}]")
    return content


def system_content(content: Any, path: str) -> str | list[Part]:
    """The system's message: texts alone."""
    parts: list[Part] = []
    for index, block in enumerate(blocks_of(content, path)):
        if block["type"] != "text":
            raise InvalidParameter(f"`{path}[{index}]` must be text.", param=f"{path}[{index}]")
        parts.append(part_of(block, f"{path}[{index}]"))
    return plain(parts)


def user_messages(content: str | list[JSON], path: str) -> Iterator[Message]:
    """A user's turn: each result of a tool is a message of its own, in the order in which they stand."""
    parts: list[Part] = []
    for index, block in enumerate(blocks_of(content, path)):
        place = f"{path}[{index}]"
        if block["type"] == "tool_result" and not set(_said(block)) - OUR_RESULT:
            if parts:
                yield Message("user", plain(parts))
                parts = []
            yield _tool_message(block, place)
        else:
            parts.append(part_of(block, place))
    if parts or not content:
        yield Message("user", plain(parts))


def assistant_messages(content: str | list[JSON], path: str) -> Iterator[Message]:
    """An assistant's turn. It is more than one message where only that keeps the order of the blocks, which a model
    that thinks between its own searches is particular about; the encoder makes one turn of them again."""
    turn = _Turn()
    blocks = blocks_of(content, path)
    ordered = any(_is_native(block) for block in blocks)
    for index, block in enumerate(blocks):
        place = f"{path}[{index}]"
        match block["type"]:
            case "thinking" | "redacted_thinking":
                if turn.parts or turn.calls:
                    yield turn.message()
                    turn = _Turn()
                turn.think(block)
            case "tool_use" if not _is_native(block):
                turn.calls.append(_tool_call(block, place))
            case _:
                if turn.calls and ordered:
                    yield turn.message()
                    turn = _Turn()
                turn.parts.append(part_of(block, place))
    yield turn.message()


class _Turn:
    """A message of the assistant, growing."""

    def __init__(self) -> None:
        self.thoughts: list[JSON] = []
        self.plain_thoughts: list[str] = []
        self.parts: list[Part] = []
        self.calls: list[ToolCall] = []

    def think(self, block: JSON) -> None:
        """A thought without a signature is another provider's, shown to the client as Anthropic's would be."""
        if block["type"] == "thinking" and not block.get("signature"):
            self.plain_thoughts.append(str(block.get("thinking") or ""))
        else:
            self.thoughts.append(block)

    def message(self) -> Message:
        return Message(
            "assistant",
            plain(self.parts) if self.parts else None,
            tool_calls=self.calls or None,
            reasoning_content="".join(self.plain_thoughts) or None,
            thinking_blocks=self.thoughts or None,
        )


def plain(parts: list[Part]) -> str | list[Part]:
    """One text with nothing to it is a string, which every model takes."""
    if not parts:
        return ""
    first = parts[0]
    return first.text if len(parts) == 1 and isinstance(first, TextPart) and first.cache_control is None else parts


def part_of(block: JSON, path: str) -> Part:
    """The part for one block of content."""
    mark = block.get("cache_control")
    if mark is not None and not isinstance(mark, dict):
        raise InvalidParameter(f"`{path}.cache_control` must be an object.", param=f"{path}.cache_control")
    match block["type"]:
        case "text":
            text = _text(block, "text", path)
            if _foreign_citations(block):
                return NativePart("anthropic", block, text)
            return TextPart(text, mark)
        case "image" if (url := _image_url(block)) is not None:
            return ImagePart(ImageUrl(url), mark)
        case "document" if (file := _file(block)) is not None:
            return FilePart(file, mark)
        case _:
            return NativePart("anthropic", block, _in_words(block))


def _said(block: JSON) -> JSON:
    return {name: value for name, value in block.items() if value is not None}


def _text(block: JSON, name: str, path: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidParameter(f"`{path}.{name}` must be a text.", param=f"{path}.{name}")
    return value


def _is_native(block: JSON) -> bool:
    """Whether only Anthropic's models can make sense of a block of the assistant."""
    match block["type"]:
        case "text" | "thinking" | "redacted_thinking":
            return False
        case "tool_use":
            said = _said(block)
            return bool(set(said) - OUR_CALL) or said.get("caller", {"type": "direct"}) != {"type": "direct"}
        case _:
            return True


def _foreign_citations(block: JSON) -> bool:
    """Whether a text carries citations that Anthropic made. Guru's own mean nothing to a model."""
    citations = block.get("citations")
    return isinstance(citations, list) and any(not isinstance(c, dict) or "guru" not in c for c in citations)


def _image_url(block: JSON) -> str | None:
    """None for an image that only Anthropic can take: a file that was uploaded there, or one with transformations."""
    source = block.get("source")
    if not isinstance(source, dict) or set(_said(block)) - OUR_IMAGE:
        return None
    match source:
        case {"type": "url", "url": str(url)}:
            return url
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return f"data:{kind};base64,{data}"
        case _:
            return None


def _file(block: JSON) -> JSON | None:
    """A document as OpenAI's `file`; None where it asks for citations, or is one that only Anthropic can take."""
    source, citations = block.get("source"), block.get("citations")
    wanted = citations not in (None, {}, {"enabled": False})
    if not isinstance(source, dict) or block.get("context") or wanted:
        return None
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            file = {"file_data": f"data:{kind};base64,{data}"}
        case {"type": "text", "data": str(text)}:
            file = {"file_data": f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"}
        case {"type": "url", "url": str(url)}:
            file = {"file_url": url}
        case {"type": "file", "file_id": str(id)}:
            file = {"file_id": id}
        case _:
            return None
    return ({"filename": block["title"]} if block.get("title") else {}) | file


def _in_words(block: JSON) -> str | None:
    """What a block says, where it is text at heart: for models that do not know the block."""
    match block:
        case {"type": "search_result", "content": list(content)}:
            texts = [str(block.get("title") or ""), str(block.get("source") or "")]
            texts += [str(inner.get("text", "")) for inner in content if isinstance(inner, dict)]
            return "\n".join(text for text in texts if text)
        case {"type": "document", "source": {"type": "text", "data": str(text)}}:
            return text
        case {"type": "document", "source": {"type": "content", "content": str(text)}}:
            return text
        case _:
            return None


def _tool_message(block: JSON, path: str) -> Message:
    content = block.get("content")
    mark = block.get("cache_control")
    parts: list[Part] = []
    if content is not None:
        parts = [
            part_of(inner, f"{path}.content[{i}]") for i, inner in enumerate(blocks_of(content, f"{path}.content"))
        ]
    if mark is not None:
        parts.append(_mark(parts.pop() if parts else TextPart(""), mark, path))
    return Message(
        "tool",
        content if isinstance(content, str) and mark is None else plain(parts),
        tool_call_id=_text(block, "tool_use_id", path),
        is_error=True if block.get("is_error") else None,
    )


def _mark(part: Part, mark: Any, path: str) -> Part:
    """The part with a mark: a mark on a result is a mark on the last part of it."""
    if not isinstance(mark, dict):
        raise InvalidParameter(f"`{path}.cache_control` must be an object.", param=f"{path}.cache_control")
    if isinstance(part, NativePart):
        return msgspec.structs.replace(part, part=part.part | {"cache_control": mark})
    return msgspec.structs.replace(part, cache_control=mark)


def _tool_call(block: JSON, path: str) -> ToolCall:
    given = block.get("input")
    if not isinstance(given, dict):
        raise InvalidParameter(f"`{path}.input` must be an object.", param=f"{path}.input")
    return ToolCall(
        id=_text(block, "id", path),
        function=FunctionCall(_text(block, "name", path), msgspec.json.encode(given).decode()),
        cache_control=UNSET if block.get("cache_control") is None else block["cache_control"],
    )
