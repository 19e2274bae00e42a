"""Chunkers as an ingest makes them, with the real embedder."""

import asyncio

import pytest

from guru.knowledge.chunk import ChunkOptions, make_chunker


@pytest.fixture(scope="session")
def make(embedder):
    """A chunker by the name of its strategy."""

    def embed(texts):
        return asyncio.run(embedder.embed(texts))

    def make(strategy, tokens=50, overlap=10, **options):
        chosen = ChunkOptions(chunking=strategy, chunk_tokens=tokens, chunk_overlap=overlap, **options)
        return make_chunker(chosen, embedder.token_offsets, embed)

    return make
