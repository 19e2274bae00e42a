"""haiku.rag on LanceDB, as its documentation says: what `peer.py` measures, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from peer_systems import DEEP, K, Row, Search, Vectors

TOKENIZER = Path(__file__).parents[1] / "src" / "guru" / "models" / "local" / "minilm" / "tokenizer.json"
"""What its chunker counts tokens with, as its own default is fetched from a hub."""
BATCH = 500
"""Documents of one import."""


class Haiku:
    """Its hybrid search, which fuses by rank. Documents are there when its own tidying, which indexes, has ended."""

    def __init__(self, vectors: Vectors) -> None:
        os.environ.setdefault("OPENAI_API_KEY", "unused")
        import logging

        import haiku.rag.store.engine as engine
        from haiku.rag.config.models import AppConfig
        from haiku.rag.embeddings import EmbedderWrapper

        class Looked(EmbedderWrapper):
            async def _embed_query(self, text: str) -> list[float]:
                return vectors([text])[0].tolist()

            async def _embed_documents(self, texts: list[str]) -> list[list[float]]:
                return vectors(texts).tolist()

        logging.disable(logging.WARNING)
        engine.get_embedder = lambda config=None: Looked(None, 384)
        self._embedder = Looked(None, 384)
        self._config = AppConfig()
        self._config.embeddings.model.provider, self._config.embeddings.model.vector_dim = "openai", 384
        self._config.processing.chunking_tokenizer = tokenizer_folder()
        self._loop = asyncio.new_event_loop()
        self._client: Any = None

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    def ingest(self, rows: list[Row], chunk_tokens: int | None) -> None:
        self._do(self._ingest(rows, chunk_tokens))

    async def _ingest(self, rows: list[Row], chunk_tokens: int | None) -> None:
        from haiku.rag.client import HaikuRAG

        if self._client is not None:
            await self._client.aclose()
        path = f"{tempfile.mkdtemp()}/haiku.lancedb"
        if chunk_tokens:
            self._config.processing.chunk_size = chunk_tokens
        async with HaikuRAG(path, config=self._config, create=True) as client:
            for start in range(0, len(rows), BATCH):
                batch = [await self._prepared(row, chunk_tokens) for row in rows[start : start + BATCH]]
                await client.import_documents(batch)
        self._client = HaikuRAG(path, config=self._config)
        await self._client.__aenter__()

    async def _prepared(self, row: Row, chunk_tokens: int | None) -> Any:
        from docling_core.types.doc.document import DoclingDocument
        from docling_core.types.doc.labels import DocItemLabel
        from haiku.rag.client import DocumentImport
        from haiku.rag.client.processing import chunk
        from haiku.rag.store.models.chunk import Chunk

        document = DoclingDocument(name=row["id"])
        for text in row["text"].split("\n\n") if chunk_tokens else [row["text"]]:
            if chunk_tokens and text.startswith("#"):
                document.add_heading(text.lstrip("# "))
            else:
                document.add_text(label=DocItemLabel.TEXT, text=text)
        whole = [Chunk(content=row["text"], order=0)]
        chunks = await chunk(self._config, document, embedder=self._embedder) if chunk_tokens else whole
        return DocumentImport(docling_document=document, chunks=chunks, uri=f"text:{row['id']}", title=row["id"])

    def searches(self) -> dict[str, Search]:
        return {f"hybrid, {depth} of each": self._searching(depth) for depth in (K, DEEP)}

    def _searching(self, depth: int) -> Search:
        def search(query: str) -> list[str]:
            found = self._do(self._client.search(query, limit=depth, search_type="hybrid"))
            return [hit.document_title for hit in found]

        return search


def tokenizer_folder() -> str:
    """A folder as its chunker reads one, without a hub."""
    folder = Path(tempfile.mkdtemp())
    (folder / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)
