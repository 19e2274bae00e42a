"""Ollama: models on a machine of one's own, or in Ollama's cloud.

Spec: https://github.com/ollama/ollama/blob/main/docs/api.md.
"""

from __future__ import annotations

import msgspec

from guru.errors import InvalidParameter, StreamCut
from guru.models.providers.base import CHAT, Provider, mapped, refused, table
from guru.models.providers.chat import RemoteChat, encode
from guru.models.providers.parameters import refusal
from guru.models.wire.answers import count
from guru.models.wire.ollama import AnswerDecoder, LineParser, encode_request, encode_text_request, with_options
from guru.tasks import EmbeddingRequest, Embeddings
from guru.types import JSON, ChatRequest, TextRequest, Usage


class Ollama(Provider):
    BASE_URL = "http://localhost:11434"
    NEEDS_KEY = False
    ABILITIES = CHAT | {"text", "embeddings"}
    PARAMETERS = table(
        {
            "max_tokens": mapped("`options.num_predict`"),
            "temperature": mapped("`options`, as top_p, top_k, min_p, seed and the penalties"),
            "logit_bias": refused(),
            "n": refused("Send the request several times."),
            "user": mapped("left out: Ollama keeps no accounts of users"),
            "metadata": mapped("left out: Ollama stores no answers"),
            "betas": mapped("left out: they are Anthropic's"),
            "native_tools": refused("Use tools that are called."),
            "tool_choice": mapped("auto as it is; none sends no tools; others are refused"),
            "parallel_tool_calls": refused("Take the first call alone."),
            "response_format": mapped("`format`"),
            "reasoning_effort": mapped("`think`: none is false, minimal is low, xhigh is max"),
            "thinking": mapped("`think`: true, or false where it is disabled"),
            "extra": mapped("options of Ollama's under `options`, the rest as it is"),
        }
    )

    def chat_model(self, model: str) -> OllamaChat:
        return OllamaChat(self, model)

    def embedding_model(self, model: str) -> OllamaEmbedding:
        return OllamaEmbedding(self, model)

    async def list_models(self) -> list[str]:
        response = await self.send("GET", f"{self.base_url}/api/tags")
        try:
            listed = msgspec.json.decode(await response.read())
            return [str(entry["model"]) for entry in listed["models"]]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise StreamCut(f"{self.name} sent no list of models.", hint="Check base_url.") from error


class OllamaChat(RemoteChat[Ollama]):
    """A model of an Ollama server."""

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider = self._provider
        body = encode_request(provider.filter.apply(request), self._model, provider.settings.drop_params)
        return f"{provider.base_url}/api/chat", body

    def _text(self, request: TextRequest) -> tuple[str, JSON]:
        provider = self._provider
        return f"{provider.base_url}/api/generate", encode_text_request(provider.filter.apply(request), self._model)

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self.name)

    def _parser(self) -> LineParser:
        return LineParser()


class OllamaEmbedding:
    def __init__(self, provider: Ollama, model: str) -> None:
        self.name = f"{provider.name}/{model}"
        self._provider = provider
        self._model = model

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        """Raises `InvalidParameter` for tokens, and for `input_type`, which Ollama's models have in their prompts."""
        provider = self._provider
        if any(not isinstance(text, str) for text in request.input):
            raise InvalidParameter("Ollama takes texts, not tokens.", param="input", hint="Send texts.")
        if request.input_type is not None and "input_type" not in provider.settings.drop_params:
            raise refusal(provider.name, "input_type", "Write the prefix that the model wants into the texts.")
        body: JSON = {"model": self._model, "input": request.input}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        response = await provider.send(
            "POST", f"{provider.base_url}/api/embed", encode(body | with_options(request.extra))
        )
        raw = await response.read()
        try:
            answer = msgspec.json.decode(raw)
            vectors = msgspec.convert(answer["embeddings"], list[list[float]])
            usage = Usage(prompt_tokens=count(answer.get("prompt_eval_count")))
        except (msgspec.MsgspecError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise StreamCut(f"{provider.name} sent no embeddings.", hint="Try again.") from error
        if len(vectors) != len(request.input):
            raise StreamCut(f"{provider.name} sent {len(vectors)} vectors for {len(request.input)} texts.")
        return Embeddings(model=self.name, vectors=vectors, usage=usage)
