"""The parts of Gemini's contents, from the parts of a message.

Spec: https://ai.google.dev/api/caching#Part.
"""

from __future__ import annotations

import mimetypes
from typing import Any, Final

import msgspec

from guru.errors import InvalidParameter
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.shared import parse_data_url
from guru.types import JSON, AudioPart, FilePart, ImagePart, Message, NativePart, Part, RefusalPart, TextPart

ADDRESSES: Final = ("http://", "https://", "gs://")


def content_parts(content: str | list[Part] | None, path: str, files: str = "") -> list[JSON]:
    """A message's content; empty texts say nothing and are left out. Raises `InvalidParameter`."""
    if content is None or isinstance(content, str):
        return [{"text": content}] if content else []
    parts = [_part(part, f"{path}[{place}]", files) for place, part in enumerate(content)]
    return [part for part in parts if part]


def function_response(message: Message, name: str, path: str, files: str = "") -> JSON:
    """What a tool gave. Gemini wants an object: text that is none goes under `output`, or `error` where it failed."""
    parts = content_parts(message.content, path, files)
    text = "".join(part["text"] for part in parts if "text" in part)
    media = [part for part in parts if "text" not in part]
    response: Any = None
    if not message.is_error:
        try:
            response = msgspec.json.decode(text)
        except NOT_JSON:
            response = None
    if not isinstance(response, dict):
        response = {"error" if message.is_error else "output": text}
    raw: JSON = {"id": message.tool_call_id, "name": name, "response": response}
    return {"functionResponse": raw | ({"parts": media} if media else {})}


def _part(part: Part, path: str, files: str) -> JSON:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return {"text": text} if text else {}
        case NativePart(text=str(text)):
            return {"text": text} if text else {}
        case ImagePart():
            return _media(part.image_url.url, f"{path}.image_url.url")
        case AudioPart(input_audio=audio):
            if not isinstance(audio.get("data"), str) or not isinstance(audio.get("format"), str):
                raise InvalidParameter(f"`{path}.input_audio` needs `data` and `format`.", param=f"{path}.input_audio")
            return {"inlineData": {"mimeType": f"audio/{audio['format']}", "data": audio["data"]}}
        case FilePart(file=file):
            return _file(file, f"{path}.file", files)
        case _:
            kind = part.__struct_config__.tag
            message = f"`{path}`: Gemini does not take parts of the kind {kind}."
            raise InvalidParameter(message, param=path, hint="Send text, images, audio or files.")


def _media(url: str, path: str) -> JSON:
    """Bytes are sent inside the request; addresses Gemini opens itself."""
    if data := parse_data_url(url):
        return {"inlineData": {"mimeType": data.media_type, "data": data.data}}
    if url.startswith(ADDRESSES):
        media_type, _ = mimetypes.guess_type(url.partition("?")[0])
        return {"fileData": {"fileUri": url} | ({"mimeType": media_type} if media_type else {})}
    hint = "Send https://... or data:image/png;base64,..."
    raise InvalidParameter(f"`{path}` is neither an address nor a data URL in base64.", param=path, hint=hint)


def _file(file: JSON, path: str, files: str) -> JSON:
    """OpenAI's `file`. An id is the name of a file in Gemini's own API, `files/NAME`, or its address."""
    if isinstance(file.get("file_data"), str):
        return _media(file["file_data"], f"{path}.file_data")
    if isinstance(file.get("file_url"), str):
        return _media(file["file_url"], f"{path}.file_url")
    if isinstance(file.get("file_id"), str):
        uri = file["file_id"]
        return {"fileData": {"fileUri": uri if uri.startswith(ADDRESSES) else f"{files}/{uri}"}}
    raise InvalidParameter(f"`{path}` has neither `file_data` nor `file_id`.", param=path, hint="Send one of them.")
