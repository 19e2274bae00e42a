"""The models besides chat of providers that follow OpenAI: each asks one endpoint."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import msgspec

from guru.models.wire import openai_tasks as wire
from guru.tasks import (
    EmbeddingRequest,
    Embeddings,
    ImageEdit,
    ImageRequest,
    Images,
    ModerationRequest,
    Moderations,
    Ranking,
    RerankRequest,
    Speech,
    SpeechRequest,
    Transcription,
    TranscriptionRequest,
)
from guru.types import Usage

if TYPE_CHECKING:
    from guru.models.http import Response
    from guru.models.providers.compatible import Compatible


class Task:
    """A model behind one endpoint."""

    def __init__(self, provider: Compatible, model: str) -> None:
        self.provider = provider
        self.model = model
        self.name = f"{provider.name}/{model}"

    async def ask(self, path: str, body: Any) -> bytes:
        response = await self.provider.send("POST", self.provider.url(path, self.model), msgspec.json.encode(body))
        return await response.read()


class CompatibleEmbedding(Task):
    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        body = self.provider.embedding_body(request, self.model)
        return wire.decode_embeddings(self.name, await self.ask("/embeddings", body), len(request.input))


class CompatibleReranker(Task):
    async def rerank(self, request: RerankRequest) -> Ranking:
        body = wire.encode_task(request, self.model)
        return wire.decode_ranking(self.name, await self.ask("/rerank", body), len(request.documents))


class CompatibleModerator(Task):
    async def moderate(self, request: ModerationRequest) -> Moderations:
        body = wire.encode_task(request, self.model)
        return wire.decode_moderations(self.name, await self.ask("/moderations", body))


class CompatibleImages(Task):
    async def generate(self, request: ImageRequest) -> Images:
        if isinstance(request, ImageEdit):
            return await self._edit(request)
        body = self.provider.image_body(request, self.model)
        return wire.decode_images(self.name, await self.ask("/images/generations", body))

    async def _edit(self, request: ImageEdit) -> Images:
        provider = self.provider
        if "image_edits" not in provider.ABILITIES:
            raise provider.has_no("image editing", self.model)
        body, content_type = wire.encode_image_edit(request, self.model)
        headers = provider.headers | {"content-type": content_type}
        response = await provider.send("POST", provider.url("/images/edits", self.model), body, headers)
        return wire.decode_images(self.name, await response.read())


class CompatibleSpeech(Task):
    async def speak(self, request: SpeechRequest) -> Speech:
        body = msgspec.json.encode(wire.encode_task(request, self.model))
        response = await self.provider.send("POST", self.provider.url("/audio/speech", self.model), body)
        media_type = response.headers.get("content-type") or "application/octet-stream"
        # The provider does not say what it counted.
        return Speech(model=self.name, media_type=media_type, chunks=_chunks(response), usage=Usage(estimated=True))


class CompatibleTranscription(Task):
    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        body, content_type = wire.encode_transcription(request, self.model)
        path = "/audio/translations" if request.translate else "/audio/transcriptions"
        headers = self.provider.headers | {"content-type": content_type}
        response = await self.provider.send("POST", self.provider.url(path, self.model), body, headers)
        return wire.decode_transcription(self.name, await response.read(), response.headers.get("content-type"))


async def _chunks(response: Response) -> AsyncGenerator[bytes]:
    try:
        async for chunk in response.iter():
            yield chunk
    finally:
        await response.aclose()
