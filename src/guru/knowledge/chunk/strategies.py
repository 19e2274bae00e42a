"""The strategies by name, and what can be chosen of each."""

from __future__ import annotations

from typing import Final, get_args

import msgspec
from msgspec import Struct

from guru.config.base import Chunking
from guru.config.knowledge import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.chunk.base import Strategy, TokenOffsets
from guru.knowledge.chunk.code import CodeChunker, recipe
from guru.knowledge.chunk.fixed import FixedChunker
from guru.knowledge.chunk.heading import HeadingChunker
from guru.knowledge.chunk.hierarchical import HierarchicalChunker
from guru.knowledge.chunk.recursive import RecursiveChunker
from guru.knowledge.chunk.semantic import Embed, SemanticChunker
from guru.knowledge.chunk.sentence import SentenceChunker
from guru.types import JSON

STRATEGIES: Final[tuple[Chunking, ...]] = get_args(Chunking)


class ChunkOptions(Struct, kw_only=True, frozen=True):
    """How documents are cut; the fields are called as in `[knowledge]`."""

    chunking: Chunking = "recursive"
    chunk_tokens: int = 200
    chunk_overlap: int = 40
    parent_tokens: int = 800
    semantic_percentile: float = 90.0

    @classmethod
    def of(cls, settings: KnowledgeSettings, own: JSON, *, most: int | None = None) -> ChunkOptions:
        """The configuration's, but for what a collection says of its `own`. A chunk has at most `most` tokens, as many
        as its embedding model reads."""
        chosen = {name: getattr(settings, name) for name in cls.__struct_fields__}
        chosen |= {name: value for name, value in own.items() if name in chosen}
        found = msgspec.convert(chosen, cls)
        if most is not None and found.chunk_tokens > most:
            found = msgspec.structs.replace(found, chunk_tokens=most)
        return found

    @property
    def recipe(self) -> str:
        """Changes with all that changes the chunks."""
        parts = [self.chunking, str(self.chunk_tokens), str(self.chunk_overlap)]
        if self.chunking == "hierarchical":
            parts.append(str(self.parent_tokens))
        elif self.chunking == "semantic":
            parts.append(f"{self.semantic_percentile:g}")
        elif self.chunking == "code":
            parts.append(recipe())
        return ":".join(parts)


def make_chunker(options: ChunkOptions, token_offsets: TokenOffsets, embed: Embed) -> Strategy:
    """The strategy that `options` name. `embed` is for the semantic one; it is called from the thread that cuts."""
    sizes = (token_offsets, options.chunk_tokens, options.chunk_overlap)
    match options.chunking:
        case "fixed":
            return FixedChunker(*sizes)
        case "sentence":
            return SentenceChunker(*sizes)
        case "recursive":
            return RecursiveChunker(*sizes)
        case "heading":
            return HeadingChunker(*sizes)
        case "semantic":
            return SemanticChunker(*sizes, embed, options.semantic_percentile)
        case "code":
            return CodeChunker(*sizes)
        case "hierarchical":
            return HierarchicalChunker(*sizes, options.parent_tokens)


def check_options(own: JSON, most: int) -> None:
    """Raises `InvalidParameter` where a chunk would have more than the `most` tokens that the embedding model reads."""
    tokens = own.get("chunk_tokens")
    if tokens is not None and tokens > most:
        raise InvalidParameter(
            f"`chunk_tokens` is {tokens}; the embedding model reads {most} tokens.",
            param="chunk_tokens",
            hint=f'Choose at most {most}. For more to read around what is found: chunking = "hierarchical".',
        )
