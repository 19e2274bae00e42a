"""The search core at size: ingest, memory, cold and warm searches, filters, recall, a refresh after a change.

    python benchmarks/scale.py [--chunks N ...] [--store URL] [--folder DIR]

Passages are made up: words as often as in any language (Zipf), vectors of 384 dimensions in clusters, ten passages a
document, four sentences a passage. They come in as rows through the writer of ingest, so that nothing is parsed,
cut or embedded; searches are whole ones but for the embedding of the query. With `--store` the rows are in PostgreSQL,
in an empty database, and are searched there where it has pgvector. The result is `results/scale.json` and
`results/scale.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from bench import RESULTS, TENANT, held_bytes, percentiles
from sqlalchemy import Connection, select, text

from guru.config import KnowledgeSettings, StoreSettings
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.documents import allowed_documents
from guru.knowledge.filters import compile_filter
from guru.knowledge.index.base import Narrowing
from guru.knowledge.index.own import open_index, read_index_status
from guru.knowledge.index.postgresql.index import PostgreSQLIndex
from guru.knowledge.parse.sandbox import ParsePool
from guru.knowledge.rows import PackedSentences, pack_fine, read_fine, split_fine, unpack_vectors
from guru.knowledge.terms import count_terms, hash_term, term_type, terms
from guru.knowledge.writer import DocumentWriter
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.store.tables import chunks
from guru.types import JSON, SearchMode

DIMENSION: Final = 384
CLUSTERS: Final = 2000
VOCABULARY: Final = 200_000
COMMON: Final = 100
"""The most frequent words, which queries leave out as they do stop words."""
WORDS, SENTENCES, PASSAGES = 100, 4, 10
"""Of a passage; of a passage; of a document."""
BATCH: Final = 100
"""Documents that are written at once."""
QUERIES: Final = 300
FILTERS: Final[dict[str, JSON | None]] = {
    "all": None,
    "1 %": {"metadata.share": 0},
    "10 %": {"metadata.share": {"lt": 10}},
}
SCOPE: Final = Scope(TENANT)


class Made:
    """Passages and queries that are the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.words = self._make_words()
        self.hashes = np.array([hash_term(terms(word)[0]) for word in self.words], np.uint64)
        chance = 1 / np.arange(2, VOCABULARY + 2)
        self.cumulated = np.cumsum(chance / chance.sum())
        self.centres = self._units(self.random.standard_normal((CLUSTERS, DIMENSION)))
        texts = [self.random.choice(self._draw(WORDS * 3), 6, replace=False) for _ in range(QUERIES)]
        self.queries = [
            " ".join(self.words[number] for number in text.tolist() if number >= COMMON) or self.words[5000]
            for text in texts
        ]
        self.query_vectors = self._near(self.random.integers(0, CLUSTERS, QUERIES))

    def document(self, number: int, tenant: str, collection_id: str, digest: str) -> tuple[Any, Any]:
        """The rows of a document, as the writer takes them, and its vectors before they are rounded."""
        drawn = self._draw(PASSAGES * WORDS).reshape(PASSAGES, WORDS)
        vectors = self._near(np.full(PASSAGES, self.random.integers(CLUSTERS)))
        packed = [split_fine(vector) for vector in pack_fine(vectors)]
        in_sentences = pack_fine(self._near(np.full(SENTENCES, self.random.integers(CLUSTERS))))
        document_id, offset, texts, rows = new_id("doc"), 0, [], []
        for place in range(PASSAGES):
            text, spans, sentence_terms = self._passage(drawn[place], offset)
            sentences = PackedSentences(spans, sentence_terms, in_sentences)
            rows.append(
                {
                    "tenant": tenant, "collection_id": collection_id, "document_id": document_id, "ordinal": place,
                    "page": 1, "start": offset, "end": offset + len(text), "tokens": WORDS, "heading_path": [],
                    "text": text, "terms": self._terms(drawn[place]), "vector": packed[place][0],
                    "vector_residual": packed[place][1], **sentences.blobs(range(SENTENCES)),
                }
            )  # fmt: skip
            texts.append(text)
            offset += len(text) + 1
        document: dict[str, Any] = {
            "id": document_id, "tenant": tenant, "collection_id": collection_id, "name": f"document-{number}.txt",
            "content_hash": digest, "recipe": "made", "source": None, "bytes": offset, "media_type": "text/plain",
            "title": None, "author": None, "language": "en", "created": None, "modified": None, "page_spans": [],
            "headings": [],
            "embedding_model": "made", "metadata": {"share": number % 100}, "warnings": [],
            "chunks": PASSAGES, "ingested_at": 0.0,
        }  # fmt: skip
        text_row = {"document_id": document_id, "tenant": tenant, "text": "\n".join(texts)}
        return (document, text_row, rows), vectors

    def check(self) -> None:
        """Terms are made here from tables, because a million passages are many: they are those that ingest makes."""
        drawn = self._draw(WORDS)
        text, *_ = self._passage(drawn, 0)
        made = np.frombuffer(self._terms(drawn), term_type())
        assert sorted(made.tolist()) == sorted(count_terms(text, "", "en").tolist())

    def _make_words(self) -> list[str]:
        """Of four syllables, each with a stem of its own."""
        seen: dict[str, str] = {}
        while len(seen) < VOCABULARY:
            consonants = self.random.choice(list("bcdfgklmnprst"), (8192, 4)).tolist()
            vowels = self.random.choice(list("aiou"), (8192, 4)).tolist()
            for row in zip(consonants, vowels, strict=True):
                word = "".join(first + second for first, second in zip(*row, strict=True))
                seen.setdefault(terms(word)[0], word)
        return list(seen.values())[:VOCABULARY]

    def _draw(self, count: int) -> Any:
        return self.cumulated.searchsorted(self.random.random(count)).clip(max=VOCABULARY - 1)

    def _near(self, clusters: Any) -> Any:
        noise = self.random.standard_normal((len(clusters), DIMENSION)) * (0.9 / DIMENSION**0.5)
        return self._units(self.centres[clusters] + noise)

    def _units(self, vectors: Any) -> Any:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def _passage(self, drawn: Any, offset: int) -> tuple[str, list[tuple[int, int]], list[list[int]]]:
        spans, found, said, start = [], [], [], offset
        for part in np.split(drawn, SENTENCES):
            sentence = " ".join(self.words[number] for number in part.tolist()) + "."
            spans.append((start, start + len(sentence)))
            start += len(sentence) + 1
            said.append(sentence)
            found.append(self.hashes[part].tolist())
        return " ".join(said), spans, found

    def _terms(self, drawn: Any) -> bytes:
        numbers, counts = np.unique(drawn, return_counts=True)
        entries = np.zeros(len(numbers), term_type())
        entries["term"], entries["body"] = self.hashes[numbers], counts
        return entries.tobytes()


