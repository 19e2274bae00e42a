"""What measuring needs: documents to search, a road to ask, a check of sentences. The server hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from guru.config.base import Chunking
from guru.types import JSON, ChatRequest, Event, Hit, SearchMode, SearchOptions

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


class Cut(Struct, frozen=True, kw_only=True):
    """How the documents of a collection are cut; the fields are called as in `[knowledge]`."""

    chunking: Chunking
    chunk_tokens: int
    chunk_overlap: int
    parent_tokens: int | None
    """None where a chunk is read as it is found."""


class Found(Struct, frozen=True):
    """What a search found."""

    hits: Sequence[Hit]
    """The best first."""
    notes: Sequence[str] = ()
    """What a model should have done for it and has not."""
    seconds: float = 0.0


class Find(Protocol):
    """Search as whoever began the evaluation; models are asked through the road. Raises what the road raises."""

    async def __call__(
        self, collection: str, query: str, *,
        k: int, mode: SearchMode, filter: JSON | None = None, options: SearchOptions, to_read: bool = False,
    ) -> Found:  # fmt: skip
        """`options` that are left out are the configuration's. `to_read`: as an answer would be made of it, with
        parents in the place of the chunks that have some."""
        ...


class Corpus(Protocol):
    """The collections of one tenant."""

    async def check(self, tenant: str, collection: str) -> None:
        """Raises `NotFound` where there is no such collection."""
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

    async def cut_of(self, tenant: str, collection: str) -> tuple[Cut, list[str]]:
        """How a collection is cut, and which keys of that are its own, not the configuration's. Raises `NotFound`."""
        ...

    async def cut(self, tenant: str, collection: str, copy: str, cut: Cut) -> None:
        """Make a copy of a collection that is cut otherwise, or go on with it. Raises `InvalidParameter`."""
        ...

    async def collections(self, tenant: str) -> Sequence[str]:
        """The names of all collections of a tenant."""
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
