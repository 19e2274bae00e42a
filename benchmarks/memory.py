"""Memory: what a new statement does to an old one, and a search of one person's ten thousand.

    python benchmarks/memory.py [--verbose] [--count 10000]

Pairs are those of tests/fixtures/memory_pairs.toml. The search is by the real rows of a new SQLite database.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from guru.agents.memory import rows
from guru.agents.memory.memories import Memories
from guru.agents.memory.relations import relate
from guru.agents.memory.statements import read_statement
from guru.config import MemorySettings
from guru.models.local.embedder import MiniLMEmbedder
from guru.store import tables
from guru.store.database import Database
from guru.store.scope import Scope

PAIRS = Path(__file__).parents[1] / "tests" / "fixtures" / "memory_pairs.toml"
KINDS = ("contradicts", "adds", "repeats")
ANN = Scope("local", ("user:ann",))
QUESTIONS = [
    ("Which city do I live in?", "I live in Hamburg."), ("What is my dog called?", "My dog is called Rex."),
    ("When is the Apollo project due?", "The deadline of Project Apollo is Friday."),
    ("What can I not eat?", "I'm allergic to peanuts."), ("Who is my boss?", "My manager is Priya."),
    ("Where am I employed?", "I work at Siemens."), ("What is my partner's name?", "My wife's name is Clara."),
    ("Which database do we run?", "Our database is PostgreSQL."), ("Do I have kids?", "I have two children."),
    ("Which colour do I like best?", "My favourite colour is blue."),
    ("When were we born?", "My birthday is on 4 March."), ("Which instrument do I play?", "I play the violin."),
]  # fmt: skip


async def pairs(embedder: MiniLMEmbedder, verbose: bool) -> None:
    for split, found in tomllib.loads(PAIRS.read_text()).items():
        counts: Counter[tuple[str, str]] = Counter()
        for pair in found:
            old, new = await embedder.embed([pair["old"], pair["new"]])
            said = relate(read_statement(pair["new"]), read_statement(pair["old"]), float(old @ new))
            counts[pair["relation"], said] += 1
            if verbose and said != pair["relation"]:
                print(f"  {pair['relation']} taken for {said}: {pair['old']} | {pair['new']}")
        print(f"{split}: {sum(counts[kind, kind] for kind in KINDS)} of {len(found)}")
        for kind in KINDS:
            right, of = counts[kind, kind], sum(counts[kind, other] for other in KINDS)
            taken = sum(counts[other, kind] for other in KINDS)
            print(f"  {kind:12} found {right} of {of}, said {taken} times, right {right}")


async def search(embedder: MiniLMEmbedder, count: int) -> None:
    """The statements that are asked for among `count` others, with vectors of real sentences."""
    subjects = ["printer", "garden", "invoice", "kitchen", "bicycle", "server", "museum", "parcel", "lesson", "bridge"]
    verbs = ["is painted", "was repaired in", "costs about", "stands beside", "belongs to", "was sold in", "needs"]
    texts = [f"The {subjects[n % 10]} number {n} {verbs[n % 7]} lot {n * 37 % 1009}." for n in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        database = Database.in_home(Path(folder))
        await database.open()
        memories = Memories(database, embedder, MemorySettings(max_memories=100_000))
        vectors = np.concatenate([await embedder.embed(texts[at : at + 256]) for at in range(0, count, 256)])
        shared = {
            "tenant": "local", "owner": "user:ann", "kind": "fact", "importance": 0.6, "made_by": "person",
            "source": {}, "repeats": 0, "embedding_model": embedder.name, "created_at": 1.8e9, "updated_at": 1.8e9,
            "used_at": time.time(),
        }  # fmt: skip
        made = [shared | {"id": f"mem_{at}", "text": text, "vector": rows.pack(vector)}
                for at, (text, vector) in enumerate(zip(texts, vectors, strict=True))]  # fmt: skip
        await database.write(lambda c: c.execute(insert(tables.memories), made))
        adding = []
        for _, text in QUESTIONS:
            begun = time.perf_counter()
            await memories.remember(ANN, text, kind="user")
            adding.append(time.perf_counter() - begun)
        took, first, shown = [], 0, 0
        for question, text in QUESTIONS * 3:
            begun = time.perf_counter()
            found = [item.memory.text for item in await memories.recall(ANN, question, touch=False)]
            took.append(time.perf_counter() - begun)
            first, shown = first + (found[:1] == [text]), shown + (text in found)
        total = len(QUESTIONS) * 3
        print(f"recall among {count:,}: first {first // 3} of {total // 3}, among 6 {shown // 3} of {total // 3}")
        print(f"  median {statistics.median(took) * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms")
        print(f"remember among {count:,}: median {statistics.median(adding) * 1000:.0f} ms")
        await database.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--count", type=int, default=10_000)
    arguments = parser.parse_args()
    embedder = MiniLMEmbedder()
    await pairs(embedder, arguments.verbose)
    await search(embedder, arguments.count)
    embedder.close()


if __name__ == "__main__":
    asyncio.run(main())
