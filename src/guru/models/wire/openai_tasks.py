"""What OpenAI's API has besides chat: embeddings, moderations, images, speech and transcription; and rerank.

Spec: https://platform.openai.com/docs/api-reference. Rerank is Cohere's (https://docs.cohere.com/reference/rerank),
which Jina, Together, vLLM and most others have copied.
"""

from __future__ import annotations

import base64
import secrets
import time
from array import array
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from guru.errors import StreamCut
from guru.models.wire.answers import count
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.openai_usage import read_usage
from guru.tasks import (
    EmbeddingRequest,
    Embeddings,
    FormFile,
    ImageEdit,
    ImageRequest,
    Images,
    Moderation,
    ModerationRequest,
    Moderations,
    Ranked,
    Ranking,
    RerankRequest,
    SpeechRequest,
    Transcription,
    TranscriptionRequest,
)
from guru.types import JSON, Usage

OURS: Final = frozenset({"model", "extra", "translate", "file", "files", "filename", "media_type"})
"""Fields of our requests that have no place in a body of JSON."""


def encode_task(
    request: EmbeddingRequest | RerankRequest | ModerationRequest | ImageRequest | SpeechRequest, model: str
) -> JSON:
    """The body: our requests have OpenAI's and Cohere's names. What was not asked for is left out."""
    fields = msgspec.structs.asdict(request)
    said = {name: value for name, value in fields.items() if name not in OURS and value is not None}
    if said.get("n") == 1:
        del said["n"]
    return {"model": model, **said, **request.extra}


# --------------------------------------------------------------------------- answers


def decode_embeddings(name: str, body: bytes, texts: int) -> Embeddings:
    """Vectors as lists of numbers or as base64 of little-endian float32, in the order of the input.

    `texts` is how many there must be. Raises `StreamCut` for what is no such answer.
    """
    raw = _object(name, body)
    entries = raw.get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "embedding" in entry for entry in entries):
        raise _unreadable(name)
    try:
        ordered = sorted(entries, key=lambda entry: entry.get("index") or 0)
        vectors = [_vector(entry["embedding"]) for entry in ordered]
    except (TypeError, ValueError):
        raise _unreadable(name) from None
    if len(vectors) != texts:
        raise _unreadable(name)
    return Embeddings(
        model=name,
        vectors=vectors,
        usage=_usage(raw),
        extra=_rest(raw, {"data", "model", "object", "usage", "id", "created"}),
    )


def decode_vectors(name: str, body: bytes, texts: int) -> Embeddings:
    """Bare lists of numbers, as Hugging Face's feature extraction answers. Raises as `decode_embeddings`."""
    try:
        vectors = msgspec.json.decode(body, type=list[list[float]])
    except NOT_JSON:
        raise _unreadable(name) from None
    if len(vectors) != texts:
        raise _unreadable(name)
    return Embeddings(model=name, vectors=vectors, usage=Usage(estimated=True))


def decode_ranking(name: str, body: bytes, documents: int) -> Ranking:
    """The most relevant first. Scores are `relevance_score`, or `score` as some have it.

    `documents` is how many were sent. Raises `StreamCut` for a place that none of them has.
    """
    raw = _object(name, body)
    entries = raw.get("results", raw.get("data"))
    if not isinstance(entries, list):
        raise _unreadable(name)
    try:
        ranked = [
            Ranked(int(entry["index"]), float(entry.get("relevance_score", entry.get("score")))) for entry in entries
        ]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise _unreadable(name) from None
    if any(not 0 <= entry.index < documents for entry in ranked):
        raise _unreadable(name)
    usage = _usage(raw)
    meta = raw.get("meta")
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    usage.searches = count(billed.get("search_units")) if isinstance(billed, dict) else 0
    return Ranking(
        model=name,
        results=sorted(ranked, key=lambda entry: entry.relevance_score, reverse=True),
        usage=usage,
        extra=_rest(raw, {"results", "data", "model", "object", "usage", "id"}),
    )


def decode_moderations(name: str, body: bytes) -> Moderations:
    raw = _object(name, body)
    try:
        # Mistral leaves the sum to the reader.
        results = [
            msgspec.convert({"flagged": any(result["categories"].values()), **result}, Moderation)
            for result in raw["results"]
        ]
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError):
        raise _unreadable(name) from None
    return Moderations(model=name, results=results, usage=_usage(raw))


