"""Retrieval: recall@1, @5, @10 and MRR@10 on questions whose paragraph is known.

    python benchmarks/retrieval.py DATA_DIR [--questions N]

DATA_DIR holds `docs/*.md` and `questions.jsonl`. Two settings:

- "paragraphs": every paragraph is a document of its own; a hit is right when it is the question's paragraph.
- "documents": the files as they are, cut by Guru as it does by default; a hit is right when it holds an answer.

"reference" is a bare sum of reciprocal ranks (RRF, 60) of an exact scan and SQLite's FTS5. Other systems: `peers.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench import RESULTS, TENANT, Bench, Embedder, holds_answer, measures, open_bench, percentiles, read_questions

from guru.knowledge.stopwords import is_stop_word
from guru.store.scope import Scope
from guru.types import SearchMode

MODES: tuple[SearchMode, ...] = ("sparse", "dense", "hybrid")


def write_paragraphs(data: Path, questions: list[dict[str, Any]], folder: Path) -> tuple[list[Any], list[Any]]:
    """One file for each paragraph; returns corpus and queries as peers get them."""
    lines = (data / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    places = sorted({(row["document"], *row["paragraph"]) for row in map(json.loads, lines)})
    texts = {path.name: path.read_text(encoding="utf-8") for path in (data / "docs").glob("*.md")}
    names = {place: f"{number:05}.txt" for number, place in enumerate(places)}
    corpus = [{"id": name, "text": texts[file][start:end]} for (file, start, end), name in names.items()]
    for row in corpus:
        (folder / row["id"]).write_text(row["text"], encoding="utf-8")
    queries = [
        {"id": row["id"], "text": row["question"], "gold": names[row["document"], *row["paragraph"]]}
        for row in questions
    ]
    return corpus, queries


async def search_paragraphs(bench: Bench, embedder: Embedder, queries: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mode in MODES:
        ranks, seconds = [], []
        for query in queries:
            embedder.seconds, began = 0.0, time.perf_counter()
            hits = await bench.knowledge.search(Scope(TENANT), "paragraphs", query["text"], mode=mode)
            seconds.append(time.perf_counter() - began - embedder.seconds)
            names = list(dict.fromkeys(hit.document for hit in hits))
            ranks.append(names.index(query["gold"]) + 1 if query["gold"] in names else 0)
        found[mode] = {**measures(ranks), **percentiles(seconds)}
    return found


async def search_documents(bench: Bench, questions: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mode in MODES:
        ranks = []
        for question in questions:
            hits = await bench.knowledge.search(Scope(TENANT), "documents", question["question"], mode=mode)
            right = (hit.rank for hit in hits if holds_answer(question, hit.document, hit.start, hit.end))
            ranks.append(next(right, 0))
        found[mode] = measures(ranks)
    return found


async def reference(embedder: Embedder, corpus: list[Any], queries: list[Any]) -> dict[str, Any]:
    """The bar that fifty lines set: numpy, FTS5 with Porter's stemmer, reciprocal ranks of the first hundred."""
    vectors = await embedder.embed([row["text"] for row in corpus])
    asked = await embedder.embed([query["text"] for query in queries])
    database = sqlite3.connect(":memory:")
    database.execute("create virtual table texts using fts5(text, tokenize='porter unicode61')")
    database.executemany("insert into texts(rowid, text) values (?, ?)", enumerate(row["text"] for row in corpus))
    statement = "select rowid from texts where texts match ? order by rank limit 100"
    ranks = []
    for query, vector in zip(queries, asked, strict=True):
        words = re.findall(r"\w+", query["text"].lower())
        telling = [word for word in words if not is_stop_word(word, "en")] or words
        sparse = [row for (row,) in database.execute(statement, (" OR ".join(f'"{word}"' for word in telling),))]
        dense = np.argsort(-(vectors @ vector))[:100].tolist()
        score: dict[int, float] = {}
        for side in (dense, sparse):
            for place, row in enumerate(side, start=1):
                score[row] = score.get(row, 0.0) + 1 / (60 + place)
        best = [corpus[row]["id"] for row in sorted(score, key=lambda row: -score[row])[:10]]
        ranks.append(best.index(query["gold"]) + 1 if query["gold"] in best else 0)
    return {"hybrid": measures(ranks)}


async def run(data: Path, limit: int | None) -> dict[str, Any]:
    questions, embedder = read_questions(data)[:limit], Embedder()
    with tempfile.TemporaryDirectory() as temporary:
        files = Path(temporary)
        corpus, queries = write_paragraphs(data, questions, files)
        await embedder.embed([query["text"] for query in queries])
        async with open_bench(embedder, chunk_tokens=254, chunk_overlap=0) as bench:
            await bench.ingest(files, "paragraphs")
            results = {"guru": await search_paragraphs(bench, embedder, queries)}
        results["reference (RRF)"] = await reference(embedder, corpus, queries)
    async with open_bench(embedder) as bench:
        await bench.ingest(data / "docs", "documents")
        documents = await search_documents(bench, questions)
    return {"questions": len(queries), "paragraphs": len(corpus), "systems": results, "documents": documents}


def table(result: dict[str, Any]) -> str:
    names = ("recall@1", "recall@5", "recall@10", "mrr@10")
    lines = [
        f"{result['questions']:,} questions, {result['paragraphs']} paragraphs, each a document of its own.",
        "p50 and p99 are milliseconds of a search without embedding.",
        "",
        f"| | {' | '.join(names)} | p50 | p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for system, modes in result["systems"].items():
        for mode, values in modes.items():
            cells = [f"{values[name]:.3f}" for name in names] + [f"{values.get(q, '')}" for q in ("p50_ms", "p99_ms")]
            lines.append(f"| {system}, {mode} | {' | '.join(cells)} |")
    lines += ["", "Whole documents, cut as by default; a hit is right when it holds an answer:", ""]
    lines += [f"| | {' | '.join(names)} |", "|---|---|---|---|---|"]
    for mode, values in result["documents"].items():
        lines.append(f"| guru, {mode} | {' | '.join(f'{values[name]:.3f}' for name in names)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, help="only the first N")
    arguments = parser.parse_args()
    result = asyncio.run(run(arguments.data, arguments.questions))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "retrieval.json").write_text(json.dumps(result, indent=2))
    (RESULTS / "retrieval.md").write_text(table(result))
    print(table(result))
