"""Anthropic, by its Messages API. Spec: https://platform.claude.com/docs/en/api/overview."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

import msgspec

from guru.config import ProviderSettings
from guru.errors import GuruError, ModelError
from guru.models.providers.base import CHAT, Ability, BatchApi, Provider, Support, mapped, refused, table
from guru.models.providers.chat import RemoteChat, Request, encode
from guru.models.wire.anthropic_answer import AnswerDecoder, error_of
from guru.models.wire.anthropic_request import encode_request
from guru.models.wire.claude import claude
from guru.models.wire.fields import NOT_JSON
from guru.protocols import ChatModel
from guru.types import JSON, ChatRequest, TextRequest

if TYPE_CHECKING:
    from guru.models.http import Headers, HttpClient, Response

Shape = TypeVar("Shape")

VERSION: Final = "2023-06-01"
"""https://platform.claude.com/docs/en/api/versioning"""
BETA: Final = "anthropic-beta"
COUNTED: Final = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control",
                  "mcp_servers", "speed")  # fmt: skip
"""What the count of a prompt depends on; the endpoint takes nothing else."""

ONE: Final = refused("Send several requests.")
NO_PENALTY: Final = refused("Leave it out, or say it in the prompt.")

MESSAGES: Final[dict[str, Support]] = {
    "max_tokens": mapped("`max_tokens`; the model's maximum where it is missing"),
    "stop": mapped("`stop_sequences`"),
    "user": mapped("`metadata.user_id`"),
    "metadata": mapped("`user_id` of it is sent; the rest stays with Guru"),
    "tools": mapped("`tools` with `input_schema`"),
    "native_tools": mapped("tools of Anthropic's format are carried; others are refused"),
    "tool_choice": mapped("auto, any, tool or none"),
    "parallel_tool_calls": mapped("`tool_choice.disable_parallel_tool_use`"),
    "response_format": mapped("a json_schema as `output_config.format`; json_object is refused"),
    "reasoning_effort": mapped("`output_config.effort` with adaptive `thinking`; a budget before Claude 4.6"),
    "betas": mapped("the header `anthropic-beta`"),
    "n": ONE,
    "seed": refused(),
    "logprobs": refused(),
    "top_logprobs": refused(),
    "logit_bias": refused(),
    "presence_penalty": NO_PENALTY,
    "frequency_penalty": NO_PENALTY,
    "repeat_penalty": NO_PENALTY,
    "min_p": refused("Use top_p."),
    "typical_p": refused("Use top_p."),
}


class Anthropic(Provider):
    BASE_URL: ClassVar[str | None] = "https://api.anthropic.com/v1"
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"batch"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(MESSAGES)

    def __init__(self, name: str, settings: ProviderSettings, http: HttpClient) -> None:
        super().__init__(name, settings, http)
        # Anthropic's own clients are given the address without the version.
        self.base_url = self.base_url.removesuffix("/v1") + "/v1"

    def make_headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "anthropic-version": self.settings.api_version or VERSION}
        if self.settings.api_key:
            headers["x-api-key"] = self.settings.api_key
        return headers | {name.lower(): value for name, value in self.settings.headers.items()}

    def headers_for(self, request: Request) -> dict[str, str]:
        """The headers, with what the caller and the configuration opt in to."""
        if isinstance(request, TextRequest) or not request.betas:
            return self.headers
        configured = [name.strip() for name in self.headers.get(BETA, "").split(",") if name.strip()]
        return self.headers | {BETA: ",".join(dict.fromkeys([*configured, *request.betas]))}

    def chat_model(self, model: str) -> ChatModel:
        return AnthropicChat(self, model)

    def batches(self) -> BatchApi | None:
        from guru.models.providers.anthropic_batches import AnthropicBatches

        return AnthropicBatches(self)

    async def list_models(self) -> list[str]:
        response = await self.send("GET", f"{self.base_url}/models?limit=1000")
        return [model.id for model in self.read(await response.read(), _Models).data]

    def read(self, body: bytes, shape: type[Shape]) -> Shape:
        """The body of an answer. Raises `ModelError`."""
        try:
            return msgspec.json.decode(body, type=shape)
        except NOT_JSON:
            message = f"{self.name} sent what is no answer of Anthropic's API."
            raise ModelError(message, hint=f"Check base_url of [providers.{self.name}].") from None

    async def failure(self, response: Response) -> GuruError:
        error = await super().failure(response)
        if error.retry_after is None and response.status == 429:
            error.retry_after = until_reset(response.headers)
        return error

    def read_error(self, status: int, body: bytes, wait: float | None) -> GuruError:
        try:
            error = msgspec.json.decode(body, type=_Failed).error
        except NOT_JSON:
            return super().read_error(status, body, wait)
        return error_of(self.name, status, error.type, error.message, wait)


class AnthropicChat(RemoteChat[Anthropic]):
    """A chat model behind `POST /v1/messages`."""

    def __init__(self, provider: Anthropic, model: str) -> None:
        super().__init__(provider, model)
        self.context_length = claude(model).context_length

    async def count_tokens(self, request: ChatRequest) -> int:
        """The tokens of the prompt, as the provider counts them; nothing is billed for it."""
        url, body = self._chat(request)
        counted = {name: value for name, value in body.items() if name in COUNTED}
        provider = self._provider
        response = await provider.send("POST", f"{url}/count_tokens", encode(counted), self._headers(request))
        return provider.read(await response.read(), _Count).input_tokens

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider = self._provider
        body = encode_request(provider.filter.apply(request), self._model, provider.settings.drop_params)
        return f"{provider.base_url}/messages", body

    def _headers(self, request: Request) -> dict[str, str]:
        return self._provider.headers_for(request)

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self.name)


def until_reset(headers: Headers) -> float | None:
    """Seconds until every limit that is used up is renewed, from `anthropic-ratelimit-*`.

    Spec: https://platform.claude.com/docs/en/api/rate-limits#response-headers.
    """
    waits = []
    given = dict(headers.items())
    for name, value in given.items():
        if not (name.startswith("anthropic-ratelimit-") and name.endswith("-remaining") and value.strip() == "0"):
            continue
        try:
            reset = datetime.datetime.fromisoformat(given[name.removesuffix("remaining") + "reset"])
            waits.append((reset - datetime.datetime.now(datetime.UTC)).total_seconds())
        except (KeyError, ValueError, TypeError):
            continue
    return max(0.0, *waits) if waits else None


class _Count(msgspec.Struct):
    input_tokens: int


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class _Error(msgspec.Struct):
    type: str
    message: str


class _Failed(msgspec.Struct):
    error: _Error
