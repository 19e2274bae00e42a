"""Fits the weights of `guru/knowledge/fusion.py` to questions with known answers, and says how well they carry over.

    python benchmarks/fit_fusion.py DATA_DIR

DATA_DIR holds `docs/` and `questions.jsonl`. A passage is relevant when it holds an answer. Ranking: the weights
that make the relevant passages of a question most probable among its candidates (softmax). Then one factor and a bias
turn the result into the probability that a hit among the first ten is relevant. The figures printed first are
of weights fitted on half of the documents and measured on the questions about the other half.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import numpy as np
from bench import TENANT, Bench, Embedder, holds_answer, measures, open_bench, read_questions
from sqlalchemy import Connection, select

from guru.knowledge import fusion
from guru.knowledge.fusion import Weights
from guru.knowledge.ranking import rank
from guru.store.scope import Scope
from guru.store.tables import chunks, documents
from guru.types import SearchMode

FEATURES: dict[SearchMode, list[str]] = {
    "hybrid": ["dense", "sentence", "coverage", "sparse"],
    "dense": ["dense", "sentence"],
    "sparse": ["sparse"],
}
ROUNDS = 2


async def candidates(bench: Bench, questions: list[dict[str, Any]], mode: SearchMode) -> list[tuple[Any, Any]]:
    """For every question the features of its hits, shape (hits, features), and which of them are relevant."""
    vectors = await bench.knowledge.embedder.embed([question["question"] for question in questions])
    columns = (chunks.c.id, documents.c.name, chunks.c.start, chunks.c.end)

    def look(connection: Connection) -> list[tuple[Any, Any]]:
        _, snapshot = bench.knowledge.index.snapshot(connection, Scope(TENANT), "fit")
        rows = connection.execute(select(*columns).join_from(chunks, documents)).all()
        places = {number: place for number, *place in rows}
        found = []
        for question, vector in zip(questions, vectors, strict=True):
            hits, _ = rank(snapshot, question["question"], vector, mode=mode, k=100)
            features = np.stack([getattr(hits, name) for name in FEATURES[mode]], axis=1)
            right = [holds_answer(question, *places[number]) for number in hits.ids.tolist()]
            found.append((features, np.array(right, bool)))
        return found

    return await bench.database.read(look)


def fit_ranking(found: list[tuple[Any, Any]], steps: int = 400) -> Any:
    """Weights that make relevant passages most probable among their question's candidates; gradient ascent (Adam)."""
    lists = [(rows, right) for rows, right in found if right.any()]
    rows = np.concatenate([rows for rows, _ in lists])
    right = np.concatenate([right for _, right in lists])
    starts = np.cumsum([0, *(len(rows) for rows, _ in lists[:-1])])
    sizes = np.array([len(rows) for rows, _ in lists])
    weights, first, second = np.full(rows.shape[1], 5.0), np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for step in range(1, steps + 1):
        logits = rows @ weights
        power = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts), sizes))
        share = power / np.repeat(np.add.reduceat(power, starts), sizes)
        of_right = power * right / np.repeat(np.add.reduceat(power * right, starts), sizes)
        gradient = ((of_right - share) @ rows) / len(lists)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        rate = 0.3 * (1 - step / (steps + 1))
        weights = weights + rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-9)
    return weights


def fit_probability(found: list[tuple[Any, Any]], weights: Any) -> tuple[float, float]:
    """Factor and bias of the probability that a hit among the first ten is relevant (Platt); Newton's method."""
    tops = [np.argsort(-(rows @ weights))[:10] for rows, _ in found]
    logits = np.concatenate([(rows @ weights)[top] for (rows, _), top in zip(found, tops, strict=True)])
    right = np.concatenate([right[top] for (_, right), top in zip(found, tops, strict=True)])
    design, solution = np.stack([logits - logits.mean(), np.ones(len(logits))], axis=1), np.array([0.5, -1.0])
    for _ in range(30):
        probability = 1 / (1 + np.exp(-design @ solution))
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design
        solution = solution + np.linalg.solve(curvature, design.T @ (right - probability))
    return float(solution[0]), float(solution[1] - solution[0] * logits.mean())


def ranks(found: list[tuple[Any, Any]], weights: Any) -> list[int]:
    return [
        int(np.flatnonzero(right[np.argsort(-(rows @ weights), kind="stable")])[0]) + 1 if right.any() else 0
        for rows, right in found
    ]


async def run(data: Path) -> None:
    questions = read_questions(data)
    names = sorted({question["document"] for question in questions})
    half = np.array([names.index(question["document"]) % 2 for question in questions])
    async with open_bench(Embedder()) as bench:
        await bench.ingest(data / "docs", "fit")
        for mode, features in FEATURES.items():
            for _ in range(ROUNDS if mode == "hybrid" else 1):  # which sentence is best depends on the weights
                found = await candidates(bench, questions, mode)
                weights = fit_ranking(found)
                factor, bias = fit_probability(found, weights)
                fitted = dict(zip(features, (weights * factor).round(2).tolist(), strict=True))
                fusion.WEIGHTS[mode] = Weights(bias=round(bias, 2), **fitted)
            crossed = [0] * len(found)
            for side in (0, 1):
                other = fit_ranking([found[i] for i in np.flatnonzero(half != side)])
                mine = np.flatnonzero(half == side)
                for place, position in zip(mine, ranks([found[i] for i in mine], other), strict=True):
                    crossed[place] = position
            print(f'"{mode}": {fusion.WEIGHTS[mode]},')
            print("  fitted on the other half:", {name: round(value, 4) for name, value in measures(crossed).items()})
            print(
                "  fitted on all:           ",
                {name: round(v, 4) for name, v in measures(ranks(found, weights)).items()},
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    asyncio.run(run(parser.parse_args().data))
