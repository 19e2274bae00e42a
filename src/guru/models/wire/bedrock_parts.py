"""The content blocks of Bedrock's Converse API, from the parts of a message.

Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html. Bytes are in base64.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from msgspec import UNSET

from guru.errors import InvalidParameter
from guru.models.wire.anthropic_parts import Place, tool_id
from guru.models.wire.gemini_thoughts import is_sealed
from guru.models.wire.shared import arguments, parse_data_url
from guru.types import JSON, AudioPart, FilePart, ImagePart, Message, NativePart, Part, RefusalPart, TextPart

FORMATS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
"""Media types of documents."""
NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9 \-()\[\]]+")
S3: Final = "s3://"


def content_blocks(content: str | list[Part] | None, place: Place, *, text_only: bool = False) -> list[JSON]:
    """A message's content, with a cache point after each part that has a mark. Texts of nothing but spaces go."""
    if content is None or isinstance(content, str):
        return [{"text": content}] if content and not content.isspace() else []
    blocks: list[JSON] = []
    for index, part in enumerate(content):
        if text_only and not isinstance(part, TextPart):
            path = place.at(index).path
            raise InvalidParameter(f"`{path}`: the system's message can only be text.", param=path)
        if block := _block(part, place.at(index)):
            blocks.append(block)
        blocks += cache_point(getattr(part, "cache_control", None))
    return blocks


def message_blocks(message: Message, place: Place) -> list[JSON]:
    """A message of the user, the assistant or a tool."""
    if message.role == "tool":
        return _result(message, place)
    blocks = [_thought(block) for block in message.thinking_blocks or () if _is_thought(block)]
    blocks += content_blocks(message.content, place.inside("content"))
    if message.refusal:
        blocks.append({"text": message.refusal})
    for number, call in enumerate(message.tool_calls or ()):
        given = arguments(call, f"{place.path}.tool_calls[{number}]")
        blocks.append({"toolUse": {"toolUseId": tool_id(call.id), "name": call.function.name, "input": given}})
        blocks += cache_point(None if call.cache_control is UNSET else call.cache_control)
    return blocks


def cache_point(mark: JSON | None) -> list[JSON]:
    """Anthropic's mark as a block of its own. Five minutes is what there is without a `ttl`."""
    if mark is None:
        return []
    return [{"cachePoint": {"type": "default"} | ({"ttl": mark["ttl"]} if mark.get("ttl") else {})}]


def _result(message: Message, place: Place) -> list[JSON]:
    inside = content_blocks(message.content, place.inside("content"))
    marks = [block for block in inside if "cachePoint" in block]
    content = [block for block in inside if "cachePoint" not in block]
    result: JSON = {"toolUseId": tool_id(message.tool_call_id or ""), "content": content}
    if message.is_error:
        result["status"] = "error"
    return [{"toolResult": result}, *marks[-1:]]  # a point cannot stand inside: it ends the prefix after the result


def _is_thought(block: JSON) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking") and not is_sealed(block)


def _thought(block: JSON) -> JSON:
    if block["type"] == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": block.get("data")}}
    text = {"text": block.get("thinking") or "", "signature": block.get("signature") or ""}
    return {"reasoningContent": {"reasoningText": text}}


def _block(part: Part, place: Place) -> JSON:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"text": text} if text and not text.isspace() else {}
        case NativePart(text=str(text)):
            return {"text": text} if text else {}
        case ImagePart():
            return {"image": _image(part.image_url.url, place.inside("image_url.url"))}
        case FilePart():
            return {"document": _document(part.file, place.inside("file"))}
        case AudioPart(input_audio={"data": str(data), "format": str(kind)}):
            return {"audio": {"format": kind, "source": {"bytes": data}}}
        case _:
            message = f"`{place.path}` is nothing that Bedrock's models take."
            raise InvalidParameter(message, param=place.path, hint="Send text, images, documents or sound.")


def _image(url: str, place: Place) -> JSON:
    if url.startswith(S3):
        return {"format": url.rpartition(".")[2].replace("jpg", "jpeg"), "source": {"s3Location": {"uri": url}}}
    image = parse_data_url(url)
    if image is None or not image.media_type.startswith("image/"):
        raise InvalidParameter(
            f"`{place.path}`: Bedrock's models take no addresses of images but s3://.", param=place.path,
            hint="Send the image itself: data:image/png;base64,...",
        )  # fmt: skip
    return {"format": image.media_type.removeprefix("image/"), "source": {"bytes": image.data}}


def _document(file: JSON, place: Place) -> JSON:
    name = str(file.get("filename") or "document")
    stem, _, ending = name.rpartition(".")
    url = str(file.get("file_url") or "")
    data = parse_data_url(str(file.get("file_data") or ""))
    if data is None and not url.startswith(S3):
        raise InvalidParameter(
            f"`{place.path}`: Bedrock's models take the file itself, or an s3:// address.", param=place.path,
            hint="Send file_data: data:application/pdf;base64,...",
        )  # fmt: skip
    if data is None:
        return {"format": url.rpartition(".")[2], "name": _name(stem or name), "source": {"s3Location": {"uri": url}}}
    kind = FORMATS.get(data.media_type) or (ending if ending in FORMATS.values() else None)
    if kind is None:
        message = f"`{place.path}` is of a kind that Bedrock does not know: {data.media_type}."
        raise InvalidParameter(message, param=place.path, hint=f"Known: {', '.join(sorted(FORMATS.values()))}.")
    return {"format": kind, "name": _name(stem or name), "source": {"bytes": data.data}}


def tell_apart(blocks: Iterable[JSON], taken: set[str]) -> None:
    """Give each document a name of its own: Converse refuses two of one name in all of a conversation."""
    for block in blocks:
        if (document := block.get("document")) is not None:
            name, number = document["name"], 1
            while document["name"].lower() in taken:
                number += 1
                document["name"] = f"{name} ({number})"
            taken.add(document["name"].lower())
        elif (result := block.get("toolResult")) is not None:
            tell_apart(result["content"], taken)


def _name(name: str) -> str:
    """In the letters that Bedrock takes, and without two spaces in a row."""
    return " ".join(NOT_IN_NAMES.sub(" ", name).split()) or "document"
