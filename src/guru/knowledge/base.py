"""The knowledge base: collections, documents, ingest and search behind one door."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import Connection, Row

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.around.around import Around
from guru.knowledge.collections import Collections
from guru.knowledge.deeper import DEPTH, with_fitting_rows
from guru.knowledge.diversity import diversify
from guru.knowledge.documents import Documents, allowed_documents
from guru.knowledge.duplicates import Duplicates
from guru.knowledge.embedders import Embedders, EmbedderSource, OneEmbedder
from guru.knowledge.embedding_cache import EmbeddingCache
from guru.knowledge.filling import Filling
from guru.knowledge.filters import compile_filter, fields_of
from guru.knowledge.index.base import Index, Narrowing, Wanted
from guru.knowledge.index.choice import Chosen, ChosenIndex
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.ingest import Ingest
from guru.knowledge.kept import Kept
from guru.knowledge.moving import Moving
from guru.knowledge.preview import Preview
from guru.knowledge.queries import Limits, Probe, expand
from guru.knowledge.query import Query
from guru.knowledge.query_vectors import QueryEmbedder, Vectors
from guru.knowledge.ranking import CANDIDATES, PLAIN, Asked, Found, chances, check_options, depth, rank
from guru.knowledge.reading import read_parents
from guru.knowledge.reembed import Reembedding
from guru.knowledge.rerank import rerank
from guru.knowledge.search import Retrieval, read_hits
from guru.knowledge.similar import MoreLikeThis
from guru.knowledge.web.fetcher import Fetcher
from guru.knowledge.workers import Cluster, Parser, WorkerSource
from guru.protocols import Embedder
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.tasks import SearchModels
from guru.types import JSON, Hit, SearchMode, SearchOptions

MODES: tuple[SearchMode, ...] = ("hybrid", "dense", "sparse")
DEFAULT_K = 10
MAX_K = 1000
CHILDREN = 4
"""Chunks that are looked at for each parent that is wanted."""


class KnowledgeBase:
    """Collections, documents, ingest and search of one database, for every tenant."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        embedder: Embedder,
        parser: Parser,
        settings: KnowledgeSettings,
        *,
        jobs: Jobs,
        fetcher: Fetcher | None = None,
        source: EmbedderSource | None = None,
        cluster: Cluster | None = None,
        index: Index | None = None,
    ) -> None:
        """`fetcher` gets web pages; without one they cannot be ingested. `source` has the embedding models of the
        collections, each of which may have another; without one, `embedder` is the only one. `cluster` opens workers
        on other machines. `index` is the database's own; without one, passages are held in memory."""
        self._database = database
        self._settings = settings
        self.embedder = embedder
        """Of new collections, as the server was started: it counts tokens."""
        self.embedders = Embedders(source or OneEmbedder(embedder))
        self.cache = EmbeddingCache(database, megabytes=settings.embedding_cache_mb, days=settings.embedding_cache_days)
        self.filling = Filling(database, self.embedders, self.cache)
        workers = WorkerSource(parser, cluster, settings.ray)
        self.reembedding = Reembedding(database, jobs, self.embedders, self.cache, settings=settings, workers=workers)
        self.index = ChosenIndex(database, settings, index or EmbeddedIndex())
        self.moving = Moving(database, self.index, jobs)
        self._asking = QueryEmbedder(database, self.embedders)
        self._allowed: Kept[frozenset[str]] = Kept(32)
        self.collections = Collections(database, blobs, lambda: self.embedders.default)
        self.documents = Documents(database, blobs)
        self.preview = Preview(self.documents, self.collections, self.embedders, parser, settings)
        self.duplicates = Duplicates(database)
        self.similar = MoreLikeThis(database, self.index)
        self.around = Around(database)
        self.ingest = Ingest(
            database, blobs, self.collections, embedder,
            workers=workers, settings=settings, jobs=jobs, filling=self.filling, fetcher=fetcher,
        )  # fmt: skip

    async def search(
        self,
        scope: Scope,
        collection: str,
        query: str,
        *,
        k: int | None = None,
        mode: SearchMode = "hybrid",
        filter: JSON | None = None,
        explain: bool = False,
        options: SearchOptions = PLAIN,
    ) -> list[Hit]:
        """The best `k` (10) passages for `query`, best first. `explain` keeps the scores of the stages.

        Raises `NotFound`, `InvalidParameter`, and `Conflict` for a collection whose embedding model is not available
        any more.
        """
        found = await self.retrieve(
            scope, collection, query, k=k, mode=mode, filter=filter, options=options, to_read=False
        )
        if not explain:
            for hit in found.hits:
                hit.stages = {}
        return found.hits

    async def retrieve(
        self,
        scope: Scope,
        collection: str,
        query: str,
        *,
        k: int | None = None,
        mode: SearchMode = "hybrid",
        filter: JSON | None = None,
        options: SearchOptions = PLAIN,
        models: SearchModels | None = None,
        to_read: bool = True,
    ) -> Retrieval:
        """As `search`, with the query's vector. Hits that are `to_read` have their sentences, and parents are in
        the place of the chunks that have some.

        All of it is read in one transaction: a document that is replaced meanwhile is seen either as it was or as
        it is. `models` are asked for what the options want of a model; where one fails, `notes` of the result say so.
        A model reranks chunks, and parents are put in their places after it.
        """
        usual = k is None
        k = check_query(query, k, mode)
        check_options(options, mode)
        accepts = compile_filter(filter) if filter else None
        probes, notes = await self._probes(query, options, models)
        texts = [query, *(probe.text for probe in probes)]
        reranks = options.reranks
        # Several chunks may have one parent.
        most = k * CHILDREN if to_read else k
        least = max(CANDIDATES if options.diversity else 0, options.depth if reranks else 0)

        async def search(vectors: Vectors) -> tuple[Retrieval, Found, Query, int]:
            modes = [mode, *("dense" if probe.meaning_only and mode == "hybrid" else mode for probe in probes)]
            asked = [Asked(*one) for one in zip(texts, vectors.vectors, modes, strict=True)]
            asking = Wanted(
                vectors=[one.vector for one in asked if one.mode != "sparse"],
                k=depth(max(most, least)), distance=options.distance, accepts=accepts,
            )  # fmt: skip
            ahead = await self.index.look_ahead(scope, collection, asking)
            return await self._database.read(lambda connection: look(connection, vectors, asked, ahead))

        def look(
            connection: Connection, vectors: Vectors, asked: list[Asked], ahead: Chosen
        ) -> tuple[Retrieval, Found, Query, int]:
            row, snapshot = self.index.snapshot(connection, scope, collection, ahead)
            vectors.check(connection, row)
            vector, besides = asked[0].vector, asked[1:]
            allowed = None
            if filter and not (isinstance(snapshot, Narrowing) and snapshot.narrow(filter)):
                allowed = self._allowed_by(connection, scope, row, filter)
            wanted = most if self._has_parents(row.settings) else k
            deeper = to_read and usual and not reranks and not self._has_parents(row.settings)
            found, read = rank(
                snapshot, query, vector, mode=mode,
                k=max(wanted, least, DEPTH if deeper else 0), allowed=allowed, options=options, besides=besides,
            )  # fmt: skip
            every, found = found, found.take(slice(max(wanted, least)))
            if not reranks:
                found = diverse(found, wanted, options.diversity)
            hits, sentences = read_hits(connection, found, read, to_read=to_read)
            if to_read and not reranks:
                hits, sentences = read_parents(connection, hits, sentences, read, k)
            queries = [probe.text for probe in probes]
            retrieval = Retrieval(
                scope=scope, query=query, vector=vector, hits=hits, sentences=sentences, queries=queries,
                notes=[*notes, *ahead.notes],
            )  # fmt: skip
            if deeper:
                retrieval = with_fitting_rows(connection, retrieval, every, read)
            return retrieval, found, read, wanted

        retrieval, found, read, wanted = await self._asking.embedded(scope.tenant, collection, texts, search)
        if not reranks:
            return retrieval
        retrieval = await self._reranked(retrieval, found, wanted, options, models)
        return await self._with_parents(retrieval, read, k) if to_read else retrieval

    def _allowed_by(self, connection: Connection, scope: Scope, collection: Row[Any], filter: JSON) -> frozenset[str]:
        """The documents that a filter leaves to somebody. The same until the collection changes."""
        key = (scope, collection.id, collection.generation, msgspec.json.encode(filter, order="deterministic"))
        accepts, fields = compile_filter(filter), fields_of(filter)
        return self._allowed.get(key, lambda: allowed_documents(connection, scope, collection.id, accepts, fields))

    def _has_parents(self, own: JSON) -> bool:
        """Whether the chunks of a collection with these settings of its own have some."""
        return bool(own.get("chunking", self._settings.chunking) == "hierarchical")

    async def _with_parents(self, retrieval: Retrieval, query: Query, k: int) -> Retrieval:
        hits, sentences = await self._database.read(
            lambda connection: read_parents(connection, retrieval.hits, retrieval.sentences, query, k)
        )
        return structs.replace(retrieval, hits=hits, sentences=sentences)

    async def _probes(
        self, query: str, options: SearchOptions, models: SearchModels | None
    ) -> tuple[list[Probe], list[str]]:
        """What a model makes of the query, and notes on what has failed."""
        if not options.queries:
            return [], []
        limits = Limits(self._settings.query_tokens, self._settings.query_seconds)
        return await expand(query, options.queries, need(models, "queries"), limits)

    async def _reranked(
        self, retrieval: Retrieval, found: Found, k: int, options: SearchOptions, models: SearchModels | None
    ) -> Retrieval:
        """The best `k` as the reranker sees them, and then by what each adds to the others."""
        reranked = await rerank(
            need(models, "rerank"), str(options.rerank), retrieval.query, retrieval.hits,
            top=options.depth, seconds=self._settings.rerank_seconds,
            weight=options.rerank_weight, chances=chances(found, options),
        )  # fmt: skip
        for place, score in reranked.scores.items():
            hit = retrieval.hits[place]
            hit.stages |= {"fused": round(hit.score, 6), "rerank": round(reranked.own[place], 6)}
            hit.score = score
        order = reranked.order[:k]
        if options.diversity and order:
            again = found.take(reranked.order)
            places, values, repeats = diversify(again.dense, again.vectors, k, options.diversity)
            order = [reranked.order[place] for place in places.tolist()]
            for place, value, repeat in zip(order, values.tolist(), repeats.tolist(), strict=True):
                retrieval.hits[place].stages |= {"mmr": round(value, 6), "redundancy": round(repeat, 6)}
        return structs.replace(
            retrieval,
            hits=[structs.replace(retrieval.hits[place], rank=rank) for rank, place in enumerate(order, 1)],
            sentences=[retrieval.sentences[place] for place in order],
            notes=[*retrieval.notes, *([reranked.note] if reranked.note else [])],
        )


