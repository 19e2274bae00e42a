"""Endpoints of Amazon SageMaker whose containers speak OpenAI's chat completions, as TGI, vLLM and LMI do.

Spec: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html. A model is
named by its endpoint: `sagemaker/my-endpoint`. A stream is Amazon's event stream around the container's own events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from guru.errors import GuruError
from guru.models import context
from guru.models.providers.aws import Aws, segment
from guru.models.providers.base import CHAT, Ability, Support, table
from guru.models.providers.chat import RemoteChat
from guru.models.providers.compatible import FOLLOWS
from guru.models.providers.errors import error_for
from guru.models.wire.aws_event_stream import AwsEventStream, EventMessage
from guru.models.wire.bedrock_answer import exception
from guru.models.wire.fields import NOT_JSON
from guru.models.wire.openai_answer import AnswerDecoder
from guru.models.wire.openai_upstream import Dialect, encode_chat
from guru.models.wire.sse import EventStreamParser, SentEvent
from guru.protocols import ChatModel
from guru.types import JSON, ChatRequest

DIALECT: Final = Dialect(who="The container")


class SageMaker(Aws):
    SERVICE: ClassVar[str] = "sagemaker"
    HOST: ClassVar[str] = "runtime.sagemaker.{region}.amazonaws.com"
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(FOLLOWS)

    def chat_model(self, model: str) -> ChatModel:
        return SageMakerChat(self, model)

    async def list_models(self) -> list[str]:
        """Those of the configuration: endpoints are listed by another service, with rights of its own."""
        return list(self.settings.models)

    async def check(self) -> None:
        """Whether there are credentials; calling an endpoint would cost."""
        if not self.settings.api_key:
            await self.signed("GET", self.base_url + "/", b"", self.headers)

    def read_error(self, status: int, body: bytes, wait: float | None) -> GuruError:
        """A 424 is the container's own error, with its status and its words."""
        try:
            raw = msgspec.json.decode(body)
        except NOT_JSON:
            raw = None
        if isinstance(raw, dict) and isinstance(raw.get("OriginalStatusCode"), int):
            said = str(raw.get("OriginalMessage") or raw.get("Message") or "")
            return error_for(self.name, raw["OriginalStatusCode"], said, retry_after=wait)
        return super().read_error(status, body, wait)


class SageMakerChat(RemoteChat[SageMaker]):
    """A chat model behind InvokeEndpoint and InvokeEndpointWithResponseStream."""

    def __init__(self, provider: SageMaker, model: str) -> None:
        super().__init__(provider, model)
        self.context_length = context.UNKNOWN  # an endpoint's name says nothing of the model behind it

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider, model = self._provider, self._model
        operation = "invocations-response-stream" if request.stream else "invocations"
        url = f"{provider.base_url}/endpoints/{segment(model)}/{operation}"
        return url, encode_chat(provider.filter.apply(request), model, DIALECT)

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self._model, self.name)

    def _parser(self) -> PayloadParser:
        return PayloadParser(self._provider.name)


class PayloadParser:
    """Amazon's messages to the container's server-sent events, which may be cut anywhere between two messages."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._messages = AwsEventStream()
        self._events = EventStreamParser()

    def feed(self, data: bytes) -> list[SentEvent]:
        """Raises `StreamCut` for garbage, and the error that a message is."""
        return [event for message in self._messages.feed(data) for event in self._message(message)]

    def end(self) -> list[SentEvent]:
        self._messages.end()
        return self._events.end()

    def _message(self, message: EventMessage) -> list[SentEvent]:
        if message.text(":message-type") in ("event", ""):
            return self._events.feed(message.payload) if message.text(":event-type") == "PayloadPart" else []
        kind = message.text(":exception-type") or message.text(":error-code") or "InternalStreamFailure"
        value: Any = {"message": message.text(":error-message")}
        if message.payload:
            try:
                value = msgspec.json.decode(message.payload)
            except NOT_JSON:
                value = {"message": kind}
        raise exception(self._provider, kind, value)
