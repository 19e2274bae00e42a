"""Ingest and search at size: documents and chunks per second, what is not embedding, time and memory at 10,000 chunks.

    python benchmarks/ingest.py DATA_DIR [--chunks N ...]

DATA_DIR holds `docs/*.md`, which are ingested as they are, and each paragraph as a file of its own with the vectors
known beforehand, so that only the work of the system is left. Searches at size are over copies of their passages under
other vectors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bench import RESULTS, TENANT, Bench, Embedder, held_bytes, open_bench, percentiles, read_questions
from retrieval import write_paragraphs
from sqlalchemy import Connection, insert, select

from guru.knowledge.collections import find_collection, touch
from guru.knowledge.rows import pack_fine, read_vectors, split_fine, unpack_vectors
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.store.tables import chunks, documents

QUERIES = 300
BATCH = 1000


async def real_ingest(data: Path, embedder: Embedder) -> dict[str, Any]:
    """The files as they are: new, then unchanged."""
    async with open_bench(embedder) as bench:
        first = await bench.ingest(data / "docs", "c")
        again = await bench.ingest(data / "docs", "c")
    rest = first["seconds"] - first["embedding_seconds"]
    return {
        "documents": first["documents"],
        "chunks": first["chunks"],
        "seconds": first["seconds"],
        "chunks_per_second": round(first["chunks"] / first["seconds"], 1),
        "share_not_embedding": round(rest / first["seconds"], 3),
        "unchanged_seconds": again["seconds"],
    }


async def paragraphs_without_embedding(data: Path, embedder: Embedder) -> float:
    """Paragraphs per second without embedding, each a file of its own. Beside others: `peers.py`."""
    with tempfile.TemporaryDirectory() as temporary:
        corpus, _ = write_paragraphs(data, [], Path(temporary))
        async with open_bench(embedder, chunk_tokens=254, chunk_overlap=0) as bench:
            await bench.ingest(Path(temporary), "warm")
            result = await bench.ingest(Path(temporary), "c")
    return round(len(corpus) / float(result["seconds"] - result["embedding_seconds"]), 1)


async def search_at_size(data: Path, embedder: Embedder, size: int) -> dict[str, Any]:
    """Milliseconds of a search without embedding, of the first one, and MB that the view takes."""
    questions = [row["question"] for row in read_questions(data)]
    asked = questions[:: len(questions) // QUERIES][:QUERIES]
    async with open_bench(embedder) as bench:
        await bench.ingest(data / "docs", "c")
        await embedder.embed(asked)
        await bench.database.write(lambda connection: multiply(connection, size))
        process = psutil.Process()
        before, began = process.memory_info().rss, time.perf_counter()
        await bench.knowledge.search(Scope(TENANT), "c", asked[0])
        first = time.perf_counter() - began
        seconds = [await timed(bench, embedder, question) for question in asked]
        grown = (process.memory_info().rss - before) / 1e6
        scope = Scope(TENANT)
        _, snapshot = await bench.database.read(lambda c: bench.knowledge.index.snapshot(c, scope, "c"))
        filtered = [
            await timed(bench, embedder, question, filter={"document": "Normans.md"}) for question in asked[:100]
        ]
        return {
            **percentiles(seconds),
            "filtered": percentiles(filtered),
            "first_ms": round(first * 1000, 1),
            "index_mb": round(held_bytes(snapshot) / 1e6, 1),
            "rss_grown_mb": round(grown, 1),
        }


async def timed(bench: Bench, embedder: Embedder, question: str, **options: Any) -> float:
    embedder.seconds, began = 0.0, time.perf_counter()
    await bench.knowledge.search(Scope(TENANT), "c", question, **options)
    return time.perf_counter() - began - embedder.seconds


def multiply(connection: Connection, size: int) -> None:
    """Fill the collection up to `size` passages: copies of those there are, turned a little in the space of vectors."""
    collection = find_collection(connection, TENANT, "c")
    rows = [dict(row._mapping) for row in connection.execute(select(chunks))]
    document = dict(connection.execute(select(documents)).first()._mapping)  # type: ignore[union-attr]
    document |= {"id": new_id("doc"), "name": "copies.md", "chunks": size - len(rows)}
    connection.execute(insert(documents).values(document))
    random = np.random.default_rng(0)
    batch: list[dict[str, Any]] = []
    for number in range(size - len(rows)):
        row = rows[number % len(rows)]
        vector = unpack_vectors(read_vectors([row["vector"]])) + random.normal(0, 0.03, (1, 384))
        vector /= np.linalg.norm(vector)
        packed, residual = split_fine(pack_fine(vector))
        changed = {"document_id": document["id"], "ordinal": number, "vector": packed, "vector_residual": residual}
        batch.append({name: value for name, value in row.items() if name != "id"} | changed)
        if len(batch) == BATCH or number == size - len(rows) - 1:
            connection.execute(insert(chunks), batch)
            batch = []
    touch(connection, collection.id)


async def run(data: Path, sizes: list[int]) -> dict[str, Any]:
    embedder = Embedder()
    result: dict[str, Any] = {"ingest": await real_ingest(data, embedder)}
    result["paragraphs_per_second_without_embedding"] = await paragraphs_without_embedding(data, embedder)
    result["search"] = {size: await search_at_size(data, embedder, size) for size in sizes}
    return result


def table(result: dict[str, Any]) -> str:
    ingest = result["ingest"]
    lines = [
        f"{ingest['documents']} files, {ingest['chunks']} chunks: {ingest['seconds']:.1f} s, "
        f"{ingest['chunks_per_second']} chunks/s, {ingest['share_not_embedding']:.1%} of it not embedding; "
        f"unchanged, {ingest['unchanged_seconds']:.2f} s.",
        "",
        f"Paragraphs per second without embedding: {result['paragraphs_per_second_without_embedding']:,}.",
        "",
        "| chunks | p50 ms | p99 ms | filtered p50 / p99 ms | first search ms | index MB |",
        "|---|---|---|---|---|---|",
    ]
    for size, values in result["search"].items():
        filtered = f"{values['filtered']['p50_ms']} / {values['filtered']['p99_ms']}"
        cells = [f"{size:,}", values["p50_ms"], values["p99_ms"], filtered, values["first_ms"], values["index_mb"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000])
    arguments = parser.parse_args()
    result = asyncio.run(run(arguments.data, arguments.chunks))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps(result, indent=2))
    (RESULTS / "ingest.md").write_text(table(result))
    print(table(result))
