"""The content blocks of Anthropic's Messages API, from the parts of a message.

Spec: https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection
from typing import Final

from msgspec import Struct

from guru.errors import InvalidParameter
from guru.models.wire.shared import parse_data_url
from guru.types import JSON, FilePart, ImagePart, Message, NativePart, Part, RefusalPart, TextPart

FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")
WEB: Final = ("http://", "https://")


def tool_id(id: str) -> str:
    """The id of a call in the letters that Anthropic and Bedrock take: other providers use more."""
    return FOREIGN.sub("_", id)


class Place(Struct, frozen=True):
    """Where in the request something stands, for errors, and what may be left out."""

    path: str
    drop: Collection[str] = ()

    def inside(self, name: str) -> Place:
        return Place(f"{self.path}.{name}", self.drop)

    def at(self, index: int) -> Place:
        return Place(f"{self.path}[{index}]", self.drop)


def content_blocks(content: str | list[Part] | None, place: Place, *, text_only: bool = False) -> list[JSON]:
    """A message's content. The API does not take texts of nothing but spaces, as stand before calls: they go."""
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content and not content.isspace() else []
    blocks: list[JSON] = []
    for index, part in enumerate(content):
        if text_only and not isinstance(part, TextPart):
            path = place.at(index).path
            raise InvalidParameter(f"`{path}`: the system's message can only be text.", param=path)
        if block := part_block(part, place.at(index)):
            blocks.append(block)
    return blocks


def part_block(part: Part, place: Place) -> JSON:
    """The block for one part; nothing for an empty text. Raises `InvalidParameter`."""
    match part:
        case TextPart(text=text):
            return _marked({"type": "text", "text": text}, part.cache_control) if text and not text.isspace() else {}
        case RefusalPart(refusal=text):
            return {"type": "text", "text": text} if text else {}
        case ImagePart():
            source = _image_source(part.image_url.url, place.inside("image_url.url"))
            return _marked({"type": "image", "source": source}, part.cache_control)
        case FilePart():
            return _marked(_document(part.file, place.inside("file")), part.cache_control)
        case NativePart(format="anthropic", part=block):
            return block
        case _:
            kind = part.__struct_config__.tag
            if str(kind) in place.drop:
                return {}
            message = f"`{place.path}`: these models do not take parts of the kind {kind}."
            raise InvalidParameter(message, param=place.path, hint="Send text, images or documents.")


def tool_result_block(message: Message, place: Place) -> JSON:
    """What a tool gave, for the call that asked for it."""
    block: JSON = {"type": "tool_result", "tool_use_id": tool_id(message.tool_call_id or "")}
    content = message.content
    if content and isinstance(content, str):
        block["content"] = content
    elif content:
        # A mark on the last block inside is a mark on the result: the prefix ends at the same place.
        mark = getattr(content[-1], "cache_control", None)
        blocks = content_blocks(content, place.inside("content"))
        if blocks and "cache_control" in blocks[-1]:
            mark = blocks[-1]["cache_control"]
            blocks[-1] = {name: value for name, value in blocks[-1].items() if name != "cache_control"}
        if mark is not None:
            block["cache_control"] = mark
        if blocks:
            block["content"] = blocks
    if message.is_error:
        block["is_error"] = True
    return block


def _marked(block: JSON, mark: JSON | None) -> JSON:
    return block if mark is None else block | {"cache_control": mark}


def _image_source(url: str, place: Place) -> JSON:
    if url.startswith(WEB):
        return {"type": "url", "url": url}
    if image := parse_data_url(url):
        return {"type": "base64", "media_type": image.media_type, "data": image.data}
    raise InvalidParameter(
        f"`{place.path}` is neither an address nor a data URL in base64.", param=place.path,
        hint="Send https://... or data:image/png;base64,...",
    )  # fmt: skip


def _document(file: JSON, place: Place) -> JSON:
    """OpenAI's `file` as a document: its name becomes the title."""
    source = _document_source(file, place)
    title = {"title": file["filename"]} if file.get("filename") else {}
    return {"type": "document", "source": source, **title}


def _document_source(file: JSON, place: Place) -> JSON:
    if file_id := file.get("file_id"):
        return {"type": "file", "file_id": file_id}
    if url := file.get("file_url"):
        return {"type": "url", "url": url}
    data = parse_data_url(str(file.get("file_data", "")))
    if data is None:
        path = place.inside("file_data").path
        raise InvalidParameter(f"`{path}` is not a data URL in base64.", param=path, hint="data:...;base64,...")
    if not data.media_type.startswith("text/"):
        return {"type": "base64", "media_type": data.media_type, "data": data.data}
    try:
        return {"type": "text", "media_type": "text/plain", "data": data.bytes.decode()}
    except (binascii.Error, UnicodeDecodeError):
        path = place.inside("file_data").path
        raise InvalidParameter(f"`{path}` is not text in UTF-8 and base64.", param=path) from None
