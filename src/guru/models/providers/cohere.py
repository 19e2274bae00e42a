"""Cohere: chat, embeddings and rerank, version 2 of its API.

Spec: https://docs.cohere.com/reference/about.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from guru.errors import GuruError, InvalidParameter, StreamCut
from guru.models.providers.base import CHAT, Provider, mapped, refused, table
from guru.models.providers.chat import RemoteChat, encode
from guru.models.providers.errors import error_of_body
from guru.models.wire.cohere_answer import AnswerDecoder, error_of, read_usage
from guru.models.wire.cohere_request import encode_request
from guru.models.wire.fields import NOT_JSON
from guru.tasks import EmbeddingRequest, Embeddings, Ranked, Ranking, RerankRequest
from guru.types import JSON, ChatRequest, Usage

INPUT_TYPES: Final = {"query": "search_query", "document": "search_document"}
MOST_TEXTS: Final = 96
"""In one request for embeddings."""
GARBAGE: Final = (msgspec.MsgspecError, KeyError, TypeError, AttributeError, ValueError)


class Cohere(Provider):
    BASE_URL = "https://api.cohere.com"
    ABILITIES = CHAT | {"embeddings", "rerank"}
    PARAMETERS = table(
        {
            "top_p": mapped("`p`"),
            "top_k": mapped("`k`"),
            "stop": mapped("`stop_sequences`"),
            "min_p": refused(),
            "typical_p": refused(),
            "repeat_penalty": refused("Use `frequency_penalty`."),
            "logit_bias": refused(),
            "n": refused("Send the request several times."),
            "logprobs": mapped("`logprobs`; Cohere gives them for pieces of text, which may be several tokens"),
            "top_logprobs": refused(),
            "user": mapped("left out: Cohere keeps no accounts of users"),
            "metadata": mapped("left out: Cohere stores no answers"),
            "betas": mapped("left out: they are Anthropic's"),
            "tools": mapped("as they are; `strict` of one is `strict_tools` for all"),
            "native_tools": refused("Use tools that are called."),
            "tool_choice": mapped("REQUIRED or NONE; for a certain function only that one is offered"),
            "parallel_tool_calls": refused("Take the first call alone."),
            "response_format": mapped("`json_object`, with the schema under `json_schema`"),
            "reasoning_effort": mapped("`thinking`: disabled for none, enabled for any other"),
            "thinking": mapped("`thinking`, with the budget as `token_budget`"),
        }
    )

    def read_error(self, status: int, body: bytes, wait: float | None) -> GuruError:
        try:
            return error_of(self.name, status, msgspec.json.decode(body), wait)
        except NOT_JSON:
            return error_of_body(self.name, status, body, wait)

    def chat_model(self, model: str) -> CohereChat:
        return CohereChat(self, model)

    def embedding_model(self, model: str) -> CohereEmbedding:
        return CohereEmbedding(self, model)

    def reranker(self, model: str) -> CohereReranker:
        return CohereReranker(self, model)

    async def ask(self, path: str, body: JSON, what: str) -> Any:
        """The JSON of an answer. `what` it should be, for the error when it is none."""
        response = await self.send("POST", f"{self.base_url}{path}", encode(body))
        try:
            return msgspec.json.decode(await response.read())
        except NOT_JSON as error:
            raise self.garbage(what) from error

    def garbage(self, what: str) -> StreamCut:
        return StreamCut(f"{self.name} sent no {what}.", hint="Try again, or check base_url.")

    async def list_models(self) -> list[str]:
        names: list[str] = []
        page = ""
        while True:
            response = await self.send("GET", f"{self.base_url}/v1/models?page_size=1000{page}")
            try:
                listed = msgspec.json.decode(await response.read())
                names += [str(entry["name"]) for entry in listed["models"]]
                token = listed.get("next_page_token")
            except GARBAGE as error:
                raise self.garbage("list of models") from error
            if not token:
                return names
            page = f"&page_token={quote(str(token), safe='')}"


class CohereChat(RemoteChat[Cohere]):
    """A model behind the Chat API."""

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider = self._provider
        body = encode_request(provider.filter.apply(request), self._model, provider.settings.drop_params)
        return f"{provider.base_url}/v2/chat", body

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self.name)


class CohereEmbedding:
    def __init__(self, provider: Cohere, model: str) -> None:
        self.name = f"{provider.name}/{model}"
        self._provider = provider
        self._model = model

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        """Texts are taken for documents unless the request says otherwise. Raises `InvalidParameter` for tokens."""
        if any(not isinstance(text, str) for text in request.input):
            raise InvalidParameter("Cohere takes texts, not tokens.", param="input", hint="Send texts.")
        kind = request.input_type or "document"
        body: JSON = {"model": self._model, "input_type": INPUT_TYPES.get(kind, kind), "embedding_types": ["float"]}
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        vectors: list[list[float]] = []
        usage = Usage()
        for first in range(0, len(request.input), MOST_TEXTS):
            texts = request.input[first : first + MOST_TEXTS]
            answer = await self._provider.ask("/v2/embed", body | {"texts": texts} | request.extra, "embeddings")
            try:
                found = msgspec.convert(answer["embeddings"]["float"], list[list[float]])
                usage.prompt_tokens += read_usage(answer.get("meta")).prompt_tokens
            except GARBAGE as error:
                raise self._provider.garbage("embeddings") from error
            if len(found) != len(texts):
                raise self._provider.garbage(f"{len(texts)} vectors, but {len(found)}")
            vectors += found
        return Embeddings(model=self.name, vectors=vectors, usage=usage)


class CohereReranker:
    def __init__(self, provider: Cohere, model: str) -> None:
        self.name = f"{provider.name}/{model}"
        self._provider = provider
        self._model = model

    async def rerank(self, request: RerankRequest) -> Ranking:
        body: JSON = {"model": self._model, "query": request.query, "documents": request.documents}
        for name in ("top_n", "max_tokens_per_doc"):
            if (value := getattr(request, name)) is not None:
                body[name] = value
        answer = await self._provider.ask("/v2/rerank", body | request.extra, "ranking")
        try:
            results = msgspec.convert(answer["results"], list[Ranked])
            usage = read_usage(answer.get("meta"))
        except GARBAGE as error:
            raise self._provider.garbage("ranking") from error
        if any(not 0 <= result.index < len(request.documents) for result in results):
            raise self._provider.garbage("ranking of these documents")
        usage.estimated = False  # it is billed by searches
        extra = {"id": answer["id"]} if "id" in answer else {}
        return Ranking(model=self.name, results=results, usage=usage, extra=extra)
