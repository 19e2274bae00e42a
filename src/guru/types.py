"""The shapes that cross the boundaries between packages, and the protocols that they meet through.

The canonical request is the OpenAI chat shape. A field that Guru does not know travels in `extra` and reaches
the model, which carries it or refuses it: nothing is dropped in silence. Every answer is a stream of `Event`s;
a non-streaming answer is the same stream, collected.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

JSON = dict[str, Any]
SearchMode = Literal["hybrid", "dense", "sparse"]

# --------------------------------------------------------------------------- messages


class TextPart(Struct, tag_field="type", tag="text"):
    text: str


class ImageUrl(Struct, omit_defaults=True):
    url: str
    detail: str | None = None


class ImagePart(Struct, tag_field="type", tag="image_url"):
    image_url: ImageUrl


class AudioPart(Struct, tag_field="type", tag="input_audio"):
    input_audio: JSON


class FilePart(Struct, tag_field="type", tag="file"):
    file: JSON


class RefusalPart(Struct, tag_field="type", tag="refusal"):
    refusal: str


Part = TextPart | ImagePart | AudioPart | FilePart | RefusalPart
Role = Literal["system", "developer", "user", "assistant", "tool"]


class FunctionCall(Struct):
    name: str
    arguments: str
    """JSON text, as the model wrote it."""


class ToolCall(Struct, kw_only=True):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class FunctionDefinition(Struct, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: JSON | None = None
    """A JSON schema."""
    strict: bool | None = None


class Tool(Struct):
    function: FunctionDefinition
    type: Literal["function"] = "function"


class Message(Struct, omit_defaults=True):
    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        """The text of the message, without images, audio and files."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or () if isinstance(part, TextPart))


# --------------------------------------------------------------------------- requests


class Grounding(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The `"guru"` member of a chat request: answer from a collection, with citations."""

    collection: str
    k: int | None = None
    """How many passages to retrieve; the collection's default when None."""
    mode: SearchMode | None = None
    filter: JSON | None = None
    threshold: float | None = None
    """Confidence (0 to 1) under which the answer is "not in the documents"."""


class Sampling(Struct, omit_defaults=True, kw_only=True):
    """Everything that shapes generation, shared by chat and by text completion. None is the model's default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    max_tokens: int | None = None
    stop: list[str] = []
    seed: int | None = None
    n: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    user: str | None = None
    extra: JSON = {}
    """Fields that Guru does not know, for the model to carry or refuse."""


class ChatRequest(Sampling, kw_only=True):
    model: str
    messages: list[Message]
    tools: list[Tool] = []
    tool_choice: str | JSON | None = None
    parallel_tool_calls: bool | None = None
    response_format: JSON | None = None
    metadata: JSON | None = None
    guru: Grounding | None = None


class TextRequest(Sampling, kw_only=True):
    """A text completion (`/v1/completions`): one prompt, continued."""

    model: str
    prompt: str | list[int]
    suffix: str | None = None
    echo: bool = False


# --------------------------------------------------------------------------- events


class Usage(Struct, omit_defaults=False):
    """Token counts as the model bills them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class TopLogprob(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] = []


class ToolCallDelta(Struct, omit_defaults=True):
    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Hit(Struct, kw_only=True):
    """A passage that a search found. `start` and `end` are character offsets in the document's stored text."""

    rank: int
    score: float
    """Calibrated: the estimated probability (0 to 1) that the passage is relevant."""
    document: str
    document_id: str
    chunk_id: int
    page: int | None
    start: int
    end: int
    text: str
    heading_path: list[str] = []
    title: str | None = None
    metadata: JSON = {}
    stages: JSON = {}
    """The score of every stage: dense, sparse, sentence, fused ..."""


class Citation(Struct, kw_only=True):
    """A quote found verbatim at `[start, end)` in the stored text of `document`."""

    n: int
    """The number of the marker `[n]` in the answer."""
    document: str
    page: int | None
    start: int
    end: int
    quote: str
    score: float
    document_id: str = ""
    collection: str = ""


class Started(Struct, tag="started"):
    model: str
    """The model that answers, as `provider/model`."""
    trace_id: str = ""


class Retrieved(Struct, tag="retrieved"):
    hits: list[Hit]


class Delta(Struct, tag="delta", omit_defaults=True, kw_only=True):
    """A piece of choice `index`: text, reasoning, or parts of tool calls."""

    index: int = 0
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []
    logprobs: list[TokenLogprob] | None = None


class Cited(Struct, tag="cited"):
    """Citations verified since the last event of this kind; their markers stand in the text already sent."""

    citations: list[Citation]


class Unsupported(Struct, tag="unsupported"):
    """A sentence of the answer, already sent, for which no passage stands: offsets in the answer's text."""

    start: int
    end: int


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Finished(Struct, tag="finished"):
    reason: FinishReason
    index: int = 0


class Completed(Struct, tag="completed", kw_only=True):
    """The last event of every stream that did not fail."""

    model: str
    usage: Usage
    cost: float = 0.0
    """US dollars."""
    timings: dict[str, float] = {}
    """Seconds: queue, first_token, total, and tokens_per_second."""
    outcome: Literal["answered", "quoted", "declined"] | None = None
    """Of a grounded answer: phrased by the model, shown as quotations, or not in the documents."""
    confidence: float | None = None


Event = Started | Retrieved | Delta | Cited | Unsupported | Finished | Completed

# --------------------------------------------------------------------------- protocols


class ChatModel(Protocol):
    """A model that answers. Yields `Delta`, `Finished` for each choice, and one `Completed`.

    It may have an attribute `small` (bool): too weak for long instructions and sources. A small model is shown
    examples and the best evidence alone.
    """

    name: str
    context_length: int

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        """Stream the answer. Closing the iterator cancels the work. Raises `ModelError` and `BadRequest`."""
        ...

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        """Stream the continuation of a prompt, as `chat` does."""
        ...


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    name: str
    dimension: int
    max_tokens: int

    async def embed(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors, float32, shape (len(texts), dimension). A text over `max_tokens` is cut."""
        ...

    def count_tokens(self, text: str) -> int:
        """The exact number of tokens of `text`, uncut, without the special tokens."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span `(start, end)` of every token of `text`, uncut."""
        ...


class Models(Protocol):
    """The models that this server can reach, by name or alias."""

    def chat_model(self, name: str) -> ChatModel:
        """Raises `ModelNotFound`, naming the nearest known model."""
        ...

    def embedder(self, name: str) -> Embedder: ...
