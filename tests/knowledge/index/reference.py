"""The two ways to be an index outside of memory, as short as they can be: what the conformance suite is held against.

`RowsIndex` scans the rows in the transaction. `AheadIndex` asks "another server" before it, which is always a change
behind, and has only ids and vectors.
"""

import numpy as np
from sqlalchemy import select

from guru.knowledge.collections import find_collection
from guru.knowledge.distance import nearness
from guru.knowledge.documents import allowed_documents
from guru.knowledge.index.stored import StoredSnapshot, read_fine_rows
from guru.knowledge.sparse import Statistics, read_postings
from guru.store.tables import chunks

NOTHING = np.zeros(0, np.int64)


class RowsSnapshot(StoredSnapshot):
    @property
    def rows(self):
        columns = (chunks.c.id, chunks.c.document_id, chunks.c.vector, chunks.c.terms)
        return self.connection.execute(self._mine(*columns).order_by(chunks.c.id)).all()

    @property
    def statistics(self):
        lengths = read_postings([row.terms for row in self.rows]).lengths if self.rows else NOTHING
        return Statistics(len(lengths), float(lengths.sum()) / max(len(lengths), 1))

    def frequencies(self, terms):
        postings = read_postings([row.terms for row in self.rows])
        return [len(postings.find(term)[0]) for term in terms]

    def dense(self, vector, k, *, allowed=None, distance="cosine"):
        return self.nearest(self.ids(allowed), vector, k, distance)

    def sparse(self, words, k, *, allowed=None):
        ids = self.ids(allowed)
        scores = self.bm25(ids, words)
        return np.sort(ids[np.argsort(-scores, kind="stable")][: min(k, int((scores > 0).sum()))])

    def ids(self, allowed, above=0):
        rows = [row for row in self.rows if allowed is None or row.document_id in allowed]
        return np.array([row.id for row in rows if row.id > above], np.int64)

    def nearest(self, ids, vector, k, distance):
        near = nearness(self.vectors(ids), vector, distance)
        return np.sort(ids[np.argsort(-near, kind="stable")[:k]])


class RowsIndex:
    def __init__(self, database):
        self.database = database

    async def look_ahead(self, scope, name, wanted):
        return None

    def snapshot(self, connection, scope, name, ahead=None):
        collection = find_collection(connection, scope.tenant, name)
        return collection, RowsSnapshot(connection, scope, collection)

    async def aclose(self):
        pass


class AheadSnapshot(RowsSnapshot):
    ahead = None

    def dense(self, vector, k, *, allowed=None, distance="cosine"):
        newest, answers = self.ahead
        ids = self.existing(answers[vector.tobytes()], allowed)
        return self.nearest(np.union1d(ids, self.ids(allowed, above=newest)), vector, k, distance)


class AheadIndex(RowsIndex):
    """Its "server" holds the vectors of each collection as they were before they were asked for last."""

    def __init__(self, database):
        super().__init__(database)
        self.server = {}

    async def look_ahead(self, scope, name, wanted):
        def read(connection):
            collection = find_collection(connection, scope.tenant, name)
            query = select(chunks.c.id, chunks.c.document_id, chunks.c.vector, chunks.c.vector_residual)
            rows = connection.execute(query.where(chunks.c.collection_id == collection.id).order_by(chunks.c.id)).all()
            seen = allowed_documents(connection, scope, collection.id, wanted.accepts or (lambda _: True))
            return collection.id, rows, seen

        collection_id, rows, seen = await self.database.read(read)
        held = self.server.get(collection_id, [])
        self.server[collection_id] = rows
        searched = [row for row in held if row.document_id in seen]
        ids, packed = np.array([row.id for row in searched], np.int64), read_fine_rows(searched)
        answers = {}
        for vector in wanted.vectors:
            # In the order of nearness and as many as it has: some may be gone, and `wanted.k` that are not are wanted.
            near = nearness(packed, vector, wanted.distance) if searched else ids
            answers[vector.tobytes()] = ids[np.argsort(-near, kind="stable")]
        return (held[-1].id if held else 0), answers

    def snapshot(self, connection, scope, name, ahead=None):
        collection = find_collection(connection, scope.tenant, name)
        snapshot = AheadSnapshot(connection, scope, collection)
        snapshot.ahead = ahead
        return collection, snapshot
