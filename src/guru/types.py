"""The shapes that cross the boundaries between packages; the protocols that they meet through are in `protocols.py`.

The canonical request is the OpenAI chat shape. A field that Guru does not know travels in `extra` and reaches
the model, which carries it or refuses it: nothing is dropped in silence. Every answer is a stream of `Event`s;
a non-streaming answer is the same stream, collected.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

JSON = dict[str, Any]
SearchMode = Literal["hybrid", "dense", "sparse"]
Fusion = Literal["learned", "rrf", "weighted"]
Distance = Literal["cosine", "dot", "euclidean", "manhattan"]
Rewriting = Literal["multi-query", "hyde", "step-back", "decomposition"]
Strategy = Literal["direct", "map_reduce"]

# --------------------------------------------------------------------------- messages


class TextPart(Struct, tag_field="type", tag="text", omit_defaults=True, forbid_unknown_fields=True):
    text: str
    cache_control: JSON | None = None
    """Where a provider's prompt cache may end a prefix, as Anthropic writes it: `{"type": "ephemeral"}`."""


class ImageUrl(Struct, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class ImagePart(Struct, tag_field="type", tag="image_url", omit_defaults=True, forbid_unknown_fields=True):
    image_url: ImageUrl
    cache_control: JSON | None = None


class AudioPart(Struct, tag_field="type", tag="input_audio", forbid_unknown_fields=True):
    input_audio: JSON


class FilePart(Struct, tag_field="type", tag="file", omit_defaults=True, forbid_unknown_fields=True):
    file: JSON
    """`filename` and `file_data` (a data URL), or `file_id`, as OpenAI has them; `file_url` is an address."""
    cache_control: JSON | None = None


class RefusalPart(Struct, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    refusal: str


class NativePart(Struct, tag_field="type", tag="native", omit_defaults=True):
    """A block that only one provider knows, such as the result of a search that it ran, in that provider's shape."""

    format: Literal["anthropic"]
    """Whose shape it is. A model that speaks another one is shown `text`, or refuses the part where there is none."""
    part: JSON
    text: str | None = None


Part = TextPart | ImagePart | AudioPart | FilePart | RefusalPart | NativePart
Role = Literal["system", "developer", "user", "assistant", "tool"]


class FunctionCall(Struct, forbid_unknown_fields=True):
    name: str
    arguments: str
    """JSON text, as the model wrote it."""


class ToolCall(Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall
    cache_control: JSON | UnsetType = UNSET


class FunctionDefinition(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: JSON | None = None
    """A JSON schema."""
    strict: bool | None = None


class Tool(Struct, tag_field="type", tag="function", omit_defaults=True, forbid_unknown_fields=True):
    function: FunctionDefinition
    cache_control: JSON | None = None


class NativeTool(Struct):
    """A tool that a provider runs itself, such as web search, in that provider's own shape."""

    format: Literal["openai", "responses", "anthropic", "gemini", "cohere"]
    """Whose shape it is. A model that speaks another one refuses it."""
    tool: JSON


class Message(Struct, omit_defaults=True, forbid_unknown_fields=True):
    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    is_error: bool | None = None
    """Of a tool's result: the call failed. A provider without the notion is sent the content alone."""
    refusal: str | None = None
    reasoning_content: str | None = None
    """What an assistant thought, in plain text."""
    thinking_blocks: list[JSON] | None = None
    """The same as the provider signed it: `{"type": "thinking", "thinking", "signature"}` or `redacted_thinking`
    with `data`. Sent back unchanged to the provider that wrote them; others are not shown them."""
    extra: JSON = {}
    """Members that Guru does not know, such as Mistral's `prefix`: for a model that speaks OpenAI's format. Others
    refuse them."""

    @property
    def text(self) -> str:
        """The text of the message, without images, audio and files."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or () if isinstance(part, TextPart))


# --------------------------------------------------------------------------- requests


RERANK_OFF = "off"
"""A rerank model that is none."""
RERANK_TOP = 30
"""Passages that a model reads that reorders them, where nothing else is said."""
SIDE_WEIGHT = 0.5
"""Of each side of a search, where nothing else is said."""


class SearchOptions(Struct, omit_defaults=True, kw_only=True):
    """How a search ranks, beside its mode. What is left out is the default."""

    fusion: Fusion | None = None
    """How the scores of the stages become one: `learned` is a logistic model over all of them, fitted to cosines;
    `rrf` fuses the ranks of the dense and the sparse side, `weighted` their scaled scores. None: as
    `[knowledge] fusion` says."""
    rrf_k: Annotated[int, Meta(ge=1, le=10_000)] = 60
    """Of `rrf`: the greater, the less the first ranks count above the others."""
    dense_weight: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Of the dense side, in `rrf` and `weighted`. None: as `[knowledge] dense_weight` says."""
    sparse_weight: Annotated[float, Meta(ge=0, le=1)] | None = None
    distance: Distance = "cosine"
    """Of the dense side. `euclidean` and `manhattan` need `rrf` or `weighted`."""
    diversity: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """How much a passage loses that says what one above it says (maximal marginal relevance); 0: nothing."""
    rerank: str | None = None
    """The model that reorders the best passages, `off`, or as `[knowledge] rerank` says."""
    rerank_top: Annotated[int, Meta(ge=1, le=200)] | None = None
    """How many of them it reads. None: as `[knowledge] rerank_top` says."""
    rerank_weight: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Its share in their order; the rest is that of the search, whose fusion must be `learned`. None: as
    `[knowledge] rerank_weight` says, or else what suits the model, a half for the local one."""
    queries: list[Rewriting] = field(default_factory=list)
    """Queries that a model makes of the question, to search for besides: each takes a call of it."""

    @property
    def reranks(self) -> bool:
        """Whether a model reorders what is found."""
        return self.rerank not in (None, RERANK_OFF)

    @property
    def is_learned(self) -> bool:
        return self.fusion in (None, "learned")

    @property
    def weights(self) -> dict[str, float]:
        """Of the sides, in `rrf` and `weighted`."""
        sides = {"dense": self.dense_weight, "sparse": self.sparse_weight}
        return {name: SIDE_WEIGHT if weight is None else weight for name, weight in sides.items()}

    @property
    def depth(self) -> int:
        """How many passages a model reads that reorders them."""
        return self.rerank_top or RERANK_TOP


def search_options(source: SearchOptions) -> dict[str, Any]:
    """The options of something that has more, to make another such thing of."""
    return {name: getattr(source, name) for name in SearchOptions.__struct_fields__}


class Grounding(SearchOptions, omit_defaults=True, forbid_unknown_fields=True):
    """The `"guru"` member of a chat request: begin with a prompt of the library, answer from a collection with
    citations, use memory."""

    collection: str = ""
    """Empty: the answer is not from documents."""
    memory: bool | None = None
    """Use what is remembered of the person who asks, and remember what they say. None: as the configuration says."""
    k: int | None = None
    """How many passages to retrieve; the collection's default when None."""
    mode: SearchMode | None = None
    filter: JSON | None = None
    threshold: float | None = None
    """Confidence (0 to 1) under which the answer is "not in the documents"."""
    strategy: Strategy = "direct"
    """`map_reduce`: ask every document in which something is found, and put what they answer together."""
    prompt: str | None = None
    """A prompt of the library: `name`, `name@prod` or `name@3`. Its messages come before those of the request."""
    variables: JSON = {}
    """What is filled into it."""

    def __post_init__(self) -> None:
        if self.variables and self.prompt is None:
            raise ValueError("`variables` are those of a `prompt`, which is missing")


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
    stream: bool = False
    """Whether the caller streams. A provider is asked the same way; the events are the same either way."""
    extra: JSON = {}
    """Fields that Guru does not know, for the model to carry or refuse."""


class ChatRequest(Sampling, kw_only=True):
    model: str
    messages: list[Message]
    tools: list[Tool] = []
    native_tools: list[NativeTool] = []
    tool_choice: str | JSON | None = None
    parallel_tool_calls: bool | None = None
    response_format: JSON | None = None
    reasoning_effort: str | None = None
    """none, minimal, low, medium, high ..., as OpenAI names them."""
    thinking: JSON | None = None
    """Anthropic's form of the same: `{"type": "enabled", "budget_tokens": 1024}` or another type."""
    metadata: JSON | None = None
    betas: list[str] = []
    """What the caller opts in to with `anthropic-beta`. It says nothing to the models of other providers."""
    guru: Grounding | None = None


class TextRequest(Sampling, kw_only=True):
    """A text completion (`/v1/completions`): one prompt, continued."""

    model: str
    prompt: str | list[int]
    suffix: str | None = None
    echo: bool = False


class SelfConsistency(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Ask several times, and keep the answer that most of them give (Wang et al. 2022, arXiv:2203.11171)."""

    samples: Annotated[int, Meta(ge=2, le=20)] = 5
    temperature: Annotated[float, Meta(gt=0, le=2)] = 0.7
    """Where neither the request nor the prompt says one: without chance all samples are the same."""
    marker: str = "Answer:"
    """What stands before the part of an answer that is voted on: after its last one, to the end of the line. An answer
    without it is voted on as a whole, and one in JSON as what it means."""


class RenderedPrompt(Struct, kw_only=True):
    """A version of a prompt of the library, with its variables filled in: ready to be sent to a model."""

    name: str
    version: int
    label: str | None = None
    """The label by which it was asked for."""
    messages: list[Message]
    response_format: JSON | None = None
    """Of its output schema, as OpenAI writes it."""
    model: str | None = None
    """The model that it is meant for: a hint."""
    sampling: JSON = {}
    """Members of `Sampling` by their names: for what a request leaves open."""
    self_consistency: SelfConsistency | None = None

    @property
    def id(self) -> str:
        """`name@3`."""
        return f"{self.name}@{self.version}"


# --------------------------------------------------------------------------- events


class Usage(Struct, omit_defaults=False):
    """Token counts as the model bills them."""

    prompt_tokens: int = 0
    """All of the prompt, with what was read from and written to the provider's cache."""
    completion_tokens: int = 0
    """All that was generated, with the reasoning."""
    cached_tokens: int = 0
    """Of the prompt, read from the provider's cache."""
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    """Of the prompt, written to the provider's cache."""
    cache_write_1h_tokens: int = 0
    """Of those, the ones kept for an hour, where the provider charges more for it."""
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    image_prompt_tokens: int = 0
    image_completion_tokens: int = 0
    searches: int = 0
    """Web searches and the like that the provider ran and bills by number."""
    estimated: bool = False
    """Counted here, because the provider did not say: the answer was interrupted, or it never does."""

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
    header: str | None = None
    """The row that names the columns, where the passage begins within a table."""
    parent: tuple[int, int] | None = None
    """What is read in its place by who answers, where that is more."""
    pages: list[tuple[int, int]] = []
    """Where pages begin within it, and their numbers, in order; empty where only `page` is known."""

    def page_at(self, offset: int) -> int | None:
        """The page that the character at `offset` stands on."""
        return next((number for start, number in reversed(self.pages) if start <= offset), self.page)


class CitedAnswer(Struct, frozen=True):
    """The words of a quote that answer the question, as a reader sees it: `[start, end)` of the document."""

    start: int
    end: int
    text: str


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
    answer: CitedAnswer | None = None


CacheStatus = Literal["miss", "exact", "semantic", "stale", "off"]


class Started(Struct, tag="started", omit_defaults=True):
    """Who answers. A second one before the first `Delta` corrects the first: another deployment took over."""

    model: str
    """The model that answers, as `provider/model`."""
    trace_id: str = ""
    cache: CacheStatus = "miss"
    """Where the answer comes from; `stale` is an old answer shown because every deployment failed."""
    variant: str | None = None
    """The label of the deployment, in a release."""


class Retrieved(Struct, tag="retrieved"):
    hits: list[Hit]


class Delta(Struct, tag="delta", omit_defaults=True, kw_only=True):
    """A piece of choice `index`: text, reasoning, or parts of tool calls."""

    index: int = 0
    text: str = ""
    reasoning: str = ""
    thinking_block: JSON | None = None
    """A finished block of signed thinking (see `Message.thinking_blocks`); its text came before, as `reasoning`."""
    refusal: str = ""
    extra: JSON = {}
    """Members of the answer that have no place here, such as `annotations`: a door of the same format repeats them."""
    tool_calls: list[ToolCallDelta] = []
    logprobs: list[TokenLogprob] | None = None


_beyond_text = attrgetter("reasoning", "thinking_block", "refusal", "extra", "tool_calls", "logprobs")
_NOTHING: tuple[object, ...] = ("", None, "", {}, [], None)


def is_text_alone(event: Delta) -> bool:
    """Whether a piece says nothing but its text."""
    return bool(_beyond_text(event) == _NOTHING)


class Cited(Struct, tag="cited"):
    """Citations verified since the last event of this kind; their markers stand in the text already sent."""

    citations: list[Citation]


class Unsupported(Struct, tag="unsupported"):
    """A sentence of the answer, already sent, for which no passage stands: offsets in the answer's text."""

    start: int
    end: int


class Position(Struct, kw_only=True, frozen=True):
    """What one source says, where sources disagree."""

    n: int
    """The number of its citation."""
    says: str
    """The words by which it differs from the others."""
    document: str
    date: str | None = None
    """ISO 8601: of when the document is, as far as its metadata, name or title say so."""


class Conflict(Struct, kw_only=True, frozen=True):
    """Sources that answer the question differently."""

    kind: Literal["value", "date", "name", "negation"]
    positions: list[Position]
    """The newest first, those without a date last."""


class Disputed(Struct, tag="disputed"):
    """Sources disagree on what was asked. The text already sent says so, and cites all of them."""

    conflicts: list[Conflict]


class Unread(Struct, frozen=True):
    """A document of which an answer over many documents knows nothing."""

    document: str
    reason: str


class Progress(Struct, tag="progress", kw_only=True):
    """How far an answer over many documents is. The last one of an answer tells what it rests on."""

    stage: Literal["map", "reduce"]
    done: int
    """Documents that have been read."""
    total: int
    """Documents in which something was found."""
    answered: int = 0
    """Of those read, the ones that say something to the question."""
    unread: list[Unread] = []
    """Documents that failed, and those beyond a limit."""


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Finished(Struct, tag="finished", omit_defaults=True):
    reason: FinishReason
    index: int = 0
    stop_sequence: str | None = None
    """The stop sequence that was met, where the provider says so."""
    native: str | None = None
    """The provider's own word for the reason."""


class Completed(Struct, tag="completed", kw_only=True):
    """The last event of every stream that did not fail."""

    model: str
    usage: Usage
    cost: float | None = 0.0
    """US dollars; None where no price is known."""
    timings: dict[str, float] = {}
    """Seconds: queue, first_token, total, and tokens_per_second."""
    outcome: Literal["answered", "quoted", "declined"] | None = None
    """Of a grounded answer: phrased by the model, shown as quotations, or not in the documents."""
    confidence: float | None = None
    extra: JSON = {}
    """Top-level members of the provider's answer that have no place here, such as `system_fingerprint`, `citations`."""


Event = Started | Retrieved | Progress | Delta | Cited | Unsupported | Disputed | Finished | Completed
