"""What measuring needs: documents to search, a road to ask, a check of sentences. The server hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from guru.types import JSON, ChatRequest, Event, Hit, SearchMode

Span = tuple[int, int]
Ask = Callable[[ChatRequest], Awaitable[list[Event]]]
"""Ask a model through the road, as whoever began the evaluation. Raises what the road raises."""


class Source(Struct, frozen=True, kw_only=True):
    """A document of a collection."""

    id: str
    name: str
    title: str | None = None
    pages: dict[int, Span] = {}
    """The span of each page in the stored text."""


class Passage(Struct, frozen=True, kw_only=True):
    """A chunk of a document: `text` is `[start, end)` of its stored text."""

    start: int
    end: int
    text: str
    heading_path: list[str] = []


class Verdict(Struct, frozen=True, kw_only=True):
    """A sentence of an answer, and whether the quotes that it cites support it."""

    text: str
    supported: bool


class Corpus(Protocol):
    """The collections of one tenant."""

    async def check(self, tenant: str, collection: str) -> None:
        """Raises `NotFound` where there is no such collection."""
        ...

    async def search(
        self, tenant: str, collection: str, query: str, *, k: int, mode: SearchMode, filter: JSON | None = None
    ) -> Sequence[Hit]:
        """The best passages, best first. Raises `NotFound` and `Conflict`."""
        ...

    async def sources(self, tenant: str, collection: str) -> Sequence[Source]:
        """All documents, by name, without their pages. Raises `NotFound`."""
        ...

    async def pages(self, tenant: str, document_id: str) -> dict[int, Span]:
        """Where each page of a document stands in its text."""
        ...

    async def text(self, tenant: str, document_id: str, start: int = 0, end: int | None = None) -> str:
        """The stored text, or a part of it. Raises `NotFound`."""
        ...

    async def passages(self, tenant: str, document_id: str) -> Sequence[Passage]:
        """The chunks of a document, in order."""
        ...

    @property
    def chunk_tokens(self) -> int:
        """The size of a chunk, by the configuration."""
        ...

    async def cut(self, tenant: str, collection: str, copy: str, chunk_tokens: int) -> None:
        """Make a copy of a collection with chunks of another size, or go on with it. Raises `InvalidParameter`."""
        ...

    async def drop(self, tenant: str, copy: str) -> None:
        """Remove a copy, if it is there."""
        ...

    def sentences(self, text: str) -> list[Span]:
        """Where the sentences of a text stand."""
        ...


class Support(Protocol):
    async def __call__(self, question: str, answer: str, quotes: dict[int, str]) -> Sequence[Verdict]:
        """Every sentence of an answer that states something, checked against the quotes that its markers `[n]` name."""
        ...


class Vectors(Protocol):
    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Unit vectors of texts."""
        ...
