"""Google's Gemini, by the Gemini API. Vertex AI is the kind `vertex`. Spec: https://ai.google.dev/api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec

from guru.errors import ConfigurationError, GuruError, InvalidParameter, StreamCut
from guru.models.providers.base import CHAT, Ability, BatchApi, Provider, mapped, refused, table
from guru.models.providers.chat import RemoteChat, encode
from guru.models.providers.errors import error_of_body
from guru.models.wire.answers import count
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.gemini_answer import AnswerDecoder, error_of
from guru.models.wire.gemini_request import encode_request
from guru.tasks import EmbeddingModel, EmbeddingRequest, Embeddings
from guru.types import JSON, ChatRequest, Usage

TASKS: Final = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
MOST_TEXTS: Final = 100
"""In one request for embeddings."""


class Gemini(Provider):
    BASE_URL: ClassVar[str | None] = "https://generativelanguage.googleapis.com/v1beta"
    NEEDS_KEY = False  # or an authorization of one's own: see make_headers
    LISTED: ClassVar[str] = "models"
    """The member of the list of models that has them."""
    PAGE: ClassVar[int] = 1000
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"embeddings", "batch"}
    PARAMETERS = table(
        {
            "max_tokens": mapped("`generationConfig.maxOutputTokens`; the others of its kind likewise"),
            "min_p": refused(),
            "typical_p": refused(),
            "repeat_penalty": refused("Use `frequency_penalty`."),
            "logit_bias": refused(),
            "n": mapped("`candidateCount`"),
            "stop": mapped("`stopSequences`"),
            "logprobs": mapped("`responseLogprobs`"),
            "top_logprobs": mapped("`logprobs`"),
            "user": mapped("left out: Gemini keeps no accounts of users"),
            "metadata": mapped("left out: Gemini stores no answers"),
            "betas": mapped("left out: they are Anthropic's"),
            "tools": mapped("`functionDeclarations`; `strict` is the mode VALIDATED"),
            "native_tools": mapped("Gemini's own; a web search without settings is `googleSearch`; others are refused"),
            "tool_choice": mapped("`functionCallingConfig`: AUTO, ANY, NONE, or ANY with one allowed name"),
            "parallel_tool_calls": refused("Take the first call alone."),
            "response_format": mapped("`responseMimeType` and `responseJsonSchema`"),
            "reasoning_effort": mapped("`thinkingLevel`; before Gemini 3 a `thinkingBudget` of 0, 1024, 8192 or 24576"),
            "thinking": mapped("`thinkingBudget`, with the thoughts shown"),
            "extra": mapped("members of `generationConfig` there, the rest as it is"),
        }
    )

    def make_headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json"} | {
            name.lower(): value for name, value in self.settings.headers.items()
        }
        if self.settings.api_key:
            headers["x-goog-api-key"] = self.settings.api_key
        elif "authorization" not in headers:
            variable = f"{self.name.upper().replace('-', '_')}_API_KEY"
            hint = f'Add it: api_key = "env:{variable}".'
            raise ConfigurationError(f"[providers.{self.name}] has no api_key.", hint=hint)
        return headers

    @property
    def on_vertex(self) -> bool:
        """Whether the address is one of Vertex AI, which knows less of the same API."""
        return "/publishers/" in self.base_url or "/projects/" in self.base_url

    def read_error(self, status: int, body: bytes, wait: float | None) -> GuruError:
        try:
            return error_of(self.name, status, msgspec.json.decode(body), wait)
        except (*NOT_JSON, AttributeError, TypeError, LookupError):
            return error_of_body(self.name, status, body, wait)

    def url(self, model: str, method: str) -> str:
        """`models/` is left out in names, as Google's own clients allow; tuned models have their own beginning."""
        path = model if "/" in model else f"models/{model}"
        return f"{self.base_url}/{quote(path)}:{method}"

    def chat_model(self, model: str) -> GeminiChat:
        return GeminiChat(self, model)

    def embedding_model(self, model: str) -> EmbeddingModel:
        return GeminiEmbedding(self, model)

    def batches(self) -> BatchApi | None:
        """Vertex AI's work over tables and buckets alone."""
        from guru.models.providers.gemini_batches import GeminiBatches

        return None if self.on_vertex else GeminiBatches(self)

    def list_headers(self) -> Mapping[str, str]:
        """What the request for the list of models carries."""
        return self.headers

    async def list_models(self) -> list[str]:
        names: list[str] = []
        page = ""
        while True:
            url = f"{self.models_url()}?pageSize={self.PAGE}{page}"
            response = await self.send("GET", url, headers=self.list_headers())
            try:
                listed = msgspec.json.decode(await response.read())
                names += [str(entry["name"]).rpartition("models/")[2] for entry in listed.get(self.LISTED, ())]
                token = listed.get("nextPageToken")
            except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
                raise StreamCut(f"{self.name} sent no list of models.", hint="Check base_url.") from error
            if not token:
                return names
            page = f"&pageToken={quote(str(token), safe='')}"


