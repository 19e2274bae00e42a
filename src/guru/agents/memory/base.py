"""What a memory is, and what others need of memory: a library that needs nothing of the loop, the road or a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from guru.config import MemorySettings
from guru.errors import Forbidden
from guru.store.scope import Scope
from guru.types import JSON, Message

Kind = Literal["summary", "user", "episode", "fact"]
"""`summary`: of the part of a conversation that a model is not shown any more (short-term); `user`: about the person;
`episode`: a past run; `fact`: anything else that holds."""
LASTING: Final[tuple[Kind, ...]] = ("user", "episode", "fact")
"""Kinds that are recalled. A summary is shown with its own conversation alone."""
Outcome = Literal["added", "merged", "replaced"]
PERSON: Final = "person"
"""Who made a memory, where it was the person by hand; else `rules`, `tool` or the name of a model."""
RULES: Final = "rules"
TOOL: Final = "tool"


class Source(Struct, frozen=True, kw_only=True):
    """Where a memory comes from. `[start, end)` are the characters of the message that are `quote`."""

    conversation: str | None = None
    message: str | None = None
    start: int | None = None
    end: int | None = None
    quote: str | None = None
    run: str | None = None


NOWHERE: Final = Source()


class Memory(Struct, kw_only=True):
    """One thing that is remembered of one person."""

    id: str
    kind: Kind
    text: str
    importance: float
    """0 to 1."""
    attribute: str | None = None
    """What it is about, where that is known, as `user: home`: a newer one about the same replaces it."""
    by: str = PERSON
    source: Source = NOWHERE
    repeats: int = 0
    """How often the same was said again, and became one with it."""
    created_at: datetime
    updated_at: datetime
    used_at: datetime
    """When it was last recalled, or made: what recency counts from."""
    superseded_at: datetime | None = None
    superseded_by: str | None = None
    """The id of the memory that contradicts it, and stands in its place."""


class Scores(Struct, frozen=True, kw_only=True):
    """Why a memory was recalled: each from 0 to 1, `total` their weighted mean."""

    relevance: float
    recency: float
    importance: float
    total: float


class Recalled(Struct, kw_only=True):
    """A memory that was found, and why."""

    memory: Memory
    scores: Scores
    why: str
    """The scores in words."""


class Remembered(Struct, kw_only=True):
    """What came of something to remember."""

    memory: Memory
    outcome: Outcome
    replaced: list[Memory] = []
    """What it contradicts: kept as superseded."""
    pruned: int = 0
    """Others that had to go, because the person has as many as one may have."""


class Said(Struct, frozen=True, kw_only=True):
    """A message that the person wrote: the only place that memories about them come from."""

    text: str
    conversation: str | None = None
    message: str | None = None


class Episode(Struct, frozen=True, kw_only=True):
    """A run that is over."""

    asked: str
    done: Sequence[str]
    """Its steps in short, such as the names of the tools that were called: no result of a tool."""
    ended: Literal["answered", "failed", "stopped"]
    note: str | None = None
    run: str | None = None


class Writer(Protocol):
    """A model that writes on demand: finds what to remember, and summarises."""

    @property
    def name(self) -> str: ...

    @property
    def small(self) -> bool:
        """Too weak to be asked: rules and the conversation's own sentences do better."""
        ...

    async def write(self, instruction: str, text: str, max_tokens: int, schema: JSON | None = None) -> str:
        """The model's answer; JSON that holds to `schema` where there is one. Raises `ModelError`s."""
        ...


class PersonalMemory(Protocol):
    """What an agent's loop and the road need of memory. Every call is within one person's own."""

    settings: MemorySettings

    async def recall(self, scope: Scope, text: str, *, k: int | None = None) -> list[Recalled]:
        """What is remembered and matters to `text`, the best first."""
        ...

    async def remember(
        self, scope: Scope, text: str, *, kind: Kind = "fact", by: str = PERSON, source: Source = NOWHERE,
        importance: float | None = None,
    ) -> Remembered:  # fmt: skip
        """Keep something. Raises `BadRequest` for what is empty or too long."""
        ...

    async def learn(self, scope: Scope, said: Said, *, writer: Writer | None = None) -> list[Remembered]:
        """Keep what a person's own message says that is worth it."""
        ...

    async def close_run(self, scope: Scope, episode: Episode) -> Remembered:
        """Keep what came of a run."""
        ...

    async def window(
        self, scope: Scope, messages: Sequence[Message], budget: int, *, conversation: str | None = None,
        writer: Writer | None = None,
    ) -> list[Message]:  # fmt: skip
        """The messages in at most about `budget` tokens: the older ones as a running summary."""
        ...


def person_of(scope: Scope) -> str:
    """Whose memories a scope reaches: one person's, whatever else they may see. Raises `Forbidden` for everybody's."""
    if not scope.owners:
        raise Forbidden("Memories are of one person.", hint="Ask as a person: with a key or a session.")
    return scope.owners[0]


Vector = Any
"""A unit vector of numpy's, float32."""
