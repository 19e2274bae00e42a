"""Guru beside LlamaIndex, Haystack, LangChain, txtai and haiku.rag in one run: recall, MRR, latency, ingest, memory.

    python benchmarks/peers.py --data DIR [--pdfs DIR] [--llamaindex PYTHON] [--haystack PYTHON] [--langchain PYTHON]
        [--txtai PYTHON] [--haiku PYTHON] [--questions N] [--read N] [--work DIR] [--only NAME,...]

PYTHON is the interpreter of an environment of its own with that system:

- LlamaIndex: `llama-index-core llama-index-retrievers-bm25 psutil` (with uv: `--link-mode copy`, as its NLTK refuses
  files with hard links)
- Haystack: `haystack-ai psutil`
- LangChain: `langchain-community langchain-classic langchain-text-splitters faiss-cpu rank_bm25 psutil`
- txtai: `txtai psutil`
- haiku.rag (Python 3.12): `haiku.rag-slim docling-core[chunking] psutil`

DIR of `--data` holds `docs/*.md` and `questions.jsonl`; that of `--pdfs` the files that `pdf_questions.json` names.
Each system runs in a process of its own, one after the other, and gets the same texts and the same vectors (of
all-MiniLM-L6-v2, int8, computed once; `--work` keeps them). Two sets of questions:

- paragraphs: every paragraph is a document of its own; a hit is right when it is the question's.
- pdfs: Guru ingests the files; the others get the passages that Guru found in them, so that nobody's way to read
  PDFs is compared. A hit is right when it stands on the page with the answer.

Others are measured in every hybrid setting that their documentation names, with 10 and with 50 hits of each side, and
the one with the highest MRR on these very questions is shown: the choice is in their favour. Guru runs with its
defaults, and once more with the reader over its first hits (`--read` so many questions, as that is a model's time).

Ingest is the fastest of three, less the time of embedding, of the paragraphs, each a document, and of the whole
articles, which every system cuts itself to about 200 tokens; on a busy machine look at the processor's seconds.
Guru reads files, keeps their bytes, parses them in another process and commits to disk, so that they are there after a
power cut; the others are handed the text, and all but haiku.rag keep it in memory. Memory is that of the process at
the end, Guru's with its parser.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bench import RESULTS, TENANT, Bench, Embedder, measures, open_bench, percentiles, read_questions
from peer import ROUNDS, Vectors, fastest, rank, read_lines
from peer_systems import K
from retrieval import write_paragraphs
from sqlalchemy import select

from guru.models.local.reader import MiniLMReader
from guru.models.local.reader_reranker import ReaderReranker
from guru.store.scope import Scope
from guru.store.tables import chunks, documents
from guru.tasks import Ranking, RerankRequest
from guru.types import SearchOptions

PEERS = ("llamaindex", "haystack", "langchain", "txtai", "haiku")
QUESTIONS = Path(__file__).with_name("pdf_questions.json")
MEASURES = ("recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10")
CHUNKS = {"paragraphs": {"chunk_tokens": 254, "chunk_overlap": 0}, "pdfs": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pdfs", type=Path)
    for name in PEERS:
        parser.add_argument(f"--{name}", type=Path, help="a Python that has it")
    parser.add_argument("--questions", type=int, help="only the first N")
    parser.add_argument("--read", type=int, default=500, help="questions for the reader; 0: without it")
    parser.add_argument("--work", type=Path, help="where texts and vectors stay; what is there is not made again")
    parser.add_argument("--only", help="names, with commas between, of those to measure: guru, llamaindex, ...")
    parser.add_argument("--inside", help=argparse.SUPPRESS)  # this is the process of Guru
    arguments = parser.parse_args()
    if arguments.inside:
        print("\n" + json.dumps(asyncio.run(measure_guru(arguments.work, arguments.inside.split(","), arguments))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        if not (work / "vectors.npy").exists():
            asyncio.run(prepare(work, arguments.data, arguments.pdfs))
        sets = [name for name in CHUNKS if (work / name).is_dir()]
        counts = {name: len(read_lines(work / name / "queries.jsonl")[: arguments.questions]) for name in sets}
        results = {name: run(command, name) for name, command in commands(arguments, work, sets).items()}
        paragraphs = len(read_lines(work / "paragraphs" / "corpus.jsonl"))
    report = table(results, counts, paragraphs)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "peers.json").write_text(json.dumps(results))
    (RESULTS / "peers.md").write_text(report)
    print(report)


def commands(arguments: argparse.Namespace, work: Path, sets: list[str]) -> dict[str, list[str]]:
    wanted = arguments.only.split(",") if arguments.only else ["guru", *PEERS]
    less = ["--questions", str(arguments.questions)] if arguments.questions else []
    found = {}
    if "guru" in wanted:
        inside = ["--inside", ",".join(sets), "--work", str(work), "--data", str(arguments.data)]
        found["guru"] = [sys.executable, __file__, *inside, "--read", str(arguments.read), *less]
    for name in PEERS:
        if name in wanted and (python := getattr(arguments, name)) is not None:
            found[name] = [str(python), str(Path(__file__).with_name("peer.py")), name, str(work), *sets, *less]
    return found


def run(command: list[str], name: str) -> dict[str, Any]:
    print(f"{name} ...", file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


# --------------------------------------------------------------------------- what everybody gets


async def prepare(work: Path, data: Path, pdfs: Path | None) -> None:
    """Write the sets and the vectors of all that any system embeds."""
    embedder = Embedder()
    files = work / "paragraphs" / "files"
    files.mkdir(parents=True, exist_ok=True)
    corpus, queries = write_paragraphs(data, read_questions(data), files)
    asked = [{"text": query["text"], "gold": [query["gold"]]} for query in queries]
    write_set(work / "paragraphs", [{**row, "unit": row["id"]} for row in corpus], asked)
    async with open_bench(embedder, **CHUNKS["paragraphs"]) as bench:
        await bench.ingest(files, "c")
    if pdfs is not None:
        async with open_bench(embedder, **CHUNKS["pdfs"]) as bench:
            corpus, queries = await pdf_set(bench, pdfs, work / "pdfs" / "files")
        write_set(work / "pdfs", corpus, queries)
    for name in CHUNKS:
        if (work / name).is_dir():
            for file in ("corpus", "queries"):
                await embedder.embed([row["text"] for row in read_lines(work / name / f"{file}.jsonl")])
    articles = [{"id": path.name, "text": path.read_text("utf-8")} for path in sorted((data / "docs").glob("*.md"))]
    (work / "articles.json").write_text(json.dumps(articles), encoding="utf-8")
    known = {text.strip(): vector for text, vector in embedder.vectors.items()}
    (work / "texts.json").write_text(json.dumps(list(known)), encoding="utf-8")
    np.save(work / "vectors.npy", np.stack(list(known.values())))


async def pdf_set(bench: Bench, pdfs: Path, files: Path) -> tuple[list[Any], list[Any]]:
    """The passages that Guru finds in the files, and the questions on them."""
    asked = json.loads(QUESTIONS.read_text("utf-8"))["questions"]
    files.mkdir(parents=True, exist_ok=True)
    for name in {question["document"] for question in asked}:
        (files / name).write_bytes((pdfs / name).read_bytes())
    await bench.ingest(files, "c")
    query = select(chunks.c.id, chunks.c.page, chunks.c.text, documents.c.name).join_from(chunks, documents)
    rows = await bench.database.read(lambda connection: connection.execute(query.order_by(chunks.c.id)).all())
    corpus = [{"id": str(row.id), "text": row.text, "unit": f"{row.name}#{row.page}"} for row in rows]
    return corpus, [
        {"text": each["question"], "gold": [f"{each['document']}#{page}" for page in each["pages"]]} for each in asked
    ]


def write_set(folder: Path, corpus: Sequence[Any], queries: Sequence[Any]) -> None:
    for name, rows in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


# --------------------------------------------------------------------------- Guru


class LookedUp(Embedder):
    """The embedder, whose vectors are known beforehand; for the reader's reranker it embeds what is new."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.look = Vectors(folder)
        self.strict = True

    async def embed(self, texts: Sequence[str]) -> Any:
        if not self.strict and not self.look.stands_in:
            return await super().embed(texts)
        before = self.look.seconds
        found = self.look(texts)
        self.seconds += self.look.seconds - before
        return found


