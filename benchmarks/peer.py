"""One system, driven as its own documentation says, on the texts, questions and vectors that all of them get.

    PYTHON peer.py NAME WORK_DIR [--questions N]      PYTHON: of an environment with that system; `peers.py` runs it

WORK_DIR holds `texts.json` and `vectors.npy`, and a folder for each set: `corpus.jsonl` (`id`, `text`, `unit`: what
a hit is of), `queries.jsonl` (`text`, `gold`: the right units) and `files`, what Guru ingests. `articles.json` has
whole texts, to measure ingest with. Embedding is a look-up, which is timed and taken off. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from peer_haiku import Haiku
from peer_systems import Haystack, K, LangChain, LlamaIndex, Row, Search, Txtai

os.environ.update(HF_HUB_OFFLINE="1", HAYSTACK_TELEMETRY_ENABLED="False", ANONYMIZED_TELEMETRY="False")
os.environ["LOGFIRE_IGNORE_NO_CONFIG"] = "1"
ROUNDS = 3
"""Of ingest; the fastest counts, as neighbours only slow things down."""


class Vectors:
    """Gives the vector of every text, and counts the seconds."""

    def __init__(self, folder: Path) -> None:
        texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        self._vectors = dict(zip(map(str.strip, texts), np.load(folder / "vectors.npy"), strict=True))
        self._stand_in = np.full(384, 384**-0.5, np.float32)
        self.stands_in = False
        """Whether texts that nobody knows have a vector too, which ingest does not look at."""
        self.seconds = 0.0

    def __call__(self, texts: Iterable[str]) -> Any:
        began = time.perf_counter()
        if self.stands_in:
            found = np.stack([self._vectors.get(text.strip(), self._stand_in) for text in texts])
        else:
            found = np.stack([self._vectors[text.strip()] for text in texts])
        self.seconds += time.perf_counter() - began
        return found


PEERS: dict[str, Any] = {
    "llamaindex": LlamaIndex,
    "haystack": Haystack,
    "langchain": LangChain,
    "txtai": Txtai,
    "haiku": Haiku,
}


def read_lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ask(search: Search, queries: list[Row], units: dict[str, str], vectors: Vectors) -> dict[str, list[float]]:
    """Of every query the rank of the right unit (0: it is not there) and the seconds without embedding."""
    ranks: list[float] = []
    seconds: list[float] = []
    for query in queries:
        vectors.seconds, began = 0.0, time.perf_counter()
        found = search(query["text"])[:K]
        seconds.append(time.perf_counter() - began - vectors.seconds)
        ranks.append(rank([units[name] for name in found], query["gold"]))
    return {"ranks": ranks, "seconds": seconds}


def rank(units: list[str], gold: list[str]) -> int:
    """The place of the first right one among the different units, from 1; 0: it is not there."""
    places = (place for place, unit in enumerate(dict.fromkeys(units), start=1) if unit in gold)
    return next(places, 0)


@contextlib.contextmanager
def timed(vectors: Vectors, took: list[tuple[float, float]]) -> Iterator[None]:
    """Adds to `took` the seconds without embedding, and those of the processor, which a busy machine changes less."""
    vectors.seconds, began, used = 0.0, time.perf_counter(), time.process_time()
    yield
    took.append((time.perf_counter() - began - vectors.seconds, time.process_time() - used - vectors.seconds))


def fastest(took: list[tuple[float, float]]) -> dict[str, float]:
    seconds, processor = (min(values) for values in zip(*took, strict=True))
    return {"seconds": seconds, "cpu": processor}


def measure(name: str, work: Path, sets: list[str], questions: int | None) -> dict[str, Any]:
    vectors = Vectors(work)
    peer = PEERS[name](vectors)
    result: dict[str, Any] = {"ingest": {}, "sets": {}}
    memory = psutil.Process().memory_info
    for what in sets:
        corpus, queries = read_lines(work / what / "corpus.jsonl"), read_lines(work / what / "queries.jsonl")
        peer.ingest(corpus[:2], None)  # imports, and what is loaded on first use
        before = memory().rss
        took: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            with timed(vectors, took):
                peer.ingest(corpus, None)
        result["ingest"][what] = fastest(took)
        units = {row["id"]: row["unit"] for row in corpus}
        modes = {mode: ask(search, queries[:questions], units, vectors) for mode, search in peer.searches().items()}
        grown = (memory().rss - before) / 1e6
        result["sets"][what] = {"modes": modes, "rss_mb": memory().rss / 1e6, "grown_mb": grown}
    articles = json.loads((work / "articles.json").read_text(encoding="utf-8"))
    vectors.stands_in, took = True, []
    for _ in range(ROUNDS):
        with timed(vectors, took):
            peer.ingest(articles, 200)
    result["ingest"]["articles"] = fastest(took)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--questions", type=int, help="only the first N")
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    os.chdir(tempfile.mkdtemp())
    result = measure(arguments.name, work, arguments.sets, arguments.questions)
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
