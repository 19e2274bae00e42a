"""The semantic cache beside GPTCache: how often a question that means the same hits, and how often another one does.

    python benchmarks/semantic_cache.py [DATA_DIR] [--peer PYTHON]

Every question of `semantic_pairs.toml` is stored once, with those of the other topics, and all the others are asked:
paraphrases should hit the answer of their topic, near misses should hit nothing. DATA_DIR holds `questions.jsonl`
(SQuAD 2.0): its questions are asked in their order and stored when they miss; a hit is right when the stored question
has the same answer in the same paragraph. PYTHON is an interpreter with `gptcache==0.1.44 faiss-cpu`, which gets the
same vectors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from guru.gateway.cache.guards import may_be_shared, same_question
from guru.gateway.cache.semantic import SemanticIndex
from guru.models.local.embedder import MiniLMEmbedder

HERE = Path(__file__).parent
THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
Ask = tuple[str, str]
"""What to do (`put` or `get`) and the question."""
PEER = """
import json, sys, logging
import numpy as np
from gptcache import Cache, Config
from gptcache.manager import CacheBase, VectorBase, get_data_manager
from gptcache.similarity_evaluation.distance import SearchDistanceEvaluation
from gptcache.adapter.api import put, get
task = json.load(open(sys.argv[1]))
vectors = dict(zip(task["questions"], np.load(sys.argv[2])))
out = []
for number, (threshold, asks) in enumerate(task["runs"]):
    folder = sys.argv[3] + f"/{number}"
    cache = Cache()
    manager = get_data_manager(CacheBase("sqlite", sql_url=f"sqlite:///{folder}.db"),
                               VectorBase("faiss", dimension=384, index_path=f"{folder}.index"),
                               max_size=1_000_000)
    cache.init(embedding_func=lambda text, **_: vectors[text], data_manager=manager,
               similarity_evaluation=SearchDistanceEvaluation(), config=Config(similarity_threshold=threshold),
               pre_embedding_func=lambda data, **_: data["prompt"])
    found = []
    for what, question in asks:
        hit = get(question, cache_obj=cache) if what != "put" else None
        if what == "put" or (what == "both" and hit is None):
            put(question, question, cache_obj=cache)
        found.append(hit)
    out.append(found)
