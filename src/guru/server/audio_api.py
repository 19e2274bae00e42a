"""OpenAI's audio: speech from text, and text from speech, by models of providers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from guru.errors import BadRequest, InvalidParameter
from guru.server.bodies import decode_known, too_large
from guru.server.endpoint import Call, post
from guru.server.road import Whole, perform, road_headers, told
from guru.server.sse import ClientGone, EventStream
from guru.tasks import Speech, SpeechRequest, Transcription, TranscriptionRequest

MAX_SOUND = 25 << 20
"""Bytes, as OpenAI has it."""
TEXT_TYPES = {
    "text": b"text/plain; charset=utf-8", "srt": b"application/x-subrip", "vtt": b"text/vtt; charset=utf-8",
}  # fmt: skip
TEXT_FIELDS = ("language", "prompt", "response_format")
LIST_FIELDS = ("timestamp_granularities", "include")


class SpeechBody(Struct, kw_only=True):
    """Fields that are not listed here go to the model, which takes or refuses them."""

    input: Annotated[str, Meta(min_length=1)]
    model: str = "speech"
    voice: str | dict[str, Any] | None = None
    response_format: str | None = None
    """mp3, opus, aac, flac, wav or pcm."""
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    instructions: str | None = None


class TranscriptionBody(Struct, kw_only=True):
    """A multipart form."""

    file: bytes
    model: str = "transcription"
    language: str | None = None
    prompt: str | None = None
    response_format: str | None = None
    """json, text, srt, verbose_json or vtt."""
    temperature: float | None = None
    timestamp_granularities: list[str] = []


@post("/v1/audio/speech", body=SpeechBody, media_type="audio/mpeg")
async def speak(call: Call) -> Any:
    """A text as sound, which begins to come before all of it is there."""
    body, extra = decode_known(await call.body(), SpeechBody)
    request = SpeechRequest(**msgspec.structs.asdict(body), extra=extra)
    speech: Speech = await perform(call, "speech", request, "audio.speech")
    headers = road_headers(call.trace_id, speech.model, speech.cost) | call.headers
    return EventStream(speech.chunks, headers, speech.media_type)


@post("/v1/audio/transcriptions", body=TranscriptionBody)
async def transcribe(call: Call) -> Any:
    """Speech as text."""
    return await write_down(call, translate=False)


@post("/v1/audio/translations", body=TranscriptionBody)
async def translate(call: Call) -> Any:
    """Speech as English text."""
    return await write_down(call, translate=True)


async def write_down(call: Call, *, translate: bool) -> Whole:
    request = await read_form(call, translate=translate)
    route = "audio.translations" if translate else "audio.transcriptions"
    found: Transcription = await perform(call, "transcriptions", request, route)
    if not isinstance(found.body, str):
        return told(call, found.body, found)
    headers = road_headers(call.trace_id, found.model, found.cost) | call.headers
    kind = TEXT_TYPES.get(request.response_format or "text", TEXT_TYPES["text"])
    return Whole(found.body.encode(), headers, kind)


async def read_form(call: Call, *, translate: bool) -> TranscriptionRequest:
    """The form as a request. Raises `BadRequest`, `InvalidParameter`, `TooLarge`."""
    headers = call.request.headers
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("The body is not multipart/form-data.", hint="Send the sound as the field `file`.")
    if int(headers.get("content-length") or 0) > MAX_SOUND + (1 << 20):
        raise too_large(MAX_SOUND)
    try:
        async with call.request.form(max_files=1, max_fields=100) as form:
            return await to_request(form, translate=translate)
    except ClientDisconnect:
        raise ClientGone from None


async def to_request(form: FormData, *, translate: bool) -> TranscriptionRequest:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise InvalidParameter("The file `file` is missing.", param="file", hint="Send the sound as the field `file`.")
    if (file.size or 0) > MAX_SOUND:
        raise too_large(MAX_SOUND)
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in form.multi_items():
        plain = name.removesuffix("[]")
        if name == "file" or value == "":
            continue
        if plain in LIST_FIELDS:
            (fields if plain == "timestamp_granularities" else extra).setdefault(plain, []).append(value)
        elif plain == "temperature":
            fields[plain] = to_temperature(str(value))
        elif plain in TEXT_FIELDS:
            fields[plain] = value
        elif plain == "stream" and str(value).lower() in ("true", "1"):
            message = "Transcriptions are not streamed here."
            raise InvalidParameter(message, param="stream", hint="Leave `stream` out and wait for the text.")
        elif plain not in ("model", "stream"):
            extra[plain] = value
    return TranscriptionRequest(
        model=str(form.get("model") or "transcription"), file=await file.read(), filename=file.filename or "sound",
        media_type=file.content_type or "application/octet-stream", translate=translate, extra=extra, **fields,
    )  # fmt: skip


def to_temperature(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidParameter("`temperature` is not a number.", param="temperature") from None


DOORS = [speak, transcribe, translate]
