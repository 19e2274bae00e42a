"""LlamaIndex, Haystack, LangChain and txtai, each as its own documentation says: what `peer.py` measures.

A system is made with the function that gives vectors; it has `ingest`, which begins anew with the given texts, and
`searches`, from which each of its settings is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]
Search = Callable[[str], list[str]]
"""From a query to the ids of hits, the best first."""
Vectors = Callable[[Iterable[str]], Any]
"""From texts to their vectors, as an array."""
K = 10
DEEP = 50
"""Hits of each side that a fusion sees, where it sees more than it gives."""


class LlamaIndex:
    """Vector index and BM25 retriever (bm25s, with a stemmer), in each of its fusions."""

    def __init__(self, vectors: Vectors) -> None:
        from llama_index.core import Settings
        from llama_index.core.embeddings import BaseEmbedding
        from llama_index.core.llms import MockLLM

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

    def ingest(self, rows: list[Row], chunk_tokens: int | None) -> None:
        from llama_index.core import Document, VectorStoreIndex
        from llama_index.core.node_parser import SentenceSplitter

        documents = [
            Document(text=row["text"], metadata={"id": row["id"]}, excluded_embed_metadata_keys=["id"]) for row in rows
        ]
        # Large enough that no passage is cut: everybody ranks the same.
        splitter = SentenceSplitter(chunk_size=chunk_tokens or 4096, chunk_overlap=(chunk_tokens or 0) // 5)
        self._index = VectorStoreIndex.from_documents(documents, transformations=[splitter])
        self._bm25(K)

    def _bm25(self, k: int) -> Any:
        from llama_index.retrievers.bm25 import BM25Retriever

        return BM25Retriever.from_defaults(nodes=list(self._index.docstore.docs.values()), similarity_top_k=k)

    def searches(self) -> dict[str, Search]:
        from llama_index.core.retrievers import QueryFusionRetriever

        found = {}
        for depth in (K, DEEP):
            sides = [self._index.as_retriever(similarity_top_k=depth), self._bm25(depth)]
            for mode in ("reciprocal_rerank", "relative_score", "dist_based_score"):
                fused = QueryFusionRetriever(sides, similarity_top_k=K, num_queries=1, mode=mode, use_async=False)
                found[f"{mode}, {depth} of each"] = self._searching(fused)
        return found

    @staticmethod
    def _searching(retriever: Any) -> Search:
        return lambda query: [node.metadata["id"] for node in retriever.retrieve(query)]


class Haystack:
    """In-memory store, its BM25 and its embedding retriever, joined in both of the ways that rank."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def ingest(self, rows: list[Row], chunk_tokens: int | None) -> None:
        from haystack import Document
        from haystack.components.preprocessors import DocumentSplitter
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        documents = [Document(content=row["text"], meta={"id": row["id"]}) for row in rows]
        if chunk_tokens:
            words = chunk_tokens * 3 // 4
            splitter = DocumentSplitter(split_by="word", split_length=words, split_overlap=words // 5)
            documents = splitter.run(documents=documents)["documents"]
        for start in range(0, len(documents), 32):
            batch = documents[start : start + 32]
            for place, vector in enumerate(self._vectors([document.content for document in batch]), start):
                documents[place] = with_embedding(documents[place], vector.tolist())
        self._store = InMemoryDocumentStore(embedding_similarity_function="cosine", shared=False)
        self._store.write_documents(documents)

    def searches(self) -> dict[str, Search]:
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever

        found = {}
        for depth in (K, DEEP):
            sparse = InMemoryBM25Retriever(self._store, top_k=depth)
            dense = InMemoryEmbeddingRetriever(self._store, top_k=depth)
            for mode in ("reciprocal_rank_fusion", "distribution_based_rank_fusion"):
                joiner = DocumentJoiner(join_mode=mode, top_k=K)
                found[f"{mode}, {depth} of each"] = self._searching(sparse, dense, joiner)
        return found

    def _searching(self, sparse: Any, dense: Any, joiner: Any) -> Search:
        def search(query: str) -> list[str]:
            near = dense.run(query_embedding=self._vectors([query])[0].tolist())["documents"]
            sides = [near, sparse.run(query=query)["documents"]]
            return [document.meta["id"] for document in joiner.run(documents=sides)["documents"]]

        return search


def with_embedding(document: Any, vector: list[float]) -> Any:
    from dataclasses import replace

    return replace(document, embedding=vector)


class LangChain:
    """FAISS and BM25 in an ensemble, with words as BM25 splits them and in lower case."""

    def __init__(self, vectors: Vectors) -> None:
        import warnings

        warnings.simplefilter("ignore")
        from langchain_core.embeddings import Embeddings

        class Looked(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return vectors(texts).tolist()

            def embed_query(self, text: str) -> list[float]:
                return vectors([text])[0].tolist()

        self._embeddings = Looked()

    def ingest(self, rows: list[Row], chunk_tokens: int | None) -> None:
        from langchain_community.vectorstores import FAISS
        from langchain_core.documents import Document
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        documents = [Document(page_content=row["text"], metadata={"id": row["id"]}) for row in rows]
        if chunk_tokens:
            size = chunk_tokens * 4  # characters
            splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=size // 5)
            documents = splitter.split_documents(documents)
        self._documents = documents
        self._store = FAISS.from_documents(documents, self._embeddings)
        self._bm25(K, lower)

    def _bm25(self, k: int, words: Callable[[str], list[str]]) -> Any:
        from langchain_community.retrievers import BM25Retriever

        return BM25Retriever.from_documents(self._documents, k=k, preprocess_func=words)

    def searches(self) -> dict[str, Search]:
        from langchain_classic.retrievers import EnsembleRetriever

        found = {}
        for depth in (K, DEEP):
            dense = self._store.as_retriever(search_kwargs={"k": depth})
            for name, words in (("as it splits", str.split), ("lower case", lower)):
                ensemble = EnsembleRetriever(retrievers=[dense, self._bm25(depth, words)], weights=[0.5, 0.5])
                found[f"ensemble, {name}, {depth} of each"] = self._searching(ensemble)
        return found

    @staticmethod
    def _searching(retriever: Any) -> Search:
        return lambda query: [document.metadata["id"] for document in retriever.invoke(query)][:K]


def lower(text: str) -> list[str]:
    import re

    return re.findall(r"\w+", text.lower())


class Txtai:
    """A hybrid index: normalised BM25 and vectors, weighed half and half, as is its default."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def ingest(self, rows: list[Row], chunk_tokens: int | None) -> None:
        from txtai import Embeddings

        def transform(texts: list[str]) -> Any:  # it insists on a function
            return self._vectors(texts)

        self._index = Embeddings(method="external", transform=transform, content=True, hybrid=True)
        self._index.index([(row["id"], row["text"], None) for row in rows])

    def searches(self) -> dict[str, Search]:
        return {"hybrid": lambda query: [row["id"] for row in self._index.search(query, K)]}
