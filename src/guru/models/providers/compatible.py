"""Any address that speaks OpenAI's API, and the base of the providers that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from guru.models.providers import compatible_tasks as tasks
from guru.models.providers.base import CHAT, Ability, Provider, Support, mapped, table
from guru.models.providers.chat import RemoteChat
from guru.models.providers.parameters import refusal
from guru.models.wire.openai_answer import AnswerDecoder
from guru.models.wire.openai_tasks import encode_task
from guru.models.wire.openai_upstream import LOW_UNDER, MEDIUM_UNDER, Dialect, encode_chat, encode_text
from guru.protocols import ChatModel
from guru.tasks import (
    EmbeddingModel,
    EmbeddingRequest,
    ImageModel,
    ImageRequest,
    Moderator,
    Reranker,
    SpeechModel,
    TranscriptionModel,
)
from guru.types import ChatRequest, TextRequest

JSON = dict[str, Any]

EFFORT: Final = mapped(
    f"`reasoning_effort`: low under {LOW_UNDER:,} tokens of budget, medium under {MEDIUM_UNDER:,}, high from there; "
    "without a budget the model's own"
)
NATIVE: Final = mapped("tools of OpenAI's format are carried; others are refused")
BETAS: Final = mapped("not sent: they mean something to Anthropic alone")
UNSENT: Final = mapped("not sent: it has no such field, and no answer depends on it")
FOLLOWS: Final[Mapping[str, Support]] = {"thinking": EFFORT, "native_tools": NATIVE, "betas": BETAS}
"""What all providers that follow OpenAI have in common."""

ALL: Final[frozenset[Ability]] = CHAT | {
    "text", "embeddings", "rerank", "moderations", "images_out", "image_edits", "speech", "transcription",
}  # fmt: skip


class Compatible(Provider):
    """Everything is sent on: whoever configures the address knows what stands there."""

    NEEDS_KEY: ClassVar[bool] = False
    ABILITIES: ClassVar[frozenset[Ability]] = ALL
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(FOLLOWS)
    MESSAGE_EXTRA: ClassVar[bool] = True
    INPUT_TYPE: ClassVar[bool] = True
    """Whether embeddings take `input_type`."""
    DIALECT: ClassVar[Dialect] = Dialect(who="The provider", reasoning="reasoning_content")

    # ------------------------------------------------------------------- what may differ

    def url(self, path: str, model: str) -> str:
        """The address of an endpoint, such as `/chat/completions`."""
        return self.base_url + path

    def account_url(self, path: str) -> str:
        """The address of what belongs to no model, such as `/files`."""
        return self.base_url + path

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        """The body of a chat; the request has passed the filter."""
        return encode_chat(request, model, self.DIALECT)

    def text_body(self, request: TextRequest, model: str) -> JSON:
        return encode_text(request, model, self.DIALECT)

    def embedding_body(self, request: EmbeddingRequest, model: str) -> JSON:
        if request.input_type is not None and not self.INPUT_TYPE and "input_type" not in self.settings.drop_params:
            raise refusal(self.name, "input_type", "Its models embed questions and documents alike: leave it out.")
        return encode_task(request if self.INPUT_TYPE else msgspec.structs.replace(request, input_type=None), model)

    def image_body(self, request: ImageRequest, model: str) -> JSON:
        return encode_task(request, model)

    # ------------------------------------------------------------------- models

    def chat_model(self, model: str) -> ChatModel:
        return CompatibleChat(self, model) if "chat" in self.ABILITIES else super().chat_model(model)

    def embedding_model(self, model: str) -> EmbeddingModel:
        if "embeddings" not in self.ABILITIES:
            raise self.has_no("embedding", model)
        return tasks.CompatibleEmbedding(self, model)

    def reranker(self, model: str) -> Reranker:
        if "rerank" not in self.ABILITIES:
            raise self.has_no("rerank", model)
        return tasks.CompatibleReranker(self, model)

    def moderator(self, model: str) -> Moderator:
        if "moderations" not in self.ABILITIES:
            raise self.has_no("moderation", model)
        return tasks.CompatibleModerator(self, model)

    def image_model(self, model: str) -> ImageModel:
        if "images_out" not in self.ABILITIES:
            raise self.has_no("image", model)
        return tasks.CompatibleImages(self, model)

    def speech_model(self, model: str) -> SpeechModel:
        if "speech" not in self.ABILITIES:
            raise self.has_no("speech", model)
        return tasks.CompatibleSpeech(self, model)

    def transcription_model(self, model: str) -> TranscriptionModel:
        if "transcription" not in self.ABILITIES:
            raise self.has_no("transcription", model)
        return tasks.CompatibleTranscription(self, model)


class CompatibleChat(RemoteChat[Compatible]):
    """A chat model behind OpenAI's chat completions; also its text completions, where the provider has them."""

    def __init__(self, provider: Compatible, model: str) -> None:
        super().__init__(provider, model)
        self._chat_url = provider.url("/chat/completions", model)

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider = self._provider
        return self._chat_url, provider.chat_body(provider.filter.apply(request), self._model)

    def _text(self, request: TextRequest) -> tuple[str, JSON]:
        provider, model = self._provider, self._model
        if "text" not in provider.ABILITIES:
            return super()._text(request)
        return provider.url("/completions", model), provider.text_body(provider.filter.apply(request), model)

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self._model, self.name)