def need(models: SearchModels | None, option: str) -> SearchModels:
    """Raises `InvalidParameter` where there is nobody to ask."""
    if models is None:
        raise InvalidParameter(
            f"`{option}` needs a model, and this search has none to ask.", param=option, hint="Search over the server."
        )
    return models


def diverse(found: Found, k: int, diversity: float) -> Found:
    """The best `k` of what was found, chosen for what each adds to the others; with `diversity` 0 it is left alone."""
    if not diversity or not len(found.ids):
        return found
    order, values, repeats = diversify(found.dense, found.vectors, k, diversity)
    chosen = found.take(order)
    return structs.replace(chosen, more=chosen.more | {"mmr": values, "redundancy": repeats})


def check_query(query: Any, k: Any, mode: Any) -> int:
    """The number of hits wanted. Raises `InvalidParameter`."""
    if not isinstance(query, str) or not query.strip():
        raise InvalidParameter("The query is empty.", hint="Say what to look for.", param="query")
    if mode not in MODES:
        raise InvalidParameter(f"There is no search mode {mode!r}.", hint=f"Known: {', '.join(MODES)}.", param="mode")
    k = DEFAULT_K if k is None else k
    if not isinstance(k, int) or not 1 <= k <= MAX_K:
        raise InvalidParameter(f"k is {k!r}.", hint=f"It is a number from 1 to {MAX_K}.", param="k")
    return k
