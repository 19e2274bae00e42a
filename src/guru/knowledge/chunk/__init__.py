"""From a document to passages. One file for each strategy; `strategies.py` knows them by name."""

from guru.knowledge.chunk.base import Chunk, Strategy, TokenOffsets
from guru.knowledge.chunk.recursive import RecursiveChunker
from guru.knowledge.chunk.strategies import STRATEGIES, ChunkOptions, check_options, make_chunker

Chunker = RecursiveChunker
"""The default one."""

__all__ = [
    "STRATEGIES",
    "Chunk",
    "ChunkOptions",
    "Chunker",
    "RecursiveChunker",
    "Strategy",
    "TokenOffsets",
    "check_options",
    "make_chunker",
]
