"""Fit the classifier of simple and hard prompts, and say how often it is right.

    python scripts/fit_difficulty.py

The examples are in tests/gateway/routing/data/difficulty.txt: a label, a tab, a prompt. Every fourth of each label is
held out: the accuracy printed last is on those. The coefficients go to src/guru/gateway/routing/difficulty.json.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from guru.gateway.routing.classify import FEATURES, features
from guru.types import ChatRequest, Message

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "tests" / "gateway" / "routing" / "data" / "difficulty.txt"
RESULT = ROOT / "src" / "guru" / "gateway" / "routing" / "difficulty.json"
# Left out: the examples are single questions without tools, so that nothing can be learned about these.
SET_BY_HAND = {"tools": 0.5, "turns": 0.0}
RIDGE = 0.5


def main() -> None:
    rows = [line.split("\t", 1) for line in EXAMPLES.read_text("utf-8").splitlines()]
    hard = np.array([label == "hard" for label, _ in rows], float)
    values = np.array([features(ChatRequest(model="", messages=[Message("user", text)])) for _, text in rows])
    learned = [FEATURES.index(name) for name in FEATURES if name not in SET_BY_HAND]
    place = np.array([sum(label == rows[n][0] for label, _ in rows[:n]) for n in range(len(rows))])
    held_out = place % 4 == 3
    matrix = np.hstack([np.ones((len(rows), 1)), values[:, learned]])
    weights = fit(matrix[~held_out], hard[~held_out])
    for name, part in (("fitted on", ~held_out), ("held out", held_out)):
        right = ((matrix[part] @ weights > 0) == (hard[part] > 0)).mean()
        print(f"{name}: {int(part.sum())} prompts, {right:.1%} right")
    found = {"intercept": weights[0]} | {FEATURES[n]: weight for n, weight in zip(learned, weights[1:], strict=True)}
    found |= SET_BY_HAND
    ordered = {name: round(float(found[name]), 4) for name in ("intercept", *FEATURES)}
    RESULT.write_text(json.dumps(ordered, indent=2) + "\n", "utf-8")


def fit(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logistic regression with a ridge on all but the intercept, by Newton's method."""
    weights = np.zeros(matrix.shape[1])
    ridge = np.full(matrix.shape[1], RIDGE)
    ridge[0] = 0.0
    for _ in range(50):
        probability = 1 / (1 + np.exp(-matrix @ weights))
        gradient = matrix.T @ (labels - probability) - ridge * weights
        hessian = (matrix.T * (probability * (1 - probability))) @ matrix + np.diag(ridge)
        weights = weights + np.linalg.solve(hessian, gradient)
    return weights


if __name__ == "__main__":
    main()
