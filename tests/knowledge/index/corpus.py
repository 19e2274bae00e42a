"""A collection whose passages are made up, and what is true of it by the definitions, passage by passage."""

from collections import Counter
from math import log

import numpy as np
from sqlalchemy import delete, insert, select

from guru.knowledge.access import write_list
from guru.knowledge.collections import touch
from guru.knowledge.index.base import Ahead
from guru.knowledge.rows import SENTENCE_COLUMNS, pack_fine, read_fine, split_fine, unpack_vectors
from guru.knowledge.sparse import BACKGROUND, HEADING_WEIGHT, K1, B
from guru.knowledge.terms import count_terms, hash_term, language_of, terms
from guru.store.scope import Scope
from guru.store.tables import chunks, collections, documents

DIMENSION = 8
ALL = Scope("t")
ANNA = Scope("t", ("user:anna",))


def units(count, seed):
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype("f4")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Passage:
    """What a test knows of a chunk without asking an index."""

    def __init__(self, document, text, heading, language, vectors, listed, sentences):
        self.document, self.listed, self.sentences = document, listed, sentences
        self.coarse, self.vector = vectors
        self.body, self.heading = Counter(terms(text, language)), Counter(terms(heading, language))

    def frequency(self, term):
        return self.body[term] + HEADING_WEIGHT * self.heading[term]


class Corpus:
    """Writes rows as ingest does, into any database, and remembers them."""

    def __init__(self, database, index):
        self.database, self.index = database, index
        self.made = 0

    async def collection(self, tenant="t", name="c"):
        row = {
            "id": f"{tenant}.{name}", "tenant": tenant, "name": name, "embedding_model": "m", "settings": {},
            "generation": 0, "created_at": 0.0, "updated_at": 0.0,
        }  # fmt: skip
        await self.database.write(lambda connection: connection.execute(insert(collections).values(row)))

    async def put(self, name, texts, *, language="en", heading="", access=(), tenant="t", collection="c", **fields):
        """Put a document in place of the one of the same name; every third is as an earlier version wrote it. `fields`
        are columns of its row."""
        self.made += 1
        stored = [split_fine(vector) for vector in pack_fine(units(len(texts), self.made))]
        if self.made % 3 == 0:
            stored = [(vector, None) for vector, _ in stored]
        document_id = f"doc{self.made}"

        def change(connection):
            mine = {"tenant": tenant, "collection_id": f"{tenant}.{collection}"}
            self._drop(connection, name, mine["collection_id"])
            document = {
                **mine, "id": document_id, "name": name, "content_hash": "", "recipe": "", "bytes": 0, "media_type": "",
                "chunks": len(texts), "ingested_at": 0.0, "language": language, **fields,
            }  # fmt: skip
            connection.execute(insert(documents).values(document))
            shared = {
                **mine, "document_id": document_id, "start": 0, "end": 1, "tokens": 1,
                "sentence_terms": name.encode(), "heading_path": [heading] if heading else [],
            }  # fmt: skip
            rows = [
                {
                    **shared, "ordinal": place, "text": text, "vector": stored[place][0],
                    "vector_residual": stored[place][1], "sentences": text.encode(),
                    "sentence_vectors": stored[place][0],
                    "terms": count_terms(text, heading, language_of(language)).tobytes(),
                }
                for place, text in enumerate(texts)
            ]  # fmt: skip
            connection.execute(insert(chunks), rows)
            write_list(connection, tenant, mine["collection_id"], document_id, access)
            touch(connection, mine["collection_id"])

        await self.database.write(change)
        return document_id

    async def drop(self, name, collection_id="t.c"):
        await self.database.write(lambda connection: self._drop(connection, name, collection_id))

    def _drop(self, connection, name, collection_id):
        mine = documents.c.collection_id == collection_id
        connection.execute(delete(documents).where(mine, documents.c.name == name))
        touch(connection, collection_id)

    async def truth(self, scope=ALL, collection="c"):
        """The passages that exist for a scope, by id."""
        return await self.database.read(lambda connection: read_truth(connection, scope, collection))

    async def look(self, use, scope=ALL, collection="c", wanted=None):
        """What `use` makes of the snapshot of a collection."""
        ahead = await self.index.look_ahead(scope, collection, wanted) if wanted else None
        self.notes = ahead.notes if isinstance(ahead, Ahead) else []
        return await self.database.read(
            lambda connection: use(self.index.snapshot(connection, scope, collection, ahead)[1])
        )


def read_truth(connection, scope, collection):
    from guru.knowledge.access import read_lists

    lists = read_lists(connection)
    mine = (documents.c.collection_id == f"{scope.tenant}.{collection}",)
    rows = connection.execute(select(chunks, documents.c.language).join_from(chunks, documents).where(*mine))
    found = {}
    for row in rows:
        listed = lists.get(row.document_id, [])
        if not listed or scope.names is None or set(listed) & set(scope.names):
            vectors = unpack_vectors(read_fine([row.vector] * 2, [None, row.vector_residual]))
            heading = " ".join(row.heading_path)
            sentences = [getattr(row, column) for column in SENTENCE_COLUMNS]
            found[row.id] = Passage(
                row.document_id, row.text, heading, language_of(row.language), vectors, listed, sentences
            )
    return found


def bm25(passages, words):
    """By id, as the formula says it. `words` are lists of stems, one for each language."""
    lengths = {number: sum(passage.body.values()) for number, passage in passages.items()}
    mean = sum(lengths.values()) / max(len(lengths), 1)
    scores = dict.fromkeys(passages, 0.0)
    for stems in words:
        for term in stems:
            having = sum(passage.frequency(term) > 0 for passage in passages.values())
            idf = log(1 + (len(passages) + BACKGROUND - having + 0.5) / (having + 0.5))
            for number, passage in passages.items():
                frequency = passage.frequency(term)
                norm = K1 * (1 - B + B * lengths[number] / max(mean, 1e-9))
                scores[number] += idf * frequency * (K1 + 1) / (frequency + norm) if frequency else 0.0
    return scores


def hashes(words):
    return [[hash_term(term) for term in stems] for stems in words]