json.dump(out, open(sys.argv[4], "w"))
"""


def read_topics() -> list[dict[str, list[str]]]:
    topics: list[dict[str, list[str]]] = tomllib.loads((HERE / "semantic_pairs.toml").read_text("utf-8"))["topic"]
    return topics


def rotations(topics: list[dict[str, list[str]]]) -> list[list[Ask]]:
    """One run for each of the questions that a topic can be stored with."""
    runs = []
    for turn in range(max(len(topic["same"]) for topic in topics)):
        stored = [topic["same"][turn % len(topic["same"])] for topic in topics if turn < len(topic["same"])]
        asked = [
            question
            for topic in topics
            if turn < len(topic["same"])
            for question in topic["same"] + topic["other"]
            if question not in stored
        ]
        runs.append([("put", question) for question in stored] + [("get", question) for question in asked])
    return runs


class Guru:
    """What `guru.gateway.cache` does with a question, without the model around it."""

    def __init__(self, vectors: dict[str, Any], threshold: float, *, guarded: bool) -> None:
        self.vectors, self.threshold, self.guarded = vectors, threshold, guarded
        self.index = SemanticIndex()
        self.questions: dict[bytes, str] = {}
        self.exact: set[str] = set()

    def get(self, question: str) -> str | None:
        if question in self.exact:
            return question
        if self.guarded and not may_be_shared(question):
            return None
        for _, _, other in self.index.near(b"", self.vectors[question], self.threshold):
            if not self.guarded or same_question(question, other):
                return other
        return None

    def put(self, question: str) -> None:
        self.exact.add(question)
        if not self.guarded or may_be_shared(question):
            self.index.add(b"", question.encode(), question, self.vectors[question])

    def run(self, asks: list[Ask]) -> list[str | None]:
        found = []
        for what, question in asks:
            hit = self.get(question) if what != "put" else None
            if what == "put" or (what == "both" and hit is None):
                self.put(question)
            found.append(hit)
        return found


def peer(python: str, vectors: dict[str, Any], runs: list[tuple[float, list[Ask]]]) -> list[list[str | None]]:
    with tempfile.TemporaryDirectory() as folder:
        task, array, script, out = (Path(folder) / name for name in ("task.json", "v.npy", "peer.py", "out.json"))
        task.write_text(json.dumps({"questions": list(vectors), "runs": runs}))
        np.save(array, np.stack(list(vectors.values())))
        script.write_text(PEER)
        subprocess.run([python, str(script), str(task), str(array), folder, str(out)], check=True)
        found: list[list[str | None]] = json.loads(out.read_text())
        return found


def judge_pairs(topics: list[dict[str, list[str]]], runs: list[list[Ask]], found: list[list[str | None]]) -> str:
    """Hit rate and false-hit rate, as a row of a table."""
    topic_of = {question: number for number, topic in enumerate(topics) for question in topic["same"]}
    hits = wrong = false = same = other = 0
    for run, answers in zip(runs, found, strict=True):
        for (what, question), answer in zip(run, answers, strict=True):
            if what == "put":
                continue
            if question in topic_of:
                same += 1
                hits += answer is not None and topic_of[answer] == topic_of[question]
                wrong += answer is not None and topic_of[answer] != topic_of[question]
            else:
                other += 1
                false += answer is not None
    return f"{hits / same:.1%} | {(false + wrong) / (other + same):.1%} | {false / other:.1%} ({false} of {other})"


def judge_squad(rows: list[dict[str, Any]], asks: list[Ask], found: list[str | None]) -> str:
    by_question = {row["question"]: row for row in rows}
    right = wrong = 0
    for (_, question), answer in zip(asks, found, strict=True):
        if answer is not None and answer != question:
            one, two = by_question[question], by_question[answer]
            texts = [{item["text"].casefold() for item in row["answers"]} for row in (one, two)]
            same = one["paragraph"] == two["paragraph"] and not (one["impossible"] or two["impossible"])
            right += same and bool(texts[0] & texts[1])
            wrong += not (same and texts[0] & texts[1])
    return f"{right} | {wrong} ({wrong / len(asks):.2%} of {len(asks):,})"


async def embed(questions: list[str]) -> dict[str, Any]:
    embedder = MiniLMEmbedder()
    vectors = await embedder.embed(questions)
    embedder.close()
    return dict(zip(questions, vectors, strict=True))


def measure(call: Callable[[], Any], times: int = 2000) -> float:
    """Microseconds."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--peer")
    options = parser.parse_args()
    topics = read_topics()
    runs = rotations(topics)
    rows: list[dict[str, Any]] = []
    if options.data:
        lines = (options.data / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        rows = list({row["question"]: row for row in map(json.loads, lines)}.values())
    squad: list[Ask] = [("both", row["question"]) for row in rows]
    questions = dict.fromkeys([q for run in runs for _, q in run] + [q for _, q in squad])
    vectors = await embed(list(questions))
    print(
        "| system | threshold | paraphrases that hit | false hits of all | near misses that hit | SQuAD right | wrong |"
    )
    print("|---|---|---|---|---|---|---|")
    for guarded in (True, False):
        for threshold in THRESHOLDS:
            found = [Guru(vectors, threshold, guarded=guarded).run(run) for run in runs]
            natural = judge_squad(rows, squad, Guru(vectors, threshold, guarded=guarded).run(squad)) if rows else " | "
            name = "Guru" if guarded else "vectors alone"
            print(f"| {name} | {threshold} | {judge_pairs(topics, runs, found)} | {natural} |", flush=True)
    if options.peer:
        # Its score of a squared distance d is 4 - d, of 4; for unit vectors d = 2 - 2 cos.
        for threshold in (0.8, 0.9, 0.95):
            found = peer(options.peer, vectors, [(threshold, run) for run in [*runs, squad]])
            natural = judge_squad(rows, squad, found.pop()) if rows else " | "
            cosine = 1 - 2 * (1 - threshold)
            name = f"GPTCache 0.1.44{' (its default)' if threshold == 0.8 else ''}"
            print(
                f"| {name} | {threshold} (cos {cosine:.2f}) | {judge_pairs(topics, runs, found)} | {natural} |",
                flush=True,
            )
    one, two = topics[0]["same"][:2]
    print(f"\nguards: {measure(lambda: (may_be_shared(one), same_question(one, two))):.1f} us for a pair")


if __name__ == "__main__":
    asyncio.run(main())
