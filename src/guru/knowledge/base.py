"""The knowledge base: collections, documents, ingest and search behind one door."""

from __future__ import annotations

from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.knowledge.collections import Collections
from guru.knowledge.diversity import diversify
from guru.knowledge.documents import Documents, allowed_documents
from guru.knowledge.duplicates import Duplicates
from guru.knowledge.filters import compile_filter
from guru.knowledge.index import Views
from guru.knowledge.ingest import Ingest, Parser
from guru.knowledge.ranking import CANDIDATES, PLAIN, Found, check_options, rank
from guru.knowledge.search import Retrieval, read_hits
from guru.knowledge.similar import MoreLikeThis
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.types import JSON, Embedder, Hit, SearchMode, SearchOptions

MODES: tuple[SearchMode, ...] = ("hybrid", "dense", "sparse")
DEFAULT_K = 10
MAX_K = 1000


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
    ) -> None:
        self._database = database
        self.embedder = embedder
        self.views = Views(embedder.dimension)
        self.collections = Collections(database, blobs, embedder.name)
        self.documents = Documents(database, blobs)
        self.duplicates = Duplicates(database)
        self.similar = MoreLikeThis(database, self.views, embedder.name)
        self.ingest = Ingest(database, blobs, self.collections, embedder, parser=parser, settings=settings, jobs=jobs)

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

        Raises `NotFound`, `InvalidParameter`, and `Conflict` for a collection of another embedding model.
        """
        found = await self.retrieve(scope, collection, query, k=k, mode=mode, filter=filter, options=options)
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
    ) -> Retrieval:
        """As `search`, with the sentences of every hit and the query's vector.

        All of it is read in one transaction: a document that is replaced meanwhile is seen either as it was or as
        it is.
        """
        k = check_query(query, k, mode)
        check_options(options, mode)
        accepts = compile_filter(filter) if filter else None
        vector = (await self.embedder.embed([query]))[0]

        def look(connection: Connection) -> Retrieval:
            row, snapshot = self.views.snapshot(connection, scope, collection)
            self.collections.check_model(row, self.embedder.name)
            allowed = allowed_documents(connection, scope, row.id, accepts) if accepts else None
            pool = max(k, CANDIDATES) if options.diversity else k
            found, read = rank(connection, snapshot, query, vector, mode=mode, k=pool, allowed=allowed, options=options)
            found = diverse(found, k, options.diversity)
            hits, sentences = read_hits(connection, found, read)
            return Retrieval(scope=scope, query=query, vector=vector, hits=hits, sentences=sentences)

        return await self._database.read(look)


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