class Reading:
    """The reader, as a search asks for it."""

    def __init__(self, reranker: ReaderReranker) -> None:
        self._reranker = reranker

    async def rerank(self, model: str, query: str, documents: list[str]) -> Ranking:
        return await self._reranker.rerank(RerankRequest(model=model, query=query, documents=documents))

    async def write(self, instruction: str, text: str, max_tokens: int) -> str:
        raise NotImplementedError("no query is rewritten here")


async def measure_guru(work: Path, sets: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    embedder = LookedUp(work)
    result: dict[str, Any] = {"ingest": {}, "sets": {}}
    for what in sets:
        queries = read_lines(work / what / "queries.jsonl")[: arguments.questions]
        async with open_bench(embedder, **CHUNKS[what]) as bench:
            result["ingest"][what] = await ingest(bench, work / what / "files")
            modes = {"hybrid": await ask(bench, embedder, what, queries)}
            memory = resident()
            if arguments.read:
                embedder.strict = False
                reading = Reading(ReaderReranker(MiniLMReader(), embedder))
                modes["hybrid, then the reader"] = await ask(bench, embedder, what, queries[: arguments.read], reading)
                embedder.strict = True
        result["sets"][what] = {"modes": modes, "rss_mb": memory}
    with tempfile.TemporaryDirectory() as temporary:
        for article in json.loads((work / "articles.json").read_text("utf-8")):
            Path(temporary, article["id"]).write_text(article["text"], encoding="utf-8")
        embedder.look.stands_in = True
        async with open_bench(embedder) as bench:
            result["ingest"]["articles"] = await ingest(bench, Path(temporary))
    return result


async def ingest(bench: Bench, files: Path) -> dict[str, float]:
    """Seconds of an ingest without embedding, into the collection `c` and others."""
    await bench.ingest(files, "warm")
    took = []
    for number in range(ROUNDS):
        used = processor()
        result = await bench.ingest(files, f"c{number}" if number else "c")
        embedding = result["embedding_seconds"]
        took.append((result["seconds"] - embedding, processor() - used - embedding))
    return fastest(took)


def processor() -> float:
    """Seconds that this process and its children have used of the processor."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def ask(
    bench: Bench, embedder: LookedUp, what: str, queries: list[Any], models: Reading | None = None
) -> dict[str, list[float]]:
    options = SearchOptions(rerank="reader", rerank_top=20) if models else SearchOptions()
    ranks: list[float] = []
    seconds: list[float] = []
    for query in queries:
        embedder.seconds, began = 0.0, time.perf_counter()
        found = await bench.knowledge.retrieve(
            Scope(TENANT), "c", query["text"], k=K, options=options, models=models, to_read=False
        )
        seconds.append(time.perf_counter() - began - (0 if models else embedder.seconds))
        units = [hit.document if what == "paragraphs" else f"{hit.document}#{hit.page}" for hit in found.hits]
        ranks.append(rank(units, query["gold"]))
    return {"ranks": ranks, "seconds": seconds}


def resident() -> float:
    """MB of this process and its children."""
    process = psutil.Process()
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1e6


# --------------------------------------------------------------------------- report


def summary(mode: dict[str, list[float]]) -> dict[str, float]:
    ranks = np.array(mode["ranks"])
    gain = np.where(ranks > 0, 1 / np.log2(np.maximum(ranks, 1) + 1), 0)
    return {**measures(mode["ranks"]), "ndcg@10": float(gain.mean()), **percentiles(mode["seconds"])}


def table(results: dict[str, Any], counts: dict[str, int], paragraphs: int) -> str:
    lines = []
    for what, count in counts.items():
        lines += [f"{what}: {count:,} questions", ""]
        lines += [f"| | {' | '.join(MEASURES)} | p50 ms | p99 ms | MB |", "|---" * (len(MEASURES) + 4) + "|"]
        for system, result in results.items():
            of_set = result["sets"][what]
            modes = {name: summary(mode) for name, mode in of_set["modes"].items()}
            if system != "guru":
                best = max(modes, key=lambda name: modes[name]["mrr@10"])
                modes = {best: modes[best]}
            for name, values in modes.items():
                few = f" ({len(of_set['modes'][name]['ranks'])} questions)" if "reader" in name else ""
                cells = [f"{values[measure]:.3f}" for measure in MEASURES]
                cells += [f"{values['p50_ms']:.1f}", f"{values['p99_ms']:.1f}", f"{of_set['rss_mb']:.0f}"]
                lines.append(f"| {system}, {name}{few} | {' | '.join(cells)} |")
        lines.append("")
    texts = {"paragraphs": "paragraphs/s, each a document", "articles": "paragraphs/s, in whole articles"}
    head = [f"{text}{unit}" for unit in ("", ", per second of CPU") for text in texts.values()]
    lines += [f"| ingest without embedding | {' | '.join(head)} |", "|---|---|---|---|---|"]
    for system, result in results.items():
        spent = [result["ingest"][what][unit] for unit in ("seconds", "cpu") for what in texts]
        lines.append(f"| {system} | {' | '.join(f'{paragraphs / value:,.0f}' for value in spent)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
