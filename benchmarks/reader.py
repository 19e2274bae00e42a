"""The reader on questions that it never learned from: rerank, spans, and what is not there.

    python benchmarks/reader.py DATA_DIR [--model DIR] [--questions 1000] [--depth 20]

DATA_DIR holds `docs/*.md` and `questions.jsonl`, with the questions that cannot be answered too. Every paragraph is a
document of its own; the first `depth` hits of Guru's hybrid search are read.

- rerank: recall and MRR of the hybrid order, of the reader's relevance, and of both together;
- span: exact match and token F1 (SQuAD's) of the reader's best span in the question's own paragraph, and in whatever
  paragraph it thinks best;
- here: of a paragraph that answers and one that only looks as if (SQuAD 2.0's unanswerable questions, on the paragraph
  that they were written for), how often the first has the higher chance (AUC), and the share of the second that is
  declined where 10 % of the first are; the same for whole searches, and for questions whose paragraph is not there.
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
from bench import RESULTS, TENANT, Bench, Embedder, measures, open_bench, squad_f1, squad_words
from retrieval import write_paragraphs

from guru.knowledge.odds import logit
from guru.models.local.reader import FOLDER, MiniLMReader
from guru.protocols import Reading
from guru.store.scope import Scope

SHARES = (0.05, 0.10, 0.20)
FUSED = (0.0, 0.25, 0.5, 0.75, 1.0)


def span_scores(found: str, answers: list[str]) -> tuple[float, float]:
    """Exact match and F1 with the nearest of the answers."""
    return float(any(squad_words(found) == squad_words(answer) for answer in answers)), squad_f1(found, answers)


def auc(higher: list[float], lower: list[float]) -> float:
    """How often one of the first is over one of the second."""
    ranks = np.argsort(np.argsort(np.array(higher + lower), kind="stable")) + 1
    return float((ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2) / (len(higher) * len(lower)))


def declined(answerable: list[float], others: list[float]) -> dict[str, float]:
    """The share of `others` under the threshold that such a share of the answerable are under."""
    found = {f"at {share:.2f}": float((np.array(others) < np.quantile(answerable, share)).mean()) for share in SHARES}
    return {"auc": auc(answerable, others), **found}


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    rows = [json.loads(line) for line in (arguments.data / "questions.jsonl").open(encoding="utf-8")]
    dice = np.random.default_rng(0)
    sample: list[list[Any]] = []
    for impossible in (False, True):
        chosen = [row for row in rows if row["impossible"] == impossible]
        places = dice.permutation(len(chosen))[: arguments.questions]
        sample.append([chosen[place] for place in sorted(places)])
    answerable, unanswerable = sample
    reader, embedder = MiniLMReader(folder=arguments.model), Embedder()
    with tempfile.TemporaryDirectory() as folder:
        corpus, queries = write_paragraphs(arguments.data, answerable + unanswerable, Path(folder))
        texts = {row["id"]: row["text"] for row in corpus}
        async with open_bench(embedder, chunk_tokens=254, chunk_overlap=0) as bench:
            await bench.ingest(Path(folder), "paragraphs")
            found = [await candidates(bench, query, arguments.depth) for query in queries]
    began, read = time.perf_counter(), []
    for query, hits in zip(queries, found, strict=True):
        names = list(dict.fromkeys([*hits, query["gold"]]))
        readings = await reader.read(query["text"], [texts[name] for name in names])
        read.append(dict(zip(names, readings, strict=True)))
    pairs = sum(map(len, read))
    milliseconds = (time.perf_counter() - began) / pairs * 1000
    size = len(answerable)
    result: dict[str, Any] = {
        "questions": size,
        "unanswerable": len(unanswerable),
        "ms_per_pair": round(milliseconds, 2),
    }
    result["rerank"] = rerank(queries[:size], found[:size], read[:size])
    result["span"] = spans(answerable, queries[:size], found[:size], read[:size], texts)
    result["here"] = here(queries, found, read, size)
    return result


async def candidates(bench: Bench, query: dict[str, Any], depth: int) -> dict[str, float]:
    """Names of paragraphs with their scores, the best first."""
    hits = await bench.knowledge.search(Scope(TENANT), "paragraphs", query["text"], k=2 * depth)
    found: dict[str, float] = {}
    for hit in hits:
        found.setdefault(hit.document, hit.score)
    return dict(list(found.items())[:depth])


def rerank(queries: list[Any], found: list[dict[str, float]], read: list[dict[str, Reading]]) -> dict[str, Any]:
    result = {}
    for weight in FUSED:
        ranks = []
        for query, hits, readings in zip(queries, found, read, strict=True):
            score = {
                name: weight * logit(readings[name].relevance) + (1 - weight) * logit(hit) for name, hit in hits.items()
            }
            order = sorted(score, key=lambda name: -score[name])
            ranks.append(order.index(query["gold"]) + 1 if query["gold"] in order[:10] else 0)
        result[f"reader {weight:.2f}"] = measures(ranks)
    return result


def spans(rows: list[Any], queries: list[Any], found: list[Any], read: list[Any], texts: dict[str, str]) -> Any:
    own: list[tuple[float, float]] = []
    best: list[tuple[float, float]] = []
    for row, query, hits, readings in zip(rows, queries, found, read, strict=True):
        answers = [answer["text"] for answer in row["answers"]]
        name = max(hits, key=lambda each: readings[each].relevance + readings[each].here)
        for kept, where in ((own, query["gold"]), (best, name)):
            span = readings[where].spans[0]
            kept.append(span_scores(texts[where][span.start : span.end], answers))
    names = ("exact", "f1")
    return {
        what: dict(zip(names, np.mean(kept, axis=0).round(4).tolist(), strict=True))
        for what, kept in (("own paragraph", own), ("best paragraph", best))
    }


def here(queries: list[Any], found: list[Any], read: list[Any], size: int) -> dict[str, Any]:
    own = [readings[query["gold"]].here for query, readings in zip(queries, read, strict=True)]
    best = [max(readings[name].here for name in hits) for hits, readings in zip(found, read, strict=True)]
    elsewhere = [
        max(reading.here for name, reading in readings.items() if name != query["gold"])
        for query, readings in list(zip(queries, read, strict=True))[:size]
    ]
    return {
        "own paragraph": declined(own[:size], own[size:]),
        "search": declined(best[:size], best[size:]),
        "not there": declined(best[:size], elsewhere),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=FOLDER)
    parser.add_argument("--questions", type=int, default=1000, help="of each sort")
    parser.add_argument("--depth", type=int, default=20)
    arguments = parser.parse_args()
    result = asyncio.run(run(arguments))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "reader.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
