"""What the road needs of its steps. Each is a package of its own beside this file, built in `guru.server.app`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from guru.config import Deployment
from guru.gateway.identity import Caller
from guru.observe.spans import CallRecord
from guru.protocols import ChatModel
from guru.store.scope import Scope
from guru.tasks import EmbeddingModel, SearchModels
from guru.types import JSON, ChatRequest, Event, Hit, SearchMode, SearchOptions, TextRequest, Usage

Result = TypeVar("Result")
Attempt = Callable[[ChatModel, Deployment], ChatModel]
"""Puts the span around the model of one deployment."""
Request = ChatRequest | TextRequest
PREVIEW = 160
"""Characters of a request that lists of traces show."""


class Router(Protocol):
    """Chooses deployments, retries, falls back."""

    def model(self, name: str, request: Request, caller: Caller, attempt: Attempt) -> ChatModel:
        """Raises `ModelNotFound`."""
        ...

    async def call(self, name: str, caller: Caller, work: Callable[[str], Awaitable[Result]]) -> Result:
        """`work("provider/model")` with the same care, for tasks that are no chat."""
        ...


class Reservation(Protocol):
    """What a request may use, held until it is known what it used."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def settle(self, tokens: int, cost: float) -> None: ...


class Limiter(Protocol):
    async def admit(self, caller: Caller, model: str, tokens: int, cost: float) -> Reservation:
        """Raises `RateLimited`, which says when to come again."""
        ...

    def allow(self, caller: Caller, model: str) -> None:
        """For a model that is asked within a request that was let in. Raises `Forbidden`."""
        ...


async def admit(
    limiter: Limiter | None, caller: Caller, model: str, tokens: int, cost: float | None
) -> Reservation | None:
    """What the limits say, in the headers of the answer too."""
    if limiter is None:
        return None
    reservation = await limiter.admit(caller, model, tokens, cost or 0.0)
    caller.headers.update(reservation.headers)
    return reservation


def settle(reservation: Reservation | None, calls: Sequence[CallRecord]) -> None:
    """Give back what was reserved too much, or take the rest."""
    if reservation is not None:
        tokens, cost = 0, 0.0
        for call in calls:
            tokens += call.prompt_tokens + call.completion_tokens
            cost += call.cost or 0.0
        reservation.settle(tokens, cost)


class Memory(Protocol):
    """What is remembered of the person who asks."""

    room: int
    """Tokens that memories take in a prompt at most."""

    def wanted(self, request: Request, caller: Caller) -> bool:
        """Whether a request uses memory."""
        ...

    async def prepare(self, request: ChatRequest, caller: Caller) -> tuple[ChatRequest, JSON]:
        """The request with what is remembered, after what its newest message says was kept; and a note of both."""
        ...

    def answered(self, request: ChatRequest, caller: Caller) -> None:
        """Once there is an answer: what takes long is done now, beside everything else."""
        ...


class Prices(Protocol):
    def cost(self, model: str, usage: Usage, at: float | None = None, tier: str | None = None) -> float | None:
        """US dollars; None where the price is not known. `tier` is the provider's, such as `flex`."""
        ...

    def estimate(self, model: str, prompt_tokens: int, completion_tokens: int) -> float | None: ...


class Cache(Protocol):
    def model(self, inner: ChatModel, caller: Caller, mode: str | None) -> ChatModel:
        """`inner`, behind answers that were given before. `mode` is the alias's; None is the configuration's."""
        ...

    def embedding_model(self, inner: EmbeddingModel, caller: Caller, mode: str | None = None) -> EmbeddingModel:
        """The same for vectors."""
        ...


class PromptMarks(Protocol):
    def model(self, inner: ChatModel) -> ChatModel:
        """`inner`, which is sent marks for its provider's prompt cache."""
        ...


class Context(Protocol):
    def model(
        self,
        inner: ChatModel,
        name: str,
        larger: Callable[[str], ChatModel],
        tenant: str,
        *,
        tokens: int | None = None,
        record: Callable[[str, Any], None],
    ) -> ChatModel:
        """`inner`, with what the alias `name` says of prompts that are too long; `larger` finds a model by name.

        What is kept for later prompts is kept apart for each `tenant`. `record` is told what was done to the prompt,
        for the trace.

        `tokens` are the prompt's, estimated, where they are known and the prompt stays as it is.
        """
        ...


class Tokens(Protocol):
    """Counts tokens without asking the provider."""

    def interrupted(self, model: str, request: Request, answer: str) -> Usage:
        """What is billed of an answer that ended early: the prompt, and `answer`, which is what came of it."""
        ...

    def estimate(self, request: Request) -> tuple[int, int]:
        """Tokens of the prompt and of the answer, quickly: what a limit reserves."""
        ...


class Passages(Protocol):
    """What a search found. Only the hits matter to the road; the answerer may know more."""

    @property
    def hits(self) -> list[Hit]: ...

    @property
    def queries(self) -> list[str]:
        """What was searched for besides the query."""
        ...

    @property
    def notes(self) -> list[str]:
        """What a model should have done on the way and has not."""
        ...


class Knowledge(Protocol):
    """What the road needs of the knowledge base."""

    async def retrieve(
        self,
        scope: Scope,
        collection: str,
        query: str,
        *,
        k: int | None = None,
        mode: SearchMode = "hybrid",
        filter: JSON | None = None,
        options: SearchOptions,
        models: SearchModels | None = None,
        to_read: bool = True,
    ) -> Passages: ...


class Answerer(Protocol):
    """Answers from passages: streams text, citations, and what no passage stands for."""

    async def search_query(self, request: ChatRequest, models: SearchModels) -> tuple[str, str | None]:
        """What to search for, and a note on what has failed. Raises `InvalidParameter` when nothing is asked."""
        ...

    def answer(
        self, request: ChatRequest, retrieval: Any, model: ChatModel, record: Callable[[str, Any], None] | None = None
    ) -> AsyncIterator[Event]:
        """`record` is told what was decided on the way, for the trace."""
        ...