class Given:
    """An embedder that knows the queries."""

    name, revision, dimension, max_tokens = "made", "", DIMENSION, 512

    def __init__(self, made: Made) -> None:
        self.vectors = dict(zip(made.queries, made.query_vectors, strict=True))

    async def embed(self, texts: Sequence[str]) -> Any:
        return np.stack([self.vectors[text] for text in texts])

    async def embed_queries(self, texts: Sequence[str]) -> Any:
        return await self.embed(texts)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        raise TypeError("nothing is cut")


class Truth:
    """The ten nearest of all vectors as they were before they were rounded, for every query and filter."""

    def __init__(self, queries: Any) -> None:
        self.queries = queries
        self.scores = {name: np.full((len(queries), 10), -np.inf, np.float32) for name in FILTERS}
        self.places = {name: np.full((len(queries), 10), -1) for name in FILTERS}

    def add(self, first: int, vectors: Any) -> None:
        """Passages from number `first` on."""
        scores = self.queries @ vectors.T
        numbers = np.arange(first, first + len(vectors))
        share = numbers // PASSAGES % 100
        for name, below in (("all", 100), ("1 %", 1), ("10 %", 10)):
            inside = share < below
            both = np.hstack([self.scores[name], scores[:, inside]])
            places = np.hstack([self.places[name], np.tile(numbers[inside], (len(scores), 1))])
            order = np.argsort(-both, axis=1)[:, :10]
            self.scores[name] = np.take_along_axis(both, order, 1)
            self.places[name] = np.take_along_axis(places, order, 1)


