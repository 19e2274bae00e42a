"""How well the local rerankers rank, and the fit of their scores.

    python benchmarks/rerank.py DATA_DIR [--questions N] [--embedder] [--fit]

The one of `local/guru-reader`; with `--embedder` the default, which has the embedder alone.

DATA_DIR holds `docs/*.md` and `questions.jsonl`. Each question is shown its own paragraph among nine others of the same
document. Documents are dealt into halves: what is fitted on one is measured on the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from guru.models.local import reader_reranker, reranker
from guru.models.local.embedder import MiniLMEmbedder
from guru.models.local.reader import MiniLMReader

CANDIDATES = 10


def read_cases(data: Path, count: int) -> list[tuple[str, str, list[str]]]:
    """(document, question, paragraphs); the first paragraph is the right one."""
    rows = [json.loads(line) for line in (data / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = {path.name: path.read_text(encoding="utf-8") for path in (data / "docs").glob("*.md")}
    paragraphs: dict[str, list[str]] = {}
    for name, start, end in sorted({(row["document"], *row["paragraph"]) for row in rows}):
        paragraphs.setdefault(name, []).append(texts[name][start:end])
    dice = random.Random(7)
    cases = []
    for row in dice.sample(rows, min(count, len(rows))):
        gold = texts[row["document"]][slice(*row["paragraph"])]
        others = [text for text in paragraphs[row["document"]] if text != gold]
        cases.append((row["document"], row["question"], [gold, *dice.sample(others, min(CANDIDATES - 1, len(others)))]))
    return cases


async def read_features(cases: list[Any], *, alone: bool) -> list[Any]:
    embedder, reader = MiniLMEmbedder(), MiniLMReader()
    ranker = reranker.LocalReranker(embedder) if alone else reader_reranker.ReaderReranker(reader, embedder)
    try:
        return [np.array((await ranker.features(question, texts))[0]) for _, question, texts in cases]
    finally:
        embedder.close()
        reader.close()


def fit(rows: Any, labels: Any) -> Any:
    """Logistic regression by Newton's method, with a little ridge."""
    inputs = np.hstack([np.ones((len(rows), 1)), rows])
    weights = np.zeros(inputs.shape[1])
    for _ in range(30):
        guess = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (guess - labels) + 1e-2 * weights
        curve = (inputs * (guess * (1 - guess))[:, None]).T @ inputs + 1e-2 * np.eye(len(weights))
        weights -= np.linalg.solve(curve, slope)
    return weights


def stacked(groups: list[Any]) -> tuple[Any, Any]:
    labels = np.concatenate([np.arange(len(group)) == 0 for group in groups]).astype(float)
    return np.vstack(groups), labels


def measure(groups: list[Any], weights: Any) -> dict[str, float]:
    """Share ranked first, mean reciprocal rank, and how far scores are from shares (10 bins)."""
    scores = [1 / (1 + np.exp(-(weights[0] + group @ weights[1:]))) for group in groups]
    ranks = np.array([1 + int((score[1:] >= score[0]).sum()) for score in scores])
    flat, labels = np.concatenate(scores), stacked(groups)[1]
    bins = np.minimum((flat * 10).astype(int), 9)
    error = sum(abs(flat[bins == b].mean() - labels[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist()))
    return {"first": float((ranks == 1).mean()), "mrr": float((1 / ranks).mean()), "calibration_error": float(error)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--embedder", action="store_true")
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    cases = read_cases(options.data, options.questions)
    groups = asyncio.run(read_features(cases, alone=options.embedder))
    shipped = reranker if options.embedder else reader_reranker
    names = sorted({name for name, _, _ in cases})
    halves = [
        [group for group, (name, _, _) in zip(groups, cases, strict=True) if names.index(name) % 2 == h] for h in (0, 1)
    ]
    if options.fit:
        for train, test in (halves, halves[::-1]):
            print("held out", measure(test, fit(*stacked(train))))
        print("weights on all", [round(float(weight), 2) for weight in fit(*stacked(groups))])
    for place, name in enumerate(shipped.FEATURES, start=1):
        alone = np.zeros(len(shipped.FEATURES) + 1)
        alone[place] = 1.0
        print(
            f"{name} alone", {key: value for key, value in measure(groups, alone).items() if key != "calibration_error"}
        )
    print("as shipped", measure(groups, np.array(shipped.WEIGHTS)))


if __name__ == "__main__":
    main()
