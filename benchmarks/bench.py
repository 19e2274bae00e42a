"""What the retrieval benchmarks share: the data, a knowledge base in a new home, the measures."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import string
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guru.config import KnowledgeSettings
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.parse.sandbox import ParsePool
from guru.models.local.embedder import MiniLMEmbedder
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs

RESULTS = Path(__file__).with_name("results")
TENANT = "local"


class Embedder(MiniLMEmbedder):
    """The real one, which remembers what it has embedded and counts the seconds that it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.vectors: dict[str, Any] = {}

    async def embed(self, texts: Sequence[str]) -> Any:
        began = time.perf_counter()
        new = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        if new:
            self.vectors |= zip(new, await super().embed(new), strict=True)
        found = np.stack([self.vectors[text] for text in texts])
        self.seconds += time.perf_counter() - began
        return found


class Bench:
    def __init__(self, knowledge: KnowledgeBase, jobs: Jobs, database: Database) -> None:
        self.knowledge, self.jobs, self.database = knowledge, jobs, database

    async def ingest(self, folder: Path, collection: str) -> dict[str, Any]:
        job = await self.knowledge.ingest.submit_paths(TENANT, collection, [str(folder.absolute())])
        while not job.ended:
            await asyncio.sleep(0.05)
            job = await self.jobs.get(TENANT, job.id)
        assert job.result is not None, job.error
        assert not job.result["failed"], job.result["failed"]
        return job.result


@contextlib.asynccontextmanager
async def open_bench(embedder: MiniLMEmbedder, **settings: Any) -> AsyncIterator[Bench]:
    """A knowledge base in a temporary home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database, parser = Database.in_home(home), ParsePool()
        await database.open()
        jobs = Jobs(database)
        chosen = KnowledgeSettings(**settings)
        knowledge = KnowledgeBase(database, BlobStore(home), embedder, parser, chosen, jobs=jobs)
        await jobs.start()
        try:
            yield Bench(knowledge, jobs, database)
        finally:
            await jobs.close()
            await parser.aclose()
            await database.close()


def squad_words(text: str) -> list[str]:
    """Words as the SQuAD evaluation compares them: lower case, without articles and punctuation."""
    text = "".join(character for character in text.lower() if character not in string.punctuation + "“”‘’–—")
    return [word for word in text.split() if word not in ("a", "an", "the")]


def squad_f1(text: str, golds: Sequence[str]) -> float:
    """Token F1 with the nearest of the right answers."""
    said = squad_words(text)
    scores = [0.0]
    for gold in map(squad_words, golds):
        common = sum((collections.Counter(said) & collections.Counter(gold)).values())
        if common:
            precision, recall = common / len(said), common / len(gold)
            scores.append(2 * precision * recall / (precision + recall))
    return max(scores)


def read_questions(data: Path) -> list[dict[str, Any]]:
    """The answerable questions."""
    lines = (data / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [question for question in map(json.loads, lines) if not question["impossible"]]


def holds_answer(question: dict[str, Any], document: str, start: int, end: int) -> bool:
    """Whether a passage holds one of the answers, at its place."""
    inside = (start <= answer["start"] and answer["end"] <= end for answer in question["answers"])
    return document == question["document"] and any(inside)


def measures(ranks: Sequence[float]) -> dict[str, float]:
    """Recall and mean reciprocal rank of the first right hit; rank 0 is none."""
    found = np.array(ranks)
    recall = {f"recall@{k}": float(((found > 0) & (found <= k)).mean()) for k in (1, 5, 10)}
    inside = (found > 0) & (found <= 10)
    return {**recall, "mrr@10": float(np.where(inside, 1 / np.maximum(found, 1), 0).mean())}


def held_bytes(snapshot: Any) -> int:
    """What the arrays of an embedded snapshot take."""
    held = 0
    for segment in (part.segment for part in snapshot.held.parts):
        arrays = [segment.ids, segment.starts, segment.vectors.packed, segment.vectors.scales, segment.vectors.squares]
        held += sum(array.nbytes for array in arrays)
        held += sum(getattr(segment.postings, name).nbytes for name in segment.postings.__struct_fields__)
    return held


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{q}_ms": round(float(np.percentile(seconds, q)) * 1000, 2) for q in (50, 99)}
