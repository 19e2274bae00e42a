"""Other systems, driven as their own documentation says, on the texts, questions and vectors that Guru had.

    PYTHON peers.py NAME WORK_DIR          (NAME: llamaindex, txtai; PYTHON: of an environment with that system)

WORK_DIR holds `corpus.jsonl` (`id`, `text`), `queries.jsonl` (`id`, `text`, `gold`), `texts.json` and `vectors.npy`.
Prints one line of JSON: ranks and seconds for every query of the modes, and the seconds that ingest took without
embedding, which is a look-up here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
Search = Callable[[str], list[str]]


class Vectors:
    """Gives the vector of every text, and counts the seconds."""

    def __init__(self, folder: Path) -> None:
        texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        self._vectors = dict(zip(map(str.strip, texts), np.load(folder / "vectors.npy"), strict=True))
        self.seconds = 0.0

    def __call__(self, texts: Iterable[str]) -> Any:
        began = time.perf_counter()
        found = np.stack([self._vectors[text.strip()] for text in texts])
        self.seconds += time.perf_counter() - began
        return found


def llamaindex(vectors: Vectors, corpus: list[dict[str, str]]) -> dict[str, Search]:
    """Vector index, and the fusion of it with its BM25 retriever by reciprocal rank."""
    from llama_index.core import Document, Settings, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.retrievers.bm25 import BM25Retriever

    class Embedding(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return vectors([query])[0].tolist()

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return vectors([text])[0].tolist()

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return vectors(texts).tolist()

    Settings.embed_model, Settings.llm = Embedding(), MockLLM()
    documents = [
        Document(text=row["text"], metadata={"id": row["id"]}, excluded_embed_metadata_keys=["id"]) for row in corpus
    ]
    # Large enough that no paragraph is cut: everybody ranks the same passages.
    index = VectorStoreIndex.from_documents(documents, transformations=[SentenceSplitter(chunk_size=4096)])
    dense = index.as_retriever(similarity_top_k=10)
    sparse = BM25Retriever.from_defaults(nodes=list(index.docstore.docs.values()), similarity_top_k=10)
    fused = QueryFusionRetriever(
        [dense, sparse], similarity_top_k=10, num_queries=1, mode="reciprocal_rerank", use_async=False
    )

    def searching(retriever: Any) -> Search:
        return lambda query: [node.metadata["id"] for node in retriever.retrieve(query)]

    return {"sparse": searching(sparse), "dense": searching(dense), "hybrid": searching(fused)}


def txtai(vectors: Vectors, corpus: list[dict[str, str]]) -> dict[str, Search]:
    """A hybrid index: normalised BM25 and vectors, weighed half and half, as is its default."""
    from txtai import Embeddings

    def transform(texts: list[str]) -> Any:  # it insists on a function
        return vectors(texts)

    index = Embeddings(method="external", transform=transform, content=True, hybrid=True)
    index.index([(row["id"], row["text"], None) for row in corpus])

    def searching(**weights: Any) -> Search:
        return lambda query: [row["id"] for row in index.search(query, 10, **weights)]

    return {"sparse": searching(weights=0.0), "dense": searching(weights=1.0), "hybrid": searching()}


PEERS = {"llamaindex": llamaindex, "txtai": txtai}


def main(name: str, folder: Path) -> None:
    corpus, queries = (
        [json.loads(line) for line in (folder / file).read_text(encoding="utf-8").splitlines()]
        for file in ("corpus.jsonl", "queries.jsonl")
    )
    vectors = Vectors(folder)
    os.chdir(tempfile.mkdtemp())
    PEERS[name](vectors, corpus[:2])  # imports, and what is loaded on first use
    vectors.seconds, began = 0.0, time.perf_counter()
    modes = PEERS[name](vectors, corpus)
    ingest = time.perf_counter() - began - vectors.seconds
    result: dict[str, Any] = {"ingest_seconds": ingest, "modes": {}}
    for mode, search in modes.items():
        ranks, seconds = [], []
        for query in queries:
            vectors.seconds, began = 0.0, time.perf_counter()
            found = list(dict.fromkeys(search(query["text"])))[:10]
            seconds.append(time.perf_counter() - began - vectors.seconds)
            ranks.append(found.index(query["gold"]) + 1 if query["gold"] in found else 0)
        result["modes"][mode] = {"ranks": ranks, "seconds": seconds}
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
