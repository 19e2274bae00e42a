"""The protocols that features meet through: models as their users see them, and the prompts of the library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from guru.types import JSON, ChatRequest, Event, RenderedPrompt, TextRequest

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ChatModel(Protocol):
    """A model that answers. Yields `Delta`, `Finished` for each choice, and one `Completed`.

    It may have an attribute `small` (bool): too weak for long instructions and sources. A small model is shown
    examples and the best evidence alone.
    """

    @property
    def name(self) -> str:
        """`provider/model`."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens, prompt and answer together."""
        ...

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        """Stream the answer. Closing the iterator cancels the work. Raises `ModelError` and `BadRequest`."""
        ...

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        """Stream the continuation of a prompt, as `chat` does."""
        ...


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    name: str
    revision: str
    """Of the weights, where they may change under the same name and the change is known; "" where it is not."""
    dimension: int
    """0 for a model of a provider that has not answered yet."""
    max_tokens: int

    async def embed(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors, float32, shape (len(texts), dimension). A text over `max_tokens` is cut."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[Any]:
        """As `embed`, for texts that are searched for: some models read questions differently."""
        ...

    def count_tokens(self, text: str) -> int:
        """The exact number of tokens of `text`, uncut, without the special tokens."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span `(start, end)` of every token of `text`, uncut."""
        ...


class AnswerSpan(Struct):
    """`[start, end)` of a passage, in characters, may be the answer."""

    start: int
    end: int
    chance: float
    """0 to 1, if the passage has the answer at all."""


class Reading(Struct, kw_only=True):
    """What a passage says to a question."""

    relevance: float
    """0 to 1: how well it fits the question beside other passages."""
    here: float
    """0 to 1: whether it answers the question."""
    spans: list[AnswerSpan]
    """The likeliest answers, the best first; empty only for a passage without a word."""


class Reader(Protocol):
    """A model that reads a question and a passage together."""

    name: str

    async def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """One reading for each passage, in their order."""
        ...


class Models(Protocol):
    """The models that this server can reach, by name or alias."""

    def chat_model(self, name: str) -> ChatModel:
        """Raises `ModelNotFound`, naming the nearest known model."""
        ...

    def embedder(self, name: str) -> Embedder:
        """A model that embeds on this machine. Raises `ModelNotFound` and `InvalidParameter`."""
        ...

    def resolve(self, name: str) -> str:
        """The full name behind an alias or a short name. Raises `ModelNotFound`."""
        ...

    def is_remote(self, name: str) -> bool:
        """Whether a provider runs the model of this full name."""
        ...

    def reader(self) -> Reader | None:
        """The model that reads questions and passages together, where there is one."""
        ...


class Prompts(Protocol):
    """The prompts of one organisation."""

    async def render(self, reference: str, variables: JSON | None = None) -> RenderedPrompt:
        """The prompt that a reference names (`name`, `name@prod`, `name@3`), filled in.

        Raises `NotFound`, and `InvalidParameter` with `variables.NAME` in `param` for what is missing or wrong.
        """
        ...


class PromptLibrary(Protocol):
    """The prompts of all of them."""

    def of(self, tenant: str) -> Prompts: ...