async def fill(writer: DocumentWriter, made: Made, collection_id: str, digest: str, size: int, truth: Truth) -> float:
    """Seconds that the writer took."""
    seconds, number = 0.0, 0
    while number * PASSAGES < size:
        batch, vectors, first = [], [], number * PASSAGES
        for _ in range(min(BATCH, -(-(size - first) // PASSAGES))):
            rows, floats = made.document(number, TENANT, collection_id, digest)
            batch.append(rows)
            vectors.append(floats)
            number += 1
        truth.add(first, np.concatenate(vectors))
        began = time.perf_counter()
        await writer.replace(batch)
        seconds += time.perf_counter() - began
    return seconds


async def measure(made: Made, size: int, folder: Path, url: str | None) -> dict[str, Any]:
    database = Database(url) if url else Database.in_home(folder)
    blobs, parser, process = BlobStore(folder), ParsePool(), psutil.Process()
    await database.open()
    stored = StoreSettings(url=url)
    index = await open_index(database, stored)
    knowledge = KnowledgeBase(
        database, blobs, Given(made), parser, KnowledgeSettings(), jobs=Jobs(database), index=index
    )
    try:
        collection = await knowledge.collections.create(TENANT, f"made-{size}")
        digest = await asyncio.to_thread(blobs.put, b"made")
        writer = DocumentWriter(database, blobs, collection.id, SCOPE)
        truth = Truth(made.query_vectors)
        seconds = await fill(writer, made, collection.id, digest, size, truth)
        _, disk = await database.read(database.dialect.describe)
        result: dict[str, Any] = {"rows_per_second": round(size / seconds), "disk_mb": round(disk / 1e6)}
        server = await PostgreSQLServer.of(database) if url else None
        if server and isinstance(index, PostgreSQLIndex):
            began = server.cpu_seconds()
            result["indexing_seconds"] = round(await timed(index.keeper.work), 1)
            result["indexing_cpu_seconds"] = round(server.cpu_seconds() - began, 1)
        began = time.process_time()
        result["cold_seconds"] = round(await timed(lambda: search(knowledge, made, size, 0)), 2)
        result["cold_cpu_seconds"] = round(time.process_time() - began, 2)
        _, snapshot = await database.read(
            lambda connection: knowledge.index.snapshot(connection, SCOPE, f"made-{size}")
        )
        gc.collect()
        memory = process.memory_info()
        in_database = (await read_index_status(database, index, stored)).bytes
        result["index_mb"] = round((in_database or held_bytes(snapshot)) / 1e6)
        result["memory_mb"] = round((memory.rss - memory.shared) / 1e6)
        del snapshot
        result["search"] = await searches(knowledge, made, size, server)
        if server:
            result["server_mb"] = round(server.memory() / 1e6)
            _, disk = await database.read(database.dialect.describe)
            result["disk_mb"] = round(disk / 1e6)
        result["recall"] = await recall(knowledge, made, size, truth, database)
        result["refresh_ms"] = await refreshes(knowledge, made, writer, collection.id, digest, size)
        return result
    finally:
        await knowledge.index.aclose()
        await parser.aclose()
        await database.close()


async def search(knowledge: KnowledgeBase, made: Made, size: int, number: int, **options: Any) -> Any:
    return await knowledge.search(SCOPE, f"made-{size}", made.queries[number], **options)


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    modes: tuple[SearchMode, ...] = ("dense", "sparse", "hybrid")
    for mode in modes:
        yield mode, {"mode": mode}
    for name, condition in FILTERS.items():
        if condition:
            yield f"hybrid, {name}", {"filter": condition}


class PostgreSQLServer:
    """The processes of a PostgreSQL on this machine."""

    @staticmethod
    async def of(database: Database) -> PostgreSQLServer | None:
        """None for one that is elsewhere."""
        number = await database.read(lambda connection: connection.scalar(text("SELECT pg_backend_pid()")))
        if not psutil.pid_exists(number) or "postgres" not in psutil.Process(number).name():
            return None
        return PostgreSQLServer(psutil.Process(number).parents()[0])

    def __init__(self, first: psutil.Process) -> None:
        self.first = first

    def memory(self) -> int:
        """Bytes, what they share counted once."""
        return sum(one.memory_full_info().pss for one in (self.first, *self.first.children()))

    def cpu_seconds(self) -> float:
        """Also of processes that have ended."""
        mine = self.first.cpu_times()
        times = [one.cpu_times() for one in self.first.children()]
        return float(mine.children_user + mine.children_system + sum(one.user + one.system for one in times))


async def searches(knowledge: KnowledgeBase, made: Made, size: int, server: PostgreSQLServer | None) -> dict[str, Any]:
    """Of every kind: milliseconds, also of the processor alone, as other work on the machine does not change these. Of
    PostgreSQL's processes it is the mean of a search."""
    found = {}
    for name, options in cases():
        first = await timed(partial(search, knowledge, made, size, 0, **options))
        seconds, spent = [], []
        before = server.cpu_seconds() if server else 0.0
        for number in range(QUERIES):
            work = partial(search, knowledge, made, size, number, **options)
            began = time.process_time()
            seconds.append(await timed(work))
            spent.append(time.process_time() - began)
        found[name] = {**percentiles(seconds), "cpu": percentiles(spent), "first_ms": round(first * 1000, 1)}
        if server:
            found[name]["server_cpu_ms"] = round((server.cpu_seconds() - before) * 1000 / QUERIES, 1)
    return found


async def recall(knowledge: KnowledgeBase, made: Made, size: int, truth: Truth, database: Database) -> dict[str, Any]:
    """Share of the ten nearest passages that the dense side finds: of the vectors as they are stored, and as they were
    before they were rounded to bytes."""

    def look(connection: Connection) -> dict[str, Any]:
        row, _ = knowledge.index.snapshot(connection, SCOPE, f"made-{size}")
        mine = chunks.c.collection_id == row.id
        ids = np.array(connection.scalars(select(chunks.c.id).where(mine).order_by(chunks.c.id)).all())
        result = {}
        for name, condition in FILTERS.items():
            _, snapshot = knowledge.index.snapshot(connection, SCOPE, f"made-{size}")
            allowed = None
            if condition and not (isinstance(snapshot, Narrowing) and snapshot.narrow(condition)):
                allowed = allowed_documents(connection, SCOPE, row.id, compile_filter(condition))
            found = [snapshot.dense(vector, 10, allowed=allowed) for vector in made.query_vectors]
            stored = nearest_stored(connection, row.id, ids, name, made.query_vectors)
            result[name] = {
                "stored": share_of(found, [ids[places] for places in stored]),
                "original": share_of(found, [ids[places] for places in truth.places[name]]),
            }
        return result

    return await database.read(look)


def nearest_stored(connection: Connection, collection_id: str, ids: Any, name: str, queries: Any) -> Any:
    """The places of the ten nearest vectors as they are stored, by floats, for every query."""
    again, first = Truth(queries), 0
    columns = (chunks.c.vector, chunks.c.vector_residual)
    query = select(*columns).where(chunks.c.collection_id == collection_id).order_by(chunks.c.id)
    for rows in connection.execute(query, execution_options={"yield_per": 10_000}).partitions():
        again.add(first, unpack_vectors(read_fine(*zip(*rows, strict=True))))
        first += len(rows)
    assert first == len(ids)
    return again.places[name]


def share_of(found: Sequence[Any], right: Sequence[Any]) -> float:
    return round(float(np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(found, right, strict=True)])), 4)


async def refreshes(
    knowledge: KnowledgeBase, made: Made, writer: DocumentWriter, collection_id: str, digest: str, size: int
) -> list[float]:
    """Milliseconds of the first search after one document is replaced, five times."""
    found = []
    for number in range(5):
        rows, _ = made.document(number, TENANT, collection_id, digest)
        await writer.replace([rows])
        found.append(round(await timed(lambda: search(knowledge, made, size, 1)) * 1000, 1))
    return found


async def run(sizes: Sequence[int], folder: Path | None, url: str | None) -> dict[str, Any]:
    result = {}
    for size in sizes:
        made = Made()
        made.check()
        with tempfile.TemporaryDirectory(dir=folder) as home:
            result[str(size)] = await measure(made, size, Path(home), url)
        print(json.dumps({size: result[str(size)]}), flush=True)
    return result


def table(result: dict[str, Any]) -> str:
    lines = [
        "| chunks | ingest, rows/s | disk MB | index MB | process MB | first search s (CPU) | after a change ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, found in result.items():
        names = ("rows_per_second", "disk_mb", "index_mb", "memory_mb")
        cells = [f"{found[name]:,}" for name in names]
        cells.append(f"{found['cold_seconds']} ({found['cold_cpu_seconds']})")
        lines.append(f"| {' | '.join([f'{int(size):,}', *cells, str(sorted(found['refresh_ms'])[2])])} |")
    for size, found in result.items():
        if "server_mb" in found:
            lines += ["", f"{int(size):,} chunks: indexing took {found['indexing_seconds']} s"]
            lines[-1] += f" ({found['indexing_cpu_seconds']} of the CPU); PostgreSQL has {found['server_mb']:,} MB."
    lines += ["", "| p50 / p99 ms (p99 of the CPU alone) | " + " | ".join(f"{int(size):,}" for size in result) + " |"]
    lines.append("|---" * (len(result) + 1) + "|")
    for name, _ in cases():
        times = [found["search"][name] for found in result.values()]
        cells = [f"{one['p50_ms']} / {one['p99_ms']} ({one['cpu']['p99_ms']})" for one in times]
        cells = [
            f"{cell}, server's CPU {one['server_cpu_ms']}" if "server_cpu_ms" in one else cell
            for cell, one in zip(cells, times, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| recall@10, of vectors as stored / before rounding | "]
    lines[-1] += " | ".join(f"{int(size):,}" for size in result) + " |"
    lines.append("|---" * (len(result) + 1) + "|")
    for name in FILTERS:
        cells = [
            f"{found['recall'][name]['stored']} / {found['recall'][name]['original']}" for found in result.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--store", help="the URL of an empty PostgreSQL database")
    parser.add_argument("--folder", type=Path, help="where the temporary homes are made")
    arguments = parser.parse_args()
    result = asyncio.run(run(arguments.chunks, arguments.folder, arguments.store))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(result, indent=2))
    (RESULTS / "scale.md").write_text(table(result))
    print(table(result))
