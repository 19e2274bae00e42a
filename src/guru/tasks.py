"""What a model can be asked besides chat: embed, rerank, moderate, draw, speak, transcribe.

The requests are OpenAI's (rerank is Cohere's, which everybody copies). A field that Guru does not know travels in
`extra` to the provider, which carries it or refuses it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from msgspec import Struct

from guru.types import JSON, Usage

# --------------------------------------------------------------------------- embeddings


class EmbeddingRequest(Struct, kw_only=True, omit_defaults=True):
    model: str
    input: list[str] | list[list[int]]
    """Texts, or lists of the model's own token numbers."""
    dimensions: int | None = None
    input_type: str | None = None
    """`query` or `document`, for models that embed them differently."""
    user: str | None = None
    extra: JSON = {}


class Embeddings(Struct, kw_only=True):
    model: str
    vectors: list[list[float]]
    """In the order of the input."""
    usage: Usage
    cost: float | None = 0.0
    extra: JSON = {}


# --------------------------------------------------------------------------- rerank


class RerankRequest(Struct, kw_only=True, omit_defaults=True):
    model: str
    query: str
    documents: list[str]
    top_n: int | None = None
    max_tokens_per_doc: int | None = None
    extra: JSON = {}


class Ranked(Struct):
    index: int
    """The place of the document in the request."""
    relevance_score: float
    """0 to 1."""


class Ranking(Struct, kw_only=True):
    model: str
    results: list[Ranked]
    """The most relevant first."""
    usage: Usage
    cost: float | None = 0.0
    extra: JSON = {}
    calibrated: bool = False
    """Whether scores are probabilities: of documents with 0.7, seven in ten answer the query."""


# --------------------------------------------------------------------------- moderation


class ModerationRequest(Struct, kw_only=True, omit_defaults=True):
    model: str
    input: list[Any]
    """Texts, or parts as OpenAI's omni moderation takes them."""
    extra: JSON = {}


class Moderation(Struct):
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]] | None = None


class Moderations(Struct, kw_only=True):
    model: str
    results: list[Moderation]
    """In the order of the input."""
    usage: Usage
    cost: float | None = 0.0


# --------------------------------------------------------------------------- images and audio


class ImageRequest(Struct, kw_only=True, omit_defaults=True):
    model: str
    prompt: str
    n: int = 1
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    response_format: str | None = None
    """`url` or `b64_json`."""
    user: str | None = None
    extra: JSON = {}


class FormFile(Struct):
    """A file of a form, under the name of its field."""

    field: str
    """`image`, `image[]`, `mask` ..."""
    filename: str
    media_type: str
    content: bytes


class ImageEdit(ImageRequest, kw_only=True, omit_defaults=True):
    """Pictures to change as the prompt says; an `ImageModel` makes new ones of them."""

    files: list[FormFile]


class Images(Struct, kw_only=True):
    model: str
    created: int
    data: list[JSON]
    """Each with `url` or `b64_json`, and `revised_prompt`."""
    usage: Usage
    cost: float | None = 0.0
    extra: JSON = {}


class SpeechRequest(Struct, kw_only=True, omit_defaults=True):
    model: str
    input: str
    voice: Any = None
    response_format: str | None = None
    """mp3, opus, aac, flac, wav or pcm."""
    speed: float | None = None
    instructions: str | None = None
    extra: JSON = {}


class Speech(Struct, kw_only=True):
    model: str
    media_type: str
    chunks: AsyncIterator[bytes]
    """The sound as it arrives; closing it cancels."""
    usage: Usage
    cost: float | None = 0.0


class TranscriptionRequest(Struct, kw_only=True, omit_defaults=True):
    model: str
    file: bytes
    filename: str
    media_type: str = "application/octet-stream"
    language: str | None = None
    prompt: str | None = None
    response_format: str | None = None
    """json, text, srt, verbose_json or vtt."""
    temperature: float | None = None
    timestamp_granularities: list[str] = []
    translate: bool = False
    """Into English."""
    extra: JSON = {}


class Transcription(Struct, kw_only=True):
    model: str
    body: JSON | str
    """As the provider answered: an object, or text for text, srt and vtt."""
    usage: Usage
    cost: float | None = 0.0


# --------------------------------------------------------------------------- protocols


class EmbeddingModel(Protocol):
    name: str

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings: ...


class Reranker(Protocol):
    name: str

    async def rerank(self, request: RerankRequest) -> Ranking: ...


class Moderator(Protocol):
    name: str

    async def moderate(self, request: ModerationRequest) -> Moderations: ...


class ImageModel(Protocol):
    name: str

    async def generate(self, request: ImageRequest) -> Images:
        """New pictures; of an `ImageEdit`, changed ones, or `InvalidParameter` where the model cannot."""
        ...


class SpeechModel(Protocol):
    name: str

    async def speak(self, request: SpeechRequest) -> Speech: ...


class TranscriptionModel(Protocol):
    name: str

    async def transcribe(self, request: TranscriptionRequest) -> Transcription: ...


class SearchModels(Protocol):
    """The models that a search may ask on its way, as a part of the request that it belongs to: limited, traced and
    paid for with it."""

    async def write(self, instruction: str, text: str, max_tokens: int) -> str:
        """What a chat model answers to `text`. Raises what the model raises."""
        ...

    async def rerank(self, model: str, query: str, documents: list[str]) -> Ranking:
        """Raises what the model raises, and `ModelNotFound` and `Forbidden` for the name."""
        ...


class TaskModels(Protocol):
    """The models of this server for each task, by name or alias. Each raises `ModelNotFound` and `InvalidParameter`."""

    def embedding_model(self, name: str) -> EmbeddingModel: ...

    def reranker(self, name: str) -> Reranker: ...

    def moderator(self, name: str) -> Moderator: ...

    def image_model(self, name: str) -> ImageModel: ...

    def speech_model(self, name: str) -> SpeechModel: ...

    def transcription_model(self, name: str) -> TranscriptionModel: ...
