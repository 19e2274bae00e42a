"""What a chunk is, and what cuts documents into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from guru.knowledge.sentences import Span

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument

TokenOffsets = Callable[[str], Sequence[Span]]
"""The character span of every token of a text."""


class Chunk(Struct, kw_only=True):
    """A passage: `text[start:end]` of its document."""

    ordinal: int
    start: int
    end: int
    page: int | None
    """Of its first character."""
    heading_path: list[str]
    """Titles of the headings that its first words below a heading stand under, the outermost first."""
    tokens: int
    sentences: list[Span]
    """Offsets in the document; together they hold every character that is not white space."""
    parent: Span | None = None
    """What is read when this is found, where that is more than the chunk itself."""
    header: Span | None = None
    """The row that names the columns, where the chunk begins within a table."""


class Strategy(Protocol):
    """A way to cut documents."""

    def split(self, document: ParsedDocument) -> list[Chunk]:
        """The chunks of `document`, in order. They cover everything in it but white space, each has at most as many
        tokens as was asked for, and no row of a table that fits is cut.

        Blocks. What a reader should know of how it went is added to `document.warnings`.
        """
        ...
