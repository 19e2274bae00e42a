"""Sources that disagree: how many conflicts are found, and how often one is claimed that is none.

    python benchmarks/contradictions.py [--data DIR] [--questions 600] [--without-reader] [--pairs FILE] [--verbose]

The pairs are `tests/fixtures/contradictions.toml`: all their documents go into one collection, and every question takes
the road of `guru ask` up to the model, which has no say in this. A conflict is found when the two documents of the pair
are named in one; anything else that is named is a false alarm. Every other pair is held out: the rules were not made by
it. DIR holds `docs/*.md` and `questions.jsonl` (wiki-qa); nothing in it contradicts, so that every conflict is a false
alarm: once with the documents as they are, and once harder, with every paragraph a document of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from bench import TENANT, Bench, Embedder, open_bench
from retrieval import write_paragraphs

from guru.config import KnowledgeSettings
from guru.knowledge.answer.confidence import confidence
from guru.knowledge.answer.conflicts import Disagreement, find_conflicts
from guru.knowledge.answer.evidence import Evidence, gather
from guru.knowledge.answer.features import passages_of
from guru.knowledge.answer.reading import read_passages
from guru.models.local.reader import MiniLMReader
from guru.store.scope import Scope

PAIRS = Path(__file__).parent.parent / "tests" / "fixtures" / "contradictions.toml"
Found = tuple[Evidence, list[Disagreement]]


class Asker:
    """Asks a collection what its documents disagree in."""

    def __init__(self, bench: Bench, embedder: Embedder, reader: MiniLMReader | None) -> None:
        self._bench, self._embedder, self._reader = bench, embedder, reader
        self._settings = KnowledgeSettings()

    async def ask(self, collection: str, question: str) -> Found:
        found = await self._bench.knowledge.retrieve(Scope(TENANT), collection, question)
        passages = passages_of(found)
        if self._reader is not None:
            passages = await read_passages(self._reader, question, passages)
        evidence = gather(question, passages[: self._settings.passages])
        if confidence(evidence) < self._settings.threshold:
            return evidence, []
        return evidence, await find_conflicts(evidence, self._embedder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GURU_BENCH_DATA"), help="folder of wiki-qa")
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--pairs", type=Path, default=PAIRS)
    parser.add_argument("--without-reader", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="tell every miss and false alarm")
    asyncio.run(run(parser.parse_args()))


async def run(arguments: argparse.Namespace) -> None:
    embedder = Embedder()
    reader = None if arguments.without_reader else MiniLMReader()
    async with open_bench(embedder) as bench:
        asker = Asker(bench, embedder, reader)
        print("| | | |\n|---|---|---|")
        await measure_pairs(bench, asker, arguments)
        if arguments.data is not None:
            await measure_false_alarms(bench, asker, arguments)


async def measure_pairs(bench: Bench, asker: Asker, arguments: argparse.Namespace) -> None:
    pairs = tomllib.loads(arguments.pairs.read_text("utf-8"))["pair"]
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs:
            for side in (pair["a"], pair["b"]):
                (Path(folder) / side["name"]).write_text(document(side), "utf-8")
        await bench.ingest(Path(folder), "pairs")
    outcomes = [(place, pair, *judge(pair, await asker.ask("pairs", pair["question"])))
                for place, pair in enumerate(pairs)]  # fmt: skip
    for name, wanted in (("looked at", 0), ("held out", 1)):
        own = [outcome for outcome in outcomes if (outcome[0] // 2) % 2 == wanted]
        for contradicts in (True, False):
            of_kind = [outcome for outcome in own if bool(outcome[1].get("contradicts")) == contradicts]
            hits, alarms = sum(hit for _, _, hit, _ in of_kind), sum(alarm for *_, alarm in of_kind)
            what = "contradicting" if contradicts else "not contradicting"
            told = f"{hits} of {len(of_kind)} found" if contradicts else ""
            print(f"| {name}, {what} | {told} | false alarms: {alarms} of {len(of_kind)} |")
    if arguments.verbose:
        for _, pair, hit, alarm in outcomes:
            if alarm or (pair.get("contradicts") and not hit):
                print("FALSE ALARM" if alarm else "MISSED", pair["question"])


def document(side: dict[str, str]) -> str:
    dated = f"---\ndate: {side['date']}\n---\n" if side["date"] else ""
    return f"{dated}{side['text']}\n"


def judge(pair: dict[str, Any], found: Found) -> tuple[bool, bool]:
    """Whether the conflict was found, and whether another one was claimed."""
    evidence, conflicts = found
    named = [
        {evidence.passages[side.passage].hit.document.rpartition("/")[2] for side in conflict.sides}
        for conflict in conflicts
    ]
    right = {pair["a"]["name"], pair["b"]["name"]}
    contradicts = bool(pair.get("contradicts"))
    return contradicts and right in named, any(names != right or not contradicts for names in named)


async def measure_false_alarms(bench: Bench, asker: Asker, arguments: argparse.Namespace) -> None:
    lines = (arguments.data / "questions.jsonl").read_text("utf-8").splitlines()
    questions = random.Random(0).sample([json.loads(line) for line in lines], arguments.questions)
    await bench.ingest(arguments.data / "docs", "articles")
    with tempfile.TemporaryDirectory() as folder:
        write_paragraphs(arguments.data, [], Path(folder))
        await bench.ingest(Path(folder), "paragraphs")
    for collection in ("articles", "paragraphs"):
        alarms = 0
        for question in questions:
            _, conflicts = await asker.ask(collection, question["question"])
            alarms += bool(conflicts)
            if conflicts and arguments.verbose:
                print("FALSE ALARM", question["question"], [[side.text for side in c.sides] for c in conflicts])
        print(
            f"| wiki-qa, {collection} | | false alarms: {alarms} of {len(questions)} ({alarms / len(questions):.2%}) |"
        )


if __name__ == "__main__":
    main()