def decode_images(name: str, body: bytes) -> Images:
    raw = _object(name, body)
    data = raw.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise _unreadable(name)
    created = raw.get("created")
    usage = _usage(raw)
    usage.image_completion_tokens = usage.image_completion_tokens or usage.completion_tokens
    return Images(
        model=name,
        created=int(created) if isinstance(created, int | float) else int(time.time()),
        data=data,
        usage=usage,
        extra=_rest(raw, {"data", "created", "usage", "model", "object", "id"}),
    )


def decode_transcription(name: str, body: bytes, content_type: str | None) -> Transcription:
    """An object, or text for the formats text, srt and vtt."""
    if (content_type or "").startswith("application/json") and body[:1] in (b"{", b" ", b"\n"):
        raw = _object(name, body)
        return Transcription(model=name, body=raw, usage=_usage(raw))
    return Transcription(model=name, body=body.decode("utf-8", "replace"), usage=Usage(estimated=True))


# --------------------------------------------------------------------------- multipart


def encode_transcription(request: TranscriptionRequest, model: str) -> tuple[bytes, str]:
    """The form (https://www.rfc-editor.org/rfc/rfc7578) and its content type."""
    said = {name: getattr(request, name) for name in ("language", "prompt", "response_format", "temperature")}
    fields = [("model", model), *((name, str(value)) for name, value in said.items() if value is not None)]
    fields += [("timestamp_granularities[]", value) for value in request.timestamp_granularities]
    for name, value in request.extra.items():
        values = value if isinstance(value, list) else [value]
        key = f"{name}[]" if isinstance(value, list) else name
        fields += [(key, each if isinstance(each, str) else msgspec.json.encode(each).decode()) for each in values]
    return multipart(fields, FormFile("file", request.filename, request.media_type, request.file))


def encode_image_edit(request: ImageEdit, model: str) -> tuple[bytes, str]:
    """The form and its content type: fields and files as they came."""
    fields: list[tuple[str, str]] = []
    for name, value in encode_task(request, model).items():
        values = value if isinstance(value, list) else [value]
        fields += [(name, each if isinstance(each, str) else msgspec.json.encode(each).decode()) for each in values]
    return multipart(fields, *request.files)


def multipart(fields: Iterable[tuple[str, str]], *files: FormFile) -> tuple[bytes, str]:
    """A form and its content type."""
    boundary = f"guru-{secrets.token_hex(16)}"
    parts: list[bytes] = []
    for name, value in fields:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
        parts.append(head.encode())
    for file in files:
        name, filename = _quoted(file.field), _quoted(file.filename)
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            f"content-type: {_plain(file.media_type)}\r\n\r\n"
        )
        parts += [head.encode(), file.content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _quoted(text: str) -> str:
    """A name as browsers write it, so that it can end neither its quotes nor its line."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _plain(text: str) -> str:
    return text.replace("\r", "").replace("\n", "") or "application/octet-stream"


# --------------------------------------------------------------------------- parts


def _object(name: str, body: bytes) -> JSON:
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON:
        value = None
    if not isinstance(value, dict):
        raise _unreadable(name)
    if value.get("error"):
        from guru.models.providers.errors import error_of_json

        raise error_of_json(name.partition("/")[0], 500, value)
    return value


def _unreadable(name: str) -> StreamCut:
    provider = name.partition("/")[0]
    return StreamCut(f"{provider} answered with something that cannot be read.", hint="Send the request again.")


def _vector(value: Any) -> list[float]:
    if isinstance(value, str):
        numbers = array("f", base64.b64decode(value))
        return list(numbers)
    return msgspec.convert(value, list[float])


def _usage(raw: JSON) -> Usage:
    """From chat's names, or from `input_tokens` and `output_tokens`, as images and audio have them."""
    counts = raw.get("usage")
    if not isinstance(counts, dict):
        return Usage(estimated=True)
    if "input_tokens" in counts or "output_tokens" in counts:
        details = counts.get("input_token_details") or counts.get("input_tokens_details")
        details = details if isinstance(details, dict) else {}
        made = counts.get("output_tokens_details")
        made = made if isinstance(made, dict) else {}
        return Usage(
            count(counts.get("input_tokens")), count(counts.get("output_tokens")),
            audio_prompt_tokens=count(details.get("audio_tokens")), cached_tokens=count(details.get("cached_tokens")),
            image_prompt_tokens=count(details.get("image_tokens")),
            image_completion_tokens=count(made.get("image_tokens")),
        )  # fmt: skip
    usage, _ = read_usage(counts)
    if not usage.prompt_tokens and not usage.completion_tokens:
        usage.prompt_tokens = count(counts.get("total_tokens"))
    return usage


def _rest(raw: JSON, known: set[str]) -> JSON:
    return {name: value for name, value in raw.items() if name not in known and value is not None}
