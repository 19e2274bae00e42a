"""Amazon Bedrock: chats by Converse, embeddings by InvokeModel.

Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html. A model is
named by its id, by that of an inference profile, or by an ARN: `bedrock/us.anthropic.claude-sonnet-4-6`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from guru.errors import StreamCut
from guru.models.providers.aws import Aws, segment
from guru.models.providers.base import CHAT, Ability, Support, mapped, refused, table
from guru.models.providers.bedrock_embeddings import BedrockEmbedding, embedding_codec
from guru.models.providers.chat import RemoteChat
from guru.models.wire.bedrock_answer import AnswerDecoder, ConverseParser
from guru.models.wire.bedrock_request import encode_request
from guru.models.wire.claude import claude
from guru.models.wire.fields import NOT_JSON
from guru.protocols import ChatModel
from guru.tasks import EmbeddingModel
from guru.types import JSON, ChatRequest

CONVERSE: Final[dict[str, Support]] = {
    "max_tokens": mapped("`inferenceConfig.maxTokens`; the model's maximum where it is missing"),
    "temperature": mapped("`inferenceConfig.temperature`"),
    "top_p": mapped("`inferenceConfig.topP`"),
    "top_k": mapped("`additionalModelRequestFields.top_k`; Nova's `inferenceConfig.topK`"),
    "stop": mapped("`inferenceConfig.stopSequences`"),
    "user": mapped("`requestMetadata.user`"),
    "metadata": mapped("`requestMetadata`"),
    "tools": mapped("`toolConfig.tools`"),
    "tool_choice": mapped("auto, any or tool; none leaves the tools out, and is refused after calls"),
    "response_format": mapped("a json_schema as `outputConfig.textFormat`; json_object is refused"),
    "reasoning_effort": mapped(
        "Claude: `outputConfig.effort` with adaptive thinking, a budget before Claude 4.6; others: "
        "`additionalModelRequestFields.reasoning_effort`"
    ),
    "thinking": mapped("`additionalModelRequestFields.thinking`"),
    "betas": mapped("Claude: `additionalModelRequestFields.anthropic_beta`; others are not sent it"),
    "extra": mapped("members of Converse as they are; others in `additionalModelRequestFields`"),
    "parallel_tool_calls": refused("Leave it out: the model decides."),
    "native_tools": refused("Use a provider that runs the tool, or a tool of your own."),
    "n": refused("Send several requests."),
    "seed": refused(),
    "logprobs": refused(),
    "top_logprobs": refused(),
    "logit_bias": refused(),
    "presence_penalty": refused("Leave it out, or say it in the prompt."),
    "frequency_penalty": refused("Leave it out, or say it in the prompt."),
    "repeat_penalty": refused("Leave it out, or say it in the prompt."),
    "min_p": refused("Use top_p."),
    "typical_p": refused("Use top_p."),
}


class Bedrock(Aws):
    SERVICE: ClassVar[str] = "bedrock"
    HOST: ClassVar[str] = "bedrock-runtime.{region}.amazonaws.com"
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"embeddings"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(CONVERSE)

    def chat_model(self, model: str) -> ChatModel:
        return BedrockChat(self, model)

    def embedding_model(self, model: str) -> EmbeddingModel:
        return BedrockEmbedding(self, model, embedding_codec(self.name, model))

    def model_url(self, model: str, operation: str) -> str:
        return f"{self.base_url}/model/{segment(model)}/{operation}"

    async def list_models(self) -> list[str]:
        """The foundation models of the region, which another host lists."""
        address = self.base_url.replace("bedrock-runtime", "bedrock", 1)
        response = await self.send("GET", f"{address}/foundation-models")
        try:
            listed = msgspec.json.decode(await response.read(), type=_Listed)
        except NOT_JSON:
            raise StreamCut(f"{self.name} sent what is no list of models.", hint="Check base_url.") from None
        return [each.modelId for each in listed.modelSummaries]


class BedrockChat(RemoteChat[Bedrock]):
    """A chat model behind Converse and ConverseStream."""

    def __init__(self, provider: Bedrock, model: str) -> None:
        super().__init__(provider, model)
        if "claude" in model:
            self.context_length = claude(model).context_length or self.context_length

    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        provider, model = self._provider, self._model
        url = provider.model_url(model, "converse-stream" if request.stream else "converse")
        return url, encode_request(provider.filter.apply(request), model, provider.settings.drop_params)

    def _decoder(self) -> AnswerDecoder:
        return AnswerDecoder(self._provider.name, self.name)

    def _parser(self) -> ConverseParser:
        return ConverseParser()


class _Model(msgspec.Struct):
    modelId: str  # noqa: N815 -- Amazon's name for it


class _Listed(msgspec.Struct):
    modelSummaries: list[_Model]  # noqa: N815