class GeminiChat(RemoteChat[Gemini]):
    """A model behind generateContent."""

    def __init__(self, provider: Gemini, model: str) -> None:
        super().__init__(provider, model)
        self._whole_url = provider.url(model, "generateContent")
        self._stream_url = provider.url(model, "streamGenerateContent") + "?alt=sse"

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider = self._provider
        request = provider.filter.apply(request)
        body = encode_request(request, self._model, provider.settings.drop_params, provider.base_url)
        if provider.on_vertex:
            drop_ids(body["contents"])
        return self._stream_url if request.stream else self._whole_url, body

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self.name)


def drop_ids(contents: list[JSON]) -> None:
    """Of calls and their results: Vertex AI refused them for long, and still does for older models. Order tells all."""
    for content in contents:
        for part in content["parts"]:
            for kind in ("functionCall", "functionResponse"):
                if kind in part:
                    part[kind].pop("id", None)


class GeminiEmbedding:
    """A model behind batchEmbedContents, which Vertex AI does not have."""

    def __init__(self, provider: Gemini, model: str) -> None:
        self.name = f"{provider.name}/{model}"
        self._provider = provider
        self._model = model

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        """Raises `InvalidParameter` for tokens."""
        if any(not isinstance(text, str) for text in request.input):
            raise InvalidParameter("Gemini takes texts, not tokens.", param="input", hint="Send texts.")
        one: JSON = {"model": self._model if "/" in self._model else f"models/{self._model}"} | request.extra
        if request.dimensions is not None:
            one["outputDimensionality"] = request.dimensions
        if request.input_type is not None:
            one["taskType"] = TASKS.get(request.input_type, request.input_type.upper())
        vectors: list[list[float]] = []
        usage = Usage()
        for first in range(0, len(request.input), MOST_TEXTS):
            texts = [str(text) for text in request.input[first : first + MOST_TEXTS]]
            vectors += await self._embed([one | {"content": {"parts": [{"text": text}]}} for text in texts], usage)
        if not usage.prompt_tokens:
            # Most models do not say; four characters a token is what Google's documentation estimates.
            usage = Usage(prompt_tokens=sum(len(str(text)) + 3 for text in request.input) // 4, estimated=True)
        return Embeddings(model=self.name, vectors=vectors, usage=usage)

    async def _embed(self, requests: list[JSON], usage: Usage) -> list[list[float]]:
        provider = self._provider
        url = provider.url(self._model, "batchEmbedContents")
        response = await provider.send("POST", url, encode({"requests": requests}))
        raw = await response.read()
        try:
            answer = msgspec.json.decode(raw)
            vectors = msgspec.convert([each["values"] for each in answer["embeddings"]], list[list[float]])
            usage.prompt_tokens += count((answer.get("usageMetadata") or {}).get("promptTokenCount"))
        except (msgspec.MsgspecError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise StreamCut(f"{provider.name} sent no embeddings.", hint="Try again.") from error
        if len(vectors) != len(requests):
            raise StreamCut(f"{provider.name} sent {len(vectors)} vectors for {len(requests)} texts.")
        return vectors
